//! Jobs that read every invocation: from the data files of the lake, or from a Parquet file as it came.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use futures::TryStreamExt;
use paygrain_ingest::Lake;
use paygrain_ingest::table::{DAY_US, Table};
use paygrain_pricing::period::HOUR_US;

use crate::MAY;

/// Memory sizes, in MB.
pub const SIZES: [u32; 10] = [128, 256, 512, 1024, 1536, 1769, 2048, 3008, 4096, 10_240];
const THREADS: usize = 2;
const DAY_HOURS: i64 = DAY_US / HOUR_US;

/// Texts by number.
#[derive(Clone, Default)]
pub struct Names(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn number(&self, name: &str) -> u32 {
        let Known { numbers, names } = &mut *self.0.lock().unwrap();
        if let Some(number) = numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(names.len()).unwrap();
        numbers.insert(name.to_owned(), number);
        names.push(name.to_owned());
        number
    }

    /// All, by number.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().names.clone()
    }
}

/// The numbers of the texts of a dictionary, which is mostly that of the batch before.
struct Numbers {
    names: Names,
    known: Option<(ArrayRef, Vec<u32>)>,
}

impl Numbers {
    fn of(&mut self, values: &ArrayRef) -> &[u32] {
        let same = |known: &ArrayRef| {
            let texts = [known, values].map(|values| values.as_string::<i32>());
            std::ptr::eq(texts[0].value_data(), texts[1].value_data()) && texts[0].len() == texts[1].len()
        };
        if self.known.as_ref().is_none_or(|(known, _)| !same(known)) {
            let texts = values.as_string::<i32>();
            let number = |text: Option<&str>| self.names.number(text.unwrap_or_default());
            self.known = Some((values.clone(), texts.iter().map(number).collect()));
        }
        &self.known.as_ref().unwrap().1
    }
}

fn whole(batch: &RecordBatch, name: &str) -> ArrayRef {
    let column = cast(batch.column_by_name(name).unwrap(), &DataType::Int64).unwrap();
    assert_eq!(column.null_count(), 0, "every invocation has `{name}`");
    column
}

/// Folds over function, memory and duration of every invocation of a lake, with its UTC day: a state for each thread.
async fn fold<T: Default + Send + 'static>(lake: &Lake, names: &Names, add: fn(&mut T, i32, u32, i64, i64)) -> Vec<T> {
    let delta = Arc::new(lake.table(Table::Invocations).await.unwrap().expect("the lake has invocations"));
    let files = Arc::new(lake.usage_data_files(&delta).unwrap().expect("data files are the rows"));
    let read = |thread: usize| {
        let (lake, delta, files, names) = (lake.clone(), delta.clone(), files.clone(), names.clone());
        tokio::spawn(async move {
            let (mut state, mut numbers) = (T::default(), Numbers { names, known: None });
            for file in files.iter().skip(thread).step_by(THREADS) {
                let columns = ["resource", "memory_mb", "duration_us"];
                let mut rows = Box::pin(lake.read_usage_data_file(&delta, file, &columns).await.unwrap());
                while let Some(batch) = rows.try_next().await.unwrap() {
                    let functions = batch.column_by_name("resource").unwrap().as_dictionary::<Int32Type>();
                    let numbers = numbers.of(functions.values());
                    let (memory, durations) = (whole(&batch, "memory_mb"), whole(&batch, "duration_us"));
                    let memory = memory.as_primitive::<Int64Type>().values();
                    let durations = durations.as_primitive::<Int64Type>().values();
                    for ((function, memory), duration) in functions.keys().values().iter().zip(memory).zip(durations) {
                        add(&mut state, file.day, numbers[*function as usize], *memory, *duration);
                    }
                }
            }
            state
        })
    };
    let tasks: Vec<_> = (0..THREADS).map(read).collect();
    let mut states = Vec::new();
    for task in tasks {
        states.push(task.await.unwrap());
    }
    states
}

/// Requests and billed MB-ms, by days from the first of May and functions.
pub type ByDayAndFunction = Vec<Vec<(i64, i64)>>;

const FIRST_DAY: i32 = *MAY.start();
const DAYS: usize = (*MAY.end() - FIRST_DAY + 1) as usize;

