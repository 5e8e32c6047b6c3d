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

use fields::Places;

/// `mapped`: a file that a mapping describes.
pub struct Mapped {
    /// The mapping.
    pub mapping: Mapping,
}

/// Values by the places of [`RowReader::columns`].
trait Values {
    /// The value of a column; nothing where it is empty or absent.
    fn value(&self, place: usize) -> Option<&str>;
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
        let mut reader = RowReader::new(&self.mapping, origin.defaults);
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
        let reader = RowReader::new(self.mapping, self.defaults);
        let values: EventValues = reader.columns.iter().map(|column| value(column)).collect::<Result<_, _>>()?;
        let (from_us, usage) = reader.usage(&values)?;
        let usage = match usage {
            BorrowedUsage::Invocation(row) => Usage::Invocation(Box::new(row.to_owned_texts())),
            BorrowedUsage::Request(row) => Usage::Request(Box::new(row.to_owned_texts())),
            BorrowedUsage::Other(usage) => usage,
        };
        Ok((from_us, usage))
    }
}

type EventValues = Vec<Option<String>>;

impl Values for EventValues {
    fn value(&self, place: usize) -> Option<&str> {
        self.get(place)?.as_deref()
    }
}

/// Usage with the texts of the row.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on the stack")]
enum BorrowedUsage<'v> {
    Invocation(Invocation<&'v str>),
    Request(Request<&'v str>),
    Other(Usage),
}

type Seen = HashMap<RecordKey, u64>;

/// Turns rows into records.
struct RowReader<'a> {
    mapping: &'a Mapping,
    defaults: &'a Defaults,
    /// The columns of the file that the mapping reads, each once.
    columns: Vec<&'a str>,
    time: Option<(usize, &'a TimeColumn)>,
    end: Option<(usize, &'a TimeColumn)>,
    fields: Vec<MappedField<'a>>,
    key: Vec<usize>,
    /// How often a row without a declared key has occurred.
    seen: Seen,
}

/// A column of ours and where its value comes from.
struct MappedField<'a> {
    /// Its place among the columns of the table.
    place: usize,
    name: &'a str,
    value: Value<'a>,
}

enum Value<'a> {
    Constant(&'a str),
    Column(usize, Option<&'a DescribedColumn>),
}

impl<'a> RowReader<'a> {
    fn new(mapping: &'a Mapping, defaults: &'a Defaults) -> Self {
        let mut columns: Vec<&str> = Vec::new();
        let mut place_of = |column: &'a str| {
            columns.iter().position(|known| *known == column).unwrap_or_else(|| {
                columns.push(column);
                columns.len() - 1
            })
        };
        let time = mapping.time.as_ref().map(|time| (place_of(&time.column), time));
        let end = mapping.end.as_ref().map(|end| (place_of(&end.column), end));
        let names = mapping.usage_table().map_or(&[][..], fields::names);
        let mut fields = Vec::new();
        for (name, source) in &mapping.columns {
            let value = match source {
                Source::Value(constant) => Value::Constant(&constant.value),
                Source::Column(column) => Value::Column(place_of(column), None),
                Source::Described(described) => Value::Column(place_of(&described.column), Some(described)),
            };
            if let Some(place) = names.iter().position(|known| known == name) {
                fields.push(MappedField { place, name, value });
            }
        }
        let key = mapping.key.columns.iter().map(|column| place_of(column)).collect();
        Self { mapping, defaults, columns, time, end, fields, key, seen: HashMap::new() }
    }

    /// Hands a row over, as a record or as a rejected row.
    fn take(&mut self, row: &dyn Row, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut seen = std::mem::take(&mut self.seen);
        let outcome = self.record(row, &mut seen, sink);
        self.seen = seen;
        match outcome {
            Ok(outcome) => outcome,
            Err(reason) => sink.reject(row.rejected(reason)),
        }
    }

    /// Hands over a record; what is wrong with the row when it is none.
    fn record(&self, row: &dyn Row, seen: &mut Seen, sink: &mut dyn Sink) -> Result<Result<(), IngestError>, String> {
        let (from_us, usage) = self.usage(row)?;
        let time = from_us.map_or(EventTime::Assumed, EventTime::Logged);
        let key = self.key(row, seen);
        Ok(match usage {
            BorrowedUsage::Invocation(invocation) => sink.invocation(time, key, &invocation),
            BorrowedUsage::Request(request) => sink.request(time, key, &request),
            BorrowedUsage::Other(usage) => sink.record(Record { time, key, usage }),
        })
    }

    /// When the row happened, and its usage.
    fn usage<'v>(&'v self, row: &'v dyn Values) -> Result<(Option<i64>, BorrowedUsage<'v>), String> {
        let from_us = self.read_time(row, self.time)?;
        let end_us = self.read_time(row, self.end)?;
        let held_us = match (from_us, end_us) {
            (Some(from_us), Some(end_us)) if end_us > from_us => Some(end_us - from_us),
            (Some(_), Some(_)) => return Err("the row ends before it begins, or in the same instant".to_owned()),
            _ => None,
        };
        let usage = match self.mapping.usage_table() {
            Some(UsageTable::Invocations) => {
                let mut invocation: Invocation<&str> = self.fill(row)?;
                self.defaults.complete_invocation(&mut invocation);
                BorrowedUsage::Invocation(invocation)
            }
            Some(UsageTable::Requests) => {
                let mut request: Request<&str> = self.fill(row)?;
                self.defaults.complete_request(&mut request);
                BorrowedUsage::Request(request)
            }
            Some(UsageTable::Storage) => {
                let mut stored: StoredBytes = self.fill(row)?;
                self.defaults.complete_stored_bytes(&mut stored);
                stored.held_us = stored.held_us.or(held_us);
                BorrowedUsage::Other(Usage::StoredBytes(Box::new(stored)))
            }
            _ => {
                let mut metered: MeteredQuantity = self.fill(row)?;
                self.defaults.complete_metered_quantity(&mut metered);
                metered.held_us = metered.held_us.or(held_us);
                BorrowedUsage::Other(Usage::MeteredQuantity(Box::new(metered)))
            }
        };
        Ok((from_us, usage))
    }

    fn read_time(&self, row: &dyn Values, time: Option<(usize, &TimeColumn)>) -> Result<Option<i64>, String> {
        let Some((place, time)) = time else { return Ok(None) };
        let name = &time.column;
        let text = row.value(place).ok_or_else(|| format!("`{name}` is empty, expected a time"))?;
        time.read(text).map(Some).map_err(|problem| format!("`{name}` {problem}"))
    }

    fn fill<'v, R: Places<'v>>(&'v self, row: &'v dyn Values) -> Result<R, String> {
        let mut record = R::default();
        for MappedField { place, name, value } in &self.fields {
            let (text, described, shown): (_, _, &str) = match value {
                Value::Constant(text) => (Some(*text), None, name),
                Value::Column(column, described) => {
                    (row.value(*column), *described, self.columns.get(*column).copied().unwrap_or(name))
                }
            };
            match text {
                Some(text) => {
                    if let Some(field) = record.field(*place) {
                        field.set(name, text, described).map_err(|problem| format!("`{shown}` {problem}"))?;
                    }
                }
                None if matches!(*name, "provider" | "service") => return Err(format!("`{shown}` is empty")),
                None => {}
            }
        }
        Ok(record)
    }

    /// The declared key, or the mapped values and how often they have occurred in the file.
    fn key(&self, row: &dyn Row, seen: &mut Seen) -> RecordKey {
        let table = Some(self.mapping.table.as_str());
        if !self.key.is_empty() {
            let values = self.key.iter().map(|place| row.value(*place));
            return RecordKey::of_all([Some("mapped"), table].into_iter().chain(values));
        }
        let times = self.time.iter().chain(&self.end).map(|(place, _)| row.value(*place));
        let values = self.fields.iter().map(|field| match field.value {
            Value::Constant(text) => Some(text),
            Value::Column(place, _) => row.value(place),
        });
        let content = RecordKey::of_all([Some("mapped"), table].into_iter().chain(times).chain(values));
        let occurrence = seen.entry(content).or_default();
        *occurrence += 1;
        RecordKey::of(&[Some("mapped row"), Some(&hex::encode(content.0)), Some(&occurrence.to_string())])
    }

    /// Whether the columns that the mapping names are there.
    fn check_columns(&self, names: &[String]) -> Result<(), IngestError> {
        let wrong = |problem: String| Err(IngestError::WrongColumns { problem });
        for wanted in &self.columns {
            match names.iter().filter(|name| name == wanted).count() {
                1 => {}
                0 => return wrong(format!("there is no column `{wanted}`; there are {}", shown(names))),
                count => return wrong(format!("the column `{wanted}` is there {count} times")),
            }
        }
        Ok(())
    }
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
