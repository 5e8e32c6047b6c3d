//! The prices of a SKU: periods, region sets, tiers, and the table of keys behind `by`
use std::collections::BTreeMap;

use super::{
    BookContext, MARKS,
    check::{read_days, read_region, source as check_source},
    reader::{Entry, Reader},
};
use crate::{
    book::{Price, Tier},
    exact::Exact,
    unit::Unit,
};

const PRICE_KEYS: &[&str] = &[
    "from",
    "to",
    "region",
    "per",
    "price",
    "prices",
    "marks",
    "tiers",
    "tier_unit",
    "model",
    "package",
    "minimum_charge",
    "source",
    "mark",
    "published",
    "note",
];
const TIER_KEYS: &[&str] = &["up_to", "price", "prices", "factor", "mark", "source"];

/// One price or a table of prices by key.
#[derive(Clone)]
enum Amount {
    None,
    One(Exact, String),
    ByKey(Vec<(String, Exact, String)>),
}

/// A price period as written: for one SKU or for all keys of a `by` SKU.
pub(super) struct PriceEntry {
    /// Where it is in the text.
    start: usize,
    /// Everything but the tiers.
    common: Price,
    amount: Amount,
    marks: BTreeMap<String, String>,
    mark: String,
    tiers: Vec<TierEntry>,
}

struct TierEntry {
    up_to: Option<Exact>,
    amount: Amount,
    factor: Option<(Exact, String)>,
    mark: Option<String>,
}

impl Amount {
    fn of(&self, key: Option<&str>) -> Option<(Exact, String)> {
        match (self, key) {
            (Amount::One(price, text), _) => Some((price.clone(), text.clone())),
            (Amount::ByKey(table), Some(key)) => {
                table.iter().find(|(name, ..)| name == key).map(|(_, price, text)| (price.clone(), text.clone()))
            }
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        match self {
            Amount::ByKey(table) => table.iter().map(|(name, ..)| name.as_str()).collect(),
            _ => Vec::new(),
        }
    }
}

/// Reads the price periods of a SKU and checks each by itself and all together.
pub(super) fn read<'t>(reader: &mut Reader<'t>, sku: Entry<'t>, unit: &Unit, book: &BookContext) -> Vec<PriceEntry> {
    let by = sku.has("by");
    let entries: Vec<PriceEntry> = reader
        .tables(sku, "price")
        .into_iter()
        .filter_map(|entry| read_period(reader, entry, unit, by, book))
        .collect();
    if !sku.has("price") {
        reader.problem(sku.start, "`price` is missing");
    } else if reader.tables(sku, "price").is_empty() {
        reader.problem(sku.start, "`price` is empty");
    }
    check_periods(reader, &entries);
    check_region_sets(reader, &entries, book);
    entries
}

fn read_amount<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, by: bool) -> Amount {
    if let Some(table) = reader.table(entry, "prices") {
        if entry.has("price") {
            reader.problem(table.start, "both `price` and `prices`");
        }
        if !by {
            reader.problem(table.start, "`prices` without `by`");
        }
        let prices = table.in_order().into_iter().filter_map(|(key, value)| {
            reader.decimal_value(key, value).map(|(price, text)| (key.to_owned(), price, text.to_owned()))
        });
        return Amount::ByKey(prices.collect());
    }
    match reader.decimal(entry, "price") {
        Some((price, text)) => Amount::One(price, text.to_owned()),
        // Noted already; that it is missing would be a second problem for one mistake.
        None if entry.has("price") => Amount::One(Exact::zero(), String::new()),
        None => Amount::None,
    }
}

fn read_period<'t>(
    reader: &mut Reader<'t>,
    entry: Entry<'t>,
    unit: &Unit,
    by: bool,
    book: &BookContext,
) -> Option<PriceEntry> {
    reader.known_keys(entry, PRICE_KEYS);
    let start = entry.start;
    if !entry.has("per") {
        reader.problem(start, "`per` is missing");
    }
    let per = reader.unit(entry, "per");
    let tier_unit = reader.unit(entry, "tier_unit");
    let package = reader.unit(entry, "package");
    for (key, from) in [("per", &per), ("tier_unit", &tier_unit), ("package", &package)] {
        let at = entry.get(key).map_or(start, |value| value.span().start);
        from.as_ref().and_then(|from| reader.ok(at, from.same_things(unit)));
    }
    let source = reader.required(entry, "source").to_owned();
    check_source(reader, entry, &book.sources);
    let region = read_region(reader, entry, book);
    let volume = match reader.text(entry, "model") {
        None | Some("graduated") => false,
        Some("volume") => true,
        Some(other) => {
            let at = entry.get("model").map_or(start, |value| value.span().start);
            reader.known_word(at, "model", other, &["graduated", "volume"]);
            false
        }
    };
    let mark = read_mark(reader, entry).unwrap_or_default();
    let marks = read_marks(reader, entry);
    let amount = read_amount(reader, entry, by);
    let tiers = read_tiers(reader, entry, by, book);
    check_amounts(reader, start, by, &amount, &tiers);
    check_marks(reader, entry, by, &amount, &tiers);
    let (from, to) = read_days(reader, entry);
    let common = Price {
        from,
        to,
        region,
        per: per?,
        tiers: Vec::new(),
        tier_unit: tier_unit.unwrap_or_else(|| unit.clone()),
        volume,
        package,
        minimum_charge: reader.decimal(entry, "minimum_charge").map(|(amount, _)| amount),
        published: reader.text(entry, "published").unwrap_or_default().to_owned(),
        source,
    };
    Some(PriceEntry { start, common, amount, marks, mark, tiers })
}

