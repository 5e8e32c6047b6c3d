//! Commitments: what they cover of each hour, and their own charges, fees and unused parts
use std::collections::BTreeMap;

use chrono::{Months, NaiveDate};

use super::{Covered, FeeDay, Usage, plan::percent};
use crate::{
    agreement::{Agreement, Commitment},
    book::{CommitmentKind, CommitmentPlan, CommittedRates, PriceBook, in_force},
    catalogue::{Catalogue, SkuIndex},
    charge::{Charge, CommitmentShare},
    exact::Exact,
    period::{HOUR_US, Period},
    scope::Scope,
    unit::Window,
};

/// The commitments of an agreement, in the order in which they are used: by priority, then as the agreement lists them.
pub(super) struct Commitments<'a> {
    bought: Vec<Bought<'a>>,
}

/// One commitment in one billing period.
struct Bought<'a> {
    /// Place in the agreement.
    number: usize,
    commitment: &'a Commitment,
    plan: &'a CommitmentPlan,
    book: &'a PriceBook,
    /// The SKUs it covers.
    targets: BTreeMap<SkuIndex, Target>,
    /// The days of the period on which it is in force, with their hours.
    days: Vec<(NaiveDate, i64)>,
    /// Part used in the period: units, or money.
    used: Exact,
}

/// How a commitment covers one SKU.
enum Target {
    /// Units of the commitment in one unit of the SKU.
    Units(Exact),
    /// Money for one unit of the SKU.
    Rate(Exact),
    /// Money for one unit of the SKU, as a part of its list price.
    OfListPrice(Exact),
}

impl<'a> Commitments<'a> {
    pub fn new(catalogue: &'a Catalogue, period: Period, agreement: &'a Agreement) -> Self {
        let bought = agreement.commitments.iter().enumerate();
        let mut bought: Vec<_> =
            bought.filter_map(|(number, one)| Bought::new(catalogue, period, number, one)).collect();
        bought.sort_by_key(|bought| bought.plan.priority);
        Self { bought }
    }

    /// Lets every commitment cover what is left of an hour's usage.
    pub fn cover(&mut self, at_us: i64, usage: &mut [Usage<'_>]) {
        for bought in &mut self.bought {
            if bought.in_force(bought.book.zone.day_of(at_us)) {
                bought.cover(usage);
            }
        }
    }

    /// What a commitment of the agreement has used, in words of FOCUS, and what that has cost.
    pub fn share(&self, number: usize, used: &Exact) -> Option<(CommitmentShare, Exact)> {
        let bought = self.bought.iter().find(|bought| bought.number == number)?;
        Some((bought.share(used.clone(), Some("Used")), used * bought.unit_cost()))
    }

    /// Adds fees and unused parts to the charges, and tells their days.
    pub fn charge(&self, period: Period, charges: &mut Vec<Charge>) -> Vec<FeeDay> {
        let mut fee_days = Vec::new();
        for bought in &self.bought {
            for charge in bought.charges(period) {
                let number = charges.len();
                if charge.charge_frequency == "One-Time" {
                    let day = bought.commitment.from.unwrap_or(period.first_day());
                    fee_days.push(FeeDay { charge: number, day, share: Exact::one() });
                } else {
                    let hours = Exact::from(bought.hours());
                    fee_days.extend(bought.days.iter().map(|(day, part)| {
                        let share = Exact::from(*part).checked_div(&hours).unwrap_or_default();
                        FeeDay { charge: number, day: *day, share }
                    }));
                }
                charges.push(charge);
            }
        }
        fee_days
    }
}

impl<'a> Bought<'a> {
    fn new(catalogue: &'a Catalogue, period: Period, number: usize, commitment: &'a Commitment) -> Option<Self> {
        let (book, plan, skus) = catalogue.plan(&commitment.plan)?;
        let mut targets = BTreeMap::new();
        for index in skus {
            let sku = catalogue.sku(index);
            let key = sku.key.as_ref().map(|key| key.value.as_str());
            let by_key = matches!(plan.rates, CommittedRates::ByKey(_));
            let per_unit = || sku.unit.factor(plan.per.as_ref()?, sku.month_us(period)).ok();
            let target = match (plan.kind, &plan.rates) {
                (CommitmentKind::Usage, _) if by_key && key != commitment.key.as_deref() => None,
                (CommitmentKind::Usage, _) => per_unit().map(Target::Units),
                (CommitmentKind::Spend, CommittedRates::Percent(off)) => {
                    Some(Target::OfListPrice(Exact::one() - off * percent()))
                }
                (CommitmentKind::Spend, _) => {
                    plan.rate(key).and_then(|(rate, _)| Some(Target::Rate(per_unit()? * rate)))
                }
            };
            if let Some(target) = target {
                targets.insert(index, target);
            }
        }
        let mut bought = Self { number, commitment, plan, book, targets, days: Vec::new(), used: Exact::zero() };
        let days = period.first_day().iter_days().take_while(|day| *day <= period.last_day());
        let hours = |day: NaiveDate| {
            let (start_us, end_us) = book.zone.window(Window::Day, book.zone.day_start_us(day));
            (day, (end_us - start_us) / HOUR_US)
        };
        bought.days = days.filter(|day| bought.in_force(*day)).map(hours).collect();
        (!bought.days.is_empty()).then_some(bought)
    }

