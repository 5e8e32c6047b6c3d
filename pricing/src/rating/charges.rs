//! Sums to charges: ids, prices, sources, rules, the currency of the bill
use super::{Commitments, Group, Plan, Rated, Rating, Sum, SumKey};
use crate::{
    agreement::Agreement,
    book::Price,
    charge::{AllowanceShare, Charge, DiscountShare},
    exact::Exact,
    period::Period,
};

impl Rating<'_> {
    /// The charges in the order of SKU, scope, price and tier, those of commitments, and the slice costs that point to
    /// them.
    pub(super) fn finish(mut self) -> Rated {
        let mut charges = Vec::with_capacity(self.sums.len());
        let mut place = vec![0; self.sums.len()];
        let order: Vec<usize> = self.group_of.values().copied().collect();
        for group in order {
            let mut adjustments = std::mem::take(&mut self.groups[group].adjustments);
            let group = &self.groups[group];
            let plan = self.plans.of(group.sku);
            for (key, sum) in &group.sums {
                let adjustment = match key.commitment {
                    None => adjustments.remove(&(key.price, key.discounts.clone())).unwrap_or_default(),
                    Some(_) => Exact::zero(),
                };
                place[*sum] = charges.len();
                let charge = charge(&plan, self.plans.period, group, key, &self.sums[*sum], adjustment);
                charges.push(committed(charge, &self.commitments, key, &self.sums[*sum]));
            }
        }
        let fee_days = self.commitments.charge(self.plans.period, &mut charges);
        for charge in &mut charges {
            convert(charge, &self.plans.options.agreement);
        }
        for cost in &mut self.slice_costs {
            cost.charge = place[cost.charge];
            let rate = &charges[cost.charge].exchange_rate;
            if *rate != Exact::one() {
                cost.list_cost = &cost.list_cost * rate;
                cost.billed_cost = &cost.billed_cost * rate;
            }
        }
        self.slice_costs.sort_by_key(|cost| (cost.slice, cost.charge));
        self.unpriced.sort_by_key(|slice| slice.slice);
        let allowances = self.pots.uses(self.plans.catalogue.books());
        Rated { charges, slice_costs: self.slice_costs, fee_days, unpriced: self.unpriced, allowances }
    }
}

