//! The public Azure Functions trace of 2019: three tables of one day each, with a row for a function (memory: for an app).
//!
//! Counts of invocations by the minute become a metered quantity for each minute that has any; the tables of durations
//! and of memory become their averages and how many measurements these are of. All are of the variant `estimate`.
//!
//! The tables name no day. The original files have it in their names (`….d07.csv`; the first day is 2019-07-15); without
//! one all minutes stand at the time that is assumed for the upload, and only their keys tell them apart.

use std::io::BufRead;

use chrono::NaiveDate;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::azure_trace::{Columns, Occurrences, SERVICE, warn};
use crate::format::csv_table::{self, CsvRow, TableReader};
use crate::format::{Format, Origin, Recognition, Sink, decimal, measured};
use crate::record::{EventTime, MeteredQuantity, Record, RecordKey, Usage};

const MINUTES_PER_DAY: usize = 1_440;
const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = MINUTES_PER_DAY as i64 * MINUTE_US;
/// Days of the trace.
const DAYS: i64 = 14;

/// `azure-trace-2019`.
pub struct AzureTrace2019;

/// Which of the tables a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Invocations,
    Durations,
    Memory,
}

impl Kind {
    fn of(columns: &Columns) -> Option<Self> {
        if !columns.has(&["hashowner", "hashapp"]) {
            return None;
        }
        let function = columns.has(&["hashfunction"]);
        if function && (columns.has(&["1", "1440"]) || columns.has(&["minute_1", "minute_1440"])) {
            Some(Kind::Invocations)
        } else if function && columns.has(&["average", "count", "percentile_average_50"]) {
            Some(Kind::Durations)
        } else if columns.has(&["samplecount", "averageallocatedmb"]) {
            Some(Kind::Memory)
        } else {
            None
        }
    }
}

impl Format for AzureTrace2019 {
    fn name(&self) -> &'static str {
        "azure-trace-2019"
    }

    fn description(&self) -> &'static str {
        "Public Azure Functions trace 2019: invocations per minute, durations, memory (….dNN.csv), for load and what-if"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let kind = Kind::of(&Columns::of(&csv_table::header_of(head)?))?;
        let what = match kind {
            Kind::Invocations => "invocations by the minute (HashOwner, HashApp, HashFunction, minutes 1 to 1440)",
            Kind::Durations => "durations of functions (HashFunction, Average, Count, percentile_Average_…)",
            Kind::Memory => "memory of apps (HashApp, SampleCount, AverageAllocatedMb)",
        };
        Some(Recognition { because: format!("it has the columns of the Azure Functions trace of 2019: {what}") })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut table = Table {
            defaults: origin.defaults,
            day_us: day_us(origin.name),
            kind: Kind::Invocations,
            columns: Columns::of(&[]),
            minutes: Vec::new(),
            seen: Occurrences::default(),
        };
        csv_table::read(input, Some(b','), &mut table, sink)
    }
}

/// The day in the name of an original file: `invocations_per_function_md.anon.d07.csv` is the seventh.
fn day_us(name: &str) -> Option<i64> {
    let file = name.rsplit(['/', '\\']).next()?;
    let number = file.split(|character: char| !character.is_ascii_alphanumeric()).find_map(|part| {
        let digits = part.strip_prefix('d').filter(|digits| digits.len() == 2)?;
        digits.parse::<i64>().ok().filter(|day| (1..=DAYS).contains(day))
    })?;
    let first = NaiveDate::from_ymd_opt(2019, 7, 15)?.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
    Some(first + (number - 1) * DAY_US)
}

struct Table<'a> {
    defaults: &'a Defaults,
    day_us: Option<i64>,
    kind: Kind,
    columns: Columns,
    /// Where the minutes of the day are, from the first.
    minutes: Vec<usize>,
    seen: Occurrences,
}

