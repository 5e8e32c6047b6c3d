//! Both sides together: lines of the bill and rated usage of the same SKU, account and day.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use paygrain_pricing::{Catalogue, Exact, Period, SkuIndex};

use super::classes::{BilledSide, Circumstances, RatedSide, classify};
use super::lines::{LineKey, LineSum, Lines, Name};
use super::rated::{Rated, Recorded};
use super::{NotCompared, ReconcileRow};

/// Currencies that are printed without decimals; all others with two at least.
const WITHOUT_DECIMALS: [&str; 4] = ["JPY", "KRW", "CLP", "VND"];

/// What is compared, by SKU and day, and what is not.
pub(super) struct Compared {
    pub rows: Vec<ReconcileRow>,
    pub not_compared: Vec<NotCompared>,
}

/// What a cell is of: a group of SKUs by its first, or what the bill says of provider, service and usage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Skus(SkuIndex),
    Words(String, String, String),
}

/// A subject, account, currency and day; no day: the whole month.
type CellKey = (Subject, Option<String>, String, Option<NaiveDate>);

#[derive(Default)]
struct Cell {
    rated: RatedSide,
    billed: BilledSide,
    /// In the SKU's unit.
    billed_hours: BTreeMap<i64, Exact>,
    /// Whether every quantity on the bill is whole.
    has_fractions: bool,
    is_coarse: bool,
    printed_quantity: Exact,
    units: BTreeSet<String>,
    description: String,
    usage_count: u64,
    line_count: u64,
}

/// Compares a rating with the lines of a bill.
pub(super) fn compare(catalogue: &Catalogue, period: Period, mut rated: Rated, lines: Lines) -> Compared {
    let mut not_compared = NotComparedSums::default();
    let bill = Bill::of(catalogue, &lines, &rated);
    rated.cells.retain(|key, side| {
        let provider = catalogue.book_of(key.sku).provider.as_str();
        let reason = bill.lacks(provider, key.account.as_deref(), &key.currency);
        if let Some(reason) = &reason {
            not_compared.add(provider, key.account.as_deref(), &key.currency, (&side.cost, &Exact::zero()), reason);
        }
        reason.is_none()
    });
    rated.hours.retain(|(sku, account), _| bill.has_account(&catalogue.book_of(*sku).provider, account.as_deref()));
    let groups = Groups::of(&lines, &rated, catalogue);
    let mut cells: BTreeMap<CellKey, Cell> = BTreeMap::new();
    for (key, side) in &rated.cells {
        let group = groups.first_of(key.sku);
        let account = key.account.clone().filter(|_| groups.by_account(group));
        let day = Some(key.day).filter(|_| !groups.by_month(group));
        cells.entry((Subject::Skus(group), account, key.currency.clone(), day)).or_default().rated.add(side);
    }
    for (key, sum) in &lines.sums {
        let name = &lines.names[key.name];
        let currency = bill.currency_of(catalogue, &name.provider, key.currency.as_deref());
        if !bill.compares(&name.provider, &currency) {
            let reason = "the bill is in another currency than the rating";
            not_compared.add(&name.provider, key.account.as_deref(), &currency, (&Exact::zero(), &sum.cost), reason);
            continue;
        }
        let chosen = groups.chosen(&name.skus, catalogue).first().cloned();
        let (subject, factor) = match &chosen {
            Some((sku, factor)) => (Subject::Skus(groups.first_of(*sku)), factor.clone()),
            None => (words_of(name), Exact::one()),
        };
        let (by_account, by_month) = match subject {
            Subject::Skus(group) => (groups.by_account(group), groups.by_month(group)),
            Subject::Words(..) => (false, false),
        };
        let account = key.account.clone().filter(|_| by_account);
        let day = key.day.filter(|_| !by_month);
        let cell = cells.entry((subject, account, currency.clone(), day)).or_default();
        cell.add(sum, &factor, &bill.precision(&lines, key, &currency), name.words.word("charge_description"));
    }
    let rows = Rows { catalogue, period, rated, groups }.of(cells);
    Compared { rows, not_compared: not_compared.0.into_values().collect() }
}

