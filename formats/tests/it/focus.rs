//! FOCUS: known totals of real files, our own export read back, old and new names, deviations, bad rows.

use crate::bills::{example, lines, real_bytes, total};
use crate::lines::{Collected, parse, parse_with};
use paygrain_formats::Defaults;
use paygrain_formats::record::BilledLine;

const FOCUS: &str = "focus";

fn real(name: &str) -> Option<Collected> {
    let bytes = real_bytes("focus", name)?;
    let (format, _) = paygrain_formats::format::detect(&bytes).unwrap();
    assert_eq!(format.name(), FOCUS, "{name}");
    Some(parse_with(FOCUS, &mut bytes.as_slice(), &Defaults::default()))
}

#[test]
fn the_official_sample_has_its_known_totals() {
    let Some(bill) = real("focus_sample_v1.0_every_third_row.csv") else { return };
    assert_eq!(bill.rejected, []);
    assert_eq!(bill.records.len(), 334);
    assert_eq!(total(&bill, "billed_cost"), "4.6464417741");
    assert_eq!(total(&bill, "effective_cost"), "2.8438172477");
    assert_eq!(total(&bill, "list_cost"), "4.5664417741");
    let mut keys = bill.key();
    keys.sort_by_key(|(_, key)| *key);
    keys.dedup();
    assert_eq!(keys.len(), 334);
    for (provider, rows) in [("aws", 316), ("azure", 17), ("oci", 1)] {
        assert_eq!(lines(&bill).iter().filter(|line| line.provider == provider).count(), rows, "{provider}");
    }
    // `NULL` and nothing are no value, also in one row.
    assert!(lines(&bill).iter().all(|line| BilledLine::COLUMNS.iter().all(|(_, value)| value(line) != Some("NULL"))));
    let line = lines(&bill)[0];
    assert_eq!((line.availability_zone.as_deref(), line.charge_class.as_deref()), (None, None));
    assert_eq!(line.other_columns.as_deref(), Some(r#"{"Id":"11472"}"#));
    assert_eq!(line.export.account, "1234567890123");
    assert_eq!(line.export.period_from_us, 1_725_148_800_000_000);
    assert_eq!(line.period_to_us, Some(1_727_740_800_000_000));
    assert_eq!(
        bill.warnings,
        [
            "in 10 rows `ListCost` is 10,000 times `ListUnitPrice` × `PricingQuantity`: the quantity is in blocks of 10,000, and kept as it is given"
        ]
    );
}

#[test]
fn rows_of_aws_with_gaps_have_their_known_total() {
    let Some(bill) = real("aws_focus_1.2_header_and_edge_rows.csv") else { return };
    assert_eq!(bill.rejected, []);
    assert_eq!((bill.records.len(), total(&bill, "billed_cost").as_str()), (2, "0.0000006123"));
    assert!(lines(&bill).iter().all(|line| line.provider == "aws" && line.tags.is_none()));
    assert_eq!(lines(&bill)[1].charge_category.as_deref(), Some("Tax"));
    assert_eq!(lines(&bill)[0].export.period_from_us, 1_788_220_800_000_000);
    assert!(bill.warnings.iter().any(|warning| warning.starts_with("2 rows have no `BillingPeriodStart`")));
}

/// A value of each column as `paygrain export focus` writes it.
fn own_row() -> Vec<(&'static str, &'static str)> {
    vec![
        ("AvailabilityZone", ""),
        ("BilledCost", "0.0000166667000000000000000000000000000001"),
        ("BillingAccountId", "aws/012345678901"),
        ("BillingAccountName", "Shop, \"the\" one"),
        ("BillingAccountType", "Account"),
        ("BillingCurrency", "USD"),
        ("BillingPeriodEnd", "2026-11-01T00:00:00Z"),
        ("BillingPeriodStart", "2026-10-01T00:00:00Z"),
        ("CapacityReservationId", ""),
        ("CapacityReservationStatus", ""),
        ("ChargeCategory", "Usage"),
        ("ChargeClass", "Correction"),
        ("ChargeDescription", "GB-seconds, tier 1"),
        ("ChargeFrequency", "Usage-Based"),
        ("ChargePeriodEnd", "2026-10-02T00:00:00Z"),
        ("ChargePeriodStart", "2026-10-01T00:00:00Z"),
        ("CommitmentDiscountCategory", "Spend"),
        ("CommitmentDiscountId", "plan"),
        ("CommitmentDiscountName", "plan"),
        ("CommitmentDiscountQuantity", "3.5"),
        ("CommitmentDiscountStatus", "Used"),
        ("CommitmentDiscountType", "compute"),
        ("CommitmentDiscountUnit", "USD"),
        ("ConsumedQuantity", "12.0"),
        ("ConsumedUnit", "GB-s"),
        ("ContractedCost", "-1.25"),
        ("ContractedUnitPrice", "0.0000166667"),
        ("EffectiveCost", "0.0"),
        ("InvoiceId", "2026-10"),
        ("InvoiceIssuerName", "Amazon Web Services"),
        ("ListCost", "7.0"),
        ("ListUnitPrice", "0.5"),
        ("PricingCategory", "Standard"),
        ("PricingCurrency", "EUR"),
        ("PricingCurrencyContractedUnitPrice", "0.1"),
        ("PricingCurrencyEffectiveCost", "0.2"),
        ("PricingCurrencyListUnitPrice", "0.3"),
        ("PricingQuantity", "14.0"),
        ("PricingUnit", "1000000 Requests"),
        ("ProviderName", "Amazon Web Services"),
        ("PublisherName", "Amazon Web Services"),
        ("RegionId", "eu-west-1"),
        ("RegionName", "eu-west-1"),
        ("ResourceId", "aws/lambda/012345678901/eu-west-1/NULL"),
        ("ResourceName", "NULL"),
        ("ResourceType", "function"),
        ("ServiceCategory", "Compute"),
        ("ServiceName", "AWS Lambda"),
        ("ServiceSubcategory", "Serverless Compute"),
        ("SkuId", "aws.lambda.duration"),
        ("SkuMeter", "Duration"),
        ("SkuPriceDetails", "{\"x_Tier\":\"1\",\"x_Book\":\"aws/lambda\"}"),
        ("SkuPriceId", "aws.lambda.duration/1"),
        ("SubAccountId", "aws/123456789012"),
        ("SubAccountName", " a "),
        ("SubAccountType", "Account"),
        ("Tags", "{\"x_ChargeId\":\"2026-10/aws.lambda.duration/1\"}"),
    ]
}

fn csv(rows: &[Vec<(&str, &str)>]) -> String {
    let line = |values: Vec<String>| format!("{}\n", values.join(","));
    let quoted =
        |text: &str| if text.is_empty() { String::new() } else { format!("\"{}\"", text.replace('"', "\"\"")) };
    let mut text = line(rows[0].iter().map(|(name, _)| (*name).to_owned()).collect());
    for row in rows {
        text += &line(row.iter().map(|(_, value)| quoted(value)).collect());
    }
    text
}

#[test]
fn our_own_export_is_read_back_as_it_was() {
    let row = own_row();
    let text = csv(std::slice::from_ref(&row));
    let bill = parse(FOCUS, &text);
    assert_eq!((bill.rejected.as_slice(), bill.warnings.as_slice()), (&[][..], &[][..]));
    let line = lines(&bill)[0];
    assert_eq!(line.provider, "aws");
    assert_eq!((line.export.kind.as_str(), line.export.account.as_str()), (FOCUS, "aws/012345678901"));
    assert_eq!(line.other_columns, None);
    let same = |name: &str| name.to_lowercase().replace('_', "");
    for (name, written) in &row {
        let Some((_, value)) = BilledLine::COLUMNS.iter().find(|(column, _)| same(column) == same(name)) else {
            assert!(["BillingAccountId"].contains(name) || name.contains("Period"), "{name}");
            continue;
        };
        let is_number = ["Cost", "Quantity", "Price"].iter().any(|end| name.ends_with(end));
        let expected = if is_number { written.strip_suffix(".0").unwrap_or(written) } else { written };
        assert_eq!(value(line).unwrap_or_default(), expected, "{name}");
    }
    // The same from Parquet: numbers with their digits, nothing where null is.
    let fields: Vec<String> = row
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            let is_number = ["Cost", "Quantity", "Price"].iter().any(|end| name.ends_with(end));
            let value = if is_number { (*value).to_owned() } else { serde_json::Value::from(*value).to_string() };
            format!("\"{name}\":{value}")
        })
        .collect();
    let objects = format!("{{{}}}\n", fields.join(","));
    let (format, _) = paygrain_formats::format::detect(objects.as_bytes()).unwrap();
    assert_eq!(format.name(), FOCUS);
    let from_objects = parse(FOCUS, &objects);
    assert_eq!(lines(&from_objects), lines(&bill));
    assert_eq!(from_objects.key()[0], bill.key()[0]);
}

