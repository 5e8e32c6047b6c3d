//! Sums to charges: ids, prices, sources, rules
use super::{Group, Plan, Rated, Rating, Sum};
use crate::{
    book::Price,
    charge::{AllowanceShare, Charge},
    exact::Exact,
    period::{Period, day_start_us},
    scope::Scope,
};

impl Rating<'_> {
    /// The charges in the order of SKU, scope, price and tier, and the slice costs that point to them.
    pub(super) fn finish(mut self) -> Rated {
        let mut charges = Vec::with_capacity(self.sums.len());
        let mut place = vec![0; self.sums.len()];
        let order: Vec<usize> = self.group_of.values().copied().collect();
        for group in order {
            let group = &self.groups[group];
            let plan = self.plans.of(group.sku);
            let mut adjusted = None;
            for ((price, tier), sum) in &group.sums {
                let mut adjustment = Exact::zero();
                if adjusted != Some(*price) {
                    adjusted = Some(*price);
                    adjustment = group.adjustments.get(price).cloned().unwrap_or_default();
                }
                place[*sum] = charges.len();
                charges.push(charge(&plan, self.plans.period, group, (*price, *tier), &self.sums[*sum], adjustment));
            }
        }
        for cost in &mut self.slice_costs {
            cost.charge = place[cost.charge];
        }
        self.slice_costs.sort_by_key(|cost| (cost.slice, cost.charge));
        self.unpriced.sort_by_key(|slice| slice.slice);
        Rated { charges, slice_costs: self.slice_costs, unpriced: self.unpriced }
    }
}

fn charge(
    plan: &Plan<'_>,
    period: Period,
    group: &Group,
    (price_index, tier_index): (usize, usize),
    sum: &Sum,
    adjustment: Exact,
) -> Charge {
    let (sku, book) = (plan.sku, plan.book);
    let price = &sku.prices[price_index];
    let (tier, bounds) = (&price.tiers[tier_index], &plan.curves[price_index].tiers[tier_index]);
    let list_cost = &sum.consumed * &bounds.unit_price;
    let adjustment = adjustment + &sum.padding * &bounds.unit_price;
    let billed_cost = &list_cost - &sum.free * &bounds.unit_price - &sum.credit + &adjustment;
    let allowances = sum.allowances.iter().map(|(index, (quantity, credit))| AllowanceShare {
        id: book.allowances[*index].id.clone(),
        quantity: quantity.clone(),
        credit: credit.clone(),
    });
    Charge {
        id: id(plan, period, &group.scope, price, tier_index),
        period,
        provider: book.provider.clone(),
        service: book.service.clone(),
        sku: sku.name.clone(),
        description: sku.description.clone(),
        scope: group.scope.clone(),
        charge_category: "Usage",
        consumed_quantity: sum.consumed.clone(),
        consumed_unit: sku.unit.text().to_owned(),
        free_quantity: sum.free.clone(),
        pricing_quantity: &sum.consumed - &sum.free + &sum.padding,
        pricing_unit: sku.unit.text().to_owned(),
        tier: tier_index as u32 + 1,
        tier_from: bounds.from.clone(),
        tier_to: bounds.to.clone(),
        unit_price: bounds.unit_price.clone(),
        published_price: tier.published.clone(),
        published_per: price.per.text().to_owned(),
        contracted_unit_price: bounds.unit_price.clone(),
        contracted_cost: list_cost.clone(),
        list_cost,
        effective_cost: billed_cost.clone(),
        billed_cost,
        adjustment,
        currency: book.currency.clone(),
        pricing_currency: book.currency.clone(),
        exchange_rate: Exact::one(),
        discounts: Vec::new(),
        commitment: None,
        allowances: allowances.collect(),
        record_count: sum.record_count,
        meter: meter_text(plan, period, price),
        filter: sku.filter.as_ref().map(ToString::to_string).unwrap_or_default(),
        price_book: book.name.clone(),
        price_book_version: book.version.clone(),
        price_from: price.from,
        source: price.source.clone(),
        source_address: book.source_address(&price.source).to_owned(),
        mark: tier.mark.clone(),
    }
}

/// `2019-06/aws.lambda.requests/~`-joined scope values`/tier-1`, with `@` and the price's first day when the price
/// changes inside the period, and `@` and the region set when the price is for one.
fn id(plan: &Plan<'_>, period: Period, scope: &Scope, price: &Price, tier: usize) -> String {
    let values: Vec<String> = plan.sku.scope.iter().map(|column| encoded(scope.get(column))).collect();
    let values = if values.is_empty() { "-".to_owned() } else { values.join("~") };
    let mut id = format!("{period}/{}/{values}/tier-{}", plan.sku.name, tier + 1);
    let inside = |day: chrono::NaiveDate| (period.start_us() + 1..period.end_us()).contains(&day_start_us(day));
    let changes = plan.sku.prices.iter().any(|price| price.from.is_some_and(inside));
    if let Some(from) = price.from.filter(|_| changes) {
        id += &format!("@{from}");
    }
    if let Some(set) = &price.region {
        id += &format!("@{}", encoded(Some(set)));
    }
    id
}

/// A scope value in an id: `-` when there is none, otherwise percent-encoded but for letters, digits, `.`, `_`, `-`.
fn encoded(value: Option<&str>) -> String {
    match value {
        None | Some("") => "-".to_owned(),
        Some("-") => "%2D".to_owned(),
        Some(value) => {
            let mut text = String::with_capacity(value.len());
            for byte in value.bytes() {
                match byte {
                    b'.' | b'_' | b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => text.push(char::from(byte)),
                    _ => text += &format!("%{byte:02X}"),
                }
            }
            text
        }
    }
}

/// The rules in force in the period while the price was, each with its era when there are several.
fn meter_text(plan: &Plan<'_>, period: Period, price: &Price) -> String {
    let first = |day: Option<chrono::NaiveDate>| day.map_or(i64::MIN, day_start_us);
    let end = |day: Option<chrono::NaiveDate>| day.map_or(i64::MAX, day_start_us);
    let meters: Vec<_> = plan
        .sku
        .meters
        .iter()
        .filter(|meter| {
            let from = first(meter.from).max(first(price.from)).max(period.start_us());
            from < end(meter.to).min(end(price.to)).min(period.end_us())
        })
        .collect();
    let texts: Vec<String> = meters
        .iter()
        .map(|meter| match (meters.len(), meter.from, meter.to) {
            (1, ..) => meter.quantity.to_string(),
            (_, Some(from), Some(to)) => format!("{} (from {from} until {to})", meter.quantity),
            (_, Some(from), None) => format!("{} (from {from})", meter.quantity),
            (_, None, Some(to)) => format!("{} (until {to})", meter.quantity),
            (_, None, None) => meter.quantity.to_string(),
        })
        .collect();
    texts.join("; ")
}
