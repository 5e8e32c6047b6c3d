//! The lines of a provider's bill, summed by what they charge, whose it is, and the day.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::{BILLED_WORDS, BilledWords, Catalogue, Exact, Period, SkuIndex, Zone};

use super::view::BillView;
use crate::error::QueryError;
use crate::focus::unit_part;
use crate::metering::{literal, timestamp};

/// How far the zone that is furthest ahead is ahead of UTC.
pub(super) const ZONES_AHEAD_US: i64 = 14 * HOUR_US;
/// A charge period up to this is a day's: days have 23 to 25 hours.
const DAY_US_MAX: i64 = 25 * HOUR_US;
/// What exports write of a line that only rounds the others: Azure's charge type, Google's cost type.
const ROUNDING_WORDS: [&str; 2] = ["\"RoundingAdjustment\"", "\"rounding_error\""];
/// What Google writes of a credit for free usage, and what our own export does.
const FREE_CREDIT_WORDS: [&str; 2] = ["\"FREE_TIER\"", "\"x_Allowances\""];
/// Name of the account in our own export where the usage has none.
const UNKNOWN_ACCOUNT: &str = "unknown";

/// What tells lines apart.
pub(super) struct Name {
    pub provider: String,
    pub words: BilledWords,
    /// The SKUs that fit, and how much of the SKU's unit one of the line's quantity is.
    pub skus: Vec<(SkuIndex, Exact)>,
    /// Whether our own export wrote it: then it names the SKU.
    is_own: bool,
    zone: Zone,
}

/// Where a line belongs; no day: to the whole month.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineKey {
    /// Index into [`Lines::names`].
    pub name: usize,
    pub account: Option<String>,
    pub currency: Option<String>,
    pub day: Option<NaiveDate>,
}

/// The sum of some lines. Quantities are as the bill has them.
#[derive(Clone, Debug, Default)]
pub(super) struct LineSum {
    pub line_count: u64,
    pub cost: Exact,
    pub tax: Exact,
    pub discount: Exact,
    /// Taken off for free usage.
    pub credit: Exact,
    pub rounding: Exact,
    /// Purchases that are no commitment.
    pub other: Exact,
    /// Lines of usage.
    pub usage_count: u64,
    pub quantity: Exact,
    /// Whether a line of usage has a cost and no quantity.
    pub lacks_quantity: bool,
    pub at_no_cost: Exact,
    pub at_no_cost_count: u64,
    /// Costs of lines that say their list cost, and those.
    pub listed_cost: Exact,
    pub list_cost: Exact,
    pub listed_count: u64,
    /// Costs that are not 0, and the most digits behind the point.
    pub cost_count: u64,
    pub cost_places: u32,
    pub quantity_places: u32,
    /// Units as printed.
    pub units: std::collections::BTreeSet<String>,
    /// Quantity by hour; empty unless every line of usage is of an hour.
    pub hours: BTreeMap<i64, Exact>,
    /// Whether a line of usage is of more than an hour.
    is_coarse: bool,
}

/// The lines of the compared views.
#[derive(Default)]
pub(super) struct Lines {
    pub names: Vec<Name>,
    pub sums: BTreeMap<LineKey, LineSum>,
    /// The most digits behind the point of a cost, by provider.
    pub cost_places: BTreeMap<String, u32>,
    places: HashMap<(String, BilledWords), usize>,
}

/// The lines of bills whose period begins in a month, wherever on earth it begins.
pub(super) fn in_period(period: Period) -> String {
    format!(
        "billing_period_start >= {} AND billing_period_start < {}",
        timestamp(period.start_us() - ZONES_AHEAD_US),
        timestamp(period.end_us() - ZONES_AHEAD_US)
    )
}

/// A provider by the name the price books have for it.
pub(super) fn provider_of(catalogue: &Catalogue, stored: &str) -> String {
    let books = catalogue.books();
    if books.iter().any(|book| book.provider == stored) {
        return stored.to_owned();
    }
    let by_title = books.iter().find(|book| book.provider_title.to_lowercase() == stored);
    by_title.map_or(stored, |book| &book.provider).to_owned()
}

/// An account without the provider that our own export writes in front of it.
pub(super) fn account_of<'a>(provider: &str, stored: &'a str) -> &'a str {
    stored.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(stored)
}

/// Columns that are read beside [`BILLED_WORDS`].
const COLUMNS: [&str; 18] = [
    "provider",
    "billing_account_id",
    "sub_account_id",
    "charge_category",
    "pricing_category",
    "commitment_discount_id",
    "billing_currency",
    "billed_cost",
    "effective_cost",
    "list_cost",
    "list_unit_price",
    "contracted_unit_price",
    "pricing_quantity",
    "consumed_quantity",
    "pricing_unit",
    "consumed_unit",
    "other_columns",
    "sku_price_details",
];

