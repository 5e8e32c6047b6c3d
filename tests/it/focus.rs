//! The FOCUS export of the samples, through the command line and HTTP: what an outside validator does not look at.

use std::collections::{BTreeMap, BTreeSet};

use paygrain_pricing::Exact;

use crate::harness::{Workplace, shared};

type Row = BTreeMap<String, String>;

/// Categories and subcategories that our price books name, as the specification has them.
const CATEGORIES: [&str; 17] = [
    "AI and Machine Learning",
    "Analytics",
    "Business Applications",
    "Compute",
    "Databases",
    "Developer Tools",
    "Identity",
    "Integration",
    "Internet of Things",
    "Management and Governance",
    "Media",
    "Mobile",
    "Networking",
    "Security",
    "Storage",
    "Web",
    "Other",
];

/// A lake with the samples.
fn samples() -> Workplace {
    let place = Workplace::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let files = [
        "election-results.log.gz",
        "web-api.ndjson.gz",
        "nightly-report.log",
        "photos-access.log",
        "resize-image.json",
    ];
    let files: Vec<_> = files.iter().map(|name| folder.join(name)).collect();
    let paths: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    let defaults = folder.join("defaults.toml");
    place.ingest(&["--defaults", defaults.to_str().unwrap(), "--account", "123456789012"], &paths);
    place
}

