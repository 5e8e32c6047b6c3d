//! Books, SKUs, allowances and plans as they are listed. They serialise as the API answers.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use paygrain_pricing::book::{CommitmentPlan, CommittedRates, Grant, in_force};
use paygrain_pricing::unit::Window;
use paygrain_pricing::{Allowance, Exact, Meter, PriceBook, Sku};
use serde::Serialize;

use super::name_of;
use super::rows::{PriceRow, days, of_sku, unit_words};

/// How many prices of a book are how sure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Marks {
    /// Read in the source itself.
    pub seen: u64,
    /// Worked out from published prices.
    pub derived: u64,
    /// Not yet checked against a source.
    pub remembered: u64,
    /// Stand-ins: there is no public figure.
    pub none: u64,
}

impl Marks {
    fn add(&mut self, mark: &str) {
        match mark {
            "seen" => self.seen += 1,
            "derived" => self.derived += 1,
            "remembered" => self.remembered += 1,
            _ => self.none += 1,
        }
    }

    /// Those there are, with their number.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let all =
            [("seen", self.seen), ("derived", self.derived), ("remembered", self.remembered), ("none", self.none)];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// A book in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BookSummary {
    /// `aws/lambda`.
    pub price_book: String,
    /// The provider.
    pub provider: String,
    /// The provider as people write it.
    pub provider_title: String,
    /// The service.
    pub service: String,
    /// The service as people write it.
    pub title: String,
    /// FOCUS service category.
    pub category: String,
    /// FOCUS service subcategory.
    pub subcategory: String,
    /// The day of the data.
    pub version: String,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// Whether the file was given by the user; the others are shipped.
    pub is_own: bool,
    /// The file, of a book given by the user.
    pub file: Option<String>,
    /// SKUs.
    pub skus: u64,
    /// Allowances.
    pub allowances: u64,
    /// Commitment plans.
    pub commitments: u64,
    /// Prices: tiers of every period.
    pub prices: u64,
    /// First day that any price holds; absent: one holds always.
    pub first_day: Option<NaiveDate>,
    /// The latest day on which a price, a rule or an allowance begins or ends; absent: none ever did.
    pub last_change: Option<NaiveDate>,
    /// How sure the prices are.
    pub marks: Marks,
}

impl BookSummary {
    /// A book in short.
    pub fn of(book: &PriceBook) -> Self {
        let mut marks = Marks::default();
        let prices = || book.skus.iter().flat_map(|sku| &sku.prices);
        prices().flat_map(|price| &price.tiers).for_each(|tier| marks.add(&tier.mark));
        let first_day = match prices().any(|price| price.from.is_none()) {
            true => None,
            false => prices().filter_map(|price| price.from).min(),
        };
        Self {
            price_book: name_of(book),
            provider: book.provider.clone(),
            provider_title: book.provider_title.clone(),
            service: book.service.clone(),
            title: book.title.clone(),
            category: book.category.clone(),
            subcategory: book.subcategory.clone(),
            version: book.version.clone(),
            currency: book.currency.clone(),
            is_own: is_own(book),
            file: is_own(book).then(|| book.name.clone()),
            skus: book.skus.len() as u64,
            allowances: book.allowances.len() as u64,
            commitments: book.commitments.len() as u64,
            prices: prices().map(|price| price.tiers.len() as u64).sum(),
            first_day,
            last_change: days_of_change(book).last().copied(),
            marks,
        }
    }
}

/// Whether the user gave the book: a shipped one is named by provider and service, another by its file.
pub fn is_own(book: &PriceBook) -> bool {
    book.name != name_of(book)
}

/// Every day on which a price, a rule, an allowance or a plan begins or ends.
pub fn days_of_change(book: &PriceBook) -> BTreeSet<NaiveDate> {
    let of_sku = |sku: &Sku| {
        let prices = sku.prices.iter().flat_map(|price| [price.from, price.to]).collect::<Vec<_>>();
        let rules = sku.meters.iter().flat_map(|meter| [meter.from, meter.to]);
        prices.into_iter().chain(rules).collect::<Vec<_>>()
    };
    let allowances = book.allowances.iter().flat_map(|allowance| [allowance.from, allowance.to]);
    let plans = book.commitments.iter().flat_map(|plan| [plan.from, plan.to]);
    book.skus.iter().flat_map(of_sku).chain(allowances).chain(plans).flatten().collect()
}

