//! Google Cloud billing exports: known totals, a line per credit, one key in CSV and JSON.

use crate::bill_lines::text;
use crate::bills::example;
use crate::lines::{parse, real};
use paygrain_formats::format;
use paygrain_formats::format::timestamp::iso;
use paygrain_formats::record::{EventTime, Usage};

const BILLING: &str = "gcp-billing";

#[test]
fn real_exports_have_their_known_totals() {
    let Some(log) = real("gcp", "koku_billing_export_2020-11-08_2020-11-11.csv", BILLING) else { return };
    assert_eq!((log.rejected.len(), log.warnings.len()), (0, 0));
    let of = |category: &str| log.bill().iter().filter(|line| line.charge_category == text(category)).count();
    assert_eq!((of("Usage"), of("Credit"), log.records.len()), (25, 8, 33));
    let mut costs = real("gcp", "koku_billing_export_2020-11-08_2020-11-11.csv", BILLING).unwrap();
    costs
        .records
        .retain(|record| matches!(&record.usage, Usage::BilledLine(line) if line.charge_category == text("Usage")));
    assert_eq!(costs.billed(), "0.000032");
    assert_eq!(log.billed(), "0");
    let line = log.bill()[0];
    assert_eq!((line.export.kind.as_str(), line.export.account.as_str()), (BILLING, "000000-B0BBA4-940A77"));
    assert_eq!(Some(line.export.period_from_us), iso("2020-11-01T07:00:00Z"));
    assert_eq!(line.period_to_us, iso("2020-12-01T08:00:00Z"));
    assert_eq!(log.records[0].time, EventTime::Logged(iso("2020-11-09T23:00:00Z").unwrap()));
    assert_eq!(line.pricing_quantity, text("0.000023198314011096954"));
    assert_eq!(log.distinct().len(), 33);

    let detailed = real("gcp", "koku_billing_export_2022-08-01_5.csv", BILLING).unwrap();
    assert_eq!((detailed.rejected.len(), detailed.records.len(), detailed.billed().as_str()), (0, 9, "0.000012"));
    let line = detailed.bill()[0];
    assert_eq!((&line.resource_id, &line.resource_name), (&text("//example"), &text("instance-1")));
}

#[test]
fn our_example_has_its_totals() {
    let log = parse(BILLING, &example("gcp-billing.csv"));
    assert_eq!((log.rejected.len(), log.warnings.len(), log.records.len()), (0, 0, 9));
    // 0.432… - 0.0864 - 0.000001 + 2 × 0.0000004 + 0.05 + 19 - 0.000123 - 0.2
    assert_eq!(log.billed(), "19.1954768000000001");
    let bill = log.bill();
    let categories: Vec<_> = bill.iter().filter_map(|line| line.charge_category.as_deref()).collect();
    let expected = ["Usage", "Credit", "Credit", "Usage", "Usage", "Usage", "Tax", "Adjustment", "Adjustment"];
    assert_eq!(categories, expected);
    assert_eq!((&bill[0].tags, &bill[1].tags), (&text(r#"{"env":"prod"}"#), &text(r#"{"env":"prod"}"#)));
    assert_eq!((&bill[0].sku_meter, &bill[0].contracted_unit_price), (&text("CPU Allocation Time"), &text("0.000024")));
    assert_eq!(
        (&bill[1].billed_cost, &bill[1].charge_description),
        (&text("-0.0864"), &text("Committed use discount: CPU"))
    );
    assert_eq!((&bill[1].sku_id, &bill[1].pricing_quantity), (&text("0000-0000-0001"), &None));
    assert!(bill[2].other_columns.as_deref().unwrap().contains(r#""credit.id":"it's free""#));
    // Usage of the last hours of a month in the zone of the provider.
    assert_eq!(
        (bill[5].export.period_from_us, bill[5].period_to_us),
        (iso("2026-10-01T07:00:00Z").unwrap(), iso("2026-11-01T07:00:00Z"))
    );
    assert!(bill[7].other_columns.as_deref().unwrap().contains(r#""cost_type":"rounding_error""#));
    assert_eq!((&bill[7].charge_class, &bill[8].charge_class), (&None, &text("Correction")));
    assert_eq!(log.distinct().len(), 9);
}

#[test]
fn json_and_csv_have_the_same_lines() {
    let (csv, json) = (parse(BILLING, &example("gcp-billing.csv")), parse(BILLING, &example("gcp-billing.json")));
    assert_eq!(json.rejected, []);
    assert_eq!(csv.records, json.records);
    let array = format!("[{}]", example("gcp-billing.json").trim_end().replace('\n', ","));
    assert_eq!(parse(BILLING, &array).records, json.records);
    let (detected, _) = format::detect(example("gcp-billing.json").as_bytes()).unwrap();
    assert_eq!(detected.name(), BILLING);
}

#[test]
fn a_row_whose_credits_cannot_be_read_is_kept_whole() {
    let head = "billing_account_id,sku.id,usage_start_time,cost,credits,labels,invoice.month\n";
    let good = "a,s,2026-10-05 17:00:00+00:00,1,[],[],202610\n";
    for (bad, expected) in [
        ("a,s,2026-10-05 17:00:00+00:00,1,[{'amount': -1}\n", "the row has 5 columns"),
        (
            "a,s,2026-10-05 17:00:00+00:00,1,\"[{'amount': -1\",[],202610\n",
            "`credits` cannot be read: expected `,` or `}`",
        ),
        ("a,s,2026-10-05 17:00:00+00:00,1,[{'name': 'x'}],[],202610\n", "there is a credit without an `amount`"),
        ("a,s,2026-10-05 17:00:00+00:00,1,[{'amount': 'x'}],[],202610\n", "`credits.amount` is `x`"),
        ("a,s,2026-10-05 17:00:00+00:00,1,[],[{'value': 'x'}],202610\n", "there is a label without a `key`"),
        ("a,s,2026-10-05 17:00:00+00:00,1,[],[],202613\n", "`invoice.month` is `202613`"),
        ("a,s,2026-10-05 17:00:00+00:00,1,[],[],\n", "there is no `invoice.month`"),
        ("a,s,yesterday,1,[],[],202610\n", "`usage_start_time` is `yesterday`"),
        ("a,s,2026-10-05 17:00:00+00:00,,[],[],202610\n", "there is no `cost`"),
    ] {
        let log = parse(BILLING, &format!("{head}{good}{bad}{good}"));
        assert_eq!((log.records.len(), log.rejected.len()), (2, 1), "{bad}");
        assert_eq!(log.rejected[0].line, Some(3), "{bad}");
        assert!(log.rejected[0].reason.contains(expected), "{bad}: {}", log.rejected[0].reason);
        // Equal rows are legitimate.
        assert_eq!(log.distinct().len(), 2);
    }
}

#[test]
fn files_that_were_put_together_are_one() {
    let text = example("gcp-billing.csv");
    let (head, rows) = text.split_once('\n').unwrap();
    let (first, rest) = rows.split_at(rows.find('\n').unwrap() + 1);
    let parts = format!("{head}\n{first}{head}\n{rest}");
    assert_eq!(parse(BILLING, &parts).records, parse(BILLING, &text).records);
}
