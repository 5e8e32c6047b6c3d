//! Tables of any shape, by a declared [mapping](crate::mapping): CSV with a header, or a JSON object a line; and
//! responses of CloudWatch metrics, by the metrics it declares.

use std::collections::HashMap;
use std::io::{BufRead, Cursor, Read};

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::cloudevents::{self, CloudEvents};
use crate::format::{Format, HEAD_BYTES_MAX, Origin, Recognition, Sink, aws_cloudwatch_metrics};
use crate::mapping::{DescribedColumn, Mapping, Source, TimeColumn};
use crate::record::{
    EventTime, Invocation, MeteredQuantity, Record, RecordKey, RejectedRow, Request, StoredBytes, Usage, UsageTable,
};

mod csv_rows;
pub mod fields;
pub(super) mod json_rows;

use fields::Fields;

/// `mapped`: a file that a mapping describes.
pub struct Mapped {
    /// The mapping.
    pub mapping: Mapping,
}

/// Values by the names the mapping uses.
trait Values {
    /// The value of a column; nothing where it is empty or absent.
    fn value(&self, column: &str) -> Option<&str>;
}

/// One row of the file.
trait Row: Values {
    /// The row as a rejected one.
    fn rejected(&self, reason: String) -> RejectedRow;
}

impl Format for Mapped {
    fn name(&self) -> &'static str {
        "mapped"
    }

    fn description(&self) -> &'static str {
        "CSV with a header, or a JSON object a line, of any columns; needs `--mapping FILE.toml`"
    }

    fn recognises(&self, _: &[u8]) -> Option<Recognition> {
        None
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        if !self.mapping.metric.is_empty() {
            return aws_cloudwatch_metrics::read(input, &self.mapping.metric, origin, sink);
        }
        let mut reader = RowReader { mapping: &self.mapping, defaults: origin.defaults, seen: HashMap::new() };
        // As much as detection looks at, however the bytes come.
        let mut head = Vec::new();
        (&mut *input).take(HEAD_BYTES_MAX as u64).read_to_end(&mut head).map_err(crate::decompress::ingest_error)?;
        let is_events = CloudEvents.recognises(&head).is_some();
        let first = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head).trim_ascii_start().first().copied();
        let mut input = Cursor::new(head).chain(input);
        if is_events {
            return cloudevents::parse(&mut input, origin.defaults, Some(&self.mapping), sink);
        }
        match first {
            Some(b'{') => json_rows::read(&mut input, sink, &mut reader),
            Some(_) => csv_rows::read(&mut input, sink, &mut reader),
            None => Ok(()),
        }
    }
}

/// Turns events into usage. Time and key are their own; the mapping may say another time.
pub(super) struct EventMapping<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) defaults: &'a Defaults,
}

impl EventMapping<'_> {
    /// When the mapping says that it happened, and the usage, from what stands at the paths the mapping names.
    pub(super) fn usage(
        &self,
        value: &dyn Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<(Option<i64>, Usage), String> {
        let mut values = HashMap::new();
        for column in columns_of(self.mapping) {
            if let Some(text) = value(column)? {
                values.insert(column, text);
            }
        }
        let reader = RowReader { mapping: self.mapping, defaults: self.defaults, seen: HashMap::new() };
        reader.usage(&values)
    }
}

impl Values for HashMap<&str, String> {
    fn value(&self, column: &str) -> Option<&str> {
        self.get(column).map(String::as_str)
    }
}

/// Every column of the file that a mapping reads.
fn columns_of(mapping: &Mapping) -> impl Iterator<Item = &str> {
    let times = mapping.time.iter().chain(&mapping.end).map(|time| time.column.as_str());
    let sources = mapping.columns.values().filter_map(Source::column);
    times.chain(sources).chain(mapping.key.columns.iter().map(String::as_str))
}

/// Turns rows into records.
struct RowReader<'a> {
    mapping: &'a Mapping,
    defaults: &'a Defaults,
    /// How often a row without a declared key has occurred.
    seen: HashMap<RecordKey, u64>,
}

