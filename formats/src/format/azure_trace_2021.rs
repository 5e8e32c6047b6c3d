//! The public Azure Functions trace of 2021: an invocation a row, with times in seconds from the beginning of the trace.

use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::azure_trace::{Columns, Occurrences, SERVICE, warn};
use crate::format::csv_table::{self, CsvRow, TableReader};
use crate::format::{Format, Origin, Recognition, Sink, measured};
use crate::record::{EventTime, Invocation, Record, RecordKey, Usage};

/// Midnight UTC of the first day of the trace, 2021-01-31, in microseconds since 1970.
const FIRST_DAY_US: i64 = 1_612_051_200_000_000;
/// Microseconds of seconds in units of 10⁻¹⁸.
const MICRO: i128 = 10_i128.pow(12);
/// Times are below this, in microseconds: thirty years, where the trace has two weeks.
const SPAN_MAX_US: i64 = 1_000_000_000_000_000;

/// `azure-trace-2021`.
pub struct AzureTrace2021;

impl Format for AzureTrace2021 {
    fn name(&self) -> &'static str {
        "azure-trace-2021"
    }

    fn description(&self) -> &'static str {
        "Public Azure Functions invocation trace 2021 (app, func, end_timestamp, duration), for load and what-if"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let columns = Columns::of(&csv_table::header_of(head)?);
        let ours = columns.0.len() == 4 && columns.has(&["app", "func", "end_timestamp", "duration"]);
        ours.then(|| Recognition {
            because: "it has the columns of the Azure Functions trace of 2021 (app, func, end_timestamp, duration)"
                .into(),
        })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut rows = Rows { defaults: origin.defaults, columns: Columns::of(&[]), seen: Occurrences::default() };
        csv_table::read(input, Some(b','), &mut rows, sink)
    }
}

struct Rows<'a> {
    defaults: &'a Defaults,
    columns: Columns,
    seen: Occurrences,
}

impl TableReader for Rows<'_> {
    fn header(&mut self, names: &[String], sink: &mut dyn Sink) -> Result<(), IngestError> {
        self.columns = Columns::of(names);
        warn(sink);
        Ok(())
    }

    fn row(&mut self, row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        match self.record(row) {
            Ok(record) => sink.record(record),
            Err(problem) => sink.reject(row.rejected(problem)),
        }
    }
}

impl Rows<'_> {
    fn record(&mut self, row: &CsvRow<'_>) -> Result<Record, String> {
        let value = |name| self.columns.needed(row, name);
        let (app, function, end, duration) =
            (value("app")?, value("func")?, value("end_timestamp")?, value("duration")?);
        // The end is cut and the duration rounded up, both to the microsecond.
        let end_us = micros("end_timestamp", end, false)?;
        let duration_us = micros("duration", duration, true)?;
        let time = EventTime::Logged(FIRST_DAY_US + end_us - duration_us);
        let mut invocation = Invocation {
            provider: "azure".into(),
            service: SERVICE.into(),
            account: Some(app.to_owned()),
            resource: Some(function.to_owned()),
            duration_us: Some(duration_us),
            ..Invocation::default()
        };
        let content = RecordKey::of(&[Some("azure-trace-2021"), Some(app), Some(function), Some(end), Some(duration)]);
        let number = self.seen.next(content)?.to_string();
        let key = RecordKey::of(&[Some("azure-trace-row"), Some(&hex::encode(content.0)), Some(&number)]);
        self.defaults.complete_invocation(&mut invocation);
        Ok(Record { time, key, usage: Usage::Invocation(Box::new(invocation)) })
    }
}

/// Seconds in microseconds, cut or rounded up.
fn micros(name: &str, text: &str, up: bool) -> Result<i64, String> {
    let (exact, _) = measured::quantity(text).map_err(|problem| format!("`{name}` {problem}"))?;
    let micros = exact / MICRO + i128::from(up && exact % MICRO > 0);
    let fits = i64::try_from(micros).ok().filter(|micros| *micros < SPAN_MAX_US);
    fits.ok_or_else(|| format!("`{name}` is `{text}`, expected seconds since the beginning of the trace"))
}