/// What the bill says where no SKU is known.
fn words_of(name: &Name) -> Subject {
    let words = ["usage_type", "sku_meter", "charge_description", "sku_id", "service_name"];
    let usage = words.into_iter().find_map(|word| name.words.word(word)).unwrap_or("(not stated)");
    let service = name.words.word("service_name").unwrap_or_default();
    Subject::Words(name.provider.clone(), service.to_owned(), usage.to_owned())
}

/// Whose bill it is, and in which currencies.
struct Bill {
    providers: BTreeSet<String>,
    /// Accounts by provider, of bills whose lines all name one.
    accounts: BTreeMap<String, BTreeSet<String>>,
    /// By provider.
    currencies: BTreeMap<String, BTreeSet<String>>,
    /// Of the rating, by provider.
    rated_currencies: BTreeMap<String, BTreeSet<String>>,
    /// Most digits behind the point of costs and quantities, by name.
    places: Vec<(u32, u32)>,
}

/// Half a unit of the last digit.
struct Precision {
    cost: Exact,
    quantity: Exact,
    has_fractions: bool,
}

impl Bill {
    fn of(catalogue: &Catalogue, lines: &Lines, rated: &Rated) -> Self {
        let mut bill = Bill {
            providers: BTreeSet::new(),
            accounts: BTreeMap::new(),
            currencies: BTreeMap::new(),
            rated_currencies: BTreeMap::new(),
            places: vec![(0, 0); lines.names.len()],
        };
        for key in rated.cells.keys() {
            let provider = catalogue.book_of(key.sku).provider.clone();
            bill.rated_currencies.entry(provider).or_default().insert(key.currency.clone());
        }
        let mut of_anyone = BTreeSet::new();
        for (key, sum) in &lines.sums {
            let provider = &lines.names[key.name].provider;
            bill.providers.insert(provider.clone());
            match &key.account {
                Some(account) => drop(bill.accounts.entry(provider.clone()).or_default().insert(account.clone())),
                // Tax and the like may be the payer's.
                None if sum.usage_count > 0 => drop(of_anyone.insert(provider.clone())),
                None => {}
            }
            let currency = bill.currency_of(catalogue, provider, key.currency.as_deref());
            bill.currencies.entry(provider.clone()).or_default().insert(currency);
            let (cost, quantity) = &mut bill.places[key.name];
            *cost = sum.cost_places.max(*cost);
            *quantity = sum.quantity_places.max(*quantity);
        }
        bill.accounts.retain(|provider, _| !of_anyone.contains(provider));
        bill
    }

    /// The currency of a line; one that names none is in that of the rating.
    fn currency_of(&self, catalogue: &Catalogue, provider: &str, stated: Option<&str>) -> String {
        let rated = || self.rated_currencies.get(provider)?.first().cloned();
        let of_books = || Some(catalogue.books().iter().find(|book| book.provider == provider)?.currency.clone());
        stated.map(str::to_owned).or_else(rated).or_else(of_books).unwrap_or_default()
    }

    fn has_account(&self, provider: &str, account: Option<&str>) -> bool {
        let Some(known) = self.accounts.get(provider) else { return self.providers.contains(provider) };
        account.is_none_or(|account| known.contains(account))
    }

    /// Why rated usage has no bill to be compared with.
    fn lacks(&self, provider: &str, account: Option<&str>, currency: &str) -> Option<String> {
        if !self.providers.contains(provider) {
            return Some("there is no bill of the provider for the month".to_owned());
        }
        if !self.has_account(provider, account) {
            return Some("no line of the bill is of the account".to_owned());
        }
        let known = self.currencies.get(provider)?;
        let names = || known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        (!known.contains(currency)).then(|| format!("the bill is in {}", names()))
    }

    /// Whether lines in a currency have a rating to be compared with.
    fn compares(&self, provider: &str, currency: &str) -> bool {
        self.rated_currencies.get(provider).is_none_or(|known| known.contains(currency))
    }

    fn precision(&self, lines: &Lines, key: &LineKey, currency: &str) -> Precision {
        let (cost, quantity) = self.places[key.name];
        let of_provider = || lines.cost_places.get(&lines.names[key.name].provider).copied().unwrap_or(0);
        // Zeros at the end are not kept, so that whole amounts look as if they had no decimals.
        let least = if WITHOUT_DECIMALS.contains(&currency) { 0 } else { 2 };
        let cost = if cost == 0 { of_provider() } else { cost }.max(least);
        Precision { cost: half_unit(cost), quantity: half_unit(quantity), has_fractions: quantity > 0 }
    }
}