fn add(sums: &mut ByDayAndFunction, day: i32, function: u32, memory_mb: i64, duration_us: i64) {
    if sums.is_empty() {
        sums.resize(DAYS, Vec::new());
    }
    let of_day = &mut sums[(day - FIRST_DAY) as usize];
    let function = function as usize;
    if of_day.len() <= function {
        of_day.resize(function + 1, (0, 0));
    }
    let (requests, mb_ms) = &mut of_day[function];
    *requests += 1;
    *mb_ms += (duration_us as u64).div_ceil(100_000) as i64 * 100 * memory_mb;
}

fn together(states: Vec<ByDayAndFunction>, functions: usize) -> ByDayAndFunction {
    let mut sums = vec![vec![(0, 0); functions]; DAYS];
    for (day, of_day) in states.into_iter().flat_map(|state| state.into_iter().enumerate()) {
        for (sum, (requests, mb_ms)) in sums[day].iter_mut().zip(of_day) {
            *sum = (sum.0 + requests, sum.1 + mb_ms);
        }
    }
    sums
}

/// The sums of `j2b`, and the functions by number.
pub async fn of_lake(lake: &Lake) -> (Vec<String>, ByDayAndFunction) {
    let names = Names::default();
    let states = fold(lake, &names, add).await;
    let names = names.all();
    let sums = together(states, names.len());
    (names, sums)
}

/// Billed ms in steps of 1 ms, 100 ms and 1 s, and in seconds of at least 60, for each size.
type BySize = [[u64; SIZES.len()]; 4];

#[inline]
fn add_sizes(sums: &mut Vec<BySize>, _: i32, function: u32, memory_mb: i64, duration_us: i64) {
    let function = function as usize;
    if sums.len() <= function {
        sums.resize(function + 1, [[0; SIZES.len()]; 4]);
    }
    let work = (duration_us * memory_mb) as f64;
    let [by_1ms, by_100ms, by_1s, by_minute] = &mut sums[function];
    for size in 0..SIZES.len() {
        let step = f64::from(SIZES[size]) * 1000.0;
        // Both numbers are whole and their quotient is below 2³⁰, so what is rounded away never reaches the next one.
        let ms = ((work + (step - 1.0)) / step) as i32 as u32;
        let (hundreds, seconds) = (ms.div_ceil(100), ms.div_ceil(1000));
        by_1ms[size] += u64::from(ms);
        by_100ms[size] += u64::from(hundreds);
        by_1s[size] += u64::from(seconds);
        by_minute[size] += u64::from(seconds.max(60));
    }
}

/// The sums of `j4b` in ms, in the order of columns, and the functions by number.
pub async fn by_size(lake: &Lake) -> (Vec<String>, Vec<Vec<u64>>) {
    let names = Names::default();
    let states = fold(lake, &names, add_sizes).await;
    let names = names.all();
    let mut all = vec![vec![0; 4 * SIZES.len()]; names.len()];
    for state in states {
        for (sums, of_function) in all.iter_mut().zip(state) {
            for (rule, step) in [1, 100, 1000, 1000].into_iter().enumerate() {
                for (size, count) in of_function[rule].into_iter().enumerate() {
                    sums[4 * size + rule] += count * step;
                }
            }
        }
    }
    (names, all)
}

/// A row of the file as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Row {
    id: [u64; 2],
    started_us: i64,
    duration_us: i64,
    function: u32,
    memory_mb: u32,
}

/// The rows of each hour of May.
type Hours = Vec<Vec<Row>>;

