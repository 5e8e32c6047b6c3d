//! What rollups give is what the records give, to the last digit: random records of every service that a price book
//! prices, in any number of uploads, whatever is declared and compacted meanwhile

mod executions;
mod tables;
mod while_ingesting;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use paygrain_ingest::lake::{Compaction, Declaration, DeclarationScope};
use paygrain_ingest::table::Table;
use paygrain_ingest::{Defaults, IngestOptions, Lake, Mapping, upload};
use paygrain_pricing::Catalogue;
use paygrain_pricing::table::ColumnKind;
use serde_json::{Map, Value};

use super::class::{Class, integer_columns, text_columns};
use crate::bill::{BillRequest, Dimension, RatedUsage};
use crate::engine::Engine;
use crate::metering::{meter, pricing_table};
use crate::report::Days;
use crate::report::source::{HistogramRow, Records};
use crate::session::session;

const PERIOD: &str = "2026-10";
/// 2026-10-01, seconds since 1970.
const FIRST_DAY: u64 = 1_790_812_800;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

/// The words that filters of a table know, by column.
fn words(catalogue: &Catalogue, table: Table) -> BTreeMap<&'static str, Vec<String>> {
    let mut words: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for (_, sku) in catalogue.skus().filter(|(_, sku)| sku.table == pricing_table(table)) {
        for column in text_columns(table).iter().skip(2) {
            let known = sku.filter.iter().flat_map(|filter| filter.words_of(column));
            words.entry(column).or_default().extend(known.map(str::to_owned));
            if let Some(key) = sku.key.as_ref().filter(|key| key.column == **column) {
                words.entry(column).or_default().insert(key.value.clone());
            }
        }
    }
    words.into_iter().map(|(column, words)| (column, words.into_iter().collect())).collect()
}

/// Records of every service that feeds a SKU of the table, as JSON lines.
fn records(catalogue: &Catalogue, table: Table, random: &mut Random, count: usize, first: usize) -> String {
    let services: BTreeSet<(&str, &str)> = catalogue
        .skus()
        .filter(|(_, sku)| sku.table == pricing_table(table))
        .flat_map(|(index, sku)| {
            let provider = catalogue.book_of(index).provider.as_str();
            sku.services.iter().map(move |service| (provider, service.as_str()))
        })
        .collect();
    let services: Vec<_> = services.into_iter().collect();
    let words = words(catalogue, table);
    let mut text = String::new();
    for number in first..first + count {
        let (provider, service) = *random.of(&services);
        let mut row = Map::new();
        // The days at both ends of the month, and what is no longer or not yet in it.
        let day = *random.of(&[0, 0, 1, 14, 30, 31]);
        let at_us = (FIRST_DAY + day * 86_400 + random.below(86_400)) * 1_000_000 + random.below(1_000_000);
        row.insert("at".into(), at_us.into());
        row.insert("request_id".into(), number.to_string().into());
        row.insert("provider".into(), provider.into());
        row.insert("service".into(), service.into());
        for column in text_columns(table).iter().skip(2).filter(|column| **column != "upload_id") {
            let known = words.get(column).map_or(&[][..], Vec::as_slice);
            if *column == "region" {
                row.insert("region".into(), (*random.of(&["us-east-1", "eu-west-1", "us-central1"])).into());
            } else if !known.is_empty() && random.below(3) > 0 {
                row.insert((*column).into(), random.of(known).as_str().into());
            } else if random.below(12) == 0 {
                row.insert((*column).into(), (*random.of(&["a", "b", "mispelt"])).into());
            }
        }
        for column in pricing_table(table).columns() {
            let name = if column.name == "billed_us" { "billed_ms" } else { column.name };
            let known = table.schema().index_of(name).is_ok() && column.kind != ColumnKind::Text;
            if !known || random.below(4) == 0 {
                continue;
            }
            let size = 1 + random.below(29);
            let number = if integer_columns(table).contains(&name) {
                *random.of(&[1, 128, 512, 1024, 3000])
            } else {
                random.below(1 << size).saturating_sub(5)
            };
            row.insert(name.into(), number.into());
        }
        writeln!(text, "{}", Value::Object(row)).unwrap();
    }
    text
}