/// Half a unit of the last of so many decimals.
fn half_unit(places: u32) -> Exact {
    // The finest that an amount of an export can be.
    let places = places.min(59);
    format!("5e-{}", places + 1).parse().unwrap_or_default()
}

/// SKUs that the bill does not tell apart are one.
struct Groups {
    first: BTreeMap<SkuIndex, SkuIndex>,
    rated: BTreeSet<SkuIndex>,
    without_account: BTreeSet<SkuIndex>,
    by_month: BTreeSet<SkuIndex>,
}

impl Groups {
    fn of(lines: &Lines, rated: &Rated, catalogue: &Catalogue) -> Self {
        let with_usage = rated.cells.keys().map(|key| key.sku).chain(rated.hours.keys().map(|(sku, _)| *sku));
        let mut groups = Groups {
            first: BTreeMap::new(),
            rated: with_usage.collect(),
            without_account: BTreeSet::new(),
            by_month: BTreeSet::new(),
        };
        let mut chosen_of = Vec::new();
        for name in &lines.names {
            let chosen = groups.chosen(&name.skus, catalogue);
            if let Some((first, _)) = chosen.first() {
                chosen[1..].iter().for_each(|(other, _)| groups.join(*first, *other));
            }
            chosen_of.push(chosen.first().map(|(sku, _)| *sku));
        }
        let with_account = rated.cells.keys().map(|key| (key.sku, &key.account));
        for (sku, account) in with_account.chain(rated.hours.keys().map(|(sku, account)| (*sku, account))) {
            if account.is_none() {
                groups.without_account.insert(groups.first_of(sku));
            }
        }
        for (key, sum) in &lines.sums {
            let Some(sku) = chosen_of[key.name] else { continue };
            if key.account.is_none() {
                groups.without_account.insert(groups.first_of(sku));
            }
            if key.day.is_none() && sum.usage_count > 0 {
                groups.by_month.insert(groups.first_of(sku));
            }
        }
        groups
    }

    fn join(&mut self, one: SkuIndex, other: SkuIndex) {
        let (one, other) = (self.first_of(one), self.first_of(other));
        if one != other {
            let (first, joined) = (one.min(other), one.max(other));
            self.first.values_mut().filter(|known| **known == joined).for_each(|known| *known = first);
            self.first.insert(joined, first);
        }
    }

    /// Of the SKUs that fit a line those with usage, or else the first; all of one unit.
    fn chosen(&self, fitting: &[(SkuIndex, Exact)], catalogue: &Catalogue) -> Vec<(SkuIndex, Exact)> {
        let mut chosen: Vec<_> = fitting.iter().filter(|(sku, _)| self.rated.contains(sku)).cloned().collect();
        if chosen.is_empty() {
            chosen.extend(fitting.first().cloned());
        }
        let unit = chosen.first().map(|(sku, _)| catalogue.sku(*sku).unit.text().to_owned());
        chosen.retain(|(sku, _)| Some(catalogue.sku(*sku).unit.text()) == unit.as_deref());
        chosen
    }

    fn first_of(&self, sku: SkuIndex) -> SkuIndex {
        self.first.get(&sku).copied().unwrap_or(sku)
    }

    fn members(&self, group: SkuIndex) -> impl Iterator<Item = SkuIndex> {
        std::iter::once(group).chain(self.first.iter().filter(move |(_, first)| **first == group).map(|(sku, _)| *sku))
    }

    /// Whether both sides always say whose usage it is.
    fn by_account(&self, group: SkuIndex) -> bool {
        !self.without_account.contains(&group)
    }

    /// Whether the bill gives the month as a whole.
    fn by_month(&self, group: SkuIndex) -> bool {
        self.by_month.contains(&group)
    }
}