impl Lines {
    /// Reads the lines of the compared views; only those of an account where one is named.
    pub async fn read(
        session: &SessionContext,
        catalogue: &Catalogue,
        period: Period,
        views: &[BillView],
        account: Option<&str>,
    ) -> Result<Self, QueryError> {
        let mut lines = Lines::default();
        let of_view = |view: &BillView| {
            format!(
                "(provider = {} AND coalesce(billing_account_id, '') = {} AND coalesce(export_kind, '') = {})",
                literal(&view.stored.0),
                literal(&view.stored.1),
                literal(&view.view)
            )
        };
        let of_views: Vec<_> = views.iter().filter(|view| view.compared).map(of_view).collect();
        if of_views.is_empty() {
            return Ok(lines);
        }
        let sql = format!(
            "SELECT {}, {}, CAST(CAST(charge_period_start AS BIGINT) AS VARCHAR), CAST(CAST(charge_period_end AS BIGINT) AS VARCHAR) \
             FROM billed WHERE {} AND ({})",
            COLUMNS.join(", "),
            BILLED_WORDS.join(", "),
            in_period(period),
            of_views.join(" OR ")
        );
        let mut batches = session.sql(&sql).await?.execute_stream().await?;
        while let Some(batch) = batches.try_next().await? {
            let batch = Texts::of(&batch)?;
            for row in 0..batch.rows {
                lines.add(catalogue, period, &Line { batch: &batch, row }, account);
            }
        }
        for sum in lines.sums.values_mut().filter(|sum| sum.is_coarse) {
            sum.hours.clear();
        }
        Ok(lines)
    }

    fn add(&mut self, catalogue: &Catalogue, period: Period, line: &Line<'_>, asked: Option<&str>) {
        let provider = provider_of(catalogue, line.text("provider").unwrap_or_default());
        let billing_account = line.text("billing_account_id").unwrap_or_default();
        let own_account = account_of(&provider, billing_account);
        let account = match line.text("sub_account_id") {
            Some(account) => Some(account_of(&provider, account)),
            // Our own export names the account itself where there is no organisation.
            None => Some(own_account).filter(|name| name.len() < billing_account.len() && *name != UNKNOWN_ACCOUNT),
        };
        if asked.is_some_and(|asked| account.unwrap_or(own_account) != asked) {
            return;
        }
        let account = account.map(str::to_owned);
        let name = self.name(catalogue, period, provider, line.words());
        let Some(named) = self.names.get(name) else { return };
        let (from_us, to_us) =
            (line.integer(COLUMNS.len() + BILLED_WORDS.len()), line.integer(COLUMNS.len() + BILLED_WORDS.len() + 1));
        let length_us = to_us.zip(from_us).map_or(0, |(to, from)| to.saturating_sub(from));
        let day = from_us.filter(|_| length_us <= DAY_US_MAX).map(|from| named.zone.day_of(from));
        let hour_us =
            from_us.filter(|_| (1..=HOUR_US).contains(&length_us)).map(|from| from.div_euclid(HOUR_US) * HOUR_US);
        let currency = line.text("billing_currency").map(str::to_owned);
        // An amortised view says what it costs with commitments spread over the usage they cover.
        let cost_text = line.text("billed_cost").or(line.text("effective_cost")).unwrap_or("0");
        let places = decimals(cost_text);
        let most = self.cost_places.entry(named.provider.clone()).or_default();
        *most = places.max(*most);
        let is_own = named.is_own;
        let sum = self.sums.entry(LineKey { name, account, currency, day }).or_default();
        sum.add(line, &exact(Some(cost_text)).unwrap_or_default(), places, is_own, hour_us);
    }

    fn name(&mut self, catalogue: &Catalogue, period: Period, provider: String, words: BilledWords) -> usize {
        let key = (provider, words);
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let own = key.1.word("sku_id").and_then(|id| catalogue.find_sku(id));
        let own = own.filter(|sku| catalogue.book_of(*sku).provider == key.0);
        let skus = match own {
            Some(sku) => vec![(sku, unit_part(catalogue.sku(sku).unit.text()))],
            None => catalogue
                .billed_as(&key.0, &key.1)
                .into_iter()
                .filter_map(|(index, unit)| {
                    let sku = catalogue.sku(index);
                    Some((index, unit.factor(&sku.unit, sku.month_us(period)).ok()?))
                })
                .collect(),
        };
        let of_provider = catalogue.books().iter().find(|book| book.provider == key.0);
        let zone = skus.first().map(|(sku, _)| catalogue.sku(*sku).zone);
        let zone = zone.or(of_provider.map(|book| book.zone)).unwrap_or_default();
        let (provider, words) = key.clone();
        self.names.push(Name { provider, words, skus, is_own: own.is_some(), zone });
        self.places.insert(key, self.names.len() - 1);
        self.names.len() - 1
    }
}

