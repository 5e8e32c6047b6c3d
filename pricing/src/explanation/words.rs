//! The sentences that take a charge apart
use super::{BeforeRounding, TierLine, is_of_plan, is_sibling};
use crate::{
    book::{Allowance, Grant, Meter, Price, PriceBook, Sku},
    charge::{AllowanceShare, Charge, CommitmentShare},
    exact::{Exact, grouped},
    unit::Window,
};

/// Fractional digits at which a quantity in a sentence is cut.
const QUANTITY_PLACES: u32 = 9;

/// The sentences about one charge.
pub(super) struct Words<'a> {
    pub charge: &'a Charge,
    /// All charges of the bill or estimate.
    pub charges: &'a [Charge],
    pub known: Option<(&'a Sku, &'a PriceBook)>,
    pub price: Option<&'a Price>,
    pub steps: Vec<String>,
}

impl Words<'_> {
    fn say(&mut self, step: String) {
        self.steps.push(step);
    }

    /// The charges of the SKU in its scope, over all tiers and prices.
    fn same_sku(&self) -> impl Iterator<Item = &Charge> {
        self.charges.iter().filter(|other| other.sku == self.charge.sku && other.scope == self.charge.scope)
    }

    /// Records, rule, rounding, sum.
    pub fn quantity(&mut self, before: Option<&BeforeRounding>) {
        let charge = self.charge;
        let filter = if charge.filter.is_empty() { "every row of the service" } else { &charge.filter };
        self.say(match charge.record_count {
            1 => format!("1 usage record matches: {filter}"),
            records => format!("{} usage records match: {filter}", count(records)),
        });
        self.say(format!("each is metered as {}{}", charge.meter, self.meter_source()));
        if let Some(window) = self.known.and_then(|(sku, _)| sku.maximum_per) {
            let window = window_word(window);
            self.say(format!(
                "that is a level: of every {window} its maximum counts, times the {window}, and these add up"
            ));
        }
        let unit = &charge.consumed_unit;
        let all: Exact = self.same_sku().map(|other| &other.consumed_quantity).sum();
        if let Some(before) = before {
            let (raw, rounded) = (quantity(&before.quantity), quantity(&all));
            self.say(match percent_more(&before.quantity, &all) {
                _ if before.quantity == all => {
                    format!("rounding per record changes nothing: {raw} {unit} before and after")
                }
                Some(percent) => format!("before rounding {raw} {unit}, after {rounded} {unit} ({percent})"),
                None => format!("before rounding {raw} {unit}, after {rounded} {unit}"),
            });
            if before.reported_count > 0 {
                let records = match before.reported_count {
                    1 => "1 record".to_owned(),
                    records => format!("{} records", count(records)),
                };
                self.say(format!("of {records} the provider reports the billed duration, which wins over the rule"));
            }
        }
        let scope = scope_words(charge);
        self.say(match all == charge.consumed_quantity {
            true => format!("the sum {scope} is {} {unit}", quantity(&all)),
            false => format!(
                "the sum {scope} is {} {unit}; {} of it are in this charge",
                quantity(&all),
                quantity(&charge.consumed_quantity)
            ),
        });
    }

    /// Since when the rules hold and who says so.
    fn meter_source(&self) -> String {
        let Some((sku, book)) = self.known else { return String::new() };
        let day = |first: bool| if first { self.charge.period.first_day() } else { self.charge.period.last_day() };
        let mut meters: Vec<&Meter> = [true, false].into_iter().filter_map(|first| sku.meter_on(day(first))).collect();
        meters.dedup_by_key(|meter| meter.from);
        let about = |meter: &&Meter| {
            let dated = meter.from.is_some() || meter.to.is_some();
            let era = dated.then(|| era(meter.from, meter.to));
            let source = (!meter.source.is_empty()).then(|| {
                let address = match book.source_address(&meter.source) {
                    address if address == self.charge.source_address || address == meter.mark => String::new(),
                    "" => String::new(),
                    address => format!(", {address}"),
                };
                format!("source {}{address}{}", meter.source, mark(&meter.mark))
            });
            let parts: Vec<String> = era.into_iter().chain(source).collect();
            (!parts.is_empty()).then(|| parts.join(", "))
        };
        let sources: Vec<String> = meters.iter().filter_map(about).collect();
        if sources.is_empty() { String::new() } else { format!(" (rule: {})", sources.join("; then ")) }
    }

    /// Free quantities: how large, how much of it here, and who else draws on it.
    pub fn allowances(&mut self) {
        let charge = self.charge;
        let unit = &charge.consumed_unit;
        for share in charge.allowances.iter().filter(|share| !share.quantity.is_zero()) {
            let known = self.allowance(&share.id);
            let size = known
                .map_or(String::new(), |allowance| format!(" gives {}:", size(allowance, &charge.pricing_currency)));
            let others = self.others(share, |share| &share.quantity);
            let step =
                format!("allowance {}{size} it covers {} {unit} here{others}", share.id, quantity(&share.quantity));
            self.say(step);
        }
    }

    fn allowance(&self, id: &str) -> Option<&Allowance> {
        self.known.and_then(|(_, book)| book.allowances.iter().find(|allowance| allowance.id == id))
    }

    /// Who shares an allowance, and what the other charges took of it.
    fn others(&self, share: &AllowanceShare, taken: fn(&AllowanceShare) -> &Exact) -> String {
        let Some((sku, book)) = self.known else { return String::new() };
        let Some(index) = book.allowances.iter().position(|allowance| allowance.id == share.id) else {
            return String::new();
        };
        let scope = &book.allowances[index].scope;
        let same_pot = |other: &&Charge| {
            other.price_book == self.charge.price_book
                && other.id != self.charge.id
                && scope.iter().all(|column| match (self.charge.scope.get(column), other.scope.get(column)) {
                    (Some(own), Some(theirs)) => own == theirs,
                    _ => true,
                })
        };
        let mut used: Vec<String> = Vec::new();
        for other in self.charges.iter().filter(same_pot) {
            let drawn = other.allowances.iter().find(|drawn| drawn.id == share.id);
            if let Some(drawn) = drawn.filter(|drawn| !taken(drawn).is_zero()) {
                let unit = if taken(drawn) == &drawn.credit && !drawn.credit.is_zero() {
                    &other.currency
                } else {
                    &other.consumed_unit
                };
                used.push(format!("{}, tier {}, took {} {unit}", other.sku, other.tier, quantity(taken(drawn))));
            }
        }
        let sharing: Vec<&str> = book
            .skus
            .iter()
            .filter(|other| other.name != sku.name && other.allowances.contains(&index))
            .map(|other| other.name.as_str())
            .collect();
        match (used.is_empty(), sharing.as_slice()) {
            (false, _) => format!("; of the others that share it, {}", used.join(" and ")),
            (true, []) => String::new(),
            (true, [one]) => format!("; {one} shares it and took none"),
            (true, many) => format!("; {} other SKUs share it and took none", many.len()),
        }
    }

    /// What fell in each tier.
    pub fn tiers(&mut self, tiers: &[TierLine]) {
        let charge = self.charge;
        let unit = &charge.pricing_unit;
        if let [only] = tiers {
            debug_assert!(only.is_explained);
            return self.say(format!("the price is flat: one tier for every {unit}"));
        }
        if tiers.is_empty() {
            let range = range(&charge.tier_from, charge.tier_to.as_ref(), unit);
            return self.say(format!("of the period's quantity this is tier {}, {range}", charge.tier));
        }
        let free = if charge.free_quantity.is_zero() { "" } else { "; what is free occupies its tier" };
        self.say(format!("the price has {} tiers, over the sum of the month{free}", tiers.len()));
        for line in tiers {
            let range = range(&line.from, line.to.as_ref(), unit);
            let mut step =
                format!("tier {}, {range}, at {} {} per {unit}: ", line.tier, line.unit_price, charge.currency);
            step += &match line.consumed_quantity.is_zero() {
                true => "nothing".to_owned(),
                false => format!("{} {unit}", quantity(&line.consumed_quantity)),
            };
            if !line.free_quantity.is_zero() {
                step += &format!(", {} of it free", quantity(&line.free_quantity));
            }
            if line.is_explained {
                step += " (this charge)";
            }
            self.say(step);
        }
        if let [.., before, last] = tiers
            && last.unit_price.is_zero()
            && !before.unit_price.is_zero()
        {
            let cap: Exact =
                tiers.iter().filter_map(|line| Some((line.to.as_ref()? - &line.from) * &line.unit_price)).sum();
            let reached = if last.consumed_quantity.is_zero() { "not reached" } else { "reached" };
            let step = format!("the last tier costs nothing: a cap of {cap} {} a month, {reached}", charge.currency);
            self.say(step);
        }
    }

    /// List price, where it is from, currency and discounts.
    pub fn price(&mut self) {
        let charge = self.charge;
        let (unit, currency) = (&charge.pricing_unit, &charge.currency);
        let until = self.price.and_then(|price| price.to);
        self.say(format!(
            "list price {} {currency} per {unit}, published as {} {} per {}, in force {}",
            charge.unit_price,
            charge.published_price,
            charge.pricing_currency,
            charge.published_per.replace('_', ","),
            era(charge.price_from, until),
        ));
        let address = match charge.source_address.as_str() {
            "" => String::new(),
            address if address == charge.mark => String::new(), // said by the mark
            address => format!(", {address}"),
        };
        self.say(format!(
            "price book {} version {}, source {}{address}{}",
            charge.price_book,
            charge.price_book_version,
            charge.source,
            mark(&charge.mark)
        ));
        if charge.currency != charge.pricing_currency || charge.exchange_rate != Exact::one() {
            let from = &charge.pricing_currency;
            self.say(format!("exchange rate: {} {currency} for one {from}", charge.exchange_rate));
        }
        for discount in &charge.discounts {
            self.say(format!("discount {} takes {} % off the list price", discount.id, discount.percent));
        }
        if charge.contracted_unit_price != charge.unit_price {
            let (price, percent) =
                (&charge.contracted_unit_price, percent_more(&charge.unit_price, &charge.contracted_unit_price));
            let change = percent.map_or(String::new(), |percent| format!(" ({percent} against the list price)"));
            self.say(format!("contracted price {price} {currency} per {unit}{change}"));
        }
    }

    /// From the quantity to what is billed.
    pub fn cost(&mut self) {
        let charge = self.charge;
        let (unit, currency, price) = (&charge.pricing_unit, &charge.currency, &charge.contracted_unit_price);
        let billable = &charge.consumed_quantity - &charge.free_quantity;
        let padding = &charge.pricing_quantity - &billable;
        let free = match charge.free_quantity.is_zero() {
            true => String::new(),
            false => {
                format!(" ({} less {} free)", quantity(&charge.consumed_quantity), quantity(&charge.free_quantity))
            }
        };
        let covered = charge.commitment.is_some() && !is_of_plan(charge);
        let unless = if covered { "without the commitment: " } else { "" };
        let cost = amount(&(&billable * price));
        self.say(format!("{unless}{} {unit}{free} × {price} {currency} = {cost} {currency}", quantity(&billable)));
        self.packages(&padding);
        self.adjustments(&(&charge.adjustment - &padding * price));
        for share in charge.allowances.iter().filter(|share| !share.credit.is_zero()) {
            let known = self
                .allowance(&share.id)
                .map_or(String::new(), |known| format!(" of {}", size(known, &charge.pricing_currency)));
            let others = self.others(share, |share| &share.credit);
            let step = format!("credit {}{known} takes off {} {currency}{others}", share.id, amount(&share.credit));
            self.say(step);
        }
        if let Some(commitment) = &charge.commitment {
            self.commitment(commitment);
        }
        let rounded = charge.billed_cost.round_half_up(2);
        self.say(format!("billed cost {} {currency}, shown as {}", amount(&charge.billed_cost), grouped(&rounded)));
        if charge.effective_cost != charge.billed_cost {
            self.say(format!(
                "effective cost {} {currency}: with the fees of commitments spread over the usage they cover",
                amount(&charge.effective_cost)
            ));
        }
    }

    fn packages(&mut self, padding: &Exact) {
        let Some(package) = self.price.and_then(|price| price.package.as_ref()) else { return };
        let charge = self.charge;
        let (unit, currency, price) = (&charge.pricing_unit, &charge.currency, &charge.contracted_unit_price);
        let size = package.text().replace('_', ",");
        self.say(match padding.is_zero() {
            true => format!("sold in whole packages of {size}: nothing is added here"),
            false => format!(
                "sold in whole packages of {size}: {} {unit} are added, × {price} {currency} = {} {currency}",
                quantity(padding),
                amount(&(padding * price))
            ),
        });
    }

    /// What volume pricing and a minimum charge add: `rest` is the adjustment without packages.
    fn adjustments(&mut self, rest: &Exact) {
        let (charge, Some(price)) = (self.charge, self.price) else {
            if !rest.is_zero() {
                let step = format!(
                    "a minimum charge or volume pricing accounts for {} {}",
                    amount(rest),
                    self.charge.currency
                );
                self.say(step);
            }
            return;
        };
        let (unit, currency) = (&charge.pricing_unit, &charge.currency);
        if charge.commitment.is_some() {
            return;
        }
        let of_price = |other: &&Charge| is_sibling(charge, other) && other.commitment.is_none();
        let first = self.charges.iter().find(of_price).filter(|first| first.id != charge.id);
        let elsewhere = first.map(|first| format!("; what that changes is in tier {}", first.tier)).unwrap_or_default();
        if price.volume {
            let all: Exact = self
                .charges
                .iter()
                .filter(|other| is_sibling(charge, other))
                .map(|other| &other.consumed_quantity)
                .sum();
            let reached = self.charges.iter().filter(|other| is_sibling(charge, other)).map(|other| other.tier).max();
            let reached = reached.unwrap_or(charge.tier);
            let changed = if first.is_none() && price.minimum_charge.is_none() {
                format!(", which changes the sum of the tiers by {} {currency}", amount(rest))
            } else {
                elsewhere.clone()
            };
            self.say(format!("volume pricing: all {} {unit} cost what tier {reached} costs{changed}", quantity(&all)));
        }
        if let Some(minimum) = &price.minimum_charge {
            let minimum = minimum * &charge.exchange_rate;
            let with = if price.volume { " (with the change by volume pricing)" } else { "" };
            self.say(match (first, rest.is_zero()) {
                (Some(_), _) => format!("minimum charge of a month with usage: {minimum} {currency}{elsewhere}"),
                (None, true) => format!("minimum charge of a month with usage: {minimum} {currency}, passed"),
                (None, false) => {
                    format!(
                        "minimum charge of a month with usage: {minimum} {currency}, which adds {} {currency}{with}",
                        amount(rest)
                    )
                }
            });
        }
        if !rest.is_zero() && !price.volume && price.minimum_charge.is_none() {
            self.say(format!("an adjustment of the charge as a whole adds {} {currency}", amount(rest)));
        }
    }

    fn commitment(&mut self, commitment: &CommitmentShare) {
        let CommitmentShare { id, plan, category, status, quantity: share, unit } = commitment;
        let kind = category.to_lowercase();
        let share = quantity(share);
        self.say(match *status {
            Some("Used") => format!(
                "commitment {id} (plan {plan}, by {kind}) covers this usage with {share} {unit}: it is paid by the commitment's fee and billed at 0"
            ),
            Some(_) => format!("commitment {id} (plan {plan}, by {kind}) leaves {share} {unit} unused; what is not used in an hour is lost"),
            None => format!("commitment {id} (plan {plan}, by {kind}): the fee of {share} {unit}"),
        });
    }

    /// What a commitment costs of its own is no usage.
    pub fn plan(&mut self) {
        let charge = self.charge;
        let what = match charge.charge_category {
            "Purchase" => "a purchase, not usage",
            _ => "what no usage took of a commitment",
        };
        self.say(format!("this is {what}: {}", charge.description));
        self.say(format!("committed: {}", charge.meter));
    }
}

