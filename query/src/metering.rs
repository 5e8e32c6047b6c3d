//! Metering: the price books' rules over the usage tables, summed per hour and resource.
//!
//! Rollups answer where they say enough (`rollup/meter.rs`), otherwise the records do (`metering/records.rs`). Sums are whole
//! numbers of base units, so nothing is rounded and nothing wraps.

mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;
use paygrain_ingest::table::Table;
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::{Activity, Catalogue, Exact, Expression, MeteringRule, Period, Scope, SkuIndex, SkuKey, Zone};

use crate::activity::{activities_of, meter_activities};
use crate::bill::UnpricedUsage;
use crate::error::QueryError;
use crate::intervals::meter_intervals;
use crate::lake_state::{is_empty, view_of};
use crate::rollup::class::{Class, PROVIDER, SERVICE};
use crate::rollup::store::View;

/// Quantity of one SKU, of one resource, in one hour.
#[derive(Clone, Debug)]
pub struct MeteredRow {
    /// The SKU it feeds.
    pub sku: SkuIndex,
    /// Service of the records, as the log names it: the SKU may be of another. A place in [`Metered::services`].
    pub service: u32,
    /// Start of the hour, microseconds since 1970 UTC.
    pub hour_us: i64,
    /// Its day in the provider's billing zone.
    pub day: NaiveDate,
    /// Whose usage, in full detail: a place in [`Metered::scopes`].
    pub scope: u32,
    /// Quantity in the SKU's pricing unit.
    pub quantity: Quantity,
    /// Usage records summed.
    pub record_count: u64,
}

/// Values of columns that were asked for, in that order.
pub type Details = Box<[Option<String>]>;

/// A quantity as it is metered: whole base units times a factor that many rows share.
#[derive(Clone, Debug)]
pub struct Quantity {
    /// Base units.
    pub base: i128,
    /// Pricing units of one.
    pub factor: Arc<Exact>,
}

impl Quantity {
    /// So many base units.
    pub fn new(base: i128, factor: Arc<Exact>) -> Self {
        Self { base, factor }
    }

    /// In the pricing unit.
    pub fn exact(&self) -> Exact {
        self.factor.as_ref() * Exact::from_integer(self.base)
    }
}

impl From<Exact> for Quantity {
    fn from(quantity: Exact) -> Self {
        Self { base: 1, factor: Arc::new(quantity) }
    }
}

/// The metered usage of a period.
#[derive(Clone, Debug, Default)]
pub struct Metered {
    /// By SKU, hour and scope.
    pub rows: Vec<MeteredRow>,
    /// Services of the records.
    pub services: Vec<String>,
    /// Whose usage it is.
    pub scopes: Vec<Scope>,
    /// For each scope, the values of the columns that were asked for; none where the usage does not say.
    pub details: Vec<Details>,
    /// Usage that feeds no SKU.
    pub unpriced: Vec<UnpricedUsage>,
    /// Usage records of the period, priced or not.
    pub record_count: u64,
    /// Provider and service of those whose records had to be read: rollups do not say what their rules ask.
    pub records_read: BTreeSet<String>,
}