impl Cell {
    fn add(&mut self, sum: &LineSum, factor: &Exact, precision: &Precision, description: Option<&str>) {
        let billed = &mut self.billed;
        billed.cost += &sum.cost;
        billed.tax += &sum.tax;
        billed.credit += &sum.credit;
        billed.rounding += &sum.rounding;
        billed.unpriced += &sum.other;
        let cost_error = Exact::from(sum.cost_count + 2 * sum.listed_count) * &precision.cost;
        billed.discount += &sum.discount;
        // Less than the list cost is a discount, unless the digits that are printed account for it; more is none.
        let below_list = &sum.list_cost - &sum.listed_cost;
        if below_list > cost_error {
            billed.discount -= below_list;
        }
        billed.cost_error += cost_error;
        billed.at_no_cost += &sum.at_no_cost * factor;
        billed.at_no_cost_error += Exact::from(sum.at_no_cost_count) * &precision.cost;
        // Of lines that may have been rounded to nothing.
        billed.cost_error += Exact::from(sum.at_no_cost_count) * &precision.cost;
        billed.quantity_error += Exact::from(sum.usage_count) * &precision.quantity * factor;
        let quantity = (!sum.lacks_quantity).then(|| &sum.quantity * factor);
        billed.quantity = match (billed.quantity.take(), quantity) {
            (own, Some(_)) if sum.usage_count == 0 => own,
            (None, quantity) if self.usage_count == 0 => quantity,
            (Some(own), Some(quantity)) => Some(own + quantity),
            _ => None,
        };
        self.has_fractions |= precision.has_fractions;
        if sum.usage_count > 0 {
            self.is_coarse |= sum.hours.is_empty();
            for (hour, quantity) in &sum.hours {
                *self.billed_hours.entry(*hour).or_default() += quantity * factor;
            }
        }
        self.printed_quantity += &sum.quantity;
        self.units.extend(sum.units.iter().cloned());
        self.usage_count += sum.usage_count;
        self.line_count += sum.line_count;
        if self.description.is_empty() {
            self.description = description.unwrap_or_default().to_owned();
        }
    }
}

/// The month of one subject, account and currency.
#[derive(Default)]
struct Month {
    rated: RatedSide,
    quantity: Exact,
    usage_count: u64,
    gives_free: bool,
}

impl Month {
    /// Whether the bill lists only what it charges for: then its quantity is nearer to what the rating charges for.
    fn omits_free(&self) -> bool {
        let distance = |to: &Exact| (&self.quantity - to).abs();
        let charged = &self.rated.quantity - &self.rated.free;
        let nearer = distance(&charged) < distance(&self.rated.quantity);
        self.rated.free.is_positive() && self.usage_count > 0 && !self.gives_free && nearer
    }

    /// Mean list price.
    fn price(&self) -> Option<Exact> {
        self.rated.list.checked_div(&self.rated.quantity)
    }
}

/// Turns cells into rows.
struct Rows<'a> {
    catalogue: &'a Catalogue,
    period: Period,
    rated: Rated,
    groups: Groups,
}