/// The mark of an entry, when it has one.
pub(super) fn read_mark<'t>(reader: &mut Reader<'t>, entry: Entry<'t>) -> Option<String> {
    let mark = reader.text(entry, "mark")?;
    let at = entry.get("mark").map_or(entry.start, |value| value.span().start);
    reader.known_word(at, "mark", mark, MARKS);
    Some(mark.to_owned())
}

pub(super) fn read_marks<'t>(reader: &mut Reader<'t>, entry: Entry<'t>) -> BTreeMap<String, String> {
    let mut marks = BTreeMap::new();
    if !entry.has("mark") {
        reader.problem(entry.start, "`mark` is missing");
    }
    for (key, value) in reader.table(entry, "marks").map(Entry::in_order).unwrap_or_default() {
        let mark = value.get_ref().as_str().unwrap_or_default();
        reader.known_word(value.span().start, "mark", mark, MARKS);
        marks.insert(key.to_owned(), mark.to_owned());
    }
    marks
}

fn read_tiers<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, by: bool, book: &BookContext) -> Vec<TierEntry> {
    let mut tiers = Vec::new();
    for tier in reader.tables(entry, "tiers") {
        reader.known_keys(tier, TIER_KEYS);
        check_source(reader, tier, &book.sources);
        if tier.has("factor") && (tier.has("price") || tier.has("prices")) {
            reader.problem(tier.start, "a tier has a price of its own or a `factor` on the period's, not both");
        }
        tiers.push(TierEntry {
            up_to: reader.decimal(tier, "up_to").map(|(bound, _)| bound),
            amount: read_amount(reader, tier, by),
            factor: reader.decimal(tier, "factor").map(|(factor, text)| (factor, text.to_owned())),
            mark: read_mark(reader, tier),
        });
    }
    let bounds: Vec<_> = tiers.iter().map(|tier| tier.up_to.as_ref()).collect();
    let ascending = bounds.windows(2).all(|pair| match (pair[0], pair[1]) {
        (Some(bound), Some(next)) => bound < next,
        (Some(_), None) => true,
        (None, _) => false,
    });
    let starts_above_0 = bounds.first().is_none_or(|first| first.is_none_or(Exact::is_positive));
    let open_at_end = bounds.last().is_none_or(Option::is_none);
    if !ascending || !open_at_end || !starts_above_0 {
        let at = entry.get("tiers").map_or(entry.start, |value| value.span().start);
        reader.problem(at, "tiers must ascend from above 0, and only the last is open (has no `up_to`)");
    }
    tiers
}

/// Every tier needs a price, its own or the period's; with a table of prices each the same keys.
fn check_amounts(reader: &mut Reader<'_>, start: usize, by: bool, amount: &Amount, tiers: &[TierEntry]) {
    let one = |amount: &Amount| matches!(amount, Amount::One(..));
    if by && (one(amount) || tiers.iter().any(|tier| one(&tier.amount))) {
        reader.problem(start, "`price` in a SKU with `by`: it needs `prices`, a table by key");
    }
    if by && keys_of(amount, tiers).is_empty() && !one(amount) {
        reader.problem(start, "no key has a price: `prices` is missing or empty");
    }
    let own: Vec<&Amount> = tiers.iter().map(|tier| &tier.amount).collect();
    let priced = |own: &Amount| !matches!((own, amount), (Amount::None, Amount::None));
    if (tiers.is_empty() && !priced(&Amount::None)) || !own.iter().all(|own| priced(own)) {
        reader.problem(start, "a period or a tier without `price`");
    }
    let mut keys: Vec<Vec<&str>> =
        own.iter().chain([&amount]).map(|amount| amount.keys()).filter(|keys| !keys.is_empty()).collect();
    keys.iter_mut().for_each(|keys| keys.sort_unstable());
    if keys.windows(2).any(|pair| pair[0] != pair[1]) {
        reader.problem(start, "the tiers of one period have prices for different keys");
    }
}