fn mapping(table: Table) -> Mapping {
    let own = ["date", table.time_column(), "time_source", "record_key", "upload_id"];
    let schema = table.schema();
    let names = schema.fields().iter().map(|field| field.name().as_str()).filter(|name| !own.contains(name));
    let columns: String =
        names.filter(|name| *name != "cold_start").map(|name| format!("{name} = \"{name}\"\n")).collect();
    let text = format!(
        "table = \"{}\"\n[time]\ncolumn = \"at\"\nformat = \"unix_us\"\n[key]\ncolumns = [\"request_id\"]\n[columns]\n{columns}",
        table.name()
    );
    Mapping::from_toml("rows.toml", &text).unwrap()
}

async fn upload(lake: &Lake, table: Table, text: &str) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    let options = IngestOptions { mapping: Some(mapping(table)), ..IngestOptions::default() };
    let result = upload::ingest_file(lake, "rows.ndjson", file.path(), &options).await.unwrap();
    assert_eq!(result.rejected, 0, "{:?}", result.first_rejected);
}

/// Everything a bill says, with its usage in the finest groups.
fn said(usage: &RatedUsage, request: &BillRequest) -> String {
    let mut unpriced = usage.unpriced.clone();
    unpriced.sort_by(|a, b| {
        (&a.table, &a.provider, &a.service, &a.usage, &a.reason).cmp(&(
            &b.table,
            &b.provider,
            &b.service,
            &b.usage,
            &b.reason,
        ))
    });
    let charges = serde_json::to_string_pretty(&usage.rated.charges).unwrap();
    let groups = serde_json::to_string_pretty(&usage.group(&request.by, request.attribution)).unwrap();
    let unpriced = serde_json::to_string_pretty(&unpriced).unwrap();
    format!("{charges}\n{groups}\n{unpriced}\n{}", usage.record_count)
}

fn request() -> BillRequest {
    BillRequest { by: Dimension::ALL.to_vec(), ..BillRequest::new(PERIOD.parse().unwrap()) }
}

/// What is said when every record is read.
async fn said_by_records(engine: &Engine) -> String {
    let session = session(engine.lake()).await.unwrap();
    said(&RatedUsage::of(&session, engine.catalogue(), &request()).await.unwrap(), &request())
}

/// Rollups say the same. Gives the services whose records have to be read although there are rollups.
async fn agree(engine: &Engine, expected: &str) -> BTreeSet<String> {
    let session = engine.session().await.unwrap();
    let found = said(&RatedUsage::of(&session, engine.catalogue(), &request()).await.unwrap(), &request());
    for (line, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(expected, found, "line {line}");
    }
    assert_eq!(expected.len(), found.len());
    meter(&session, engine.catalogue(), request().period, None, &[]).await.unwrap().records_read
}

#[tokio::test]
async fn rollups_give_what_the_records_give() {
    let catalogue = Catalogue::embedded().unwrap();
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
    let engine = Engine::new(lake.clone(), catalogue.clone());
    let mut random = Random(5);
    for first in [0, 10_000] {
        for table in super::TABLES {
            upload(&lake, table, &records(&catalogue, table, &mut random, 1200, first)).await;
        }
        // The first time for its own sake, so that the second adds to what is there.
        engine.bill(&request()).await.unwrap();
    }
    agree(&engine, &said_by_records(&engine).await).await;
    for (provider, overrides) in [("aws", false), ("gcp", true), ("azure", true)] {
        let values = Defaults {
            memory_mb: Some(256),
            package_type: Some("Image".into()),
            account: Some("declared".into()),
            ..Defaults::default()
        };
        let scope = DeclarationScope { provider: Some(provider.into()), ..DeclarationScope::default() };
        lake.declare(&[Declaration { scope, values, overrides, declared_at_us: 7 }]).await.unwrap();
    }
    let said = said_by_records(&engine).await;
    let read = agree(&engine, &said).await;
    counts_agree(&engine).await;
    // What cannot be answered from rollups: rules that round what one column says or, where it is absent, another.
    histograms_agree(&engine).await;
    let services = catalogue.services().len();
    assert!(read.contains("azure/functions") && read.len() * 10 < services, "{read:?} of {services}");
    assert!(walk(&place.path().join("rollups")) >= 6);
    // Another process finds the files, and so does one after data files have been put together.
    agree(&Engine::new(lake.clone(), catalogue.clone()), &said).await;
    for table in super::TABLES {
        lake.compact(table, Compaction::Full).await.unwrap();
    }
    age(&place.path().join("rollups"));
    agree(&engine, &said).await;
    // Of five days of two tables, with one data file each; what was of the files before is gone.
    assert_eq!(walk(&place.path().join("rollups")), 10);
    // Files that are gone or damaged are worked out again.
    damage(&place.path().join("rollups"));
    agree(&Engine::new(lake.clone(), catalogue.clone()), &said).await;
    std::fs::remove_dir_all(place.path().join("rollups")).unwrap();
    agree(&Engine::new(lake, catalogue), &said).await;
}

