//! A recorded workload as the replay takes it: every execution of the chosen records, with its function
//!
//! Functions are told apart by resource and memory. What a log does not say is assumed and told.

use std::collections::HashMap;

use datafusion::arrow::array::{AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use paygrain_ingest::table::Table;
use paygrain_pricing::{Period, Zone};
use paygrain_replay::{Function, Run, Trigger, Window, Workload};

use crate::engine::Engine;
use crate::error::QueryError;
use crate::report::parameters::{FILTER, FROM, Given, PERIOD, PROVIDER, Parameter, RESOURCE, Selection, TO};
use crate::report::source::Records;

/// What chooses among the recorded executions.
pub const RECORDED_PARAMETERS: [Parameter; 6] = [PERIOD, FROM, TO, PROVIDER, RESOURCE, FILTER];
/// Most executions that are replayed one by one.
const RUNS_MAX: usize = 5_000_000;
/// Memory of executions whose log does not say it, MB.
const MEMORY_MB: i64 = 512;

/// The columns that tell functions apart, as texts.
const KEY: [&str; 5] = ["provider", "service", "account", "region", "resource"];

/// A recorded workload, and what had to be assumed.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The workload.
    pub workload: Workload,
    /// What the log does not say, in words.
    pub assumed: Vec<String>,
}

impl Recorded {
    /// The executions that the parameters choose of what a session sees; nothing where the lake has no usage.
    pub(crate) async fn of(
        engine: &Engine,
        session: &SessionContext,
        given: &[(String, String)],
    ) -> Result<Option<Self>, QueryError> {
        let given = Given::new("parameter of the comparison", given, &RECORDED_PARAMETERS)?;
        let selection = given.selection(engine).await?;
        let Some(days) = selection.days else { return Ok(None) };
        let &[period] = days.months().as_slice() else {
            return Err(QueryError::BadValue {
                name: "to",
                value: days.to.to_string(),
                expected: "a day of the month of `from`: a comparison is of one billing month",
            });
        };
        let records = Records::of(Table::Invocations, engine.catalogue(), &selection, days)?;
        let mut read = Read::default();
        read.functions(session, &records).await?;
        let (start_us, end_us) = days.bounds_us(Zone::default());
        let runs = read.runs(session, &records, (start_us, end_us)).await?;
        let title = title(&selection, period, read.functions.len());
        let windows = vec![Window { start_us, end_us, repeats: 1, runs }];
        Ok(Some(Self {
            workload: Workload { title, period, functions: read.functions, windows },
            assumed: read.assumed,
        }))
    }
}

#[derive(Default)]
struct Read {
    functions: Vec<Function>,
    /// By the texts of the key, and memory (0: the log does not say).
    places: HashMap<(String, i64), u32>,
    assumed: Vec<String>,
}

/// Between the texts of a key: no name has it.
const SEPARATOR: char = '\u{1f}';

impl Read {
    /// The functions, and what their executions need on average.
    async fn functions(&mut self, session: &SessionContext, records: &Records<'_>) -> Result<(), QueryError> {
        let mean = |column: &str| format!("CAST(ceil(avg({column})) AS BIGINT)");
        let sql = format!(
            "SELECT {}, coalesce(memory_mb, 0), coalesce(max(vcpu_milli), 0), coalesce({}, 0), coalesce({}, 0), coalesce({}, 0), coalesce(CAST(100 * sum(CASE WHEN duration_us > 0 THEN cpu_us END) / sum(CASE WHEN cpu_us IS NOT NULL THEN duration_us END) AS BIGINT), -1), min(coalesce(trigger, '')) FROM {} AND duration_us IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
            key(),
            mean("request_bytes"),
            mean("response_bytes"),
            mean("init_us"),
            records.from(),
        );
        let batches = session.sql(&sql).await?.collect().await?;
        let mut without_memory = 0;
        for batch in &batches {
            let (keys, triggers) = (texts(batch, 0)?, texts(batch, 7)?);
            let numbers = (1..7).map(|column| numbers(batch, column)).collect::<Result<Vec<_>, _>>()?;
            for row in 0..batch.num_rows() {
                let number = |column: usize| numbers[column].value(row);
                let memory_mb = number(0);
                without_memory += usize::from(memory_mb <= 0);
                let name = keys.value(row).rsplit(SEPARATOR).next().unwrap_or_default();
                let function = Function {
                    vcpu_milli: Some(number(1)).filter(|milli| *milli > 0),
                    request_bytes: number(2).max(0),
                    response_bytes: number(3).max(0),
                    init_us: Some(number(4)).filter(|us| *us > 0),
                    cpu_percent: u32::try_from(number(5)).ok().map(|percent| percent.min(100)),
                    trigger: trigger(triggers.value(row)),
                    ..Function::new(name, if memory_mb > 0 { memory_mb } else { MEMORY_MB })
                };
                let place = u32::try_from(self.functions.len()).unwrap_or(u32::MAX);
                self.places.insert((keys.value(row).to_owned(), memory_mb), place);
                self.functions.push(function);
            }
        }
        if without_memory > 0 {
            self.assumed.push(format!(
                "the log does not say the memory of {without_memory} of {} functions: {MEMORY_MB} MB are assumed",
                self.functions.len()
            ));
        }
        Ok(())
    }

