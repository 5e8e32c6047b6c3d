//! Lines of random ratings: they sum to the latest rating, each is priced right, and none loses a digit in storage
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use paygrain_ingest::table::Table;
use paygrain_pricing::{AllowanceShare, Charge, CommitmentShare, DiscountShare, Exact, Scope};

use super::document::{line_from_json, line_json};
use super::line::{BillLine, CORRECTION, difference, net};

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// A number, often one without a finite decimal.
    fn exact(&mut self) -> Exact {
        Exact::ratio(self.below(1000).into(), [1, 3, 7, 730, 1024][self.below(5) as usize]).unwrap()
    }
}

/// A charge of some quantity at some price.
fn charge(id: &str, quantity: Exact, free: Exact, unit_price: Exact, record_count: u64) -> Charge {
    let (list_cost, billed_cost) = (&quantity * &unit_price, (&quantity - &free) * &unit_price);
    Charge {
        id: id.into(),
        period: "2026-10".parse().unwrap(),
        provider: "aws".into(),
        service: "lambda".into(),
        sku: "aws.lambda.requests".into(),
        description: "Requests".into(),
        scope: Scope { account: Some("1".into()), region: Some("us-east-1".into()), ..Scope::default() },
        charge_category: "Usage",
        charge_frequency: "Usage-Based",
        consumed_quantity: quantity.clone(),
        consumed_unit: "request".into(),
        free_quantity: free.clone(),
        pricing_quantity: &quantity - &free,
        pricing_unit: "request".into(),
        tier: 1,
        tier_from: Exact::zero(),
        tier_to: Exact::ratio(10, 3),
        unit_price: unit_price.clone(),
        published_price: "0.20".into(),
        published_per: "1_000_000 request".into(),
        contracted_unit_price: unit_price,
        list_cost: list_cost.clone(),
        contracted_cost: list_cost,
        effective_cost: billed_cost.clone(),
        billed_cost,
        adjustment: Exact::zero(),
        currency: "USD".into(),
        pricing_currency: "USD".into(),
        exchange_rate: Exact::one(),
        discounts: Vec::new(),
        commitment: None,
        allowances: match free.is_zero() {
            true => Vec::new(),
            false => vec![AllowanceShare { id: "free".into(), quantity: free, credit: Exact::zero() }],
        },
        record_count,
        meter: "1".into(),
        filter: String::new(),
        price_book: "aws/lambda".into(),
        price_book_version: "2026-10-01".into(),
        price_from: None,
        source: "A".into(),
        source_address: "https://example.com".into(),
        mark: "seen".into(),
    }
}

/// Amounts, allowances and records of charges, by id and unit price.
type Numbers = BTreeMap<(String, Exact), (Vec<Exact>, Vec<AllowanceShare>, u64)>;

fn numbers(charges: &[Charge]) -> Numbers {
    let numbers = |charge: &Charge| {
        let exact = [
            &charge.consumed_quantity,
            &charge.free_quantity,
            &charge.pricing_quantity,
            &charge.list_cost,
            &charge.contracted_cost,
            &charge.billed_cost,
            &charge.effective_cost,
            &charge.adjustment,
        ];
        (exact.map(Clone::clone).to_vec(), charge.allowances.clone(), charge.record_count)
    };
    charges.iter().map(|charge| ((charge.id.clone(), charge.unit_price.clone()), numbers(charge))).collect()
}

#[test]
fn lines_sum_to_the_latest_rating() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut lines: Vec<BillLine> = Vec::new();
        for revision in 1..6 {
            // Some charges come, some go, some change their quantity and some their price.
            let mut charges = Vec::new();
            for place in 0..4 {
                if random.below(4) > 0 {
                    let (quantity, price) =
                        (random.exact() + Exact::one(), Exact::ratio(1 + i128::from(random.below(2)), 730));
                    let free = if random.below(2) == 0 { Exact::zero() } else { Exact::ratio(1, 7).unwrap() };
                    let records = 1 + random.below(50);
                    charges.push(charge(&format!("2026-10/sku-{place}"), quantity, free, price.unwrap(), records));
                }
            }
            let new = difference(&lines, &charges, revision);
            assert!(new.iter().all(|line| line.revision == revision));
            assert!(new.iter().all(|line| line.charge_class == (revision > 1).then_some(CORRECTION)));
            lines.extend(new);
            assert_eq!(numbers(&net(&lines)), numbers(&charges), "seed {seed}, revision {revision}");
            assert!(
                difference(&lines, &charges, revision + 1).is_empty(),
                "seed {seed}: a repetition has nothing to add"
            );
        }
        for line in &lines {
            let charge = &line.charge;
            assert_eq!(charge.list_cost, &charge.consumed_quantity * &charge.unit_price, "seed {seed}");
            assert_eq!(charge.billed_cost, &charge.pricing_quantity * &charge.unit_price, "seed {seed}");
            assert_eq!(line_from_json(&line_json(line).unwrap()).as_ref(), Some(line), "seed {seed}");
        }
    }
}