impl LineSum {
    fn add(&mut self, line: &Line<'_>, cost: &Exact, places: u32, is_own: bool, hour_us: Option<i64>) {
        self.line_count += 1;
        self.cost += cost;
        if !cost.is_zero() {
            self.cost_count += 1;
            self.cost_places = self.cost_places.max(places);
        }
        let says = |column: &str, words: &[&str]| {
            line.text(column).is_some_and(|text| words.iter().any(|word| text.contains(word)))
        };
        match line.text("charge_category") {
            Some("Tax") => self.tax += cost,
            Some("Credit")
                if says("other_columns", &FREE_CREDIT_WORDS) || says("sku_price_details", &FREE_CREDIT_WORDS) =>
            {
                self.credit -= cost;
            }
            Some("Adjustment") if says("other_columns", &ROUNDING_WORDS) => self.rounding += cost,
            Some("Purchase") if line.text("commitment_discount_id").is_some() => self.discount += cost,
            // Whole packages and minimum charges of our own export.
            Some("Adjustment" | "Purchase") if is_own => {}
            Some("Credit" | "Adjustment") => self.discount += cost,
            Some("Purchase") => self.other += cost,
            _ => self.add_usage(line, cost, is_own, hour_us),
        }
    }

    fn add_usage(&mut self, line: &Line<'_>, cost: &Exact, is_own: bool, hour_us: Option<i64>) {
        let priced = line.text("pricing_quantity").filter(|_| !is_own).map(|text| (text, "pricing_unit"));
        let printed = priced.or_else(|| Some((line.text("consumed_quantity")?, "consumed_unit")));
        let quantity_text = printed.map(|(text, _)| text);
        let quantity = exact(quantity_text);
        if cost.is_negative() && quantity.as_ref().is_none_or(Exact::is_zero) {
            self.discount += cost; // what a savings plan takes away again
            return;
        }
        self.usage_count += 1;
        // The unit of the very quantity that is taken; exports with one quantity name one unit.
        let unit = printed.and_then(|(_, unit)| line.text(unit)).or_else(|| line.text("pricing_unit"));
        self.units.extend(unit.map(str::to_owned));
        let Some(quantity) = quantity else {
            self.lacks_quantity |= !cost.is_zero();
            self.is_coarse = true;
            return;
        };
        self.quantity += &quantity;
        self.quantity_places = self.quantity_places.max(quantity_text.map_or(0, decimals));
        match hour_us {
            Some(hour) => *self.hours.entry(hour).or_default() += &quantity,
            None => self.is_coarse = true,
        }
        let list = list_cost(line, cost, &quantity).filter(|list| !list.is_zero());
        let is_committed = line.text("pricing_category") == Some("Committed");
        match list {
            Some(list) if is_committed => self.discount += cost - list,
            Some(list) if !cost.is_zero() => {
                self.listed_cost += cost;
                self.list_cost += list;
                self.listed_count += 1;
            }
            _ if cost.is_zero() && !is_committed => {
                self.at_no_cost += quantity;
                self.at_no_cost_count += 1;
            }
            _ => {}
        }
    }
}

/// What a line costs at public prices. A price is taken where the price of the line itself gives its cost: quantities may
/// be in blocks that prices are not for.
fn list_cost(line: &Line<'_>, cost: &Exact, quantity: &Exact) -> Option<Exact> {
    if let Some(list) = exact(line.text("list_cost")) {
        return Some(list);
    }
    let (list, own) = (exact(line.text("list_unit_price"))?, exact(line.text("contracted_unit_price"))?);
    let error = Exact::ratio(1, 1_000_000)? * cost.abs();
    ((own * quantity - cost).abs() <= error).then(|| list * quantity)
}

fn exact(text: Option<&str>) -> Option<Exact> {
    // Longer numbers than a user may write come out of exports.
    text.and_then(|text| Exact::from_exact_text(text).ok())
}

/// Digits behind the point.
fn decimals(text: &str) -> u32 {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction).trim_end_matches('0');
    u32::try_from(fraction.len()).unwrap_or(u32::MAX)
}

/// The columns of a batch as texts.
struct Texts {
    columns: Vec<StringArray>,
    rows: usize,
}

impl Texts {
    fn of(batch: &RecordBatch) -> Result<Self, QueryError> {
        let columns =
            batch.columns().iter().map(|column| Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()));
        Ok(Self { columns: columns.collect::<Result<_, QueryError>>()?, rows: batch.num_rows() })
    }

    fn text(&self, column: usize, row: usize) -> Option<&str> {
        let column = self.columns.get(column)?;
        column.is_valid(row).then(|| column.value(row)).filter(|text| !text.is_empty())
    }
}

struct Line<'a> {
    batch: &'a Texts,
    row: usize,
}

impl Line<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.batch.text(COLUMNS.iter().position(|column| *column == name)?, self.row)
    }

    fn integer(&self, column: usize) -> Option<i64> {
        self.batch.text(column, self.row)?.parse().ok()
    }

    fn words(&self) -> BilledWords {
        BilledWords(std::array::from_fn(|place| self.batch.text(COLUMNS.len() + place, self.row).map(str::to_owned)))
    }
}