/// What is counted of a record, in one era.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleView {
    /// First day, inclusive.
    pub from: Option<NaiveDate>,
    /// Last day, exclusive.
    pub to: Option<NaiveDate>,
    /// Whether it holds on the day asked for.
    pub in_force: bool,
    /// The expression.
    pub quantity: String,
    /// How sure it is.
    pub mark: String,
    /// Key of the source.
    pub source: String,
    /// Its address, or words where there is none.
    pub source_address: String,
}

impl RuleView {
    fn of(book: &PriceBook, meter: &Meter, on: NaiveDate) -> Self {
        Self {
            from: meter.from,
            to: meter.to,
            in_force: in_force(meter.from, meter.to, on),
            quantity: meter.quantity.to_string(),
            mark: meter.mark.clone(),
            source: meter.source.clone(),
            source_address: book.source_address(&meter.source).to_owned(),
        }
    }

    /// When it holds, in words.
    pub fn days(&self) -> String {
        days(self.from, self.to)
    }
}

/// A SKU as the book's file has it: with all keys of its price table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkuView {
    /// Id within the book.
    pub id: String,
    /// Id with provider and service in front, without key.
    pub sku: String,
    /// What is charged, in words.
    pub description: String,
    /// The usage table.
    pub table: String,
    /// Services whose rows feed it.
    pub services: Vec<String>,
    /// Which rows; absent: every row.
    pub filter: Option<String>,
    /// The column that chooses the price, of a SKU per key.
    pub by: Option<String>,
    /// Columns within which quantities are summed and tiers run.
    pub scope: Vec<String>,
    /// The pricing unit.
    pub unit: String,
    /// Exact factor on the rule's integer.
    pub scale: Exact,
    /// `hour` or `day`: the largest level per that time counts.
    pub maximum_per: Option<String>,
    /// Allowances it draws on.
    pub allowances: Vec<String>,
    /// What is counted of a record, by era.
    pub rules: Vec<RuleView>,
    /// The prices asked for, of every period.
    pub prices: Vec<PriceRow>,
}

impl SkuView {
    /// SKUs of a book, the keys of a price table together, with the prices of a region where one is asked for.
    pub fn all<'a>(
        book: &'a PriceBook,
        skus: impl IntoIterator<Item = &'a Sku>,
        region: Option<&str>,
        on: NaiveDate,
    ) -> Vec<Self> {
        let mut views: Vec<Self> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for sku in skus {
            let place = *places.entry(sku.base.as_str()).or_insert_with(|| {
                views.push(Self::of(book, sku, on));
                views.len() - 1
            });
            let rows = of_sku(book, sku, on);
            let named: Vec<_> = rows.iter().filter(|row| holds(book, row, region)).cloned().collect();
            let rest = rows.into_iter().filter(|row| row.region.is_none() && region.is_some());
            // A price for every other region counts where none that names the region does at the same time.
            let meets = |one: &PriceRow, other: &PriceRow| {
                one.from.is_none_or(|from| other.to.is_none_or(|to| from < to))
                    && other.from.is_none_or(|from| one.to.is_none_or(|to| from < to))
            };
            let rest: Vec<_> = rest.filter(|row| !named.iter().any(|one| meets(one, row))).collect();
            views[place].prices.extend(named.into_iter().chain(rest));
        }
        views
    }

    fn of(book: &PriceBook, sku: &Sku, on: NaiveDate) -> Self {
        Self {
            id: sku.base.clone(),
            sku: format!("{}.{}.{}", book.provider, book.service, sku.base),
            description: sku.description.clone(),
            table: sku.table.name().to_owned(),
            services: sku.services.clone(),
            filter: sku.base_filter.as_ref().map(ToString::to_string),
            by: sku.key.as_ref().map(|key| key.column.clone()),
            scope: sku.scope.clone(),
            unit: sku.unit.text().to_owned(),
            scale: sku.scale.clone(),
            maximum_per: sku.maximum_per.map(|window| window.name().to_owned()),
            allowances: sku.allowances.iter().map(|place| book.allowances[*place].id.clone()).collect(),
            rules: sku.meters.iter().map(|meter| RuleView::of(book, meter, on)).collect(),
            prices: Vec::new(),
        }
    }

    /// Prices of the day.
    pub fn current(&self) -> Vec<&PriceRow> {
        self.prices.iter().filter(|row| row.in_force).collect()
    }

    /// Prices of other days.
    pub fn others(&self) -> Vec<&PriceRow> {
        self.prices.iter().filter(|row| !row.in_force).collect()
    }

    /// Rules of the day.
    pub fn rules_now(&self) -> Vec<&RuleView> {
        self.rules.iter().filter(|rule| rule.in_force).collect()
    }

    /// Rules of other days.
    pub fn rules_then(&self) -> Vec<&RuleView> {
        self.rules.iter().filter(|rule| !rule.in_force).collect()
    }

    /// Whether any price has a key.
    pub fn has_keys(&self) -> bool {
        self.by.is_some()
    }

    /// Whether any price depends on the quantity.
    pub fn has_tiers(&self) -> bool {
        self.prices.iter().any(|row| row.quantities().is_some() || row.conditions().is_some())
    }

    /// Whether any price is for a set of regions.
    pub fn has_regions(&self) -> bool {
        self.prices.iter().any(|row| row.region.is_some())
    }
}

