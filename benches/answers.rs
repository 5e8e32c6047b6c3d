//! How long answers take, and what they are made from: `cargo bench`. Every answer is checked before it is timed.
//!
//! The lake has 100,000 executions of 200 functions in October 2026, ingested from a log that is made here. For
//! comparisons with other engines, and for growth, see `compare/`.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop there")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{LazyLock, OnceLock};

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use divan::{Bencher, black_box};
use paygrain_ingest::upload::ingest_file;
use paygrain_ingest::{Defaults, IngestOptions, Lake};
use paygrain_pricing::{Catalogue, Exact, Period, RatingOptions, Scope, SkuIndex, UsageSlice, rate};
use paygrain_query::metering::{Metered, meter};
use paygrain_query::session::session;
use paygrain_query::{BillRequest, CompareRequest, Dimension, Engine};
use paygrain_replay::{Assumptions, Comparison, ScheduledJob};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const ROWS: u64 = 100_000;
const FUNCTIONS: u64 = 200;
/// October 2026, UTC, days since 1970.
const OCTOBER: std::ops::RangeInclusive<i32> = 20_727..=20_757;

fn main() {
    let place = TempDir::new().unwrap();
    PLACE.set(place.path().to_owned()).unwrap();
    check();
    divan::main();
}

/// Where the lakes and the log are: it goes with [`main`].
static PLACE: OnceLock<PathBuf> = OnceLock::new();

/// What every benchmark works on.
struct Ground {
    runtime: Runtime,
    place: PathBuf,
    catalogue: Catalogue,
    period: Period,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().enable_all().thread_stack_size(16 << 20).build().unwrap();
    let place = PLACE.get().unwrap().clone();
    let ground =
        Ground { runtime, place, catalogue: Catalogue::embedded().unwrap(), period: "2026-10".parse().unwrap() };
    std::fs::write(ground.log(), log()).unwrap();
    ground.ingest("lake");
    // Rollups are made when usage arrives, so that no answer has to.
    ground.runtime.block_on(ground.engine().roll_up(&|_, _, _| {})).unwrap();
    ground
});

impl Ground {
    fn log(&self) -> PathBuf {
        self.place.join("lambda.log")
    }

    fn lake(&self, name: &str) -> Lake {
        Lake::open(self.place.join(name).to_str().unwrap()).unwrap()
    }

    /// An engine that has answered nothing yet.
    fn engine(&self) -> Engine {
        Engine::new(self.lake("lake"), self.catalogue.clone())
    }

    /// Brings the log into a lake; how many rows landed.
    fn ingest(&self, lake: &str) -> u64 {
        let text = |text: &str| Some(text.to_owned());
        let defaults = Defaults { account: text("1"), region: text("us-east-1"), ..Defaults::default() };
        let options = IngestOptions { defaults, ..IngestOptions::default() };
        let (lake, log) = (self.lake(lake), self.log());
        self.runtime.block_on(ingest_file(&lake, "lambda.log", &log, &options)).unwrap().accepted
    }

    fn bill(&self) -> BillRequest {
        BillRequest::new(self.period)
    }

    /// Reads every record: such a session knows of no rollup.
    fn metered_from_records(&self, session: &SessionContext) -> Metered {
        self.runtime.block_on(meter(session, &self.catalogue, self.period, None, &[])).unwrap()
    }

    fn records(&self) -> SessionContext {
        self.runtime.block_on(session(&self.lake("lake"))).unwrap()
    }

    /// What is rated of the month.
    fn slices(&self) -> Vec<UsageSlice> {
        let metered = self.metered_from_records(&self.records());
        let mut slices: BTreeMap<(i64, SkuIndex, &Scope), (Exact, u64)> = BTreeMap::new();
        for row in &metered.rows {
            let key = (row.hour_us, row.sku, &metered.scopes[row.scope as usize]);
            let (quantity, record_count) = slices.entry(key).or_default();
            *quantity += row.quantity.exact();
            *record_count += row.record_count;
        }
        let slice = |((at_us, sku, scope), (quantity, record_count)): ((i64, SkuIndex, &Scope), _)| UsageSlice {
            sku,
            scope: scope.clone(),
            at_us,
            quantity,
            record_count,
        };
        slices.into_iter().map(slice).collect()
    }
}

