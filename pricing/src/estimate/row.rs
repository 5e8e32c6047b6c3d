//! One described usage row, understood: its table, columns in base units, times and scope
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::{
    EstimateError,
    request::{EstimateRequest, RowValue, UsageRow},
    vocabulary,
};
use crate::{
    catalogue::Catalogue,
    exact::Exact,
    expression::Value,
    known_words::Source,
    nearest::did_you_mean,
    nearest::nearest,
    period::Period,
    scope::Scope,
    table::{ColumnKind, Table},
    unit::Unit,
    zone::Zone,
};

/// Largest number that describes usage.
const NUMBER_MAX: i128 = 10_i128.pow(30);
/// Most days a row may recur on.
const DAYS_MAX: i128 = 31;

/// A usage row in the words of its table.
#[derive(Clone)]
pub(super) struct Row {
    pub index: usize,
    pub provider: String,
    pub service: String,
    pub table: Table,
    pub scope: Scope,
    /// Equal records.
    pub count: Exact,
    /// The row recurs on so many days.
    pub days: i64,
    /// Whose midnight begins the days and months of the row's service.
    pub zone: Zone,
    /// When, UTC microseconds; absent: the start of the period. Of evenly spaced records the first.
    pub at_us: Option<i64>,
    /// From the start of one record to that of the next, microseconds; absent: the row says nothing about it.
    pub every_us: Option<i64>,
    /// Start of the row's interval, UTC microseconds.
    pub from_us: Option<i64>,
    /// Stored quantity already in the SKU's unit.
    pub gb_months: Option<Exact>,
    /// Unit of the column `quantity`.
    pub unit: Option<Unit>,
    /// The columns given, in their units.
    pub columns: BTreeMap<&'static str, Value>,
}

/// Reads one row.
struct RowReader<'a> {
    index: usize,
    raw: &'a UsageRow,
    period: Period,
    zone: Zone,
}

impl Row {
    /// Understands a row.
    ///
    /// # Errors
    /// A word its table does not know, a value its word cannot have, a time outside the period.
    pub fn read(
        catalogue: &Catalogue,
        request: &EstimateRequest,
        index: usize,
        raw: &UsageRow,
    ) -> Result<Self, EstimateError> {
        let mut reader = RowReader { index, raw, period: request.period, zone: Zone::default() };
        let table = reader.table()?;
        let columns = reader.columns(table)?;
        let or = |own: Option<String>, shared: &Option<String>| own.or_else(|| shared.clone());
        let provider = or(reader.text("provider")?, &request.provider)
            .ok_or_else(|| reader.error("`provider` is missing, in the row and in the request".to_owned()))?;
        let service = reader.text("service")?.ok_or_else(|| reader.error("`service` is missing".to_owned()))?;
        reader.known_service(catalogue, &provider, &service)?;
        reader.zone = catalogue.zone(&provider, &service);
        let scope = Scope {
            organisation: or(reader.text("organisation")?, &request.organisation),
            account: or(reader.text("account")?, &request.account),
            region: or(reader.text("region")?, &request.region),
            resource: reader.text("resource")?,
        };
        let unit = match reader.text("unit")? {
            None => None,
            Some(text) => Some(Unit::parse(&text).map_err(|error| reader.wrong(error.to_string(), error.hint()))?),
        };
        let at_us = reader.instant("at")?;
        let mut row = Self {
            index,
            provider,
            service,
            table,
            scope,
            count: reader.number("count")?.unwrap_or_else(Exact::one),
            days: reader.days()?,
            zone: reader.zone,
            at_us,
            every_us: reader.every()?,
            from_us: None,
            gb_months: reader.number("gb_months")?,
            unit,
            columns,
        };
        if let Some((from_us, to_us)) = reader.interval()? {
            if row.columns.contains_key("held_us") {
                return Err(reader.error("both an interval (`from`, `to`) and how long it is held".to_owned()));
            }
            row.from_us = Some(from_us);
            row.columns.insert("held_us", Value::Number(Exact::from(to_us - from_us)));
        }
        reader.check_arrivals(&row)?;
        for (name, value) in [
            ("provider", Some(&row.provider)),
            ("service", Some(&row.service)),
            ("account", row.scope.account.as_ref()),
            ("region", row.scope.region.as_ref()),
            ("resource", row.scope.resource.as_ref()),
        ] {
            if let Some(value) = value {
                row.columns.insert(name, Value::Text(value.clone()));
            }
        }
        Ok(row)
    }