fn charge(plan: &Plan<'_>, period: Period, group: &Group, key: &SumKey, sum: &Sum, adjustment: Exact) -> Charge {
    let (sku, book) = (plan.sku, plan.book);
    let price = &sku.prices[key.price];
    let (tier, bounds) = (&price.tiers[key.tier], &plan.curves[key.price].tiers[key.tier]);
    let contracted_unit_price = &bounds.unit_price * plan.discount_factor(&key.discounts);
    let contracted_cost = &sum.consumed * &contracted_unit_price;
    let adjustment = adjustment + &sum.padding * &contracted_unit_price;
    let billed_cost = &contracted_cost - &sum.free * &contracted_unit_price - &sum.credit + &adjustment;
    let allowances = sum.allowances.iter().map(|(index, (quantity, credit))| AllowanceShare {
        id: book.allowances[*index].id.clone(),
        quantity: quantity.clone(),
        credit: credit.clone(),
    });
    let discounts = key.discounts.iter().map(|index| plan.discount(*index));
    let discounts = discounts.map(|one| DiscountShare { id: one.id.clone(), percent: one.percent.clone() });
    Charge {
        id: id(plan, period, group, key),
        period,
        provider: book.provider.clone(),
        service: book.service.clone(),
        sku: sku.name.clone(),
        description: sku.description.clone(),
        scope: group.scope.clone(),
        charge_category: "Usage",
        charge_frequency: "Usage-Based",
        consumed_quantity: sum.consumed.clone(),
        consumed_unit: sku.unit.text().to_owned(),
        free_quantity: sum.free.clone(),
        pricing_quantity: &sum.consumed - &sum.free + &sum.padding,
        pricing_unit: sku.unit.text().to_owned(),
        tier: key.tier as u32 + 1,
        tier_from: bounds.from.clone(),
        tier_to: bounds.to.clone(),
        unit_price: bounds.unit_price.clone(),
        published_price: tier.published.clone(),
        published_per: price.per.text().to_owned(),
        contracted_unit_price,
        list_cost: &sum.consumed * &bounds.unit_price,
        contracted_cost,
        effective_cost: billed_cost.clone(),
        billed_cost,
        adjustment,
        currency: book.currency.clone(),
        pricing_currency: book.currency.clone(),
        exchange_rate: Exact::one(),
        discounts: discounts.collect(),
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

/// Usage that a commitment covers is billed with the commitment's fee.
fn committed(mut charge: Charge, commitments: &Commitments<'_>, key: &SumKey, sum: &Sum) -> Charge {
    if let Some((share, cost)) = key.commitment.and_then(|number| commitments.share(number, &sum.used)) {
        charge.billed_cost = Exact::zero();
        charge.effective_cost = cost;
        charge.commitment = Some(share);
    }
    charge
}

/// Amounts in the currency of the bill, where the agreement says one and knows the rate.
fn convert(charge: &mut Charge, agreement: &Agreement) {
    let Some(currency) = agreement.billing_currency.as_ref().filter(|currency| **currency != charge.currency) else {
        return;
    };
    let Some(rate) = agreement.exchange_rates.get(&charge.currency) else { return };
    for amount in [
        &mut charge.unit_price,
        &mut charge.contracted_unit_price,
        &mut charge.list_cost,
        &mut charge.contracted_cost,
        &mut charge.billed_cost,
        &mut charge.effective_cost,
        &mut charge.adjustment,
    ] {
        *amount = &*amount * rate;
    }
    for share in &mut charge.allowances {
        share.credit = &share.credit * rate;
    }
    charge.currency.clone_from(currency);
    charge.exchange_rate = rate.clone();
}

/// `2019-06/aws.lambda.requests/~`-joined scope values`/tier-1`, with `@` and the price's first day when the price
/// changes inside the period, `@` and the region set when the price is for one, `+` and the discounts when they change
/// inside the period, and `+` and the commitment that covers the usage.
fn id(plan: &Plan<'_>, period: Period, group: &Group, key: &SumKey) -> String {
    let (sku, zone) = (plan.sku, plan.book.zone);
    let price = &sku.prices[key.price];
    let values: Vec<String> = sku.scope.iter().map(|column| encoded(group.scope.get(column))).collect();
    let values = if values.is_empty() { "-".to_owned() } else { values.join("~") };
    let mut id = format!("{period}/{}/{values}/tier-{}", sku.name, key.tier + 1);
    let month = zone.start_us(period) + 1..zone.end_us(period);
    let inside = |day: Option<chrono::NaiveDate>| day.is_some_and(|day| month.contains(&zone.day_start_us(day)));
    if let Some(from) = price.from.filter(|_| sku.prices.iter().any(|price| inside(price.from))) {
        id += &format!("@{from}");
    }
    if let Some(set) = &price.region {
        id += &format!("@{}", encoded(Some(set)));
    }
    let mut discounts = key.discounts.iter().map(|index| plan.discount(*index));
    if plan.discounts().any(|discount| inside(discount.from) || inside(discount.to)) {
        discounts.by_ref().for_each(|discount| id += &format!("+{}", encoded(Some(&discount.id))));
    }
    if let Some(commitment) = key.commitment.and_then(|number| plan.commitment(number)) {
        id += &format!("+{}", encoded(Some(&commitment.id)));
    }
    id
}

/// A scope value in an id: `-` when there is none, otherwise percent-encoded but for letters, digits, `.`, `_`, `-`.
pub(super) fn encoded(value: Option<&str>) -> String {
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
    let zone = plan.book.zone;
    let first = |day: Option<chrono::NaiveDate>| day.map_or(i64::MIN, |day| zone.day_start_us(day));
    let end = |day: Option<chrono::NaiveDate>| day.map_or(i64::MAX, |day| zone.day_start_us(day));
    let meters: Vec<_> = plan
        .sku
        .meters
        .iter()
        .filter(|meter| {
            let from = first(meter.from).max(first(price.from)).max(zone.start_us(period));
            from < end(meter.to).min(end(price.to)).min(zone.end_us(period))
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