/// A quantity in a sentence: exact where it is short, otherwise cut and said to be.
fn quantity(number: &Exact) -> String {
    let text = number.to_string();
    let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let cut = number.round_half_up(QUANTITY_PLACES);
    let is_lost = cut.bytes().all(|digit| matches!(digit, b'0' | b'.' | b'-'));
    match places > QUANTITY_PLACES as usize && !is_lost {
        true => {
            format!("about {}", grouped(cut.trim_end_matches('0').trim_end_matches('.')))
        }
        false => grouped(&text),
    }
}

/// An amount in a sentence: exact.
fn amount(number: &Exact) -> String {
    grouped(&number.to_string())
}

fn count(records: u64) -> String {
    grouped(&records.to_string())
}

/// How much more the second is than the first: `+5.3 %`; nothing when the first is 0.
fn percent_more(before: &Exact, after: &Exact) -> Option<String> {
    let percent = ((after - before) * Exact::from(100)).checked_div(before)?.round_half_up(1);
    Some(match percent.as_str() {
        "0.0" | "-0.0" => "less than 0.1 %".to_owned(),
        less if less.starts_with('-') => format!("{less} %"),
        more => format!("+{more} %"),
    })
}

fn range(from: &Exact, to: Option<&Exact>, unit: &str) -> String {
    match to {
        Some(to) => format!("from {} to {} {unit}", quantity(from), quantity(to)),
        None => format!("from {} {unit} on", quantity(from)),
    }
}

