//! Deliveries by their manifests: the right parts, all of them or nothing, the latest delivery.

use crate::harness::{Workplace, gzip};

const HEADER: &str = "identity/LineItemId,identity/TimeInterval,bill/PayerAccountId,bill/BillingPeriodStartDate,bill/BillingPeriodEndDate,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/UsageEndDate,lineItem/ProductCode,lineItem/UsageType,lineItem/Operation,lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedRate,lineItem/UnblendedCost";

/// A report with a line for each cost.
fn report(costs: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{HEADER}\n");
    for (id, cost) in costs {
        text += &format!(
            "{id},2026-10-01T00:00:00Z/2026-10-02T00:00:00Z,123456789012,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,123456789012,Usage,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,AWSLambda,Request,Invoke,1,USD,{cost},{cost}\n"
        );
    }
    gzip(text.as_bytes())
}

fn manifest(assembly: &str, parts: u32) -> String {
    let keys: Vec<_> =
        (1..=parts).map(|part| format!("/costs/20261001-20261101/{assembly}/costs-{part}.csv.gz")).collect();
    serde_json::json!({
        "assemblyId": assembly,
        "account": "123456789012",
        "reportName": "costs",
        "compression": "GZIP",
        "contentType": "text/csv",
        "billingPeriod": { "start": "20261001T000000.000Z", "end": "20261101T000000.000Z" },
        "bucket": "bills",
        "reportKeys": keys,
    })
    .to_string()
}

fn costs(place: &Workplace) -> Vec<String> {
    let rows = place.json(&["sql", "--format", "json", "SELECT billed_cost FROM billed ORDER BY billed_cost"]);
    rows.as_array().unwrap().iter().map(|row| row["billed_cost"].as_str().unwrap().to_owned()).collect()
}

const PERIOD: &str = "costs/20261001-20261101";

#[test]
fn the_manifest_above_chooses_the_assembly_that_counts() {
    let place = Workplace::new();
    place.file(&format!("{PERIOD}/old/costs-1.csv.gz"), report(&[("a", "1"), ("b", "2")]));
    place.file(&format!("{PERIOD}/old/costs-Manifest.json"), manifest("old", 1));
    place.file(&format!("{PERIOD}/new/costs-1.csv.gz"), report(&[("c", "10")]));
    place.file(&format!("{PERIOD}/new/costs-2.csv.gz"), report(&[("d", "20")]));
    place.file(&format!("{PERIOD}/new/costs-Manifest.json"), manifest("new", 2));
    place.file(&format!("{PERIOD}/costs-Manifest.json"), manifest("new", 2));
    let run = place.run(&["ingest", "--format", "json", "costs"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let uploads = answer["uploads"].as_array().unwrap();
    assert_eq!(uploads.len(), 1, "{answer}");
    assert_eq!((&uploads[0]["accepted"], &uploads[0]["format"]), (&2.into(), &"aws-cur".into()));
    assert!(run.stderr.contains("old/costs-1.csv.gz is passed over"), "{}", run.stderr);
    assert_eq!(costs(&place), ["10", "20"]);
    // The manifest by itself finds its parts, and the same delivery again changes nothing.
    let again = place.ingest(&[], &[&place.path(&format!("{PERIOD}/costs-Manifest.json"))]);
    assert_eq!(again[0]["already_loaded"], true, "{again:?}");
    assert_eq!(costs(&place), ["10", "20"]);
}

#[test]
fn a_delivery_with_fewer_parts_leaves_none_of_the_earlier_behind() {
    let place = Workplace::new();
    for (assembly, parts) in [("one", vec!["1", "2", "3"]), ("two", vec!["40"])] {
        for (at, cost) in parts.iter().enumerate() {
            place.file(&format!("{PERIOD}/{assembly}/costs-{}.csv.gz", at + 1), report(&[(cost, cost)]));
        }
        let count = u32::try_from(parts.len()).unwrap();
        let named = place.file(&format!("{PERIOD}/costs-Manifest.json"), manifest(assembly, count));
        let uploads = place.ingest(&[], &[&named]);
        assert_eq!(uploads[0]["rejected"], 0, "{uploads:?}");
    }
    assert_eq!(costs(&place), ["40"]);
}

#[test]
fn a_missing_part_keeps_the_whole_delivery_out() {
    let place = Workplace::new();
    place.file(&format!("{PERIOD}/new/costs-1.csv.gz"), report(&[("c", "10")]));
    place.file(&format!("{PERIOD}/costs-Manifest.json"), manifest("new", 2));
    let run = place.run(&["ingest", "costs"]);
    assert_eq!(run.code, Some(1));
    let words = "names 2 files, of which 1 are not here: `/costs/20261001-20261101/new/costs-2.csv.gz`";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert!(costs(&place).is_empty());
}

#[test]
fn an_inventory_is_read_by_its_manifest() {
    let place = Workplace::new();
    let row = |key: &str, size: &str, class: &str| {
        format!("\"photos\",\"{key}\",\"{size}\",\"2026-10-01T00:00:00.000Z\",\"{class}\"\n")
    };
    place.file(
        "inventory/data/one.csv.gz",
        gzip((row("a", "1000000", "STANDARD") + &row("b", "2000000", "STANDARD")).as_bytes()),
    );
    place.file("inventory/data/two.csv.gz", gzip(row("c", "500000", "STANDARD").as_bytes()));
    let manifest = serde_json::json!({
        "sourceBucket": "photos",
        "destinationBucket": "arn:aws:s3:::inventories",
        "version": "2016-11-30",
        "creationTimestamp": "1791158400000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, LastModifiedDate, StorageClass",
        "files": [
            { "key": "photos/daily/data/one.csv.gz", "size": 100, "MD5checksum": "0" },
            { "key": "photos/daily/data/two.csv.gz", "size": 100, "MD5checksum": "0" },
        ],
    });
    place.file("inventory/2026-10-05T00-00Z/manifest.json", manifest.to_string());
    let run = place.run(&["ingest", "inventory"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(place.count("SELECT sum(bytes) FROM storage WHERE storage_class = 'STANDARD'"), 3_500_000);
    assert_eq!(place.count("SELECT sum(objects) FROM storage"), 3);
}