/// Whether a price names the region; without a region, every price does.
fn holds(book: &PriceBook, row: &PriceRow, region: Option<&str>) -> bool {
    let Some(region) = region else { return true };
    row.region.as_ref().and_then(|set| book.regions.get(set)).is_some_and(|regions| regions.contains(region))
}

/// A free quantity or a credit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AllowanceView {
    /// `aws/lambda`.
    pub price_book: String,
    /// Id within the book.
    pub id: String,
    /// What it gives: `1_000_000 request`, `5 USD`.
    pub gives: String,
    /// How often: `month`, `day` or `hour`.
    pub each: String,
    /// Columns whose values each have one.
    pub scope: Vec<String>,
    /// Set of regions it is limited to.
    pub region: Option<String>,
    /// First day, inclusive.
    pub from: Option<NaiveDate>,
    /// Last day, exclusive.
    pub to: Option<NaiveDate>,
    /// Whether it is given on the day asked for.
    pub in_force: bool,
    /// To whom and when, in words.
    pub given: String,
    /// SKUs that share it, without keys.
    pub skus: Vec<String>,
    /// How sure it is.
    pub mark: String,
    /// Key of the source.
    pub source: String,
    /// Its address, or words where there is none.
    pub source_address: String,
}

impl AllowanceView {
    /// The allowances of a book.
    pub fn all(book: &PriceBook, on: NaiveDate) -> Vec<Self> {
        book.allowances.iter().enumerate().map(|(place, allowance)| Self::of(book, place, allowance, on)).collect()
    }

    fn of(book: &PriceBook, place: usize, allowance: &Allowance, on: NaiveDate) -> Self {
        let opened = allowance.opened_before.map_or(String::new(), |day| format!(", to accounts opened before {day}"));
        let given = match (allowance.always, allowance.on_request, allowance.expires_months) {
            (true, ..) => "always".to_owned(),
            (_, true, _) => "on request".to_owned(),
            (.., Some(months)) => format!("in the first {months} months of an account{opened}"),
            _ => format!("by default{opened}"),
        };
        let mut skus: Vec<String> = Vec::new();
        for sku in book.skus.iter().filter(|sku| sku.allowances.contains(&place)) {
            if skus.last() != Some(&sku.base) {
                skus.push(sku.base.clone());
            }
        }
        Self {
            price_book: name_of(book),
            id: allowance.id.clone(),
            gives: match &allowance.grant {
                Grant::Quantity { quantity, unit } => format!("{quantity} {}", unit.text()),
                Grant::Credit(credit) => format!("{credit} {}", book.currency),
            },
            each: allowance.window.map_or("month", Window::name).to_owned(),
            scope: allowance.scope.clone(),
            region: allowance.region.clone(),
            from: allowance.from,
            to: allowance.to,
            in_force: in_force(allowance.from, allowance.to, on),
            given,
            skus,
            mark: allowance.mark.clone(),
            source: allowance.source.clone(),
            source_address: book.source_address(&allowance.source).to_owned(),
        }
    }