fn read(file: &Path, thread: usize, names: &Names) -> Hours {
    let options = || ArrowReaderOptions::new();
    let file = File::open(file).unwrap();
    let plain = ArrowReaderMetadata::load(&file, options()).unwrap();
    let fields = plain.schema().fields().iter().map(|field| match field.name().as_str() {
        "function" => {
            let texts = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
            Arc::new(Field::new("function", texts, field.is_nullable()))
        }
        _ => field.clone(),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let metadata = ArrowReaderMetadata::try_new(plain.metadata().clone(), options().with_schema(schema)).unwrap();
    let groups = (thread..plain.metadata().num_row_groups()).step_by(THREADS).collect();
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let wanted = ["request_id", "started_at", "function", "memory_mb", "duration_us"];
    let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
    let batches = builder.with_projection(mask).with_row_groups(groups).with_batch_size(1 << 15).build().unwrap();
    let mut numbers = Numbers { names: names.clone(), known: None };
    let mut hours: Hours = vec![Vec::new(); DAYS * DAY_HOURS as usize];
    for batch in batches {
        let batch = batch.unwrap();
        let ids = batch.column_by_name("request_id").unwrap();
        let ids = ids.as_any().downcast_ref::<FixedSizeBinaryArray>().expect("ids are UUIDs").value_data();
        let functions = batch.column_by_name("function").unwrap().as_dictionary::<Int32Type>();
        let numbers = numbers.of(functions.values());
        let [starts, memory, durations] = ["started_at", "memory_mb", "duration_us"].map(|name| whole(&batch, name));
        let [starts, memory, durations] =
            [&starts, &memory, &durations].map(|column| column.as_primitive::<Int64Type>().values());
        for (row, id) in ids.chunks_exact(16).enumerate().take(batch.num_rows()) {
            let half = |from: usize| u64::from_le_bytes(id[from..from + 8].try_into().unwrap());
            let found = Row {
                id: [half(0), half(8)],
                started_us: starts[row],
                duration_us: durations[row],
                function: numbers[functions.keys().value(row) as usize],
                memory_mb: u32::try_from(memory[row]).unwrap(),
            };
            hours[(found.started_us / HOUR_US - i64::from(FIRST_DAY) * DAY_HOURS) as usize].push(found);
        }
    }
    hours
}

/// Adds the rows of an hour, equal ones once.
fn add_different(parts: &[&[Row]], places: &mut Vec<u32>, sums: &mut ByDayAndFunction) {
    const NONE: u32 = u32::MAX;
    let rows: Vec<Row> = parts.iter().flat_map(|part| part.iter().copied()).collect();
    let size = (rows.len() * 2).next_power_of_two().max(2);
    places.clear();
    places.resize(size, NONE);
    for (number, row) in (0_u32..).zip(&rows) {
        // Ids are random already.
        let mut place = (row.id[0] ^ row.id[1].rotate_left(32)) as usize & (size - 1);
        let is_new = loop {
            match places[place] {
                NONE => break true,
                known if rows[known as usize] == *row => break false,
                _ => place = (place + 1) & (size - 1),
            }
        };
        if is_new {
            places[place] = number;
            let day = i32::try_from(row.started_us / DAY_US).unwrap();
            add(sums, day, row.function, row.memory_mb.into(), row.duration_us);
        }
    }
}

/// The sums of `j2a`, and the functions by number.
pub async fn of_file(file: &Path) -> (Vec<String>, ByDayAndFunction) {
    let names = Names::default();
    let task = |thread: usize| {
        let (file, names) = (file.to_owned(), names.clone());
        move || read(&file, thread, &names)
    };
    let read = Arc::new(each((0..THREADS).map(task)).await);
    let task = |thread: usize| {
        let read = read.clone();
        move || {
            let (mut sums, mut places) = (ByDayAndFunction::new(), Vec::new());
            for hour in (thread..DAYS * DAY_HOURS as usize).step_by(THREADS) {
                let parts: Vec<&[Row]> = read.iter().map(|hours: &Hours| &hours[hour][..]).collect();
                add_different(&parts, &mut places, &mut sums);
            }
            sums
        }
    };
    let states = each((0..THREADS).map(task)).await;
    let names = names.all();
    let sums = together(states, names.len());
    (names, sums)
}

/// What some tasks give, each in a thread that lives on: its CPU time is counted.
async fn each<T: Send + 'static>(tasks: impl Iterator<Item = impl FnOnce() -> T + Send + 'static>) -> Vec<T> {
    let running: Vec<_> = tasks.map(tokio::task::spawn_blocking).collect();
    let mut found = Vec::new();
    for task in running {
        found.push(task.await.unwrap());
    }
    found
}
