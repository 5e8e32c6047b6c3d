//! Cost and Usage Reports: known totals of real files, spellings of one report, what is effective, bad rows.

use crate::bills::{example, lines, real_bytes, total};
use crate::lines::{Collected, parse, parse_with};
use paygrain_formats::Defaults;
use paygrain_formats::format::aws_cur::CurManifest;
use paygrain_formats::record::{EventTime, Usage};

const CUR: &str = "aws-cur";

fn real(name: &str) -> Option<Collected> {
    let bytes = real_bytes("aws-cur", name)?;
    let (format, _) = paygrain_formats::format::detect(&bytes).unwrap();
    assert_eq!(format.name(), CUR, "{name}");
    Some(parse_with(CUR, &mut bytes.as_slice(), &Defaults::default()))
}

#[test]
fn real_reports_have_their_known_totals() {
    for (name, rows, unblended) in [
        ("koku_koku-local-1_2018-08.csv.gz", 13_380, "143227.76367818761501799105"),
        ("koku_test_cur.csv", 19, "0.0827499841274349353"),
        ("koku_test_cur.csv.gz", 19, "0.0827499841274349353"),
        ("koku_2023-06-01.csv", 3, "30"),
        ("koku_2023-06-01-not-final.csv", 3, "30"),
        ("koku_2022-07-01-alt-columns.csv", 2, "0"),
        ("koku_empty_frame.csv", 0, "0"),
        ("fivetran_aws_cost_report.csv", 20, "0"),
    ] {
        let Some(bill) = real(name) else { return };
        assert_eq!(bill.rejected, [], "{name}");
        assert_eq!((bill.records.len(), total(&bill, "billed_cost").as_str()), (rows, unblended), "{name}");
        let mut keys = bill.key();
        keys.sort_by_key(|(_, key)| *key);
        keys.dedup();
        assert_eq!(keys.len(), rows, "{name}");
    }
}