impl Metered {
    /// The place of a service.
    pub(crate) fn service(&mut self, name: &str) -> u32 {
        let place = self.services.iter().position(|known| known == name).unwrap_or_else(|| {
            self.services.push(name.to_owned());
            self.services.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// A place for a scope; the same one can stand in several.
    pub(crate) fn scope(&mut self, scope: Scope, details: Details) -> u32 {
        self.scopes.push(scope);
        self.details.push(details);
        u32::try_from(self.scopes.len() - 1).unwrap_or(u32::MAX)
    }
}

/// Meters every usage record of a period, apart by the columns asked for.
///
/// # Errors
/// When the engine fails, or a sum passes 76 digits.
pub async fn meter(
    session: &SessionContext,
    catalogue: &Catalogue,
    period: Period,
    provider: Option<&str>,
    details: &[&'static str],
) -> Result<Metered, QueryError> {
    let mut metered = Metered::default();
    for table in [Table::Storage, Table::Metered] {
        if is_empty(session, table)? {
            continue;
        }
        meter_intervals(session, catalogue, table, period, provider, &mut metered).await?;
    }
    meter_activities(session, catalogue, period, provider, &mut metered).await?;
    for table in [Table::Invocations, Table::Requests] {
        if is_empty(session, table)? {
            continue;
        }
        let rules = catalogue.metering(pricing_table(table), period);
        let widest = catalogue.widest_period_us(period);
        let view = view_of(session, catalogue, table, widest).await?;
        let found = match view.as_deref().and_then(|view| sources_of(view, widest, provider)) {
            Some(found) => found,
            None => sources(session, table, widest, provider).await?,
        };
        for source in found {
            let fed: Vec<&MeteringRule<'_>> = rules
                .iter()
                .filter(|rule| rule.provider == source.provider && rule.services.contains(&source.service))
                .collect();
            let zone = catalogue.zone(&source.provider, &source.service);
            let own = (zone.start_us(period), zone.end_us(period));
            let scanned = fed.iter().fold(own, |(from, to), rule| (from.min(rule.from_us), to.max(rule.to_us)));
            let activities = activities_of(catalogue, table, &source.provider, &source.service);
            let question = Question { table, own, scanned, source: &source, activities, details };
            if let Some(view) = &view
                && question.metered_by_rollups(view, catalogue, &fed, &mut metered)?
            {
                continue;
            }
            metered.records_read.insert(format!("{}/{}", source.provider, source.service));
            question.metered(session, catalogue, &fed, &mut metered).await?;
        }
    }
    Ok(metered)
}

/// The table of the price books with the same name.
pub(crate) fn pricing_table(table: Table) -> paygrain_pricing::Table {
    match table {
        Table::Requests => paygrain_pricing::Table::Requests,
        Table::Storage => paygrain_pricing::Table::Storage,
        Table::Metered => paygrain_pricing::Table::Metered,
        _ => paygrain_pricing::Table::Invocations,
    }
}

/// The provider's services with usage in rollups between two instants; nothing where these are not on the hour.
fn sources_of(view: &View, bounds: (i64, i64), provider: Option<&str>) -> Option<Vec<Source>> {
    if bounds.0 % HOUR_US != 0 || bounds.1 % HOUR_US != 0 {
        return None;
    }
    let mut found = BTreeSet::new();
    for day in &view.days {
        let classes = day.rollup.classes.iter().zip(day.rollup.classes_between(bounds));
        for (class, _) in classes.filter(|(_, is_there)| *is_there) {
            let text = |place: usize| class.texts[place].as_deref().unwrap_or_default();
            let known = (text(PROVIDER), text(SERVICE));
            if provider.is_none_or(|provider| provider == known.0) {
                found.insert(known);
            }
        }
    }
    let source = |(provider, service): (&str, &str)| Source { provider: provider.into(), service: service.into() };
    Some(found.into_iter().map(source).collect())
}

/// A provider's service with usage in the period.
pub(crate) struct Source {
    pub provider: String,
    pub service: String,
}

async fn sources(
    session: &SessionContext,
    table: Table,
    bounds: (i64, i64),
    provider: Option<&str>,
) -> Result<Vec<Source>, QueryError> {
    let only = provider.map_or(String::new(), |name| format!(" AND provider = {}", literal(name)));
    let sql = format!(
        "SELECT DISTINCT provider, service FROM {} WHERE {}{only} ORDER BY provider, service",
        table.name(),
        within(table, bounds),
    );
    let mut found = Vec::new();
    for batch in session.sql(&sql).await?.collect().await? {
        for row in 0..batch.num_rows() {
            let text = |column: usize| cell(&batch, column, row).map(Option::unwrap_or_default);
            found.push(Source { provider: text(0)?, service: text(1)? });
        }
    }
    Ok(found)
}

/// The rules of one meter: one, or one per key of a price table, which differ in nothing but the key.
pub(crate) struct Meter<'a> {
    pub rule: &'a MeteringRule<'a>,
    /// SKUs by key; a single one under the empty key where there is no key column.
    skus: BTreeMap<String, SkuIndex>,
    pub key: Option<&'a SkuKey>,
}

impl<'a> Meter<'a> {
    /// Groups the rules of a service by meter and era.
    pub fn of(catalogue: &'a Catalogue, rules: &[&'a MeteringRule<'a>]) -> Vec<Self> {
        let mut meters: BTreeMap<(&str, &str, i64), Self> = BTreeMap::new();
        for rule in rules {
            let sku = catalogue.sku(rule.sku);
            let name = (catalogue.book_of(rule.sku).name.as_str(), sku.base.as_str(), rule.from_us);
            let key = sku.key.as_ref();
            let meter = meters.entry(name).or_insert_with(|| Self { rule, skus: BTreeMap::new(), key });
            meter.skus.insert(key.map_or_else(String::new, |key| key.value.clone()), rule.sku);
        }
        meters.into_values().collect()
    }

    /// The rows it meters, whatever their key.
    pub fn condition(&self, catalogue: &Catalogue, question: &Question<'_>) -> String {
        era_condition(self.filter(catalogue), self.rule, question.table, question.scanned)
    }

    /// Which rows it meters, whatever their key and time.
    pub fn filter<'c>(&self, catalogue: &'c Catalogue) -> Option<&'c Expression> {
        catalogue.sku(self.rule.sku).base_filter.as_ref()
    }

    /// The SKU of a row with this value in the key column.
    pub fn sku(&self, value: Option<&str>) -> Option<SkuIndex> {
        let value = match self.key {
            None => "",
            Some(key) => value.or(key.default.as_deref())?,
        };
        self.skus.get(value).copied()
    }

    /// Whether a row's key is one of the price table's, as SQL.
    pub fn known_key(&self) -> String {
        let Some(key) = self.key else { return "true".into() };
        let values: Vec<_> = self.skus.keys().map(|value| literal(value)).collect();
        let default = key.default.as_deref().map_or_else(|| "NULL".into(), literal);
        format!("coalesce(\"{}\", {default}) IN ({})", key.column, values.join(", "))
    }
}

/// One table's usage of one service in one period.
pub(crate) struct Question<'a> {
    pub table: Table,
    /// First instant and end of the period in the service's own zone, UTC microseconds.
    pub own: (i64, i64),
    /// The same for all rules that its rows feed: books of other zones may take some.
    pub scanned: (i64, i64),
    pub source: &'a Source,
    /// The activities that take some of its rows.
    pub activities: Vec<&'a Activity>,
    /// Columns that tell rows apart beside hour and scope.
    pub details: &'a [&'static str],
}