    /// Hours of the period in which it is in force.
    fn hours(&self) -> i64 {
        self.days.iter().map(|(_, hours)| hours).sum()
    }

    fn in_force(&self, day: NaiveDate) -> bool {
        in_force(self.commitment.from, self.commitment.to, day)
    }

    /// Covers what it can of one hour; money where it saves most.
    fn cover(&mut self, usage: &mut [Usage<'_>]) {
        let meant = |wanted: &Option<String>, given: Option<&str>| wanted.as_deref().is_none_or(|w| given == Some(w));
        let mut candidates: Vec<(Exact, usize, Exact)> = Vec::new();
        for (place, one) in usage.iter().enumerate() {
            let [_, account, region, _] = one.scope;
            let here = meant(&self.commitment.account, account) && meant(&self.commitment.region, region);
            let Some(target) = self.targets.get(&one.sku).filter(|_| here && one.rest.is_positive()) else { continue };
            let list_price = one.plan.curves[one.price].tiers.first().map(|tier| tier.unit_price.clone());
            let (saving, per_unit) = match target {
                Target::Units(units) => (Exact::zero(), units.clone()),
                Target::OfListPrice(part) => (Exact::one() - part, list_price.unwrap_or_default() * part),
                Target::Rate(rate) => {
                    let part = list_price.and_then(|list_price| rate.checked_div(&list_price));
                    (part.map_or_else(Exact::zero, |part| Exact::one() - part), rate.clone())
                }
            };
            candidates.push((saving, place, per_unit));
        }
        candidates.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut left = self.commitment.quantity.clone();
        for (_, place, per_unit) in candidates.into_iter().filter(|(.., per_unit)| per_unit.is_positive()) {
            let one = &mut usage[place];
            let wanted = &one.rest * &per_unit;
            let (quantity, used) = match wanted <= left {
                true => (one.rest.clone(), wanted),
                false => (left.checked_div(&per_unit).unwrap_or_default(), left.clone()),
            };
            if quantity.is_positive() {
                one.rest -= &quantity;
                left -= &used;
                self.used += &used;
                one.covered.push(Covered { commitment: self.number, quantity, used });
            }
        }
    }

    /// The recurring fee of one unit an hour; of money, the money itself.
    fn hourly_fee(&self) -> Exact {
        match self.plan.kind {
            CommitmentKind::Spend => Exact::one(),
            CommitmentKind::Usage => {
                self.plan.rate(self.commitment.key.as_deref()).map(|(rate, _)| rate.clone()).unwrap_or_default()
            }
        }
    }

    /// What one unit costs an hour, its part of the upfront fee included.
    fn unit_cost(&self) -> Exact {
        let upfront = self.plan.upfront(self.commitment.key.as_deref());
        let term_hours = self.commitment.from.zip(self.plan.term_months).and_then(|(from, months)| {
            let end = from.checked_add_months(Months::new(months))?;
            Some(Exact::from(end.signed_duration_since(from).num_hours()))
        });
        let amortised = term_hours.and_then(|hours| upfront.checked_div(&hours)).unwrap_or_default();
        self.hourly_fee() + amortised
    }

    fn share(&self, quantity: Exact, status: Option<&'static str>) -> CommitmentShare {
        CommitmentShare {
            id: self.commitment.id.clone(),
            plan: self.plan.name.clone(),
            category: match self.plan.kind {
                CommitmentKind::Usage => "Usage",
                CommitmentKind::Spend => "Spend",
            },
            status,
            quantity,
            unit: self.unit(),
        }
    }

    fn unit(&self) -> String {
        match (self.plan.kind, &self.plan.per) {
            (CommitmentKind::Usage, Some(per)) => per.text().to_owned(),
            _ => self.book.currency.clone(),
        }
    }

    fn charges(&self, period: Period) -> Vec<Charge> {
        let bought = &self.commitment.quantity * Exact::from(self.hours());
        let (fee, cost) = (self.hourly_fee(), self.unit_cost());
        let upfront = self.plan.upfront(self.commitment.key.as_deref());
        let (start, end) = (period.first_day(), period.last_day());
        let starts_here = self.commitment.from.is_some_and(|from| (start..=end).contains(&from));
        let unused = &bought - &self.used;
        let mut charges = Vec::new();
        if fee.is_positive() && bought.is_positive() {
            charges.push(self.charge(period, "fee", bought, fee, None));
        }
        if upfront.is_positive() && starts_here {
            charges.push(self.charge(period, "upfront", self.commitment.quantity.clone(), upfront, None));
        }
        if unused.is_positive() {
            charges.push(self.charge(period, "unused", unused, cost, Some("Unused")));
        }
        charges
    }

    /// A fee, or with a status the unused part.
    fn charge(
        &self,
        period: Period,
        what: &'static str,
        quantity: Exact,
        unit_price: Exact,
        status: Option<&'static str>,
    ) -> Charge {
        let cost = &quantity * &unit_price;
        let unused = status.is_some();
        let (paid, key) = (if unused { Exact::zero() } else { cost.clone() }, self.commitment.key.as_deref());
        let published = self.plan.rate(key).map_or_else(|| unit_price.to_string(), |(_, text)| text.to_owned());
        let key_text = key.map_or(String::new(), |key| format!(" {key}"));
        Charge {
            id: format!("{period}/{}/{}/{what}", self.plan.name, super::charges::encoded(Some(&self.commitment.id))),
            period,
            provider: self.book.provider.clone(),
            service: self.book.service.clone(),
            sku: self.plan.name.clone(),
            description: format!("{}{key_text}, {what}", self.plan.description),
            scope: Scope {
                account: self.commitment.account.clone(),
                region: self.commitment.region.clone(),
                ..Scope::default()
            },
            charge_category: if unused { "Usage" } else { "Purchase" },
            charge_frequency: match what {
                "upfront" => "One-Time",
                "fee" => "Recurring",
                _ => "Usage-Based",
            },
            consumed_unit: self.unit(),
            free_quantity: Exact::zero(),
            pricing_unit: self.unit(),
            pricing_quantity: quantity.clone(),
            consumed_quantity: quantity.clone(),
            tier: 1,
            tier_from: Exact::zero(),
            tier_to: None,
            published_price: if what == "fee" { published } else { unit_price.to_string() },
            published_per: self.unit(),
            contracted_unit_price: unit_price.clone(),
            unit_price,
            list_cost: paid.clone(),
            contracted_cost: paid.clone(),
            billed_cost: paid,
            effective_cost: if unused { cost } else { Exact::zero() },
            adjustment: Exact::zero(),
            currency: self.book.currency.clone(),
            pricing_currency: self.book.currency.clone(),
            exchange_rate: Exact::one(),
            discounts: Vec::new(),
            commitment: Some(self.share(quantity, status)),
            allowances: Vec::new(),
            record_count: 0,
            meter: format!("{} every hour for {} hours", self.commitment.quantity, self.hours()),
            filter: String::new(),
            price_book: self.book.name.clone(),
            price_book_version: self.book.version.clone(),
            price_from: self.plan.from,
            source: self.plan.source.clone(),
            source_address: self.book.source_address(&self.plan.source).to_owned(),
            mark: self.plan.mark(key).to_owned(),
        }
    }
}