fn rows(csv: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn export(place: &Workplace, arguments: &[&str]) -> String {
    let run = place.run(&[&["export", "focus", "--period", "2026-10"], arguments].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stdout
}

fn exact(text: &str) -> Exact {
    Exact::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_row_of_the_samples_holds_what_the_specification_asks() {
    let place = samples();
    let bill = place.json(&["bill", "--period", "2026-10", "--format", "json"]);
    for charge_period in ["hour", "day", "month"] {
        let rows = rows(&export(&place, &["--charge-period", charge_period]));
        assert!(rows.len() > 10);
        let mut seen = BTreeSet::new();
        let mut total = Exact::zero();
        for row in &rows {
            let of = |name: &str| row[name].as_str();
            assert_eq!(row.len(), 57);
            for (cost, price) in [("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")] {
                if !of("PricingQuantity").is_empty() && !of(price).is_empty() {
                    // Written with a stated number of digits: equal to the last of them.
                    let difference = exact(of(cost)) - exact(of(price)) * exact(of("PricingQuantity"));
                    let digit = exact("1e-30");
                    assert!(difference < digit && -difference < digit, "{cost}: {row:?}");
                }
            }
            assert!(["Usage", "Purchase", "Tax", "Credit", "Adjustment"].contains(&of("ChargeCategory")), "{row:?}");
            assert!(["", "Correction"].contains(&of("ChargeClass")), "{row:?}");
            assert!(["One-Time", "Recurring", "Usage-Based"].contains(&of("ChargeFrequency")), "{row:?}");
            assert!(["", "Standard", "Dynamic", "Committed", "Other"].contains(&of("PricingCategory")), "{row:?}");
            assert!(CATEGORIES.contains(&of("ServiceCategory")), "{row:?}");
            assert!(!of("ServiceSubcategory").is_empty() && !of("BillingAccountId").is_empty());
            assert_eq!(of("BillingCurrency"), "USD");
            for name in ["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"] {
                let time = chrono::NaiveDateTime::parse_from_str(of(name), "%Y-%m-%dT%H:%M:%SZ");
                assert!(time.is_ok() && of(name).len() == 20, "{name}: {}", of(name));
            }
            assert!(of("BillingPeriodStart") <= of("ChargePeriodStart"), "{row:?}");
            assert!(of("ChargePeriodStart") < of("ChargePeriodEnd"), "{row:?}");
            assert!(of("ChargePeriodEnd") <= of("BillingPeriodEnd"), "{row:?}");
            for name in ["Tags", "SkuPriceDetails"] {
                let object: serde_json::Value = serde_json::from_str(of(name)).unwrap();
                assert!(object.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array()));
            }
            for (quantity, unit) in [("ConsumedQuantity", "ConsumedUnit"), ("PricingQuantity", "PricingUnit")] {
                assert_eq!(of(quantity).is_empty(), of(unit).is_empty(), "{row:?}");
            }
            assert!(row.values().all(|value| !["NULL", "N/A", "null"].contains(&value.as_str())), "{row:?}");
            total += exact(of("BilledCost"));
            let key = ["SkuPriceId", "ResourceId", "ChargePeriodStart", "ChargeCategory", "CommitmentDiscountId"];
            assert!(seen.insert(key.map(|name| of(name).to_owned())), "two rows of one piece: {row:?}");
        }
        assert_eq!(total.to_string(), bill["total"].as_str().unwrap(), "{charge_period}");
    }
}

#[test]
fn older_versions_have_the_columns_they_had() {
    let place = samples();
    let header = |version| {
        let csv = export(&place, &["--version", version]);
        csv.lines().next().unwrap().split(',').map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let versions = ["1.0", "1.1", "1.2"].map(header);
    assert_eq!(versions.each_ref().map(BTreeSet::len), [43, 50, 57]);
    assert!(versions[0].is_subset(&versions[1]) && versions[1].is_subset(&versions[2]));
    let Some(columns) = shared("focus/columns.json") else { return };
    let columns: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(columns).unwrap()).unwrap();
    assert_eq!(columns.keys().cloned().collect::<BTreeSet<_>>(), versions[2]);
}

#[test]
fn files_are_whole_named_and_never_overwritten_unasked() {
    let place = samples();
    let csv = export(&place, &["--out", "a.csv"]);
    assert_eq!(csv, "");
    assert_eq!(std::fs::read_to_string(place.path("a.csv")).unwrap(), export(&place, &[]));
    export(&place, &["--out", "a.parquet"]);
    assert!(std::fs::read(place.path("a.parquet")).unwrap().starts_with(b"PAR1"));
    for (arguments, code, words) in [
        (&["--out", "a.csv"][..], 1, "there already"),
        (&["--out", "a.xlsx"], 2, "expected `.csv` or `.parquet`"),
        (&["--out", "no/where.csv"], 1, "cannot write"),
        (&["--version", "2.0"], 1, "1.0"),
        (&["--charge-period", "week"], 1, "hour"),
    ] {
        let run = place.run(&[&["export", "focus", "--period", "2026-10"], arguments].concat());
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
        assert!(run.code == Some(code) || run.code == Some(2), "{arguments:?}: {:?}", run.code);
    }
    export(&place, &["--out", "a.csv", "--overwrite"]);
    let run = place.run(&["export", "focus", "--period", "2020-01"]);
    assert!(run.code == Some(1) && run.stderr.contains("no usage in 2020-01"), "{}", run.stderr);
}

#[test]
fn an_issued_bill_is_exported_with_its_corrections() {
    let place = samples();
    let close = || assert_eq!(place.run(&["close", "--period", "2026-10", "--allowances", "none"]).code, Some(0));
    close();
    let first = export(&place, &["--revision", "1"]);
    let late = place.file("late.log", crate::harness::text_log(&crate::harness::Invocation::many(77, 30)));
    place.ingest(&["--account", "123456789012", "--region", "us-east-1", "--resource", "late"], &[&late]);
    close();
    assert_eq!(export(&place, &["--revision", "1"]), first, "late usage changes nothing that was issued");
    let second = rows(&export(&place, &["--revision", "2"]));
    let bills = place.json(&["bills", "--format", "json"]);
    for (number, rows) in [rows(&first), second.clone()].iter().enumerate() {
        let total: Exact = rows.iter().map(|row| exact(&row["BilledCost"])).sum();
        assert_eq!(total.to_string(), bills["bills"][number]["total"].as_str().unwrap());
    }
    let corrections: Vec<&Row> = second.iter().filter(|row| row["ChargeClass"] == "Correction").collect();
    assert!(!corrections.is_empty() && corrections.iter().all(|row| row["ChargeCategory"] == "Usage"));
    assert!(second.iter().all(|row| row["InvoiceId"] == "2026-10-r2"));
    let run = place.run(&["export", "focus", "--period", "2026-10", "--revision", "3"]);
    assert!(run.code == Some(1) && run.stderr.contains("no revision 3"), "{}", run.stderr);
}