/// How long the execution of a row took, in ms: spread, and the same in every run.
fn duration_ms(row: u64) -> u64 {
    let mixed = (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    1 + ((mixed ^ (mixed >> 29)) >> 20) % 4_000
}

/// Lambda log lines with functions in front, spread over October.
fn log() -> String {
    let line = |row: u64| {
        let (function, minute, duration_ms) = (row * row % FUNCTIONS, row * 31 * 1440 / ROWS, duration_ms(row));
        format!(
            "2026-10-{:02}T{:02}:{:02}:59.000Z /aws/lambda/function-{function} REPORT RequestId: \
             7d2b1f0e-0000-4000-8000-{row:012x}\tDuration: {duration_ms}.00 ms\tBilled Duration: {duration_ms} ms\t\
             Memory Size: {} MB\tMax Memory Used: 90 MB\t\n",
            minute / 1440 + 1,
            minute / 60 % 24,
            minute % 60,
            512 << (function % 5),
        )
    };
    (0..ROWS).map(line).collect()
}

fn point_query(ground: &Ground, session: &SessionContext) -> (i64, i64) {
    let sql = "SELECT count(*), sum(duration_us) FROM invocations \
        WHERE date = DATE '2026-10-14' AND resource = 'function-9'";
    let batches = ground.runtime.block_on(async { session.sql(sql).await.unwrap().collect().await.unwrap() });
    let cell = |column: usize| {
        let numbers = cast(batches[0].column(column), &DataType::Int64).unwrap();
        assert!(numbers.is_valid(0), "the query finds something");
        numbers.as_primitive::<Int64Type>().value(0)
    };
    (cell(0), cell(1))
}

/// The percentiles of all durations, from histograms.
fn percentiles(engine: &Engine) -> (u64, [u64; 3]) {
    let workload = GROUND.runtime.block_on(engine.workload(OCTOBER)).unwrap();
    let workload = workload.as_ref().as_ref().unwrap();
    let groups: Vec<u32> = (0..).zip(workload.groups()).map(|(group, _)| group).collect();
    workload.percentiles(&groups, [50, 95, 99])
}

/// The executions of the month on every deployment.
fn comparison(engine: &Engine, assumptions: Assumptions) -> Comparison {
    let request = CompareRequest { assumptions, ..CompareRequest::default() };
    let month = [("period".to_owned(), GROUND.period.to_string())];
    GROUND.runtime.block_on(async {
        let recorded = engine.recorded(&month).await.unwrap().unwrap();
        engine.compare(recorded.workload, &request).await.unwrap()
    })
}

/// A job that runs every minute of the month.
fn job() -> ScheduledJob {
    let words = [("schedule", "* * * * *"), ("duration", "2s"), ("memory", "256MB")];
    let words = words.map(|(name, text)| (name.to_owned(), text.to_owned()));
    ScheduledJob::read(&words, GROUND.period).unwrap()
}

/// Every answer against one that is made in another way.
fn check() {
    let ground = &*GROUND;
    let engine = ground.engine();
    let mut request = ground.bill();
    request.by = vec![Dimension::Resource, Dimension::Day];
    let bill = ground.runtime.block_on(engine.bill(&request)).unwrap();
    assert_eq!(bill.record_count, ROWS);
    assert!(bill.unpriced.is_empty(), "{:?}", bill.unpriced);
    let groups: Exact = bill.groups.iter().map(|group| &group.billed_cost).sum();
    assert_eq!(groups, bill.total, "the parts sum to the whole");

    let rated = rate(&ground.catalogue, ground.period, &ground.slices(), &RatingOptions::default());
    let total: Exact = rated.charges.iter().map(|charge| &charge.billed_cost).sum();
    assert_eq!(total, bill.total, "from rollups and from records");
    assert!(total > Exact::zero());

    let mut durations: Vec<u64> = (0..ROWS).map(duration_ms).collect();
    durations.sort_unstable();
    let rank = |percent: u64| durations[(ROWS * percent).div_ceil(100) as usize - 1];
    assert_eq!(percentiles(&engine), (ROWS, [50, 95, 99].map(rank)));

    // Where no instance takes time to start, the recorded deployment costs what the bill says.
    let compared = comparison(&engine, Assumptions { start_ms: Some(0), ..Assumptions::default() });
    assert_eq!(compared.workload.run_count, ROWS);
    let own = compared.deployments.iter().find(|outcome| outcome.name == "aws-lambda-x86").unwrap();
    assert_eq!(&own.parts.compute + &own.parts.requests, bill.total);

    let wanted = |row: &u64| row * row % FUNCTIONS == 9 && row * 31 / ROWS == 13;
    let found: Vec<u64> = (0..ROWS).filter(wanted).map(duration_ms).collect();
    let expected = (found.len() as i64, found.iter().sum::<u64>() as i64 * 1000);
    assert_eq!(point_query(ground, &ground.records()), expected);
}

/// The bill of a month by an engine that has answered nothing yet: rollups are read from their files.
#[divan::bench]
fn bill_of_a_month(bencher: Bencher<'_, '_>) {
    let (ground, request) = (&*GROUND, GROUND.bill());
    bencher
        .with_inputs(|| ground.engine())
        .bench_values(|engine| ground.runtime.block_on(engine.bill(&request)).unwrap().total);
}

/// The same month grouped, where its rating is kept.
#[divan::bench]
fn group_by_resource_and_day(bencher: Bencher<'_, '_>) {
    let (ground, engine) = (&*GROUND, GROUND.engine());
    let mut request = ground.bill();
    request.by = vec![Dimension::Resource, Dimension::Day];
    bencher.bench_local(|| ground.runtime.block_on(engine.bill(&request)).unwrap().groups);
}

/// Percentiles of durations from histograms that are in memory.
#[divan::bench]
fn percentiles_of_durations(bencher: Bencher<'_, '_>) {
    let engine = GROUND.engine();
    bencher.bench_local(|| percentiles(&engine));
}

/// Metered hours of every function to charges: finer than a bill, which sums them by what its SKUs ask for first.
#[divan::bench]
fn rating_of_a_month(bencher: Bencher<'_, '_>) {
    let (ground, slices) = (&*GROUND, GROUND.slices());
    bencher.bench_local(|| rate(&ground.catalogue, ground.period, black_box(&slices), &RatingOptions::default()));
}

/// Records to metered hours, without rollups.
#[divan::bench(sample_count = 20)]
fn metering_from_records(bencher: Bencher<'_, '_>) {
    let session = GROUND.records();
    bencher.bench_local(|| GROUND.metered_from_records(&session).rows.len());
}

/// 100,000 recorded executions of 200 functions, one by one, on every deployment, with break-even.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn comparison_of_recorded_executions(bencher: Bencher<'_, '_>) {
    let engine = GROUND.engine();
    bencher.bench_local(|| comparison(&engine, Assumptions::default()).deployments.len());
}

/// 44,640 runs of a job, on every deployment, with break-even.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn comparison_of_a_job(bencher: Bencher<'_, '_>) {
    let (engine, job, request) = (GROUND.engine(), job(), CompareRequest::default());
    bencher.bench_local(|| {
        let compared = engine.compare(job.workload(), &request);
        GROUND.runtime.block_on(compared).unwrap().deployments.len()
    });
}

/// A log into a lake of its own.
#[divan::bench(sample_count = 10)]
fn ingest_of_100_000_records(bencher: Bencher<'_, '_>) {
    let mut number = 0;
    let name = || {
        number += 1;
        format!("ingested-{number}")
    };
    bencher.with_inputs(name).bench_local_values(|name| assert_eq!(GROUND.ingest(&name), ROWS));
}

/// A query of one function on one day.
#[divan::bench]
fn sql_point_query(bencher: Bencher<'_, '_>) {
    let session = GROUND.records();
    bencher.bench_local(|| point_query(&GROUND, &session));
}
