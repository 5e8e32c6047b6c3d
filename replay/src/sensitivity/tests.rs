//! Flips and changes against formulas and a look at every value
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

fn assumption(name: &str, low: i64, usual: i64, high: i64) -> Assumption {
    Assumption { name: name.to_owned(), low, usual, high }
}

fn cheapest(costs: &[(&str, i64)]) -> Option<Cheapest> {
    let least = costs.iter().min_by_key(|(_, cost)| *cost);
    least.map(|(name, cost)| Cheapest { name: (*name).to_owned(), cost: (*cost).into() })
}

/// A function at so much a request, or ⌈requests / capacity⌉ machines at 1,000 each.
fn functions_or_machines(values: &[i64]) -> Result<Option<Cheapest>, Infallible> {
    let &[requests, price, capacity] = values else { panic!("three assumptions") };
    let machines = 1000 * (requests + capacity - 1) / capacity;
    Ok(cheapest(&[("functions", requests * price), ("machines", machines - machines % 1000)]))
}

#[test]
fn an_assumption_flips_the_verdict_at_a_value() {
    let assumptions =
        [assumption("requests", 100, 400, 2000), assumption("price", 1, 2, 3), assumption("capacity", 150, 1000, 4000)];
    let mut asked = 0;
    let found = sensitivity(&assumptions, |values| {
        asked += 1;
        functions_or_machines(values)
    });
    let found = found.unwrap();
    assert_eq!(found.verdict, cheapest(&[("functions", 800)]));
    let rows: Vec<_> = found
        .rows
        .iter()
        .map(|row| {
            let change = |end: &End| end.change.as_ref().and_then(Exact::to_i128).unwrap();
            (&row.name[..], change(&row.low), row.low.flips_at, change(&row.high), row.high.flips_at)
        })
        .collect();
    let expected = [
        // 100 requests: 200; 2,000: two machines. At 500 both cost 1,000, so machines win from 501.
        ("requests", -600, None, 1200, Some(501)),
        // At 3 functions cost 1,200 and a machine 1,000.
        ("price", -400, None, 200, Some(3)),
        ("capacity", 0, None, 0, None),
    ];
    assert_eq!(rows, expected);
    assert!(found.rows[0].flips() && !found.rows[2].flips());
    assert_eq!(found.rows[0].high.verdict, cheapest(&[("machines", 2000)]));
    // The usual values, two ends each, and a bisection of 1,600 values.
    assert!(asked <= 7 + 11, "{asked}");
}

#[test]
fn where_nothing_is_feasible_there_is_no_change_and_the_row_comes_first() {
    let found = sensitivity(&[assumption("calm", 0, 5, 9), assumption("limit", 0, 50, 60)], |values| {
        Ok::<_, Infallible>((values[1] >= 20).then(|| Cheapest { name: "one".to_owned(), cost: values[0].into() }))
    });
    let found = found.unwrap();
    let limit = &found.rows[0];
    assert_eq!((&limit.name[..], limit.low.flips_at, &limit.low.change), ("limit", Some(19), &None));
    assert_eq!(limit.high.change, Some(Exact::zero()));
    assert_eq!(found.rows[1].low.change, Some(Exact::from(-5)));
    let never = sensitivity(&[assumption("any", 0, 1, 2)], |_| Ok::<_, Infallible>(None)).unwrap();
    assert_eq!((never.verdict, never.rows[0].flips()), (None, false));
}

#[test]
fn an_assumption_without_range_asks_nothing_and_an_error_ends_it() {
    let mut asked = 0;
    let found = sensitivity(&[assumption("fixed", 7, 7, 7)], |_| {
        asked += 1;
        Ok::<_, Infallible>(cheapest(&[("one", 3)]))
    });
    assert_eq!((found.unwrap().rows[0].flips(), asked), (false, 1));
    assert_eq!(sensitivity(&[], |_| Err("no price")), Err("no price"));
}

proptest! {
    #[test]
    fn a_flip_is_where_lines_cross(
        (low, usual, high) in (-300_i64..0, 0_i64..1, 1_i64..300),
        lines in prop::collection::vec((-5_i64..5, -200_i64..200), 2..4),
    ) {
        let names = ["a", "b", "c"];
        let at = |value: i64| {
            let costs: Vec<_> = lines.iter().zip(names).map(|((rise, start), name)| (name, start + rise * value)).collect();
            cheapest(&costs)
        };
        let found = sensitivity(&[assumption("x", low, usual, high)], |values| Ok::<_, Infallible>(at(values[0]))).unwrap();
        let name = |value| at(value).map(|verdict| verdict.name);
        // Of the least of lines each is the least in one stretch, so the first value with another verdict is the flip.
        let first = |mut values: Box<dyn Iterator<Item = i64>>| values.find(|value| name(*value) != name(usual));
        prop_assert_eq!(found.rows[0].high.flips_at, first(Box::new(usual..=high)));
        prop_assert_eq!(found.rows[0].low.flips_at, first(Box::new((low..=usual).rev())));
    }
}