#[test]
fn a_report_before_and_after_its_invoice_is_one_export() {
    let Some(before) = real_bytes("aws-cur", "koku_2023-06-01-not-final.csv") else { return };
    // Whoever made the pair gave it two accounts.
    let before = String::from_utf8(before).unwrap().replace("9999999999999", "0099999999999");
    let (before, after) = (parse(CUR, &before), real("koku_2023-06-01.csv").unwrap());
    assert_eq!(before.key(), after.key());
    let (before, after) = (lines(&before), lines(&after));
    assert_eq!(before[0].export, after[0].export);
    assert_eq!((before[0].invoice_id.as_deref(), after[0].invoice_id.as_deref()), (None, Some("987654321")));
    let line = after[0];
    assert_eq!(line.export.account, "0099999999999");
    assert_eq!(line.export.period_from_us, 1_685_577_600_000_000);
    assert_eq!(line.period_to_us, Some(1_688_169_600_000_000));
    assert_eq!(line.effective_cost.as_deref(), Some("0.1"));
    assert_eq!((line.list_cost.as_deref(), line.billing_currency.as_deref()), (Some("10"), Some("NOK")));
    assert_eq!(line.service_name.as_deref(), Some("Amazon Elastic Compute Cloud"));
    assert_eq!(line.region_id.as_deref(), Some("us-west-1"));
    assert_eq!(line.charge_category.as_deref(), Some("Usage"));
    assert_eq!(line.pricing_category.as_deref(), Some("Committed"));
    let others = line.other_columns.as_deref().unwrap();
    assert!(others.contains(r#""costCategory/cost_env":"prod""#) && others.contains(r#""noTags/user:app":"slatt""#));
}

#[test]
fn manifests_name_their_files_and_have_no_lines() {
    let written = r#"{"executionId":"e-1","dataFiles":["s3://bills/cur/data/BILLING_PERIOD=2026-10/cur-00001.csv.gz"],"columns":[],"compression":"GZIP"}"#;
    let manifest = CurManifest::parse(written.as_bytes()).unwrap();
    assert_eq!(manifest.assembly_id, "e-1");
    assert_eq!(manifest.period_from_us, Some(1_790_812_800_000_000));
    assert_eq!(manifest.period_to_us, Some(1_793_491_200_000_000));
    let read = parse(CUR, written);
    assert_eq!((read.records.len(), read.rejected.len()), (0, 0));
    assert!(read.warnings[0].contains("BILLING_PERIOD=2026-10/cur-00001.csv.gz"), "{:?}", read.warnings);
    assert!(CurManifest::parse(b"{}").unwrap_err().contains("assemblyId"));
    let bad = r#"{"assemblyId":"a","reportKeys":[],"billingPeriod":{"start":"October","end":""}}"#;
    assert!(CurManifest::parse(bad.as_bytes()).unwrap_err().contains("`October`"));
    let Some(bytes) = real_bytes("aws-cur", "koku_koku-local-Manifest.json") else { return };
    let manifest = CurManifest::parse(&bytes).unwrap();
    assert_eq!(manifest.assembly_id, "16e57707-f9e3-49be-8be6-b84e684b5194");
    assert_eq!(manifest.account.as_deref(), Some("6568388779672"));
    assert_eq!(manifest.report_name.as_deref(), Some("koku-local"));
    assert_eq!(manifest.period_from_us, Some(1_533_081_600_000_000));
    assert_eq!(
        manifest.report_keys,
        ["/koku-local/20180801-20180901/16e57707-f9e3-49be-8be6-b84e684b5194/koku-local-1.csv.gz"]
    );
    let read = real("koku_koku-local-Manifest.json").unwrap();
    assert_eq!((read.records.len(), read.rejected.len(), read.warnings.len()), (0, 0, 1));
    assert!(read.warnings[0].contains("koku-local-1.csv.gz"), "{:?}", read.warnings);
}

/// The same report as legacy CSV, as CUR 2.0, and as the objects of Parquet rows.
fn spellings() -> [String; 3] {
    let legacy = "identity/LineItemId,identity/TimeInterval,bill/PayerAccountId,bill/BillingPeriodStartDate,bill/BillingPeriodEndDate,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/UsageEndDate,lineItem/ProductCode,lineItem/UsageType,lineItem/Operation,lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedCost,product/ProductName,product/region,pricing/publicOnDemandCost,resourceTags/user:team\n\
        abc,2026-10-01T00:00:00Z/2026-10-01T01:00:00Z,012345678901,2026-10-01T00:00:00.000Z,2026-11-01T00:00:00.000Z,123456789012,Usage,2026-10-01T00:00:00Z,2026-10-01T01:00:00Z,AWSLambda,EUW1-Lambda-GB-Second,Invoke,2.5,USD,4.16667E-5,AWS Lambda,eu-west-1,0.0000416667,web\n";
    let modern = "line_item_unblended_cost,line_item_currency_code,line_item_usage_amount,line_item_operation,line_item_usage_type,line_item_product_code,line_item_usage_end_date,line_item_usage_start_date,line_item_line_item_type,line_item_usage_account_id,bill_billing_period_end_date,bill_billing_period_start_date,bill_payer_account_id,identity_time_interval,identity_line_item_id,product,pricing_public_on_demand_cost,resource_tags,cost_category,discount\r\n\
        0.0000416667000,USD,2.500,Invoke,EUW1-Lambda-GB-Second,AWSLambda,2026-10-01 01:00:00.000,2026-10-01 00:00:00.000,Usage,123456789012,2026-11-01 00:00:00,2026-10-01 00:00:00,012345678901,2026-10-01T00:00:00.000Z/2026-10-01T01:00:00.000Z,abc,\"{\"\"product_name\"\":\"\"AWS Lambda\"\",\"\"region\"\":\"\"eu-west-1\"\"}\",0.0000416667,\"{\"\"user:team\"\":\"\"web\"\"}\",{},{}\r\n";
    let object = r#"{"identity_line_item_id":"abc","identity_time_interval":"2026-10-01T00:00:00Z/2026-10-01T01:00:00Z","bill_payer_account_id":"012345678901","bill_billing_period_start_date":"2026-10-01T00:00:00Z","bill_billing_period_end_date":"2026-11-01T00:00:00Z","line_item_usage_account_id":"123456789012","line_item_line_item_type":"Usage","line_item_usage_start_date":"2026-10-01T00:00:00Z","line_item_usage_end_date":"2026-10-01T01:00:00+00:00","line_item_product_code":"AWSLambda","line_item_usage_type":"EUW1-Lambda-GB-Second","line_item_operation":"Invoke","line_item_usage_amount":2.5,"line_item_currency_code":"USD","line_item_unblended_cost":4.16667e-5,"product":{"product_name":"AWS Lambda","region":"eu-west-1"},"pricing_public_on_demand_cost":"0.0000416667","resource_tags":{"user:team":"web"},"cost_category":{},"discount":null}"#;
    [legacy.to_owned(), modern.to_owned(), format!("{object}\n")]
}

#[test]
fn every_spelling_of_a_report_is_the_same_line() {
    let mut seen = Vec::new();
    for text in spellings() {
        let (format, _) = paygrain_formats::format::detect(text.as_bytes()).unwrap();
        assert_eq!(format.name(), CUR);
        let bill = parse(CUR, &text);
        assert_eq!((bill.rejected.as_slice(), bill.warnings.as_slice()), (&[][..], &[][..]), "{text}");
        let key = bill.key();
        let mut line = lines(&bill)[0].clone();
        assert!(line.other_columns.take().unwrap().contains("AWSLambda"));
        seen.push((key, line));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    let line = &seen[0].1;
    assert_eq!(line.export.account, "012345678901");
    assert_eq!(line.billed_cost.as_deref(), Some("0.0000416667"));
    assert_eq!(line.effective_cost, line.billed_cost);
    assert_eq!(line.service_name.as_deref(), Some("AWS Lambda"));
    assert_eq!(line.tags.as_deref(), Some(r#"{"user:team":"web"}"#));
    assert_eq!(line.consumed_quantity.as_deref(), Some("2.5"));
}

#[test]
fn the_example_has_its_totals() {
    let bill = parse(CUR, &example("aws-cur.csv"));
    assert_eq!(bill.rejected, []);
    assert_eq!(bill.warnings, [] as [&str; 0]);
    // 3 + 2 + 1 − 1 + 0.9 + 0.25 + 0.5 + 10 + 1.665 − 0.5 − 2 − 0.3
    assert_eq!((bill.records.len(), total(&bill, "billed_cost").as_str()), (12, "15.515"));
    // The plan pays 0.6 of the usage that it covers and 0.3 unused; the reservation 0.2 of its usage and 0.05 unused.
    let effective: Vec<_> = lines(&bill).iter().map(|line| line.effective_cost.clone().unwrap()).collect();
    assert_eq!(effective, ["3", "2", "0.6", "0", "0.3", "0.2", "0.05", "0", "1.665", "-0.5", "-2", "-0.3"]);
    let charges: Vec<_> = lines(&bill)
        .iter()
        .map(|line| {
            (line.charge_category.clone().unwrap(), line.charge_frequency.clone(), line.pricing_category.clone())
        })
        .collect();
    let of = |category: &str, frequency: &str, pricing: &str| {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (category.to_owned(), some(frequency), some(pricing))
    };
    assert_eq!(
        charges,
        [
            of("Usage", "Usage-Based", "Standard"),
            of("Usage", "Usage-Based", "Dynamic"),
            of("Usage", "Usage-Based", "Committed"),
            of("Usage", "Usage-Based", ""),
            of("Purchase", "Recurring", ""),
            of("Usage", "Usage-Based", "Committed"),
            of("Purchase", "Recurring", ""),
            of("Purchase", "", ""),
            of("Tax", "", ""),
            of("Credit", "", ""),
            of("Adjustment", "", ""),
            of("Adjustment", "", ""),
        ]
    );
    assert_eq!(lines(&bill)[10].charge_class.as_deref(), Some("Correction"));
    let plan = &lines(&bill)[2];
    assert_eq!(plan.commitment_discount_status.as_deref(), Some("Used"));
    assert_eq!(plan.commitment_discount_id.as_deref(), Some("arn:aws:savingsplans::123456789012:savingsplan/sp-1"));
    assert_eq!(lines(&bill)[0].tags.as_deref(), Some(r#"{"user:cost centre":"A 1","user:team":"web"}"#));
    assert_eq!(lines(&bill)[0].region_id.as_deref(), Some("eu-west-1"));
    assert_eq!(lines(&bill)[1].region_id.as_deref(), Some("us-east-1"));
    assert_eq!(bill.records[8].time, EventTime::Logged(1_790_812_800_000_000));
}

#[test]
fn net_columns_are_what_is_effective_with_discounts() {
    let text = "line_item_line_item_type,line_item_usage_start_date,line_item_unblended_cost,line_item_net_unblended_cost,savings_plan_savings_plan_effective_cost,savings_plan_net_savings_plan_effective_cost\n\
        Usage,2026-10-01T00:00:00Z,10,9.1,,\n\
        EdpDiscount,2026-10-01T00:00:00Z,-0.9,,,\n\
        SavingsPlanCoveredUsage,2026-10-01T00:00:00Z,5,,3,2.5\n\
        DiscountedUsage,2026-10-01T00:00:00Z,0,,,\n";
    let bill = parse(CUR, text);
    assert_eq!(bill.rejected, []);
    let effective: Vec<_> = lines(&bill).iter().map(|line| line.effective_cost.as_deref()).collect();
    assert_eq!(effective, [Some("9.1"), Some("0"), Some("2.5"), None]);
    assert!(bill.warnings[0].starts_with("1 lines of reservations"), "{:?}", bill.warnings);
    // A selection of columns: no payer, no period, no id.
    assert_eq!(lines(&bill)[0].export.account, "");
    assert_eq!(lines(&bill)[0].export.period_from_us, 1_790_812_800_000_000);
    let defaults = Defaults { account: Some("123456789012".into()), ..Defaults::default() };
    let bill = parse_with(CUR, &mut text.as_bytes(), &defaults);
    assert_eq!(lines(&bill)[0].export.account, "123456789012");
}

#[test]
fn equal_lines_without_an_id_are_two() {
    let header = "line_item_usage_start_date,line_item_unblended_cost\n";
    let row = "2026-10-01T00:00:00Z,1\n";
    let bill = parse(CUR, &format!("{header}{row}{row}2026-10-01T00:00:00Z,2\n"));
    let mut keys = bill.key();
    assert_eq!(keys.len(), 3);
    assert_ne!(keys[0], keys[1]);
    let mut sorted = parse(CUR, &format!("{header}2026-10-01T00:00:00Z,2\n{row}{row}")).key();
    keys.sort_by_key(|(_, key)| *key);
    sorted.sort_by_key(|(_, key)| *key);
    assert_eq!(keys, sorted);
}

#[test]
fn parts_of_a_split_line_are_several() {
    let header = "identity_line_item_id,identity_time_interval,line_item_unblended_cost,line_item_resource_id,split_line_item_parent_resource_id\n";
    let row =
        |resource: &str, parent: &str| format!("li1,2026-10-01T00:00:00Z/2026-10-01T01:00:00Z,0,{resource},{parent}\n");
    let bill = parse(CUR, &format!("{header}{}{}{}", row("i-1", ""), row("pod/a", "i-1"), row("pod/b", "i-1")));
    let mut keys = bill.key();
    keys.dedup();
    assert_eq!(keys.len(), 3);
    // A plain line has the same key with and without the columns of parts.
    let header = "identity_line_item_id,identity_time_interval,line_item_unblended_cost\n";
    let plain = parse(CUR, &format!("{header}li1,2026-10-01T00:00:00Z/2026-10-01T01:00:00Z,0\n"));
    assert_eq!(plain.key()[0], keys[0]);
}

#[test]
fn bad_rows_cost_themselves_alone() {
    let [legacy, _, object] = spellings();
    let (header, row) = legacy.split_once('\n').unwrap();
    for (bad, expected) in [
        (row.trim().replace("4.16667E-5", "\"1,5\""), "`lineItem/UnblendedCost` is `1,5`"),
        (row.trim().replace("2.5", "NaN"), "`lineItem/UsageAmount`"),
        (row.trim().replace("2026-10-01T00:00:00.000Z", "1.10.2026"), "`bill/BillingPeriodStartDate` is `1.10.2026`"),
        (row.trim().replace(",web", ""), "the row has 18 columns"),
        ("abc,2026-10-01T00".to_owned(), "the row has 2 columns"),
    ] {
        let bill = parse(CUR, &format!("{header}\n{row}{bad}\n{}", row.replace("abc", "def")));
        assert_eq!((bill.records.len(), bill.rejected.len()), (2, 1), "{bad}");
        assert!(bill.rejected[0].reason.contains(expected), "{bad}: {}", bill.rejected[0].reason);
        assert_eq!(bill.rejected[0].line, Some(3), "{bad}");
        assert_eq!(bill.rejected[0].byte_offset, legacy.len() as u64, "{bad}");
    }
    for (bad, expected) in [
        ("{\"a\":1}".to_owned(), "there is no time"),
        ("{}".to_owned(), "there is no time"),
        (object.trim().replace("4.16667e-5", "[]"), "`line_item_unblended_cost`"),
        (object[..90].to_owned(), "not valid JSON"),
    ] {
        let bill = parse(CUR, &format!("{object}{bad}\n{object}"));
        assert_eq!((bill.records.len(), bill.rejected.len()), (2, 1), "{bad}: {:?}", bill.rejected);
        assert!(bill.rejected[0].reason.contains(expected), "{bad}: {}", bill.rejected[0].reason);
        assert_eq!(bill.rejected[0].line, Some(2), "{bad}");
    }
}

#[test]
fn what_a_report_cannot_be_without_is_named() {
    let format = paygrain_formats::format::by_name(CUR).unwrap();
    let text = "lineItem/UsageType,lineItem/ProductCode,lineItem/UsageAmount\nx,y,1\n";
    assert!(format.recognises(text.as_bytes()).is_some());
    let defaults = Defaults::default();
    let origin = paygrain_formats::format::Origin { name: "", defaults: &defaults };
    let error = format.parse(&mut text.as_bytes(), &origin, &mut Collected::default()).unwrap_err().to_string();
    assert!(error.contains("`lineItem/UnblendedCost`") && error.contains("`lineItem/UsageStartDate` or"), "{error}");
    let text = r#"{"line_item_usage_start_date":"2026-10-01T00:00:00Z","line_item_usage_amount":1}"#;
    let error = format.parse(&mut text.as_bytes(), &origin, &mut Collected::default()).unwrap_err();
    assert!(error.to_string().contains("`lineItem/UnblendedCost`"), "{error}");
    assert_eq!(error.hint().as_deref(), Some("export the bill again with these columns"));
}

#[test]
fn unknown_types_and_broken_tags_are_told() {
    let bill = parse(
        CUR,
        "line_item_line_item_type,line_item_usage_start_date,line_item_unblended_cost,resource_tags\nNovelty,2026-10-01,1,{'a': 1}\n",
    );
    assert_eq!(bill.records.len(), 1);
    assert_eq!(bill.warnings.len(), 2, "{:?}", bill.warnings);
    assert!(bill.warnings[0].contains("Novelty") && bill.warnings[1].contains("1 lines"), "{:?}", bill.warnings);
    let Usage::BilledLine(line) = &bill.records[0].usage else { panic!() };
    assert_eq!((line.charge_category.as_deref(), line.tags.as_deref()), (None, None));
    assert!(line.other_columns.as_deref().unwrap().contains("{'a': 1}"));
}

#[test]
fn parts_and_files_that_were_put_together_have_the_same_keys() {
    let text = example("aws-cur.csv");
    let rows: Vec<&str> = text.lines().collect();
    let part = |rows: &[&str], header: &str| format!("{header}\n{}\n", rows.join("\n"));
    let (one, other) = (part(&rows[1..5], rows[0]), part(&rows[5..], rows[0]));
    let whole = parse(CUR, &text).key();
    let mut parts = parse(CUR, &one).key();
    parts.extend(parse(CUR, &other).key());
    assert_eq!(parts, whole);
    let together = parse(CUR, &format!("{one}{other}"));
    assert_eq!((together.rejected.as_slice(), together.key()), (&[][..], whole));
}