impl RowReader<'_> {
    /// Hands a row over, as a record or as a rejected row.
    fn take(&mut self, row: &dyn Row, sink: &mut dyn Sink) -> Result<(), IngestError> {
        match self.record(row) {
            Ok(record) => sink.record(record),
            Err(reason) => sink.reject(row.rejected(reason)),
        }
    }

    fn record(&mut self, row: &dyn Row) -> Result<Record, String> {
        let (from_us, usage) = self.usage(row)?;
        let time = from_us.map_or(EventTime::Assumed, EventTime::Logged);
        Ok(Record { time, key: self.key(row), usage })
    }

    /// When the row happened, and its usage.
    fn usage(&self, row: &dyn Values) -> Result<(Option<i64>, Usage), String> {
        let from_us = self.time(row, self.mapping.time.as_ref())?;
        let end_us = self.time(row, self.mapping.end.as_ref())?;
        let held_us = match (from_us, end_us) {
            (Some(from_us), Some(end_us)) if end_us > from_us => Some(end_us - from_us),
            (Some(_), Some(_)) => return Err("the row ends before it begins, or in the same instant".to_owned()),
            _ => None,
        };
        let usage = match self.mapping.usage_table() {
            Some(UsageTable::Invocations) => {
                let mut invocation: Invocation = self.fill(row)?;
                self.defaults.complete_invocation(&mut invocation);
                Usage::Invocation(Box::new(invocation))
            }
            Some(UsageTable::Requests) => {
                let mut request: Request = self.fill(row)?;
                self.defaults.complete_request(&mut request);
                Usage::Request(Box::new(request))
            }
            Some(UsageTable::Storage) => {
                let mut stored: StoredBytes = self.fill(row)?;
                self.defaults.complete_stored_bytes(&mut stored);
                stored.held_us = stored.held_us.or(held_us);
                Usage::StoredBytes(Box::new(stored))
            }
            _ => {
                let mut metered: MeteredQuantity = self.fill(row)?;
                self.defaults.complete_metered_quantity(&mut metered);
                metered.held_us = metered.held_us.or(held_us);
                Usage::MeteredQuantity(Box::new(metered))
            }
        };
        Ok((from_us, usage))
    }

    fn time(&self, row: &dyn Values, column: Option<&TimeColumn>) -> Result<Option<i64>, String> {
        let Some(column) = column else { return Ok(None) };
        let name = &column.column;
        let text = row.value(name).ok_or_else(|| format!("`{name}` is empty, expected a time"))?;
        column.read(text).map(Some).map_err(|problem| format!("`{name}` {problem}"))
    }

    fn fill<R: Fields>(&self, row: &dyn Values) -> Result<R, String> {
        let mut record = R::default();
        for (name, source) in &self.mapping.columns {
            let (text, described): (_, Option<&DescribedColumn>) = match source {
                Source::Value(constant) => (Some(constant.value.as_str()), None),
                Source::Column(column) => (row.value(column), None),
                Source::Described(described) => (row.value(&described.column), Some(described)),
            };
            match text {
                Some(text) => record
                    .set(name, text, described)
                    .map_err(|problem| format!("`{}` {problem}", source.column().unwrap_or(name)))?,
                None if matches!(name.as_str(), "provider" | "service") => {
                    return Err(format!("`{}` is empty", source.column().unwrap_or(name)));
                }
                None => {}
            }
        }
        Ok(record)
    }

    /// The declared key, or the mapped values and how often they have occurred in the file.
    fn key(&mut self, row: &dyn Row) -> RecordKey {
        let table = Some(self.mapping.table.as_str());
        if !self.mapping.key.columns.is_empty() {
            let values = self.mapping.key.columns.iter().map(|column| row.value(column));
            return RecordKey::of(&[Some("mapped"), table].into_iter().chain(values).collect::<Vec<_>>());
        }
        let times = self.mapping.time.iter().chain(&self.mapping.end).map(|time| row.value(&time.column));
        let values = self.mapping.columns.values().map(|source| match source {
            Source::Value(constant) => Some(constant.value.as_str()),
            other => other.column().and_then(|column| row.value(column)),
        });
        let parts: Vec<_> = [Some("mapped"), table].into_iter().chain(times).chain(values).collect();
        let content = RecordKey::of(&parts);
        let occurrence = self.seen.entry(content).or_default();
        *occurrence += 1;
        RecordKey::of(&[Some("mapped row"), Some(&hex::encode(content.0)), Some(&occurrence.to_string())])
    }
}

/// Whether the columns a mapping names are there.
fn check_columns(mapping: &Mapping, names: &[String]) -> Result<(), IngestError> {
    let wrong = |problem: String| Err(IngestError::WrongColumns { problem });
    for wanted in columns_of(mapping) {
        match names.iter().filter(|name| *name == wanted).count() {
            1 => {}
            0 => return wrong(format!("there is no column `{wanted}`; there are {}", shown(names))),
            count => return wrong(format!("the column `{wanted}` is there {count} times")),
        }
    }
    Ok(())
}

/// The first of many names.
fn shown(names: &[String]) -> String {
    const SHOWN_MAX: usize = 30;
    let mut text = names.iter().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX {
        text += &format!(" and {} more", names.len() - SHOWN_MAX);
    }
    text
}