    /// Every execution that starts in a span of time, by start.
    async fn runs(
        &self,
        session: &SessionContext,
        records: &Records<'_>,
        (start_us, end_us): (i64, i64),
    ) -> Result<Vec<Run>, QueryError> {
        let sql = format!(
            "SELECT {}, coalesce(memory_mb, 0), CAST(started_at AS BIGINT), duration_us FROM {} AND duration_us IS NOT NULL",
            key(),
            records.from(),
        );
        let mut runs = Vec::new();
        let mut batches = session.sql(&sql).await?.execute_stream().await?;
        let mut last: Option<(String, i64, u32)> = None;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let keys = texts(&batch, 0)?;
            let (memory, starts, durations) = (numbers(&batch, 1)?, numbers(&batch, 2)?, numbers(&batch, 3)?);
            if runs.len() + batch.num_rows() > RUNS_MAX {
                return Err(QueryError::TooManyRuns { most: RUNS_MAX });
            }
            for row in 0..batch.num_rows() {
                let (name, memory_mb) = (keys.value(row), memory.value(row));
                // Neighbours often are of one function.
                let known = last.as_ref().filter(|(known, mb, _)| known == name && *mb == memory_mb);
                let function = match known {
                    Some((_, _, function)) => *function,
                    None => {
                        let key = (name.to_owned(), memory_mb);
                        let Some(function) = self.places.get(&key).copied() else { continue };
                        last = Some((key.0, memory_mb, function));
                        function
                    }
                };
                if (start_us..end_us).contains(&starts.value(row)) {
                    runs.push(Run { start_us: starts.value(row), duration_us: durations.value(row).max(0), function });
                }
            }
        }
        runs.sort_unstable();
        Ok(runs)
    }
}

/// The key as one text.
fn key() -> String {
    let texts = KEY.map(|column| format!("coalesce({column}, '')"));
    format!("concat_ws('{SEPARATOR}', {})", texts.join(", "))
}

fn texts(batch: &RecordBatch, column: usize) -> Result<StringArray, QueryError> {
    Ok(cast(batch.column(column), &DataType::Utf8)?.as_string::<i32>().clone())
}

fn numbers(batch: &RecordBatch, column: usize) -> Result<datafusion::arrow::array::Int64Array, QueryError> {
    Ok(cast(batch.column(column), &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// What starts executions, from the word of a log.
fn trigger(word: &str) -> Trigger {
    match word {
        "timer" | "schedule" | "scheduled" | "cron" => Trigger::Schedule,
        "queue" | "pubsub" | "topic" | "sqs" | "sns" => Trigger::Queue,
        "storage" | "blob" | "s3" => Trigger::Storage,
        "stream" | "kinesis" | "dynamodb" => Trigger::Stream,
        _ => Trigger::Http,
    }
}

fn title(selection: &Selection, period: Period, functions: usize) -> String {
    let of: Vec<&str> =
        selection.only.iter().map(|(_, value)| value.as_str()).chain(selection.provider.as_deref()).collect();
    let days = selection.days.filter(|days| days.period.is_none());
    let when = days.map_or_else(|| period.to_string(), |days| format!("{} to {}", days.from, days.to));
    match (of.is_empty(), functions) {
        (true, 1) => format!("One function in {when}"),
        (true, functions) => format!("{functions} functions in {when}"),
        (false, _) => format!("{} in {when}", of.join(", ")),
    }
}