/// In one order.
fn sorted(mut rows: Vec<HistogramRow>) -> Vec<HistogramRow> {
    rows.sort_by(|a, b| (&a.resource, a.memory_mb, a.value).cmp(&(&b.resource, b.memory_mb, b.value)));
    rows
}

/// Histograms from rollups are those of the records.
async fn histograms_agree(engine: &Engine) {
    let days = Days::of(request().period);
    let only = [(Dimension::Architecture, "arm64"), (Dimension::Architecture, "")];
    for only in [&[][..], &only] {
        let selection = executions::selection_of(days, Some("aws"), only);
        let records = Records::of(Table::Invocations, engine.catalogue(), &selection, days).unwrap();
        let (rolled_up, session) = (engine.session().await.unwrap(), session(engine.lake()).await.unwrap());
        let found = sorted(records.durations(&rolled_up).await.unwrap());
        assert!(found.len() > 20, "{}", found.len());
        assert_eq!(found, sorted(records.duration_histogram(&session).await.unwrap()));
        let found = sorted(records.memory_used(&rolled_up).await.unwrap());
        assert_eq!(found, sorted(records.memory_histogram(&session).await.unwrap()));
    }
}

/// Counts and sums from rollups are those of the records, for every kind of day and filter.
async fn counts_agree(engine: &Engine) {
    let days = Days { from: "2026-10-02".parse().unwrap(), to: "2026-10-31".parse().unwrap(), period: None };
    let filters: [executions::Filter; 4] = [
        (None, vec![]),
        (Some("azure"), vec![]),
        (Some("gcp"), vec![(Dimension::Region, "us-central1"), (Dimension::Region, "us-east-1")]),
        (None, vec![(Dimension::Account, "declared")]),
    ];
    for (table, days) in
        super::TABLES.into_iter().flat_map(|table| [(table, Days::of(request().period)), (table, days)])
    {
        for (provider, only) in &filters {
            let selection = executions::selection_of(days, *provider, only);
            let records = Records::of(table, engine.catalogue(), &selection, days).unwrap();
            let (rolled_up, recorded) = (engine.session().await.unwrap(), session(engine.lake()).await.unwrap());
            let counts = records.counts(&recorded).await.unwrap();
            assert!(!counts.is_empty());
            assert_eq!(records.counts(&rolled_up).await.unwrap(), counts);
            let add = |sum: &mut u64, _: &Class, count: u64, _: &[i64]| *sum += count;
            assert_eq!(records.summed(&rolled_up, &[], add).await.unwrap(), Some(counts));
            if table == Table::Invocations {
                let starts = records.starts(&recorded).await.unwrap();
                assert!(
                    starts.values().any(|starts| starts.init_count < starts.invocation_count && starts.init_us > 0)
                );
                assert_eq!(records.starts(&rolled_up).await.unwrap(), starts);
                let outcomes = records.outcomes(&recorded).await.unwrap();
                assert_eq!(records.outcomes(&rolled_up).await.unwrap(), outcomes);
            }
        }
    }
}

/// How many files there are below a directory.
fn walk(directory: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { 1 }).sum()
}

/// Makes every file below a directory an hour old.
fn age(directory: &std::path::Path) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        if entry.path().is_dir() {
            age(&entry.path());
        } else {
            let an_hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
            std::fs::File::options().write(true).open(entry.path()).unwrap().set_modified(an_hour_ago).unwrap();
        }
    }
}

/// Changes a byte in the middle of every file below a directory.
fn damage(directory: &std::path::Path) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        if entry.path().is_dir() {
            damage(&entry.path());
        } else {
            let mut bytes = std::fs::read(entry.path()).unwrap();
            let middle = bytes.len() * 3 / 4;
            bytes[middle] ^= 1;
            std::fs::write(entry.path(), bytes).unwrap();
        }
    }
}
