//! Files are read back by the library: they hold what was written.

use datafusion::arrow::array::{Array, AsArray, DictionaryArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Int64Type, UInt16Type};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::record::{Invocation, MeteredQuantity, RecordKey};
use crate::rows::{UsageRows, complete_batch};
use crate::table::{RowFacts, Table, UsageRow};

const UPLOAD: &str = "an upload";

/// Rows as batches of so many.
fn batches<R: UsageRow>(rows: &[(i64, R)], size: usize) -> Vec<RecordBatch> {
    let mut waiting = UsageRows::new(R::TABLE);
    let of = |rows: &[(i64, R)]| {
        for (time_us, row) in rows {
            let key = RecordKey::of(&[Some(&time_us.to_string())]);
            waiting.push(RowFacts { time_us: *time_us, logged: time_us % 2 == 0, key }, row);
        }
        waiting.take_batch().unwrap()
    };
    rows.chunks(size).map(of).collect()
}

/// What is read from a file of two row groups, each of every row that `keep` keeps, and what should be.
fn written_and_read(table: Table, batches: &[RecordBatch], keep: impl Fn(u32) -> bool) -> (RecordBatch, RecordBatch) {
    let fields = table.schema().fields().iter().filter(|field| field.name() != "date").cloned().collect::<Vec<_>>();
    let schema = Arc::new(Schema::new(fields));
    let mut file = UsageFile::new(schema.clone(), Some(("upload_id".into(), UPLOAD.into()))).unwrap();
    let segments = || -> Vec<Segment> {
        let rows =
            |batch: &RecordBatch| (0..u32::try_from(batch.num_rows()).unwrap()).filter(|row| keep(*row)).collect();
        batches.iter().map(|batch| Segment { batch: batch.clone(), rows: rows(batch) }).collect()
    };
    file.add(&segments()).unwrap();
    file.add(&segments()).unwrap();
    let finished = file.finish().unwrap();
    assert_eq!(finished.bytes, finished.parts.iter().map(Bytes::len).sum::<usize>());
    let bytes = Bytes::from(finished.parts.concat());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().with_batch_size(1000).build().unwrap();
    let read: Vec<_> = reader.map(Result::unwrap).collect();
    let whole = |batch: &RecordBatch| {
        let rows = datafusion::arrow::array::UInt32Array::from_iter_values(
            (0..u32::try_from(batch.num_rows()).unwrap()).filter(|row| keep(*row)),
        );
        let complete = complete_batch(batch, table, UPLOAD).unwrap();
        let columns = schema.fields().iter().map(|field| complete.column_by_name(field.name()).unwrap());
        let taken = columns.map(|column| datafusion::arrow::compute::take(column, &rows, None).unwrap());
        RecordBatch::try_new(schema.clone(), taken.collect()).unwrap()
    };
    let once: Vec<_> = batches.iter().map(whole).collect();
    let expected = concat_batches(&schema, once.iter().chain(&once)).unwrap();
    assert_eq!(finished.rows, expected.num_rows() as u64);
    for (name, facts) in &finished.columns {
        let column = expected.column_by_name(name).unwrap();
        assert_eq!(facts.nulls, column.null_count() as u64, "{name}");
        if let Some(Extent::Integer(low, high)) = facts.extent {
            let numbers = datafusion::arrow::compute::cast(column, &DataType::Int64).unwrap();
            let numbers = numbers.as_primitive::<Int64Type>();
            let (least, largest) = (numbers.iter().flatten().min(), numbers.iter().flatten().max());
            assert_eq!((Some(low), Some(high)), (least, largest), "{name}");
        }
    }
    (concat_batches(&schema, &read).unwrap(), expected)
}

fn invocation(seed: u64) -> Invocation {
    let some = |every: u64, value: u64| (!seed.is_multiple_of(every)).then(|| i64::try_from(value).unwrap());
    Invocation {
        provider: "aws".into(),
        service: if seed.is_multiple_of(1000) { "lambda" } else { "other" }.into(),
        resource: (!seed.is_multiple_of(7)).then(|| format!("function-{}", seed % 300)),
        request_id: Some(format!("{:x}-é", seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        error_type: (seed.is_multiple_of(500)).then(|| "Ä".repeat(40)),
        duration_us: some(11, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (seed % 60 + 1)),
        memory_mb: some(3, 128 << (seed % 5)),
        billed_ms: Some(i64::MAX - i64::try_from(seed).unwrap()),
        cold_start: (!seed.is_multiple_of(5)).then_some(seed.is_multiple_of(3)),
        ..Invocation::default()
    }
}

#[test]
fn a_file_holds_what_was_written_to_it() {
    for (count, size) in [(1, 1), (7, 3), (1000, 1000), (70_000, 30_000)] {
        let rows: Vec<_> =
            (0..count).map(|seed| (i64::try_from(seed).unwrap() * 1_000_003 - 5, invocation(seed))).collect();
        let batches = batches(&rows, size);
        for every in [1, 3] {
            let (read, expected) = written_and_read(Table::Invocations, &batches, |row| row % every == 0);
            assert_eq!(read, expected, "{count} rows by {size}, each {every}th");
        }
    }
}

#[test]
fn decimals_and_their_absence() {
    let row = |quantity| MeteredQuantity {
        provider: "p".into(),
        service: "s".into(),
        quantity,
        ..MeteredQuantity::default()
    };
    let rows = [(1, row(None)), (2, row(Some(1))), (3, row(Some(10_i128.pow(37)))), (4, row(None))];
    let (read, expected) = written_and_read(Table::Metered, &batches(&rows, 3), |_| true);
    assert_eq!(read, expected);
}

#[test]
fn a_text_column_of_many_texts_is_the_same_before_and_after_it_stops_being_a_dictionary() {
    let text = |seed: u64| (!seed.is_multiple_of(5)).then(|| format!("text {seed}"));
    let row =
        |seed| Invocation { provider: "p".into(), service: "s".into(), instance: text(seed), ..Invocation::default() };
    let rows: Vec<_> = (0..20_000).map(|seed| (0, row(seed))).collect();
    for batch in batches(&rows, 10_000) {
        let whole = complete_batch(&batch, Table::Invocations, UPLOAD).unwrap();
        assert!(!batch.column_by_name("instance").unwrap().as_any().is::<DictionaryArray<UInt16Type>>());
        let texts = whole.column_by_name("instance").unwrap().as_string::<i32>().clone();
        let first = if texts.value(1) == "text 1" { 0 } else { 10_000 };
        for (seed, found) in (first..).zip(texts.iter()) {
            assert_eq!(found.map(str::to_owned), text(seed), "{seed}");
        }
    }
    let (read, expected) = written_and_read(Table::Invocations, &batches(&rows, 10_000), |row| row % 2 == 1);
    assert_eq!(read, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_numbers_come_back(numbers in prop::collection::vec(prop::option::of(prop_oneof![any::<i64>(), 0..9_i64]), 1..700)) {
        let row = |number| Invocation { provider: "p".into(), service: "s".into(), cpu_us: number, ..<Invocation>::default() };
        let rows: Vec<_> = numbers.iter().map(|number| (number.unwrap_or(3), row(*number))).collect();
        let (read, expected) = written_and_read(Table::Invocations, &batches(&rows, 100), |_| true);
        prop_assert_eq!(read, expected);
    }
}