    /// When it is given, in words.
    pub fn days(&self) -> String {
        days(self.from, self.to)
    }

    /// What it gives, as people read it.
    pub fn gives_words(&self) -> String {
        let (number, unit) = self.gives.split_once(' ').unwrap_or((&self.gives, ""));
        format!("{} {}", paygrain_pricing::grouped(number), unit_words(unit))
    }
}

/// A plan that accounts can commit to, with one of its rates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommitmentView {
    /// Id within the book.
    pub plan: String,
    /// What is bought, in words.
    pub description: String,
    /// SKUs it covers, as written.
    pub covers: Vec<String>,
    /// The key, of a plan with rates by key.
    pub key: Option<String>,
    /// The rate as published, or `N % off`.
    pub rate: String,
    /// What a rate is for.
    pub per: Option<String>,
    /// How long it runs.
    pub term_months: Option<u32>,
    /// How sure it is.
    pub mark: String,
    /// Key of the source.
    pub source: String,
    /// Its address, or words where there is none.
    pub source_address: String,
}

impl CommitmentView {
    /// The plans of a book, a row per rate.
    pub fn all(book: &PriceBook) -> Vec<Self> {
        let of_plan = |plan: &CommitmentPlan| {
            let rates: Vec<(Option<String>, String)> = match &plan.rates {
                CommittedRates::One(_, text) => vec![(None, text.clone())],
                CommittedRates::ByKey(rates) => {
                    rates.iter().map(|(key, (_, text))| (Some(key.clone()), text.clone())).collect()
                }
                CommittedRates::Percent(percent) => vec![(None, format!("{percent} % off"))],
            };
            let view = |(key, rate): (Option<String>, String)| Self {
                plan: plan.id.clone(),
                description: plan.description.clone(),
                covers: plan.skus.clone(),
                mark: plan.mark(key.as_deref()).to_owned(),
                key,
                rate,
                per: plan.per.as_ref().map(|per| per.text().to_owned()),
                term_months: plan.term_months,
                source: plan.source.clone(),
                source_address: book.source_address(&plan.source).to_owned(),
            };
            rates.into_iter().map(view).collect::<Vec<_>>()
        };
        book.commitments.iter().flat_map(of_plan).collect()
    }
}

#[cfg(test)]
mod tests {
    use paygrain_pricing::Catalogue;

    use super::*;

    #[test]
    fn a_shipped_book_is_not_the_users_own() {
        let catalogue = Catalogue::embedded().unwrap();
        assert!(catalogue.books().iter().all(|book| !is_own(book)));
        let lambda = catalogue.books().iter().find(|book| name_of(book) == "aws/lambda").unwrap();
        let given = [("books/lambda.toml".to_owned(), lambda.text.clone())];
        let own: Vec<_> =
            Catalogue::with_files(given).unwrap().books().iter().filter(|book| is_own(book)).map(name_of).collect();
        assert_eq!(own, ["aws/lambda"]);
    }

    #[test]
    fn every_price_of_every_book_is_shown_once() {
        let catalogue = Catalogue::embedded().unwrap();
        let on = "2026-11-23".parse().unwrap();
        for book in catalogue.books() {
            let views = SkuView::all(book, &book.skus, None, on);
            let shown: usize = views.iter().map(|view| view.prices.len()).sum();
            assert_eq!(shown as u64, BookSummary::of(book).prices, "{}", book.name);
            assert!(views.iter().all(|view| !view.rules.is_empty()), "{}", book.name);
        }
    }

    #[test]
    fn a_region_has_its_own_prices_and_else_those_of_the_rest() {
        let catalogue = Catalogue::embedded().unwrap();
        let book = catalogue.books().iter().find(|book| name_of(book) == "gcp/cloud-run").unwrap();
        let on = "2026-11-23".parse().unwrap();
        let sets = |region| {
            let views = SkuView::all(book, &book.skus, Some(region), on);
            let rows = views.iter().flat_map(SkuView::current).map(|row| row.region.clone());
            rows.collect::<BTreeSet<_>>()
        };
        assert!(sets("us-central1").contains(&Some("tier1".to_owned())));
        assert_eq!(sets("europe-west2"), BTreeSet::from([None]));
    }
}