impl Question<'_> {
    /// The columns that say what kind of usage it is, and the words for those that are absent.
    const fn kind_words(&self) -> &'static [(&'static str, Option<&'static str>)] {
        match self.table {
            Table::Requests => &[("operation", None), ("variant", None), ("storage_class", None)],
            _ => &[("capacity", Some("on-demand")), ("architecture", None)],
        }
    }

    /// The columns that say what kind of usage it is.
    pub fn kind_columns(&self) -> impl Iterator<Item = &str> {
        self.kind_words().iter().map(|(column, _)| *column)
    }

    /// What kind of usage the records of a class are.
    pub fn kind(&self, class: &Class) -> String {
        let word = |(column, absent): &(&str, Option<&'static str>)| class.text(self.table, column).or(*absent);
        self.kind_words().iter().filter_map(word).collect::<Vec<_>>().join(" ")
    }

    /// The same as SQL.
    fn kind_sql(&self) -> String {
        let word = |(column, absent): &(&str, Option<&str>)| match absent {
            Some(absent) => format!("coalesce({column}, {})", literal(absent)),
            None => (*column).to_owned(),
        };
        format!("concat_ws(' ', {})", self.kind_words().iter().map(word).collect::<Vec<_>>().join(", "))
    }

    /// Records without a price.
    pub fn unpriced(&self, usage: String, record_count: u64, reason: impl Into<String>) -> UnpricedUsage {
        UnpricedUsage {
            table: self.table.name().to_owned(),
            provider: self.source.provider.clone(),
            service: self.source.service.clone(),
            usage,
            record_count,
            reason: reason.into(),
        }
    }

    /// Why records that nothing takes have no price.
    pub fn why_without_sku(&self, catalogue: &Catalogue) -> &'static str {
        match catalogue.prices_service(&self.source.provider, &self.source.service) {
            true => "no SKU takes it",
            false => "there is no price book for the service",
        }
    }
}