impl TableReader for Table<'_> {
    fn header(&mut self, names: &[String], sink: &mut dyn Sink) -> Result<(), IngestError> {
        self.columns = Columns::of(names);
        self.kind = Kind::of(&self.columns).ok_or_else(|| IngestError::WrongColumns {
            problem: "expected HashOwner, HashApp and the minutes 1 to 1440, Average and Count, or SampleCount and AverageAllocatedMb".into(),
        })?;
        if self.kind == Kind::Invocations {
            self.minutes = (1..=MINUTES_PER_DAY)
                .filter_map(|minute| {
                    let place = self.columns.place(&minute.to_string());
                    place.or_else(|| self.columns.place(&format!("minute_{minute}")))
                })
                .collect();
            if self.minutes.len() != MINUTES_PER_DAY {
                let problem = format!("there are {} of the minutes 1 to 1440", self.minutes.len());
                return Err(IngestError::WrongColumns { problem });
            }
        }
        warn(sink);
        if self.day_us.is_none() {
            sink.warn(
                "the table names no day: give the file its original name (….d01.csv to ….d14.csv); without it all of it is at the time of `--at`".into(),
            );
        }
        Ok(())
    }

    fn row(&mut self, row: &CsvRow<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        // The names of the minutes are numbers: they would pass as counts.
        if row.is_header() {
            return Ok(());
        }
        match self.quantities(row) {
            Ok((quantities, content)) => {
                for (meter, unit, minute, quantity) in quantities {
                    sink.record(self.record(row, content, meter, unit, minute, quantity))?;
                }
                Ok(())
            }
            Err(problem) => sink.reject(row.rejected(problem)),
        }
    }
}

/// Meter, unit, minute of the day, quantity in units of 10⁻¹⁸.
type Quantity = (&'static str, &'static str, Option<usize>, i128);

impl Table<'_> {
    /// What a row has, all of it or nothing, and the key of its content.
    fn quantities(&mut self, row: &CsvRow<'_>) -> Result<(Vec<Quantity>, RecordKey), String> {
        let mut quantities = Vec::new();
        // In one order, whatever that of the columns.
        let mut content = vec![format!("{:?}", self.kind)];
        for name in ["hashowner", "hashapp", "hashfunction", "trigger"] {
            content.push(self.columns.value(row, name).unwrap_or_default().to_owned());
        }
        if self.kind == Kind::Invocations {
            self.columns.needed(row, "hashfunction")?;
            for (index, place) in self.minutes.iter().enumerate() {
                let text = row.text(*place).unwrap_or_default().trim();
                let wrong = |problem| format!("minute {} {problem}", index + 1);
                let count = decimal::exact(text, 0).map_err(wrong)?;
                if count > 0 {
                    quantities.push(("invocations", "invocation", Some(index), i128::from(count) * 10_i128.pow(18)));
                    content.push(format!("{index}:{count}"));
                }
            }
        } else {
            let names = match self.kind {
                Kind::Durations => {
                    [("average", "average-duration", "ms"), ("count", "durations-measured", "execution")]
                }
                _ => [("averageallocatedmb", "average-memory", "MB"), ("samplecount", "memory-samples", "sample")],
            };
            for (name, meter, unit) in names {
                let text = self.columns.needed(row, name)?;
                let (quantity, _) = measured::quantity(text).map_err(|problem| format!("`{name}` {problem}"))?;
                quantities.push((meter, unit, None, quantity));
                content.push(quantity.to_string());
            }
        }
        let parts: Vec<_> = content.iter().map(|part| Some(part.as_str())).collect();
        let content = RecordKey::of(&parts);
        let number = self.seen.next(content)?.to_string();
        Ok((quantities, RecordKey::of(&[Some("azure-trace-2019"), Some(&hex::encode(content.0)), Some(&number)])))
    }

    fn record(
        &self,
        row: &CsvRow<'_>,
        content: RecordKey,
        meter: &'static str,
        unit: &'static str,
        minute: Option<usize>,
        quantity: i128,
    ) -> Record {
        let column = |name| self.columns.value(row, name).map(str::to_owned);
        let mut metered = MeteredQuantity {
            provider: "azure".into(),
            service: SERVICE.into(),
            account: column("hashowner"),
            resource: column("hashfunction").or_else(|| column("hashapp")),
            meter: Some(meter.into()),
            variant: Some("estimate".into()),
            quantity: Some(quantity),
            unit: Some(unit.into()),
            ..MeteredQuantity::default()
        };
        self.defaults.complete_metered_quantity(&mut metered);
        let number = minute.map(|minute| minute.to_string());
        let key = RecordKey::of(&[Some(&hex::encode(content.0)), Some(meter), number.as_deref()]);
        let since_us = minute.and_then(|minute| i64::try_from(minute).ok()).unwrap_or(0) * MINUTE_US;
        let time = self.day_us.map_or(EventTime::Assumed, |day_us| EventTime::Logged(day_us + since_us));
        Record { time, key, usage: Usage::MeteredQuantity(Box::new(metered)) }
    }
}