fn era(from: Option<chrono::NaiveDate>, to: Option<chrono::NaiveDate>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => format!("from {from} until {to}"),
        (Some(from), None) => format!("from {from} on"),
        (None, Some(to)) => format!("until {to}"),
        (None, None) => "at all times".to_owned(),
    }
}

/// How sure a price or rule is, in words.
fn mark(mark: &str) -> &str {
    match mark {
        "seen" => ", seen there",
        "derived" => ", derived from what it prints",
        "remembered" => ", remembered: not found in a source",
        "none" => ", without a source",
        _ => "",
    }
}

fn window_word(window: Window) -> &'static str {
    match window {
        Window::Hour => "hour",
        Window::Day => "day",
    }
}

/// `400,000 GiB-s a month per account`.
fn size(allowance: &Allowance, currency: &str) -> String {
    let much = match &allowance.grant {
        Grant::Quantity { quantity: much, unit } => format!("{} {}", quantity(much), unit.text().replace('_', ",")),
        Grant::Credit(credit) => format!("{} {currency}", amount(credit)),
    };
    let every = allowance.window.map_or("month", window_word);
    let per =
        if allowance.scope.is_empty() { String::new() } else { format!(" per {}", allowance.scope.join(" and ")) };
    let months = allowance
        .expires_months
        .map_or(String::new(), |months| format!(", for {months} months after an account is opened"));
    let before = allowance.opened_before.map_or(String::new(), |day| format!(", to accounts opened before {day}"));
    let plan = if allowance.always { ", part of the plan" } else { "" };
    let source = if allowance.source.is_empty() {
        String::new()
    } else {
        format!(" (source {}{})", allowance.source, mark(&allowance.mark))
    };
    format!("{much} a {every}{per}{months}{before}{plan}{source}")
}

/// Whose usage a charge sums: `in account 123456789012 and region us-east-1`.
fn scope_words(charge: &Charge) -> String {
    let values: Vec<String> = crate::scope::SCOPE_COLUMNS
        .iter()
        .filter_map(|column| Some(format!("{column} {}", charge.scope.get(column)?)))
        .collect();
    let whole = if values.is_empty() { String::new() } else { format!("in {} ", values.join(" and ")) };
    format!("{whole}over {}", charge.period)
}