#[test]
fn another_price_is_a_reversal_and_a_line() {
    let exact = |text: &str| Exact::parse(text).unwrap();
    let at = |price: &str| vec![charge("2026-10/sku", exact("10"), Exact::zero(), exact(price), 3)];
    let first = difference(&[], &at("0.5"), 1);
    let corrections = difference(&first, &at("0.4"), 2);
    let shown: Vec<_> = corrections
        .iter()
        .map(|line| (line.charge.unit_price.to_string(), line.charge.billed_cost.to_string(), line.record_count))
        .collect();
    assert_eq!(shown, [("0.5".into(), "-5".into(), -3), ("0.4".into(), "4".into(), 3)]);
    assert_eq!(net(&[first, corrections].concat()), at("0.4"));
}

#[test]
fn other_words_alone_are_no_correction() {
    let before = vec![charge("2026-10/sku", Exact::one(), Exact::zero(), Exact::one(), 1)];
    let mut after = before.clone();
    after[0].price_book_version = "2026-11-01".into();
    after[0].description = "Requests, clearer".into();
    assert!(difference(&difference(&[], &before, 1), &after, 2).is_empty());
}

/// A charge whose every member says something.
fn full() -> BillLine {
    let third = Exact::ratio(1, 3).unwrap();
    let mut charge =
        charge("2026-10/sku", third.clone(), Exact::ratio(1, 7).unwrap(), Exact::ratio(1, 730).unwrap(), 4);
    charge.scope.organisation = Some("o".into());
    charge.scope.resource = Some("r".into());
    charge.exchange_rate = Exact::ratio(11, 13).unwrap();
    charge.adjustment = -third.clone();
    charge.allowances[0].credit = third.clone();
    charge.discounts = vec![DiscountShare { id: "d".into(), percent: third.clone() }];
    charge.commitment = Some(CommitmentShare {
        id: "c".into(),
        plan: "aws.ec2.reserved-1y".into(),
        category: "Usage",
        status: Some("Unused"),
        quantity: third,
        unit: "instance".into(),
    });
    charge.price_from = Some("2026-01-01".parse().unwrap());
    BillLine { revision: 2, charge_class: Some(CORRECTION), record_count: -4, charge }
}

#[test]
fn no_member_of_a_line_is_lost() {
    let line = full();
    let json = line_json(&line).unwrap();
    assert_eq!(line_from_json(&json), Some(line));
    for name in json.as_object().unwrap().keys() {
        let mut broken = json.clone();
        broken[name] = serde_json::json!(true);
        assert_eq!(line_from_json(&broken), None, "{name}");
    }
}

#[test]
fn the_table_has_a_column_for_every_member_of_a_line() {
    let json = line_json(&full()).unwrap();
    let mut members: BTreeSet<String> = json.as_object().unwrap().keys().cloned().collect();
    members.extend(json["scope"].as_object().unwrap().keys().cloned());
    for (member, columns) in
        [("scope", &[][..]), ("id", &["charge_id"]), ("revision", &["revision", "bill_id", "line"])]
    {
        assert!(members.remove(member));
        members.extend(columns.iter().map(|name| (*name).to_owned()));
    }
    let schema = Table::Charges.schema();
    let columns: BTreeSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(members, columns);
}

#[test]
fn an_id_can_stand_in_a_url() {
    let period = "2026-10".parse().unwrap();
    assert_eq!(super::bill_id(period, None, 1), "2026-10-r1");
    assert_eq!(super::bill_id(period, Some("aws"), 12), "2026-10-aws-r12");
    assert_eq!(super::bill_id(period, Some("our cloud/é~"), 1), "2026-10-our~20cloud~2F~C3~A9~7E-r1");
}
