//! Rows of every kind: identities, both formats, corrections
use std::collections::BTreeSet;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, TimestampMicrosecondType};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use paygrain_ingest::record::{Invocation, MeteredQuantity};
use paygrain_pricing::{Agreement, Catalogue, Exact, RatingOptions};

use super::*;
use crate::testing::{batch, session};

/// Tiers, packages, a credit, a plan and a discount on few records.
const BOOK: &str = r#"
provider = "x"
service = "y"
title = "Y"
provider_title = "X Cloud"
category = "Compute"
subcategory = "Serverless Compute"
[sources]
S = "https://example.com"
[[sku]]
id = "runs"
table = "invocations"
unit = "request"
price = [{ per = "10 request", tiers = [{ up_to = "9", price = "1" }, { price = "0.1" }], source = "S", mark = "seen" }]
[[sku]]
id = "time"
table = "invocations"
unit = "GiB-month"
quantity = "duration_us * memory_mb"
price = [{ price = "700000", per = "GiB-month", source = "S", mark = "seen" }]
[[sku]]
id = "packs"
table = "invocations"
filter = "memory_mb = 512MiB"
unit = "request"
price = [{ price = "3", per = "7 request", package = "7 request", source = "S", mark = "seen" }]
[[sku]]
id = "machine"
table = "metered"
filter = "meter = 'machine'"
unit = "instance-h"
meter_unit = "instance"
quantity = "quantity * held_us"
price = [{ price = "0.5", per = "instance-h", source = "S", mark = "seen" }]
[[allowance]]
id = "free-runs"
skus = ["runs"]
quantity = "5"
unit = "request"
[[allowance]]
id = "welcome"
skus = ["time"]
credit = "0.0001"
[[commitment]]
id = "reserved"
kind = "usage"
skus = ["machine"]
rate = "0.3"
per = "instance-h"
source = "S"
mark = "seen"
"#;

const AGREEMENT: &str = r#"
discounts = [{ id = "less", skus = ["x.y.runs"], percent = "10" }]
commitments = [{ id = "ri", plan = "x.y.reserved", quantity = "1", from = "2026-10-02", to = "2026-10-04" }]
billing_currency = "EUR"
exchange_rates = { USD = "0.9" }
"#;

fn us(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
}

async fn export(charge_period: ChargePeriod, corrections: Vec<Correction>) -> (FocusExport, Exact) {
    let catalogue = Catalogue::of_files([("x/y".to_owned(), BOOK.to_owned())]).unwrap();
    let invocations = (0..40_i64).map(|index| {
        let invocation = Invocation {
            provider: "x".into(),
            service: "y".into(),
            account: (index % 3 > 0).then(|| format!("00{}", index % 3)),
            region: Some("r".into()),
            resource: Some(format!("f{}", index % 2)),
            duration_us: Some(1_000 * (index + 1)),
            memory_mb: Some(if index % 5 == 0 { 512 } else { 128 }),
            ..Invocation::default()
        };
        (us("2026-10-01T22:00:00Z") + index * 4_000_000_000, invocation)
    });
    let machine = MeteredQuantity {
        provider: "x".into(),
        service: "y".into(),
        meter: Some("machine".into()),
        quantity: Some(2 * 10_i128.pow(MeteredQuantity::SCALE.into())),
        held_us: Some(30 * 3_600_000_000),
        ..MeteredQuantity::default()
    };
    let metered = vec![(us("2026-10-02T06:00:00Z"), machine)];
    let session = session(vec![batch(invocations.collect()), batch(metered)]);
    let mut bill = BillRequest::new("2026-10".parse().unwrap());
    bill.rating = RatingOptions { agreement: Agreement::from_toml(AGREEMENT).unwrap(), ..RatingOptions::default() };
    bill.rating.agreement.check(&catalogue).unwrap();
    let total = RatedUsage::of(&session, &catalogue, &bill).await.unwrap().bill(&bill).unwrap().total;
    let request = FocusRequest { charge_period, corrections, ..FocusRequest::new(bill) };
    (FocusExport::of(&session, &catalogue, &request).await.unwrap(), total)
}

#[tokio::test]
async fn every_kind_of_row_keeps_the_identities_and_sums_to_the_bill() {
    for charge_period in [ChargePeriod::Hour, ChargePeriod::Day, ChargePeriod::Month] {
        let (export, total) = export(charge_period, Vec::new()).await;
        assert_eq!(export.billed_cost(), total);
        let kinds: BTreeSet<_> = export.rows.iter().map(|row| row.terms.kind).collect();
        assert_eq!(kinds.len(), 4, "{kinds:?}");
        for row in &export.rows {
            let product = |price: &Option<Exact>| Some(row.pricing_quantity.as_ref()? * price.as_ref()?);
            let (list, contracted) = (product(&row.terms.list_unit_price), product(&row.terms.contracted_unit_price));
            assert!(list.is_none_or(|list| list == row.costs.list), "{row:?}");
            assert!(contracted.is_none_or(|contracted| contracted == row.costs.contracted), "{row:?}");
            assert!(!row.terms.list_unit_price.as_ref().is_some_and(Exact::is_negative));
            let (from, to) = row.charge_period_us;
            let (start, end) = row.terms.billing_period_us;
            assert!(start <= from && from < to && to <= end, "{row:?}");
            assert_eq!(row.terms.pricing_category.is_some(), row.pricing_quantity.is_some(), "{row:?}");
        }
        let categories: BTreeSet<_> =
            export.rows.iter().map(|row| (row.terms.charge_category, row.terms.charge_frequency)).collect();
        assert!(categories.contains(&("Purchase", "Recurring")) && categories.contains(&("Credit", "Usage-Based")));
        let effective: Exact = export.rows.iter().map(|row| &row.costs.effective).sum();
        assert_eq!(effective, total, "the fee is spread over used and unused");
        let status: BTreeSet<_> = export.rows.iter().filter_map(|row| row.terms.commitment.as_ref()?.status).collect();
        assert_eq!(status, BTreeSet::from(["Unused", "Used"]));
        // one price a row: a resource has a row of its own in each tier
        let tiers: BTreeSet<_> = export
            .rows
            .iter()
            .filter(|row| row.terms.sku_id == "x.y.runs" && row.terms.kind == RowKind::Priced)
            .map(|row| row.terms.list_unit_price.clone().unwrap().to_string())
            .collect();
        assert_eq!(tiers, BTreeSet::from(["0.09".to_owned(), "0.9".to_owned()]), "of 10 requests, in euros");
    }
}

