//! What holds for any usage: splits and orders do not matter, parts sum to the whole, more usage never costs less
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]
use std::{collections::BTreeMap, sync::LazyLock};

use paygrain_pricing::{
    Agreement, Allowances, Catalogue, Exact, Period, Rated, RatingOptions, Scope, SkuIndex, UsageSlice, rate,
};
use proptest::prelude::*;

const HOUR_US: i64 = 3_600_000_000;

/// Two graduated SKUs of different price that share a daily and a monthly allowance and a credit, one with packages.
const BOOK: &str = r#"provider = "x"
service = "y"
[sources]
S = "s"
[regions]
near = ["r1"]
[[sku]]
id = "a"
table = "requests"
unit = "request"
scope = ["account"]
[[sku.price]]
to = 2025-06-15
per = "3 request"
tiers = [{ up_to = "50", price = "1" }, { up_to = "120", price = "0.7" }, { price = "0.1" }]
source = "S"
mark = "seen"
[[sku.price]]
from = 2025-06-15
per = "7 request"
tiers = [{ up_to = "80", price = "2" }, { price = "0.3" }]
source = "S"
mark = "seen"
[[sku.price]]
region = "near"
price = "0.9"
per = "request"
source = "S"
mark = "seen"
[[sku]]
id = "b"
table = "requests"
unit = "request"
scope = ["organisation", "region"]
price = [{ per = "11 request", package = "13 request", tiers = [{ up_to = "60", price = "5" }, { price = "2" }], source = "S", mark = "seen" }]
[[allowance]]
id = "shared"
skus = ["a", "b"]
quantity = "40"
unit = "request"
[[allowance]]
id = "daily"
skus = ["a"]
quantity = "3"
unit = "request"
period = "day"
[[allowance]]
id = "credit"
skus = ["a", "b"]
credit = "4.5"
[[commitment]]
id = "plan"
kind = "spend"
skus = ["a"]
percent = "30"
source = "S"
mark = "seen"
"#;

/// The shipped books and the one above.
fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> =
        LazyLock::new(|| Catalogue::with_files([("x/y".to_owned(), BOOK.to_owned())]).unwrap());
    &CATALOGUE
}

fn period() -> Period {
    "2025-06".parse().unwrap()
}

#[derive(Clone, Debug)]
struct Use {
    sku: usize,
    account: usize,
    region: usize,
    resource: usize,
    hour: i64,
    quantity: u32,
}

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let one = (0..2_usize, 0..2_usize, 0..2_usize, 0..3_usize, 0..720_i64, 0..60_u32).prop_map(
        |(sku, account, region, resource, hour, quantity)| Use { sku, account, region, resource, hour, quantity },
    );
    prop::collection::vec(one, 1..30)
}

fn slice(catalogue: &Catalogue, one: &Use, quantity: Exact) -> UsageSlice {
    let sku = catalogue.find_sku(["x.y.a", "x.y.b"][one.sku]).unwrap();
    let scope = Scope {
        organisation: None,
        account: Some(format!("account {}", one.account)),
        region: Some(format!("r{}", one.region)),
        resource: Some(format!("f{}", one.resource)),
    };
    UsageSlice { sku, scope, at_us: period().start_us() + one.hour * HOUR_US, quantity, record_count: 1 }
}

fn slices(catalogue: &Catalogue, uses: &[Use]) -> Vec<UsageSlice> {
    uses.iter().map(|one| slice(catalogue, one, one.quantity.into())).collect()
}