#[test]
fn the_example_has_its_totals() {
    let bill = parse(FOCUS, &example("focus.csv"));
    assert_eq!(bill.rejected, []);
    assert_eq!(bill.records.len(), 10);
    assert_eq!(total(&bill, "billed_cost"), "19.00000001");
    assert_eq!(total(&bill, "effective_cost"), "16.00000001");
    let providers: Vec<&str> = lines(&bill).iter().map(|line| line.provider.as_str()).collect();
    assert_eq!(providers, ["aws", "aws", "aws", "aws", "azure", "azure", "gcp", "oci", "snowflake", "snowflake"]);
    assert_eq!(lines(&bill)[0].operation.as_deref(), Some("Invoke"));
    assert_eq!(
        lines(&bill)[0].other_columns.as_deref(),
        Some(r#"{"x_Operation":"Invoke","x_ServiceCode":"AWSLambda"}"#)
    );
    // Rows 9 and 10 are equal and both count.
    let keys = bill.key();
    assert_eq!(lines(&bill)[8], lines(&bill)[9]);
    assert_ne!(keys[8], keys[9]);
    // A bucket called NULL beside a row that writes NULL.
    assert_eq!(lines(&bill)[2].resource_id.as_deref(), Some("NULL"));
    assert_eq!(lines(&bill)[7].resource_id.as_deref(), None);
    assert!(bill.warnings[0].starts_with("in 1 rows `ListCost` is 10,000 times"), "{:?}", bill.warnings);
    // The order of columns and rows does not matter.
    let turned: Vec<String> = example("focus.csv").lines().map(|line| line.to_owned()).collect();
    let turned = format!("{}\n{}\n", turned[0], turned[1..].iter().rev().cloned().collect::<Vec<_>>().join("\n"));
    let (mut one, mut other) = (keys, parse(FOCUS, &turned).key());
    one.sort_by_key(|(_, key)| *key);
    other.sort_by_key(|(_, key)| *key);
    assert_eq!(one, other);
}

#[test]
fn old_and_new_names_are_read() {
    let old = "BilledCost,BilledCurrency,BillingAccountId,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeType,Provider,Publisher,InvoiceIssuer,Region,ServiceName,AmortizedCost\n\
        1.5,USD,a,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,2026-10-02T00:00:00Z,2026-10-03T00:00:00Z,Usage,Microsoft,Microsoft,Microsoft,westeurope,Functions,1\n";
    let bill = parse(FOCUS, old);
    assert_eq!((bill.rejected.as_slice(), bill.warnings.as_slice()), (&[][..], &[][..]));
    let line = lines(&bill)[0];
    assert_eq!(line.provider, "azure");
    assert_eq!((line.charge_category.as_deref(), line.region_name.as_deref()), (Some("Usage"), Some("westeurope")));
    assert_eq!((line.effective_cost.as_deref(), line.billing_currency.as_deref()), (Some("1"), Some("USD")));
    let mut row = own_row();
    for (name, _) in &mut row {
        match *name {
            "ProviderName" => *name = "ServiceProviderName",
            "PublisherName" => *name = "HostProviderName",
            _ => {}
        }
    }
    let bill = parse(FOCUS, &csv(&[row]));
    assert_eq!((lines(&bill)[0].provider.as_str(), bill.warnings.len()), ("aws", 0));
    assert_eq!(lines(&bill)[0].publisher_name.as_deref(), Some("Amazon Web Services"));
}

#[test]
fn missing_columns_are_named() {
    let format = paygrain_formats::format::by_name(FOCUS).unwrap();
    let without = |missing: &[&str]| {
        let row = own_row().into_iter().filter(|(name, _)| !missing.contains(name)).collect::<Vec<_>>();
        csv(&[row])
    };
    let text = without(&["BillingAccountId", "ServiceName"]);
    assert!(format.recognises(text.as_bytes()).is_some());
    let defaults = Defaults::default();
    let origin = paygrain_formats::format::Origin { name: "", defaults: &defaults };
    let error = format.parse(&mut text.as_bytes(), &origin, &mut Collected::default()).unwrap_err().to_string();
    assert!(error.contains("`BillingAccountId`, `ServiceName`"), "{error}");
    let text = r#"{"BilledCost":1,"ChargePeriodStart":"2026-10-01","BillingPeriodStart":"2026-10-01","ServiceName":"x","BillingCurrency":"USD"}"#;
    let error = format.parse(&mut text.as_bytes(), &origin, &mut Collected::default()).unwrap_err().to_string();
    assert!(error.contains("`BillingAccountId`, `ChargeCategory` or `ChargeType`"), "{error}");
    let semicolons = parse(FOCUS, &csv(&[own_row()]).replace(',', ";").replace("Shop; ", "Shop, "));
    assert_eq!(semicolons.records.len(), 1, "{:?}", semicolons.rejected);
    let bill = parse(FOCUS, &without(&["PublisherName"]));
    assert_eq!(bill.records.len(), 1);
    assert!(bill.warnings[0].contains("`PublisherName` or `HostProviderName`"), "{:?}", bill.warnings);
}

#[test]
fn bad_rows_cost_themselves_alone() {
    let good = own_row();
    let with = |name: &str, value: &'static str| {
        own_row()
            .into_iter()
            .map(|(column, old)| (column, if column == name { value } else { old }))
            .collect::<Vec<_>>()
    };
    for (bad, expected) in [
        (with("BilledCost", "1.234,56"), "`BilledCost` is `1.234,56`"),
        (with("BilledCost", ""), "`BilledCost` is empty"),
        (with("ListCost", "Infinity"), "`ListCost` is `Infinity`"),
        (with("ChargePeriodStart", ""), "`ChargePeriodStart` is empty"),
        (with("BillingPeriodStart", "31.10.2026"), "`BillingPeriodStart` is `31.10.2026`"),
    ] {
        let text = csv(&[good.clone(), bad, good.clone()]);
        let bill = parse(FOCUS, &text);
        assert_eq!((bill.records.len(), bill.rejected.len()), (2, 1), "{expected}");
        assert!(bill.rejected[0].reason.contains(expected), "{}", bill.rejected[0].reason);
        assert_eq!(bill.rejected[0].line, Some(3));
        for missing in [2, 40, 80, 800] {
            let cut = parse(FOCUS, &text[..text.len() - missing]);
            assert_eq!((cut.records.len(), cut.rejected.len()), (1, 2), "{missing} bytes are cut off");
        }
    }
    let broken = parse(FOCUS, &csv(&[with("Tags", "{'a': 'b'}")]));
    assert_eq!(
        broken.warnings,
        [
            "the tags of 1 lines of the bill, the first in line 2 of the file, are not a JSON object: they are kept as they are"
        ]
    );
    assert_eq!(lines(&broken)[0].other_columns.as_deref(), Some(r#"{"Tags":"{'a': 'b'}"}"#));
}

#[test]
fn parts_and_files_that_were_put_together_have_the_same_keys() {
    let text = example("focus.csv");
    let rows: Vec<&str> = text.lines().collect();
    let part = |rows: &[&str], header: &str| format!("{header}\n{}\n", rows.join("\n"));
    let (one, other) = (part(&rows[1..5], rows[0]), part(&rows[5..], rows[0]));
    let whole = parse(FOCUS, &text).key();
    let mut parts = parse(FOCUS, &one).key();
    parts.extend(parse(FOCUS, &other).key());
    assert_eq!(parts, whole);
    let together = parse(FOCUS, &format!("{one}{other}"));
    assert_eq!((together.rejected.as_slice(), together.key()), (&[][..], whole));
}