/// The columns that rules read.
pub(crate) fn columns_of_rules<'a>(rules: &'a [&MeteringRule<'_>]) -> impl Iterator<Item = &'a str> {
    let columns = |rule: &'a &MeteringRule<'_>| {
        rule.filter.iter().flat_map(|filter| filter.columns()).chain(rule.quantity.columns())
    };
    rules.iter().flat_map(columns)
}

/// The table as a `FROM` item in which every named column exists: what the lake does not have is null.
pub(crate) fn rows_with_every_column<'a>(table: Table, named: impl IntoIterator<Item = &'a str>) -> String {
    use paygrain_pricing::table::ColumnKind;
    let schema = table.schema();
    let named: BTreeSet<&str> = named.into_iter().collect();
    let missing: String = named
        .into_iter()
        .filter(|name| *name != "billed_us" && schema.index_of(name).is_err())
        .map(|name| {
            let kind = pricing_table(table).column(name).map(|column| column.kind);
            let sql_type = if kind == Some(ColumnKind::Text) { "VARCHAR" } else { "BIGINT" };
            format!(", CAST(NULL AS {sql_type}) AS \"{name}\"")
        })
        .collect();
    format!("(SELECT *{missing} FROM {})", table.name())
}

/// The rows a rule takes of those between two instants, as SQL.
pub(crate) fn condition(rule: &MeteringRule<'_>, table: Table, scanned: (i64, i64)) -> String {
    era_condition(rule.filter, rule, table, scanned)
}

/// A filter, and the rule's time where it does not cover what is scanned.
fn era_condition(filter: Option<&Expression>, rule: &MeteringRule<'_>, table: Table, scanned: (i64, i64)) -> String {
    let time = table.time_column();
    let mut condition = filter.map_or_else(|| "true".to_owned(), Expression::to_sql);
    if rule.from_us > scanned.0 {
        condition += &format!(" AND {time} >= {}", timestamp(rule.from_us));
    }
    if rule.to_us < scanned.1 {
        condition += &format!(" AND {time} < {}", timestamp(rule.to_us));
    }
    format!("({condition})")
}

/// The rows between two instants (UTC microseconds, half open), with the partition column for pruning.
pub(crate) fn within(table: Table, bounds: (i64, i64)) -> String {
    let utc = Zone::default();
    let (first, last) = (utc.day_of(bounds.0), utc.day_of(bounds.1 - 1));
    format!("date >= DATE '{first}' AND date <= DATE '{last}' AND {}", between(table, bounds))
}

/// The rows between two instants, without the partition column.
fn between(table: Table, (from_us, to_us): (i64, i64)) -> String {
    let time = table.time_column();
    format!("{time} >= {} AND {time} < {}", timestamp(from_us), timestamp(to_us))
}

/// A UTC instant as a SQL literal.
pub(crate) fn timestamp(us: i64) -> String {
    format!("arrow_cast({us}, 'Timestamp(Microsecond, Some(\"UTC\"))')")
}

/// A text as a SQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A cell as text; `None` is null.
pub(crate) fn cell(batch: &RecordBatch, column: usize, row: usize) -> Result<Option<String>, QueryError> {
    let array = batch.column(column);
    if array.is_null(row) {
        return Ok(None);
    }
    let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    Ok(Some(ArrayFormatter::try_new(array.as_ref(), &options)?.value(row).to_string()))
}