/// No agreement, discounts (one of them for a part of the month), a commitment, and both with another currency.
fn agreement(number: usize) -> RatingOptions {
    let discounts = r#"
        discounts = [
            { id = "half", skus = ["x.y.*"], percent = "12.5", from = "2025-06-10", to = "2025-06-20" },
            { id = "all", skus = ["x.y.a"], percent = "10" },
        ]"#;
    let commitments = r#"
        commitments = [{ id = "sp", plan = "x.y.plan", quantity = "3.5", account = "account 0" }]
        "#;
    let currency = r#"
        billing_currency = "EUR"
        exchange_rates = { USD = "0.875" }
        "#;
    let text = [String::new(), discounts.into(), commitments.into(), [discounts, commitments, currency].join("\n")];
    let agreement = Agreement::from_toml(&text[number]).unwrap();
    agreement.check(catalogue()).unwrap();
    RatingOptions { agreement, ..RatingOptions::default() }
}

fn rated(catalogue: &Catalogue, slices: &[UsageSlice], options: &RatingOptions) -> Rated {
    rate(catalogue, period(), slices, options)
}

fn total(rated: &Rated) -> Exact {
    rated.charges.iter().map(|charge| &charge.billed_cost).sum()
}

/// The charges without what counts records.
fn amounts(rated: &Rated) -> Vec<String> {
    rated
        .charges
        .iter()
        .map(|c| {
            format!(
                "{} {} {} {} {} {} {:?}",
                c.id, c.consumed_quantity, c.free_quantity, c.list_cost, c.billed_cost, c.effective_cost, c.allowances
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn parts_sum_to_the_whole_exactly(uses in uses(), number in 0..4_usize) {
        let catalogue = catalogue();
        let slices = slices(catalogue, &uses);
        let rated = rated(catalogue, &slices, &agreement(number));
        let mut sums: BTreeMap<usize, (Exact, Exact, Exact, Exact)> = BTreeMap::new();
        let mut consumed: BTreeMap<usize, Exact> = BTreeMap::new();
        for cost in &rated.slice_costs {
            let sum = sums.entry(cost.charge).or_default();
            sum.0 += &cost.consumed_quantity;
            sum.1 += &cost.free_quantity;
            sum.2 += &cost.list_cost;
            sum.3 += &cost.billed_cost;
            *consumed.entry(cost.slice).or_default() += &cost.consumed_quantity;
        }
        let effective: Exact = rated.charges.iter().map(|charge| &charge.effective_cost).sum();
        prop_assert_eq!(effective, total(&rated), "the fee of every hour is used or unused");
        for (index, charge) in rated.charges.iter().enumerate() {
            if charge.record_count > 0 {
                prop_assert_eq!(&(&charge.consumed_quantity * &charge.unit_price), &charge.list_cost);
                prop_assert_eq!(&(&charge.consumed_quantity * &charge.contracted_unit_price), &charge.contracted_cost);
            }
            if let Some(commitment) = &charge.commitment {
                match (charge.charge_category, commitment.status) {
                    ("Usage", Some(_)) => prop_assert!(charge.billed_cost.is_zero() && charge.free_quantity.is_zero()),
                    ("Purchase", None) => prop_assert!(charge.effective_cost.is_zero()),
                    other => prop_assert!(false, "{other:?}"),
                }
                let (quantity, ..) = sums.remove(&index).unwrap_or_default();
                let used = commitment.status == Some("Used");
                prop_assert_eq!(quantity, if used { charge.consumed_quantity.clone() } else { Exact::zero() });
                continue;
            }
            let (quantity, free, list, billed) = sums.remove(&index).unwrap_or_default();
            prop_assert_eq!(&quantity, &charge.consumed_quantity);
            prop_assert_eq!(&free, &charge.free_quantity);
            prop_assert_eq!(&list, &charge.list_cost);
            prop_assert_eq!(&(billed + &charge.adjustment), &charge.billed_cost);
            let credits: Exact = charge.allowances.iter().map(|share| &share.credit).sum();
            let given: Exact = charge.allowances.iter().map(|share| &share.quantity).sum();
            prop_assert_eq!(&given, &charge.free_quantity);
            prop_assert_eq!(
                &(&charge.contracted_cost - &free * &charge.contracted_unit_price - credits + &charge.adjustment),
                &charge.billed_cost
            );
        }
        for (index, slice) in slices.iter().enumerate().filter(|(_, slice)| !slice.quantity.is_zero()) {
            prop_assert_eq!(consumed.get(&index), Some(&slice.quantity));
        }
        let mut ids: Vec<_> = rated.charges.iter().map(|charge| charge.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), rated.charges.len(), "ids are unique");
    }

    #[test]
    fn any_split_and_order_gives_the_same_bill(uses in uses(), cuts in prop::collection::vec(0..100_u32, 30), seed in any::<u64>(), number in 0..4_usize) {
        let catalogue = catalogue();
        let options = agreement(number);
        let whole = rated(catalogue, &slices(catalogue, &uses), &options);
        let mut parts = Vec::new();
        for (one, cut) in uses.iter().zip(&cuts) {
            let first = Exact::from(one.quantity) * Exact::ratio((*cut).into(), 100).unwrap();
            parts.push(slice(catalogue, one, Exact::from(one.quantity) - &first));
            parts.push(slice(catalogue, one, first));
        }
        let count = parts.len() as u64;
        for index in 0..parts.len() {
            let other = seed.wrapping_mul(index as u64 + 7).rotate_left(17) % count;
            parts.swap(index, other as usize);
        }
        prop_assert_eq!(amounts(&rated(catalogue, &parts, &options)), amounts(&whole));
    }

    #[test]
    fn coarser_slices_give_the_same_bill(uses in uses(), number in 0..4_usize) {
        let catalogue = catalogue();
        let options = agreement(number);
        let fine = rated(catalogue, &slices(catalogue, &uses), &options);
        let mut merged: BTreeMap<(i64, SkuIndex, Scope), UsageSlice> = BTreeMap::new();
        for mut slice in slices(catalogue, &uses) {
            slice.scope.resource = None; // in no scope of the book
            let key = (slice.at_us, slice.sku, slice.scope.clone());
            merged.entry(key).and_modify(|sum| sum.quantity += &slice.quantity).or_insert(slice);
        }
        let coarse = rated(catalogue, &merged.into_values().collect::<Vec<_>>(), &options);
        prop_assert_eq!(amounts(&coarse), amounts(&fine));
    }

    #[test]
    fn allowances_are_never_exceeded(uses in uses()) {
        let catalogue = catalogue();
        let rated = rated(catalogue, &slices(catalogue, &uses), &RatingOptions::default());
        let mut shared = Exact::zero();
        let mut credit = Exact::zero();
        for share in rated.charges.iter().flat_map(|charge| &charge.allowances) {
            match share.id.as_str() {
                "shared" => shared += &share.quantity,
                "credit" => credit += &share.credit,
                _ => prop_assert!(share.quantity <= 3 * 30 * 2),
            }
        }
        prop_assert!(shared <= 2 * 40, "two accounts: {shared}");
        prop_assert!(credit <= 9, "two accounts: {credit}");
        prop_assert!(rated.slice_costs.iter().all(|cost| !cost.billed_cost.is_negative()));
    }

    #[test]
    fn more_usage_never_costs_less(uses in uses(), more in 0..200_u32, index in 0..30_usize) {
        let catalogue = catalogue();
        let before = slices(catalogue, &uses);
        let mut after = before.clone();
        let index = index % after.len();
        after[index].quantity += Exact::from(more);
        // a credit comes off usage, not off the padding of a package: more usage can let it bear more
        let free = ["shared", "daily"].map(str::to_owned);
        let options = RatingOptions { allowances: Allowances::Only(free.into()), ..RatingOptions::default() };
        // one SKU, account and region: only there the same usage keeps its place in the tiers and allowances
        let alone = |slices: &[UsageSlice]| {
            let same = |slice: &&UsageSlice| {
                slice.sku == before[index].sku
                    && slice.scope.account == before[index].scope.account
                    && slice.scope.region == before[index].scope.region
                    && slice.at_us == before[index].at_us
            };
            total(&rate(catalogue, period(), &slices.iter().filter(same).cloned().collect::<Vec<_>>(), &options))
        };
        prop_assert!(alone(&after) >= alone(&before));
    }

    #[test]
    fn the_more_of_allowances_others_use_the_more_it_costs(uses in uses(), used in 0..=100_u32, more in 0..=100_u32) {
        let catalogue = catalogue();
        let slices = slices(catalogue, &uses);
        let cost = |used_allowance_percent, allowances| {
            let options = RatingOptions { used_allowance_percent, allowances, ..RatingOptions::default() };
            total(&rate(catalogue, period(), &slices, &options))
        };
        let (least, most) = (used.min(more), used.max(more));
        // a credit comes off usage, not off the padding of a package: less that is free can let it bear more
        let free = || Allowances::Only(["shared", "daily"].map(str::to_owned).into());
        prop_assert!(cost(least, free()) <= cost(most, free()));
        prop_assert_eq!(cost(100, Allowances::All), cost(0, Allowances::None));
    }

    #[test]
    fn tiers_are_continuous(quantity in 1..200_i128) {
        let catalogue = catalogue();
        let one = Use { sku: 0, account: 0, region: 0, resource: 0, hour: 0, quantity: 0 };
        let options = RatingOptions { allowances: Allowances::None, ..RatingOptions::default() };
        let cost = |quantity: Exact| total(&rate(catalogue, period(), &[slice(catalogue, &one, quantity)], &options));
        let step = Exact::ratio(1, 1_000_000).unwrap();
        let jump = cost(Exact::from(quantity) + &step) - cost(Exact::from(quantity));
        prop_assert!(jump.is_positive() && jump <= step, "no tier costs more than 1 a unit: {jump}");
    }

    #[test]
    fn a_whole_month_sum_agrees(quantities in prop::collection::vec((0..720_i64, 0..50_000_000_000_u64), 1..20), period_index in 0..3_usize, given in any::<bool>()) {
        let catalogue = catalogue();
        let sku = catalogue.find_sku("aws.lambda.duration-x86").unwrap();
        let period: Period = ["2019-06", "2021-06", "2025-06"][period_index].parse().unwrap();
        let slices: Vec<UsageSlice> = quantities.iter().map(|(hour, quantity)| UsageSlice {
            sku,
            scope: Scope::default(),
            at_us: period.start_us() + hour * HOUR_US,
            quantity: Exact::ratio((*quantity).into(), 7).unwrap(),
            record_count: 1,
        }).collect();
        let allowances = if given { Allowances::All } else { Allowances::None };
        let rated = rate(catalogue, period, &slices, &RatingOptions { allowances, ..RatingOptions::default() });
        let sevenths: i128 = quantities.iter().map(|(_, quantity)| i128::from(*quantity)).sum();
        prop_assert_eq!(total(&rated), naive(sevenths, period_index, given));
    }
}

/// The month's Lambda duration in x86, from sevenths of a GB-second: a second implementation, with integers only.
/// Prices are in units of 10^-10.
fn naive(sevenths: i128, period_index: usize, given: bool) -> Exact {
    let tiers: &[(i128, i128)] = match period_index {
        0 => &[(i128::MAX, 166_700)],
        1 => &[(i128::MAX, 166_667)],
        _ => &[(6_000_000_000 * 7, 166_667), (15_000_000_000 * 7, 150_000), (i128::MAX, 133_334)],
    };
    let cost = |quantity: i128| {
        let mut start = 0;
        let mut sum = 0;
        for (end, price) in tiers {
            sum += (quantity.min(*end) - start).max(0) * price;
            start = *end;
        }
        sum
    };
    let free = if given { sevenths.min(400_000 * 7) } else { 0 };
    Exact::ratio(cost(sevenths) - cost(free), 7 * 10_000_000_000).unwrap()
}