/// The keys that a period has prices for.
fn keys_of<'a>(amount: &'a Amount, tiers: &'a [TierEntry]) -> Vec<&'a str> {
    let own = amount.keys();
    if own.is_empty() { tiers.first().map(|tier| tier.amount.keys()).unwrap_or_default() } else { own }
}

/// Every key of `marks` is one that has a price.
fn check_marks<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, by: bool, amount: &Amount, tiers: &[TierEntry]) {
    let Some(marks) = reader.table(entry, "marks") else { return };
    if !by {
        reader.problem(marks.start, "`marks` without `by`");
        return;
    }
    let known = keys_of(amount, tiers);
    for (key, at) in marks.keys().into_iter().filter(|_| !known.is_empty()) {
        reader.known_word(at, "key in `marks`:", key, &known);
    }
}

/// Periods of one region set must follow each other without gap or overlap.
fn check_periods(reader: &mut Reader<'_>, entries: &[PriceEntry]) {
    let all_keys = keys(entries);
    let names: Vec<Option<&str>> =
        if all_keys.is_empty() { vec![None] } else { all_keys.iter().map(|key| Some(key.as_str())).collect() };
    for key in names {
        let mut periods: Vec<&PriceEntry> = entries.iter().filter(|entry| entry.applies_to(key)).collect();
        periods.sort_by_key(|entry| (entry.common.region.clone(), entry.common.from));
        for pair in periods.windows(2).filter(|pair| pair[0].common.region == pair[1].common.region) {
            let (end, next) = (pair[0].common.to, pair[1].common.from);
            let day = |day: Option<chrono::NaiveDate>| day.map_or("the beginning".to_owned(), |day| day.to_string());
            match (end, next) {
                (Some(end), Some(next)) if next > end => {
                    reader.problem(pair[1].start, format!("gap between the prices until {end} and from {next}"));
                }
                (Some(end), Some(next)) if next == end => {}
                _ => reader.problem(pair[1].start, format!("price periods overlap at {}", day(next))),
            }
        }
    }
}

/// A region in two sets that have prices on one day would have two prices.
fn check_region_sets(reader: &mut Reader<'_>, entries: &[PriceEntry], book: &BookContext) {
    for (index, entry) in entries.iter().enumerate() {
        for other in &entries[..index] {
            let (Some(set), Some(other_set)) = (&entry.common.region, &other.common.region) else { continue };
            let (Some(regions), Some(others)) = (book.regions.get(set), book.regions.get(other_set)) else { continue };
            let keys_meet = entry.keys().is_empty() || entry.keys().iter().any(|key| other.applies_to(Some(key)));
            let before = |to: Option<chrono::NaiveDate>, from: Option<chrono::NaiveDate>| {
                to.is_some_and(|to| from.is_some_and(|from| to <= from))
            };
            let days_meet = !before(entry.common.to, other.common.from) && !before(other.common.to, entry.common.from);
            if let (true, true, true, Some(region)) =
                (set != other_set, keys_meet, days_meet, regions.intersection(others).next())
            {
                let message =
                    format!("the region `{region}` is in the sets `{set}` and `{other_set}`: two prices at once");
                reader.problem(entry.start, message);
            }
        }
    }
}

/// The keys of all price tables, in the order of the file.
pub(super) fn keys(entries: &[PriceEntry]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for entry in entries {
        for key in entry.keys() {
            if !keys.iter().any(|known| known == key) {
                keys.push(key.to_owned());
            }
        }
    }
    keys
}

impl PriceEntry {
    fn keys(&self) -> Vec<&str> {
        keys_of(&self.amount, &self.tiers)
    }

    fn applies_to(&self, key: Option<&str>) -> bool {
        key.is_none_or(|key| self.keys().contains(&key))
    }

    /// The price period of one key; nothing when it has no price for the key.
    pub fn price(&self, key: Option<&str>) -> Option<Price> {
        if !self.applies_to(key) {
            return None;
        }
        let mark = key.and_then(|key| self.marks.get(key)).unwrap_or(&self.mark);
        let mut price = self.common.clone();
        if self.tiers.is_empty() {
            let (amount, published) = self.amount.of(key)?;
            price.tiers = vec![Tier { up_to: None, price: amount, published, mark: mark.clone() }];
        }
        for tier in &self.tiers {
            let (amount, text) = tier.amount.of(key).or_else(|| self.amount.of(key))?;
            let (amount, published) = match &tier.factor {
                Some((factor, factor_text)) => (amount * factor, format!("{text} × {factor_text}")),
                None => (amount, text),
            };
            let mark = tier.mark.as_ref().unwrap_or(mark).clone();
            price.tiers.push(Tier { up_to: tier.up_to.clone(), price: amount, published, mark });
        }
        Some(price)
    }
}