    /// Whose record it is.
    pub fn source(&self) -> Source<'_> {
        (&self.provider, &self.service, self.table)
    }

    /// The columns that hold text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().filter_map(|(column, value)| match value {
            Value::Text(text) => Some((*column, text.as_str())),
            _ => None,
        })
    }

    /// The value of a column.
    pub fn value(&self, column: &str) -> Value {
        self.columns.get(column).cloned().unwrap_or(Value::Null)
    }

    /// How long the row is held, microseconds.
    pub fn held_us(&self) -> Option<&Exact> {
        match self.columns.get("held_us") {
            Some(Value::Number(held)) => Some(held),
            _ => None,
        }
    }
}

impl RowReader<'_> {
    fn error(&self, message: String) -> EstimateError {
        self.wrong(message, None)
    }

    fn wrong(&self, message: String, hint: Option<String>) -> EstimateError {
        EstimateError::Row { row: self.index, message, hint }
    }

    /// A service without a price book is a mistake: an estimate without it would be wrong.
    fn known_service(&self, catalogue: &Catalogue, provider: &str, service: &str) -> Result<(), EstimateError> {
        if catalogue.prices_service(provider, service) {
            return Ok(());
        }
        let known = catalogue.services();
        let of_provider: BTreeSet<&str> =
            known.iter().filter(|(of, _)| *of == provider).map(|(_, service)| *service).collect();
        let shown = |text: &str| text.chars().take(40).collect::<String>();
        let near = |near: Option<&str>| near.map(|near| format!("did you mean `{near}`?"));
        if of_provider.is_empty() {
            let providers: BTreeSet<&str> = known.iter().map(|(provider, _)| *provider).collect();
            let all = || Some(format!("providers: {}", providers.iter().copied().collect::<Vec<_>>().join(", ")));
            let hint = near(nearest(provider, providers.iter().copied())).or_else(all);
            return Err(self.wrong(format!("no price book is of the provider `{}`", shown(provider)), hint));
        }
        let all = || Some(format!("services: {}", of_provider.iter().copied().collect::<Vec<_>>().join(", ")));
        let hint = near(nearest(service, of_provider.iter().copied())).or_else(all);
        Err(self.wrong(format!("no price book for {}/{}", shown(provider), shown(service)), hint))
    }

    /// The words that have a value.
    fn words(&self) -> impl Iterator<Item = (&str, &RowValue)> + Clone {
        self.raw.iter().filter(|(_, value)| **value != RowValue::Null).map(|(word, value)| (word.as_str(), value))
    }

    fn get(&self, word: &str) -> Option<&RowValue> {
        self.raw.get(word).filter(|value| **value != RowValue::Null)
    }

    fn table(&self) -> Result<Table, EstimateError> {
        let Some(name) = self.text("table")? else {
            return Ok(vocabulary::table_of(self.words().map(|(word, _)| word)));
        };
        Table::from_name(&name).ok_or_else(|| {
            let names: Vec<_> = Table::ALL.iter().map(|table| table.name()).collect();
            self.error(format!("no usage table `{name}`: {}", names.join(", ")))
        })
    }

    /// A text; a number is taken as it is written.
    fn text(&self, word: &str) -> Result<Option<String>, EstimateError> {
        Ok(self.get(word).map(|value| match value {
            RowValue::Number(number) => number.to_string(),
            RowValue::Text(text) => text.clone(),
            RowValue::Null => String::new(),
        }))
    }

    /// A number that is not below 0.
    fn number(&self, word: &str) -> Result<Option<Exact>, EstimateError> {
        let number = match self.get(word) {
            None => return Ok(None),
            Some(RowValue::Text(text)) => {
                Exact::parse(text).map_err(|error| self.error(format!("`{word}`: {error}")))?
            }
            Some(RowValue::Number(number)) => number.clone(),
            Some(RowValue::Null) => return Ok(None),
        };
        if number.is_negative() {
            return Err(self.error(format!("`{word}` is {number}, below 0")));
        }
        match number > NUMBER_MAX {
            true => Err(self.error(format!("`{word}` is beyond 10^30: no usage is that large"))),
            false => Ok(Some(number)),
        }
    }

    fn days(&self) -> Result<i64, EstimateError> {
        match self.number("days")?.map(|days| (days.to_i128(), days)) {
            None => Ok(1),
            Some((Some(days), _)) if (1..=DAYS_MAX).contains(&days) => Ok(days as i64),
            Some((_, days)) => Err(self.error(format!("`days` is {days}: a whole number from 1 to {DAYS_MAX}"))),
        }
    }

    /// From the start of one record to that of the next, microseconds: `every_ms` or `every_s`.
    fn every(&self) -> Result<Option<i64>, EstimateError> {
        let (word, unit_us, number) = match (self.number("every_ms")?, self.number("every_s")?) {
            (None, None) => return Ok(None),
            (Some(number), None) => ("every_ms", 1_000, number),
            (None, Some(number)) => ("every_s", 1_000_000, number),
            (Some(_), Some(_)) => return Err(self.error("both `every_ms` and `every_s`".to_owned())),
        };
        let us = &number * Exact::from(unit_us);
        let us = us.to_i128().filter(|us| *us > 0).and_then(|us| i64::try_from(us).ok());
        us.map(Some).ok_or_else(|| self.error(format!("`{word}` is {number}: above 0, in whole microseconds")))
    }

    /// Evenly spaced records are requests with a first one, and the last starts in the period.
    fn check_arrivals(&self, row: &Row) -> Result<(), EstimateError> {
        let Some(every_us) = row.every_us else { return Ok(()) };
        if matches!(row.table, Table::Storage | Table::Metered) {
            return Err(
                self.error(format!("`every_ms` and `every_s` space requests: the table {} has none", row.table))
            );
        }
        let Some(at_us) = row.at_us else {
            return Err(self.error("`every_ms` and `every_s` need `at`, the time of the first record".to_owned()));
        };
        let count = row
            .count
            .to_i128()
            .ok_or_else(|| self.error(format!("`count` is {}: records at times of their own are whole", row.count)))?;
        let last_us = i128::from(row.zone.days_later_us(at_us, row.days - 1))
            + count.saturating_sub(1).saturating_mul(i128::from(every_us));
        match last_us < i128::from(row.zone.end_us(self.period)) {
            true => Ok(()),
            false => Err(self
                .error(format!("the last of {count} records would start after the end of the period {}", self.period))),
        }
    }

    /// The columns of the table that the row gives.
    fn columns(&self, table: Table) -> Result<BTreeMap<&'static str, Value>, EstimateError> {
        let mut columns = BTreeMap::new();
        for (word, value) in self.words() {
            if vocabulary::ROW_WORDS.contains(&word) || vocabulary::own_words(table).contains(&word) {
                continue;
            }
            let Some((column, factor)) = vocabulary::column(table, word) else {
                return Err(self.unknown(table, word));
            };
            let value = match column.kind {
                ColumnKind::Text => Value::Text(match value {
                    RowValue::Text(text) => text.clone(),
                    other => other.to_string(),
                }),
                ColumnKind::Number(_) | ColumnKind::Quantity => match self.number(word)? {
                    Some(number) => Value::Number(number * Exact::from(factor)),
                    None => continue,
                },
            };
            if columns.insert(column.name, value).is_some() {
                return Err(self.error(format!("`{}` is given twice, in different units", column.name)));
            }
        }
        Ok(columns)
    }

    fn unknown(&self, table: Table, word: &str) -> EstimateError {
        let shown: String = word.chars().take(40).collect();
        let words = vocabulary::words(table);
        let hint = match did_you_mean(word, words.iter().copied()) {
            Some(question) => question,
            None => format!("words of the table {table}: {}", words.join(", ")),
        };
        let message = format!("`{shown}` is not a word of the usage table {table}");
        EstimateError::Row { row: self.index, message, hint: Some(hint) }
    }

    /// An instant of the period, UTC microseconds.
    fn instant(&self, word: &str) -> Result<Option<i64>, EstimateError> {
        let Some(text) = self.text(word)? else { return Ok(None) };
        let us = instant_us(&text, self.zone).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            self.error(format!(
                "`{word}` is `{shown}`: expected a day or a time in {}, such as 2019-06-01 or 2019-06-01T09:30:00",
                self.zone
            ))
        })?;
        let (start, end) = (self.zone.start_us(self.period), self.zone.end_us(self.period));
        match (start..end).contains(&us) || (word == "to" && us == end) {
            true => Ok(Some(us)),
            false => {
                let (period, zone) = (self.period, self.zone);
                Err(self.error(format!("`{word}` is {text}, outside the period {period} ({zone})")))
            }
        }
    }

    /// `from` and `to`.
    fn interval(&self) -> Result<Option<(i64, i64)>, EstimateError> {
        match (self.instant("from")?, self.instant("to")?) {
            (None, None) => Ok(None),
            (Some(from), Some(to)) if from < to => Ok(Some((from, to))),
            (Some(_), Some(_)) => Err(self.error("`to` is not after `from`".to_owned())),
            _ => Err(self.error("`from` and `to` go together".to_owned())),
        }
    }
}

/// A day or time, of the zone unless it names its own offset, to UTC microseconds.
fn instant_us(text: &str, zone: Zone) -> Option<i64> {
    let text = text.trim();
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Some(zone.day_start_us(day));
    }
    let with_t = text.replacen(' ', "T", 1);
    if let Ok(instant) = DateTime::parse_from_rfc3339(&with_t) {
        return Some(instant.timestamp_micros());
    }
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    formats.iter().find_map(|format| {
        NaiveDateTime::parse_from_str(&with_t, format).ok().and_then(|instant| zone.instant_us(instant))
    })
}