#[tokio::test]
async fn csv_and_parquet_hold_the_same_rows() {
    for version in [FocusVersion::V1_0, FocusVersion::V1_1, FocusVersion::V1_2] {
        let (export, total) = export(ChargePeriod::Day, Vec::new()).await;
        let (mut csv, mut parquet) = (Vec::new(), Vec::new());
        export.clone().write(FocusFormat::Csv, version, &mut csv).unwrap();
        export.write(FocusFormat::Parquet, version, &mut parquet).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        let lines: Vec<Vec<String>> = csv.lines().map(cells).collect();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes_of(parquet)).unwrap().build().unwrap();
        let mut row = 0;
        let mut billed = Exact::zero();
        for batch in reader {
            let batch = batch.unwrap();
            let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(names, lines[0]);
            for index in 0..batch.num_rows() {
                row += 1;
                for (column, in_csv) in lines[row].iter().enumerate() {
                    check_cell(&batch, column, index, in_csv);
                }
                let cost = batch.column_by_name("BilledCost").unwrap().as_primitive::<Decimal128Type>().value(index);
                billed += Exact::from(cost);
            }
        }
        assert_eq!(row + 1, lines.len());
        let places = Exact::from(10_i128.pow(PARQUET_PLACES));
        assert_eq!(billed, (total * places).rounded_half_up(0), "the rounded rows sum to the rounded total");
    }
}

fn bytes_of(bytes: Vec<u8>) -> std::fs::File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// The cells of a line of CSV without line breaks in texts.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

fn check_cell(batch: &RecordBatch, column: usize, row: usize, in_csv: &str) {
    let array = batch.column(column);
    let name = batch.schema().field(column).name().clone();
    if array.is_null(row) {
        return assert_eq!(in_csv, "", "{name}");
    }
    match array.data_type() {
        DataType::Decimal128(..) => {
            // What no finite decimal writes is rounded at another digit.
            let scaled = Exact::from(array.as_primitive::<Decimal128Type>().value(row));
            let difference = Exact::parse(in_csv).unwrap() * Exact::from(10_i128.pow(PARQUET_PLACES)) - scaled;
            assert!(difference < Exact::from(2) && -difference < Exact::from(2), "{name}: {in_csv}");
        }
        DataType::Timestamp(..) => {
            assert_eq!(array.as_primitive::<TimestampMicrosecondType>().value(row), us(in_csv), "{name}");
        }
        _ => assert_eq!(array.as_string::<i32>().value(row), in_csv, "{name}"),
    }
}

#[tokio::test]
async fn a_correction_is_a_row_of_its_class_in_the_period_it_corrects() {
    let (before, _) = export(ChargePeriod::Month, Vec::new()).await;
    let catalogue = Catalogue::of_files([("x/y".to_owned(), BOOK.to_owned())]).unwrap();
    let request = paygrain_pricing::EstimateRequest::from_json(
        r#"{"period": "2026-09", "provider": "x", "allowances": false, "usage": [{"service": "y", "count": 4, "duration_ms": 1, "memory_mb": 128}]}"#,
    );
    let charges = paygrain_pricing::estimate(&catalogue, request.unwrap()).unwrap().charges;
    let billed = charges.iter().find(|charge| charge.sku == "x.y.runs").unwrap();
    let mut now = billed.clone();
    now.consumed_quantity = Exact::from(3);
    now.billed_cost = &now.unit_price * Exact::from(3);
    let correction = Correction::between(Some(billed), Some(&now)).unwrap();
    assert_eq!(correction.billed_cost, Exact::parse("-0.1").unwrap());
    assert_eq!(Correction::between(Some(billed), Some(billed)), None);
    let (after, _) = export(ChargePeriod::Month, vec![correction]).await;
    let row = after.rows.last().unwrap();
    assert_eq!((after.rows.len(), row.terms.charge_class), (before.rows.len() + 1, Some("Correction")));
    assert_eq!(row.charge_period_us.0, us("2026-09-01T00:00:00Z"));
    assert_eq!(row.pricing_quantity, Some(Exact::parse("-0.1").unwrap()), "of 10 requests");
    assert_eq!(after.billed_cost(), before.billed_cost() - Exact::parse("0.1").unwrap());
}
