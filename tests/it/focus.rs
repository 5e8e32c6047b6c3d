//! The FOCUS export of the samples, through the command line and HTTP: what an outside validator does not look at.

use std::collections::{BTreeMap, BTreeSet};

use paygrain_pricing::Exact;

use crate::harness::{Workplace, shared};

type Row = BTreeMap<String, String>;

/// Categories and subcategories of the services in the samples, as the specification has them.
const CATEGORIES: [(&str, &str); 3] =
    [("Compute", "Serverless Compute"), ("Storage", "Object Storage"), ("Networking", "Network Connectivity")];
/// Columns that are never null.
const NEVER_NULL: [&str; 19] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
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
        let mut prices = BTreeMap::new();
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
            assert!(CATEGORIES.contains(&(of("ServiceCategory"), of("ServiceSubcategory"))), "{row:?}");
            for name in NEVER_NULL {
                assert!(!of(name).is_empty(), "{name}: {row:?}");
            }
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
            for name in ["BilledCost", "ListCost", "ListUnitPrice", "PricingQuantity"] {
                // Readers that guess types take every month's column for the same.
                assert!(of(name).is_empty() || of(name).contains('.'), "{name}: {row:?}");
            }
            let (sku, price) = prices.entry(of("SkuPriceId")).or_insert((of("SkuId"), of("ListUnitPrice")));
            assert_eq!((*sku, *price), (of("SkuId"), of("ListUnitPrice")), "one price of one SKU has one id");
            let key = ["SkuPriceId", "ResourceId", "ChargePeriodStart", "ChargeCategory", "CommitmentDiscountId"];
            assert!(seen.insert(key.map(|name| of(name).to_owned())), "two rows of one piece: {row:?}");
        }
        assert_eq!(total.to_string(), bill["total"].as_str().unwrap(), "{charge_period}");
    }
}

fn sorted<const N: usize>(mut names: [&str; N]) -> Vec<&str> {
    names.sort_unstable();
    names.to_vec()
}

#[test]
fn the_rows_of_an_account_sum_to_its_part_of_the_bill() {
    let place = Workplace::new();
    let mut random = crate::harness::Random(41);
    for account in ["012345678901", "2", ""] {
        for resource in ["a", "b"] {
            let log = crate::harness::text_log(&crate::harness::Invocation::many(random.next(), 40));
            let log = place.file(&format!("{account}{resource}.log"), log);
            let mut flags = vec!["--region", "us-east-1", "--resource", resource];
            if !account.is_empty() {
                flags.extend(["--account", account]);
            }
            place.ingest(&flags, &[&log]);
        }
    }
    for attribution in ["time", "proportional"] {
        let options = ["--attribution", attribution, "--allowances", "none"];
        let arguments =
            [&["bill", "--period", "2026-10", "--by", "account", "--format", "json"][..], &options].concat();
        let bill = place.json(&arguments);
        let mut accounts: BTreeMap<String, Exact> = BTreeMap::new();
        for row in rows(&export(&place, &options)) {
            *accounts.entry(row["BillingAccountId"].clone()).or_default() += exact(&row["BilledCost"]);
        }
        let groups = bill["groups"].as_array().unwrap().iter().map(|group| {
            let account = group["key"][0].as_str().unwrap();
            let account = if account.is_empty() { "unknown" } else { account };
            (format!("aws/{account}"), exact(group["billed_cost"].as_str().unwrap()))
        });
        assert_eq!(accounts, groups.collect(), "{attribution}");
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
    for (version, ours) in ["v1.0", "v1.1", "v1.2"].iter().zip(versions) {
        let theirs = columns.iter().filter(|(_, column)| !column[version].is_null()).map(|(name, _)| name.clone());
        assert_eq!(theirs.collect::<BTreeSet<_>>(), ours, "{version}");
    }
    let never_null = columns.iter().filter(|(_, column)| column["v1.2"]["nulls"] == "False");
    assert_eq!(never_null.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), sorted(NEVER_NULL));
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