impl Rows<'_> {
    fn of(&self, cells: BTreeMap<CellKey, Cell>) -> Vec<ReconcileRow> {
        let mut months: BTreeMap<(Subject, Option<String>, String), Month> = BTreeMap::new();
        for ((subject, account, currency, _), cell) in &cells {
            let month = months.entry((subject.clone(), account.clone(), currency.clone())).or_default();
            month.rated.add(&cell.rated);
            month.quantity += cell.billed.quantity.as_ref().unwrap_or(&Exact::zero());
            month.usage_count += cell.usage_count;
            month.gives_free |= cell.billed.at_no_cost.is_positive() || !cell.billed.credit.is_zero();
        }
        let mut recorded: BTreeMap<(SkuIndex, Option<String>), BTreeMap<i64, Exact>> = BTreeMap::new();
        for ((sku, account), hours) in &self.rated.hours {
            let group = self.groups.first_of(*sku);
            let account = account.clone().filter(|_| self.groups.by_account(group));
            let known = recorded.entry((group, account)).or_default();
            hours.iter().for_each(|(hour, quantity)| *known.entry(*hour).or_default() += quantity);
        }
        let recorded: BTreeMap<_, _> = recorded.into_iter().map(|(of, hours)| (of, Recorded::of(hours))).collect();
        let nothing = Recorded::of(BTreeMap::new());
        let mut rows = Vec::with_capacity(cells.len());
        for ((subject, account, currency, day), cell) in cells {
            let row = match &subject {
                Subject::Words(provider, service, usage) => {
                    let parts = classify(&cell.rated, &cell.billed, &Circumstances::default());
                    let named = ReconcileRow {
                        provider: provider.clone(),
                        service: service.clone(),
                        name: usage.clone(),
                        description: Some(cell.description.clone()).filter(|text| text != usage).unwrap_or_default(),
                        parts,
                        ..ReconcileRow::default()
                    };
                    cell.row(named, currency, day)
                }
                Subject::Skus(group) => {
                    let month = &months[&(subject.clone(), account.clone(), currency.clone())];
                    let recorded = recorded.get(&(*group, account)).unwrap_or(&nothing);
                    self.row(*group, month, recorded, currency, day, cell)
                }
            };
            rows.push(row);
        }
        rows
    }

    fn row(
        &self,
        group: SkuIndex,
        month: &Month,
        recorded: &Recorded,
        currency: String,
        day: Option<NaiveDate>,
        mut cell: Cell,
    ) -> ReconcileRow {
        let (sku, book) = (self.catalogue.sku(group), self.catalogue.book_of(group));
        if cell.usage_count == 0 {
            cell.billed.quantity = Some(Exact::zero());
        }
        let surplus =
            cell.billed.quantity.as_ref().map_or_else(Exact::zero, |quantity| quantity - &cell.rated.quantity);
        if !cell.has_fractions && cell.rated.quantity.is_integer() {
            cell.billed.quantity_error = Exact::zero(); // what is counted is not rounded
        }
        if cell.is_coarse {
            cell.billed_hours.clear();
        }
        let (from, to) = day.map_or((self.period.first_day(), self.period.last_day()), |day| (day, day));
        let (hours, quantity) = recorded.missing(sku.zone, from, to, &cell.billed_hours, &surplus);
        let price = cell.rated.list.checked_div(&cell.rated.quantity).or_else(|| month.price());
        let has_price = self.groups.members(group).all(|sku| !self.rated.unpriced.contains(&(sku, from)));
        let known = Circumstances {
            price: Some(price.unwrap_or_default()).filter(|_| has_price && sku.is_priced_on(to)),
            has_records: !recorded.is_empty(),
            omits_free: month.omits_free(),
            missing_quantity: quantity,
        };
        let parts = classify(&cell.rated, &cell.billed, &known);
        let names: Vec<_> = self.groups.members(group).map(|sku| self.catalogue.sku(sku).name.as_str()).collect();
        let named = ReconcileRow {
            provider: book.provider.clone(),
            service: book.service.clone(),
            name: names.join(" + "),
            is_sku: true,
            description: sku.description.clone(),
            rated_quantity: Some(cell.rated.quantity.clone()),
            rated_unit: Some(sku.unit.text().to_owned()),
            billed_quantity: cell.billed.quantity.clone(),
            hours_missing: if parts.missing_hours.is_zero() { 0 } else { hours },
            parts,
            ..ReconcileRow::default()
        };
        cell.row(named, currency, day)
    }
}

impl Cell {
    /// The row with the amounts of the cell.
    fn row(&self, named: ReconcileRow, currency: String, day: Option<NaiveDate>) -> ReconcileRow {
        let one_unit = self.usage_count > 0 && self.units.len() <= 1;
        ReconcileRow {
            day,
            currency,
            printed_quantity: Some(self.printed_quantity.clone()).filter(|_| one_unit),
            printed_unit: self.units.first().cloned().filter(|_| one_unit),
            rated_cost: self.rated.cost.clone(),
            billed_cost: self.billed.cost.clone(),
            difference: &self.billed.cost - &self.rated.cost,
            record_count: self.rated.records,
            line_count: self.line_count,
            ..named
        }
    }
}

/// What is not compared, by provider, account, currency and reason.
#[derive(Default)]
struct NotComparedSums(BTreeMap<(String, String, String, String), NotCompared>);

impl NotComparedSums {
    fn add(&mut self, provider: &str, account: Option<&str>, currency: &str, costs: (&Exact, &Exact), reason: &str) {
        let account = account.unwrap_or_default();
        let key = (provider.to_owned(), account.to_owned(), currency.to_owned(), reason.to_owned());
        let sum = self.0.entry(key).or_insert_with(|| NotCompared {
            provider: provider.to_owned(),
            account: account.to_owned(),
            currency: currency.to_owned(),
            rated_cost: Exact::zero(),
            billed_cost: Exact::zero(),
            reason: reason.to_owned(),
        });
        sum.rated_cost += costs.0;
        sum.billed_cost += costs.1;
    }
}
