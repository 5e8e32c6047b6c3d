//! Azure cost exports: known totals of real files, every header, days and numbers by what the file proves.

use crate::bill_lines::{midnight, text};
use crate::bills::{example, total};
use crate::lines::{Collected, parse, real, try_parse};
use paygrain_formats::Defaults;
use paygrain_formats::error::IngestError;
use paygrain_formats::format::{self, Origin};
use paygrain_formats::record::EventTime;

const AZURE: &str = "azure-cost";

/// A file of a few columns.
fn file(rows: &str) -> String {
    format!(
        "SubscriptionId,Date,BillingPeriodStartDate,BillingPeriodEndDate,MeterCategory,Quantity,EffectivePrice,Cost,UnitOfMeasure,ChargeType,PricingModel,ReservationId,Tags\n{rows}"
    )
}

fn row(date: &str, cost: &str) -> String {
    format!("s,{date},,,Functions,1,{cost},{cost},1 Hour,Usage,OnDemand,,\n")
}

fn refused(text: &str) -> String {
    let (_, outcome) = try_parse(AZURE, &mut text.as_bytes(), &Defaults::default());
    match outcome {
        Err(error @ IngestError::Contradiction { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn days(log: &Collected) -> Vec<EventTime> {
    log.records.iter().map(|record| record.time).collect()
}

#[test]
fn real_exports_have_their_known_totals() {
    let Some(actual) = real("azure", "EA_ActualCost_Small.csv", AZURE) else { return };
    assert_eq!((actual.rejected.len(), actual.warnings.len(), actual.records.len()), (0, 0, 11));
    assert_eq!((actual.billed().as_str(), actual.effective().as_str()), ("8.5450077867419368", "0"));
    let line = actual.bill()[0];
    assert_eq!((line.export.kind.as_str(), line.export.account.as_str()), ("azure-actual", "8611537"));
    assert_eq!((line.export.period_from_us, line.period_to_us), (midnight("2023-09-01"), Some(midnight("2023-10-01"))));
    assert_eq!(actual.records[0].time, EventTime::Logged(midnight("2023-09-21")));
    assert_eq!(line.charge_category, text("Purchase"));

    let amortized = real("azure", "EA_AmortizedCost_Small.csv", AZURE).unwrap();
    assert_eq!((amortized.rejected.len(), amortized.warnings.len(), amortized.records.len()), (0, 0, 28));
    assert_eq!((amortized.billed().as_str(), amortized.effective().as_str()), ("0", "16.296932136636644627485419"));
    assert!(amortized.bill().iter().all(|line| line.export.kind == "azure-amortized"));

    let nothing = real("azure", "EA_NoRows.csv", AZURE).unwrap();
    assert_eq!(nothing, Collected::default());
}

#[test]
fn every_header_is_read() {
    for (name, rows, billed) in [
        ("opencost_values_Template.csv", 87, "16.393506212224391"),
        ("opencost_values_MissingBrackets.csv", 1, "4"),
        ("opencost_values_VirtualMachine.csv", 1, "4"),
        ("opencost_headerset_Enterprise.csv", 1, "0"),
        ("opencost_headerset_EnterpriseCamel.csv", 1, "0.012"),
        ("opencost_headerset_German.csv", 1, "0.075"),
        ("opencost_headerset_PayAsYouGo.csv", 1, "0.075"),
        ("opencost_headerset_YA.csv", 1, "0.075"),
        ("koku_azure_version_2.csv", 5, "19.998413754"),
        ("koku_camel_azure_version_2.csv", 4, "0.0000262412"),
        ("koku_azure_camelCased.csv", 3, "0.00011016"),
        ("koku_costreport_a243c6f2-199f-4074-9a2c-40e671cf1584.csv", 3, "0.00011016"),
    ] {
        let Some(log) = real("azure", name, AZURE) else { return };
        assert_eq!(log.rejected, [], "{name}");
        assert_eq!((log.records.len(), log.billed().as_str()), (rows, billed), "{name}");
        assert!(
            log.bill().iter().all(|line| line.service_name.is_some() || line.charge_category == text("Purchase")),
            "{name}"
        );
        assert!(log.bill().iter().all(|line| !line.export.account.is_empty()), "{name}");
        assert_eq!(log.distinct().len(), rows, "{name}");
    }
    // A line without a cost is none.
    let bare = real("azure", "opencost_headerset_BOM.csv", AZURE).unwrap();
    assert_eq!((bare.records.len(), bare.rejected.len()), (0, 1));
    assert_eq!(bare.rejected[0].reason, "`PreTaxCost` is empty, expected a number");
    let german = real("azure", "opencost_headerset_German.csv", AZURE).unwrap();
    let line = german.bill()[0];
    assert_eq!(line.sub_account_id, text("11111111-12ab-34dc-56ef-123456abcdef"));
    assert_eq!((&line.pricing_quantity, &line.pricing_unit), (&text("3"), &text("100 Hours")));
    assert_eq!(line.export.period_from_us, midnight("2021-02-01"));
    let bare_tags = real("azure", "opencost_values_MissingBrackets.csv", AZURE).unwrap();
    let line = bare_tags.bill()[0];
    assert!(line.tags.as_deref().unwrap().contains(r#""resourceNameSuffix":"12345678""#));
    assert!(line.sku_price_details.as_deref().unwrap().contains(r#""VCPUs":"2""#));
}

#[test]
fn our_examples_have_their_totals() {
    for name in ["azure-cost.csv", "azure-cost-pay-as-you-go.csv"] {
        assert_eq!(format::detect(example(name).as_bytes()).unwrap().0.name(), AZURE);
    }
    let log = parse(AZURE, &example("azure-cost.csv"));
    assert_eq!((log.rejected.as_slice(), log.warnings.len()), (&[][..], 1));
    assert!(log.warnings[0].contains("10 times the cost in all 1 rows with the unit `10`"), "{:?}", log.warnings);
    assert_eq!((log.records.len(), log.billed().as_str()), (9, "82.7406418804"));
    assert_eq!(log.distinct().len(), 9);
    let bill = log.bill();
    assert_eq!(bill[0].tags, text(r#"{"env":"prod","team":"images"}"#));
    assert_eq!((&bill[0].region_id, &bill[0].list_unit_price), (&text("westeurope"), &text("0.000016")));
    assert_eq!((&bill[0].pricing_category, &bill[0].charge_frequency), (&text("Standard"), &text("Usage-Based")));
    assert!(bill[0].other_columns.as_deref().unwrap().contains(r#""CostCenter":"cc-7""#));
    assert_eq!(bill[4].sku_price_details, text(r#"{"ServiceType":"Standard_B1s","VCPUs":"1"}"#));
    assert_eq!((&bill[4].commitment_discount_status, &bill[4].pricing_category), (&text("Used"), &text("Committed")));
    assert_eq!((&bill[6].service_name, &bill[6].region_id, &bill[6].tags), (&None, &None, &None));
    assert!(bill[6].other_columns.as_deref().unwrap().contains(r#""Tags":"not, an object""#));
    let categories: Vec<_> = bill[5..].iter().filter_map(|line| line.charge_category.as_deref()).collect();
    assert_eq!(categories, ["Purchase", "Purchase", "Adjustment", "Adjustment"]);

    let local = parse(AZURE, &example("azure-cost-pay-as-you-go.csv"));
    assert_eq!((local.rejected.as_slice(), local.billed().as_str()), (&[][..], "2011.002"));
    assert_eq!(total(&local, "pricing_quantity"), "3262.5");
    assert_eq!(days(&local)[0], EventTime::Logged(midnight("2026-10-05")));
    assert_eq!(local.bill()[0].charge_category, text("Usage"));
}

#[test]
fn the_file_says_whether_the_day_is_first() {
    let us = parse(AZURE, &file(&(row("9/2/2023", "1") + &row("09/21/2023 00:00:00", "1") + &row("2023-09-03", "1"))));
    let september = ["2023-09-02", "2023-09-21", "2023-09-03"].map(|day| EventTime::Logged(midnight(day)));
    assert_eq!(days(&us), september);
    let elsewhere = parse(AZURE, &file(&(row("2/9/2023", "1") + &row("21/09/2023", "1") + &row("03.09.2023", "1"))));
    assert_eq!(days(&elsewhere), september);
    let unproven = parse(AZURE, &file(&row("2/9/2023", "1")));
    assert_eq!(days(&unproven), [EventTime::Logged(midnight("2023-02-09"))]);
    assert!(unproven.warnings[0].contains("(`Date` in line 2 is `2/9/2023`)"), "{:?}", unproven.warnings);
    // The end of the period proves it, too.
    let period = parse(AZURE, &file("s,02/09/2023,01/09/2023,30/09/2023,Functions,1,1,1,1,Usage,OnDemand,,\n"));
    assert_eq!(days(&period), [EventTime::Logged(midnight("2023-09-02"))]);
    assert_eq!(period.bill()[0].export.period_from_us, midnight("2023-09-01"));
    let problem = refused(&file(&(row("09/02/2023", "1") + &row("09/21/2023", "1") + &row("21/09/2023", "1"))));
    assert_eq!(
        problem,
        "days are written in two orders: `Date` in line 3 is `09/21/2023`, `Date` in line 4 is `21/09/2023`"
    );
}

#[test]
fn a_day_is_that_of_the_whole_file_however_late_it_is_proven() {
    // Of more than stays in memory.
    let tags = format!("{}\n", "t".repeat(250));
    let mut rows: String =
        (0..60_000).map(|number| row(&format!("2/{}/2023", number % 12 + 1), "1").replace('\n', &tags)).collect();
    assert!(rows.len() > 16 << 20);
    rows += &row("31/1/2023", "1");
    let log = parse(AZURE, &file(&rows));
    assert_eq!((log.records.len(), days(&log)[4]), (60_001, EventTime::Logged(midnight("2023-05-02"))));
}

#[test]
fn commas_are_decimal_where_the_file_proves_it() {
    let proven = parse(AZURE, &file(&(row("2023-09-01", "\"1.234\"") + &row("2023-09-01", "\"0,5\""))));
    assert_eq!((proven.rejected.as_slice(), proven.billed().as_str()), (&[][..], "1234.5"));
    let plain = parse(
        AZURE,
        &file(&(row("2023-09-01", "1.234") + &row("2023-09-01", "0.5") + &row("2023-09-01", "\"1,234\""))),
    );
    assert_eq!(plain.billed(), "1.734");
    assert_eq!(plain.rejected[0].line, Some(4));
    assert!(plain.rejected[0].reason.contains("`Cost` is `1,234`"), "{}", plain.rejected[0].reason);
    let mixed = refused(&file(&(row("2023-09-01", "\"0,5\"") + &row("2023-09-01", "0.5"))));
    assert!(mixed.contains("in line 3 is `0.5`") && mixed.contains("in line 2 is `0,5`"), "{mixed}");
}

#[test]
fn actual_or_amortised_is_told_by_what_commitments_cost() {
    let line = |cost: &str, charge: &str, model: &str, reservation: &str| {
        format!("s,2023-09-01,,,Virtual Machines,1,{cost},{cost},1 Hour,{charge},{model},{reservation},\n")
    };
    for (rows, kind, warnings) in [
        (line("0.5", "Usage", "Reservation", "r"), "azure-amortized", 0),
        (line("0.5", "Usage", "SavingsPlan", ""), "azure-amortized", 0),
        (line("0", "UnusedReservation", "Reservation", "r"), "azure-amortized", 0),
        (line("0", "Usage", "Reservation", "r"), "azure-actual", 0),
        (line("63.5", "Purchase", "SavingsPlan", ""), "azure-actual", 0),
        (line("0.5", "Usage", "OnDemand", ""), "azure-actual", 1),
        (line("0.5", "Usage", "SavingsPlan", "") + &line("63.5", "Purchase", "SavingsPlan", ""), "azure-amortized", 1),
    ] {
        let log = parse(AZURE, &file(&(line("1", "Usage", "OnDemand", "") + &rows)));
        assert!(log.bill().iter().all(|line| line.export.kind == kind), "{rows}: {:?}", log.bill()[0].export);
        assert_eq!(log.warnings.len(), warnings, "{rows}: {:?}", log.warnings);
    }
    // Where the content does not say, the path does.
    let mut named = Collected::default();
    let origin = Origin { name: "exports/daily-amortized/part_0_0001.csv", defaults: &Defaults::default() };
    let text = file(&line("1", "Usage", "OnDemand", ""));
    format::by_name(AZURE).unwrap().parse(&mut text.as_bytes(), &origin, &mut named).unwrap();
    assert_eq!((named.bill()[0].export.kind.as_str(), named.warnings.len()), ("azure-amortized", 0));
    assert_eq!(named.effective(), "1");
}

#[test]
fn blocks_are_told_and_numbers_stay_as_they_are() {
    let line = |unit: &str, quantity: &str, price: &str, cost: &str| {
        format!("s,2023-09-01,,,Storage,{quantity},{price},{cost},{unit},Usage,OnDemand,,\n")
    };
    let log = parse(AZURE, &file(&(line("10K", "50000", "0.05", "0.25") + &line("1 Hour", "2", "3", "6"))));
    assert!(log.warnings[1].contains("10000 times the cost in all 1 rows with the unit `10K`"), "{:?}", log.warnings);
    assert_eq!(log.bill()[0].pricing_quantity, text("50000"));
    assert_eq!(log.billed(), "6.25");
    let Some(real) = real("azure", "koku_azure_version_2.csv", AZURE) else { return };
    assert_eq!(real.warnings.iter().filter(|warning| warning.contains("times the cost")).count(), 0);
}

#[test]
fn bad_rows_cost_themselves_alone() {
    for (bad, expected) in [
        (row("13/13/2023", "1"), "`Date` is `13/13/2023`, expected a day"),
        (row("", "1"), "`Date` is empty"),
        (row("2023-09-01", "NaN"), "`Cost` is `NaN`, expected a decimal number"),
        (row("2023-09-01", ""), "`Cost` is empty"),
        ("s,2023-09-01,,,Functions,1\n".to_owned(), "the row has 6 columns, the header has 13"),
    ] {
        let log = parse(AZURE, &file(&(row("2023-09-01", "1") + &bad + &row("2023-09-02", "2"))));
        assert_eq!((log.records.len(), log.rejected.len()), (2, 1), "{bad}");
        assert_eq!(log.rejected[0].line, Some(3), "{bad}");
        assert!(log.rejected[0].reason.contains(expected), "{bad}: {}", log.rejected[0].reason);
    }
    // Also where it is the only row, and cut off.
    let cut = parse(AZURE, &file("s,2023-09-01,,,Functions,1,1,0.0"));
    assert_eq!((cut.records.len(), cut.rejected.len()), (0, 1));
}

#[test]
fn keys_do_not_depend_on_order() {
    let rows = [row("2023-09-01", "1"), row("2023-09-02", "2"), row("2023-09-01", "1"), row("2023-09-03", "3")];
    let keys = |text: &str| parse(AZURE, text).distinct();
    let whole = keys(&file(&rows.concat()));
    assert_eq!(whole.len(), 4);
    let reversed: String = rows.iter().rev().cloned().collect();
    assert_eq!(keys(&file(&reversed)), whole);
    // Parts that were put together have a header in the middle.
    assert_eq!(keys(&format!("{}{}", file(&rows[..2].concat()), file(&rows[2..].concat()))), whole);
    let other_columns =
        file("").replacen("SubscriptionId,Date,BillingPeriodStartDate", "MeterRegion,Date,SubscriptionId", 1);
    let problem = refused(&format!("{}{other_columns}", file(&rows.concat())));
    assert_eq!(problem, "files with different columns were put together: `Date` in line 6 is `Date`");
    // A spreadsheet reorders columns, another export writes their names otherwise.
    let reordered = file("").trim_end().to_lowercase() + "\n" + &rows.concat();
    assert_eq!(keys(&reordered), whole);
}

#[test]
fn prices_are_in_the_currency_of_the_price_list() {
    let head = "subscriptionId,date,meterCategory,quantity,effectivePrice,costInBillingCurrency,paygCostInBillingCurrency,billingCurrency,pricingCurrency,unitPrice,payGPrice,meterId\n";
    let log = parse(AZURE, &format!("{head}s,10/05/2026,Storage,10,0.02,0.18,0.2,EUR,USD,0.02,0.022,m\n"));
    let line = log.bill()[0];
    assert_eq!((&line.billed_cost, &line.list_cost), (&text("0.18"), &text("0.2")));
    assert_eq!((&line.list_unit_price, &line.contracted_unit_price), (&None, &None));
    assert_eq!(line.pricing_currency_list_unit_price, text("0.022"));
    assert_eq!(line.pricing_currency_contracted_unit_price, text("0.02"));
}

#[test]
fn a_manifest_is_no_bill() {
    let log = parse(AZURE, r#"{"manifestVersion":"2024-04-01","blobs":[{"blobName":"a/part_0_0001.csv"}]}"#);
    assert_eq!((log.records.len(), log.rejected.len()), (0, 0));
    assert!(log.warnings[0].contains("it names 1 files, the first is `a/part_0_0001.csv`"), "{:?}", log.warnings);
    let broken = parse(AZURE, r#"{"manifestVersion":"2024-04-01","blobs":[{"blobName""#);
    assert_eq!((broken.records.len(), broken.rejected.len()), (0, 1));
    let Some(real) = real("azure", "koku_export_manifest.json", AZURE) else { return };
    assert_eq!((real.records.len(), real.rejected.len(), real.warnings.len()), (0, 0, 1));
}

#[test]
fn other_tables_are_not_claimed() {
    for text in [
        "BilledCost,ChargePeriodStart,SubAccountId,SubscriptionId,Date,Cost,MeterId\n",
        "Date,Cost,Category\n",
        "SubscriptionId,Date,MeterCategory\n",
        r#"{"blobs":[]}"#,
    ] {
        assert!(format::by_name(AZURE).unwrap().recognises(text.as_bytes()).is_none(), "{text}");
    }
}
