//! Answers of Cost Explorer: known totals of a real one, pages and periods, estimates, bad input.

use crate::bills::{example, lines, total};
use crate::lines::{parse, real};
use paygrain_formats::record::EventTime;

const EXPLORER: &str = "aws-cost-explorer";

#[test]
fn a_real_answer_has_its_known_totals() {
    let Some(bill) = real("aws-cur", "awscli_ce_get_cost_and_usage_1.json", EXPLORER) else { return };
    assert_eq!((bill.rejected.len(), bill.warnings.len()), (0, 0));
    let rows: Vec<_> = lines(&bill)
        .iter()
        .map(|line| (line.billed_cost.clone().unwrap(), line.tags.clone(), line.service_name.clone().unwrap()))
        .collect();
    let s3 = || "Amazon Simple Storage Service".to_owned();
    assert_eq!(
        rows,
        [
            ("40.3543773134".to_owned(), None, s3()),
            ("0.2682364644".to_owned(), Some(r#"{"Environment":"Dev"}"#.to_owned()), s3())
        ]
    );
    let line = lines(&bill)[0];
    assert_eq!(bill.records[0].time, EventTime::Logged(1_504_224_000_000_000));
    assert_eq!((line.export.period_from_us, line.charged_to_us), (1_504_224_000_000_000, Some(1_506_816_000_000_000)));
    assert_eq!(line.consumed_quantity.as_deref(), Some("9312771.098461578"));
    assert_eq!((line.consumed_unit.as_deref(), line.billing_currency.as_deref()), (None, Some("USD")));
}

#[test]
fn the_example_has_its_totals() {
    let text = example("aws-cost-explorer.json");
    let bill = parse(EXPLORER, &text);
    assert_eq!(bill.rejected, []);
    // 1.25 + 0.0000002 + 3 on the first day; 0.5 − 0.25 on the second; the third has a total only.
    assert_eq!((bill.records.len(), total(&bill, "billed_cost").as_str()), (6, "10.5000002"));
    assert_eq!(bill.warnings, ["the costs of 1 periods are estimated: AWS will still change them"]);
    let accounts: Vec<_> = lines(&bill).iter().map(|line| line.sub_account_name.clone()).collect();
    assert_eq!(accounts[0].as_deref(), Some("shop"));
    assert_eq!(lines(&bill)[0].sub_account_id.as_deref(), Some("123456789012"));
    // The same day in another page, and a page again.
    let twice = parse(EXPLORER, &format!("{text}{text}"));
    assert_eq!(twice.key()[..6], twice.key()[6..]);
}

#[test]
fn periods_alone_are_read_and_what_is_missing_is_told() {
    let period = r#"{"TimePeriod":{"Start":"2026-10-01T00:00:00Z","End":"2026-10-01T01:00:00Z"},"Total":{},"Groups":[{"Keys":["AWS Lambda"],"Metrics":{"AmortizedCost":{"Amount":"1E-7","Unit":"USD"}}}],"Estimated":false}"#;
    let format = paygrain_formats::format::by_name(EXPLORER).unwrap();
    assert!(format.recognises(period.as_bytes()).is_some());
    let bill = parse(EXPLORER, period);
    let line = lines(&bill)[0];
    assert_eq!((line.billed_cost.as_deref(), line.effective_cost.as_deref()), (None, Some("0.0000001")));
    assert_eq!(line.other_columns.as_deref(), Some(r#"{"AmortizedCost":"0.0000001","Key 1":"AWS Lambda"}"#));
    assert_eq!(bill.warnings.len(), 2, "{:?}", bill.warnings);
}

#[test]
fn broken_answers_cost_themselves_alone() {
    let period = |amount: &str, start: &str| {
        format!(
            r#"{{"TimePeriod":{{"Start":"{start}","End":"2026-10-02"}},"Total":{{"UnblendedCost":{{"Amount":"{amount}","Unit":"USD"}}}},"Groups":[],"Estimated":false}}"#
        )
    };
    let good = period("1", "2026-10-01");
    for (bad, expected) in [
        (period("1,5", "2026-10-01"), "`UnblendedCost.Amount` is `1,5`"),
        (period("1", "1/10/2026"), "`TimePeriod.Start` is `1/10/2026`"),
        (good.replace("\"Start\":", "\"Begin\":"), "missing field `Start`"),
        ("{\"ResultsByTime\":3}".to_owned(), "`ResultsByTime` cannot be read"),
        ("{\"a\":1}".to_owned(), "expected `ResultsByTime`"),
        (good[..60].to_owned(), "not valid JSON"),
    ] {
        let bill = parse(EXPLORER, &format!("{good}\n{bad}\n{good}\n"));
        assert_eq!((bill.records.len(), bill.rejected.len()), (2, 1), "{bad}: {:?}", bill.rejected);
        assert!(bill.rejected[0].reason.contains(expected), "{bad}: {}", bill.rejected[0].reason);
        assert_eq!(bill.rejected[0].line, Some(2), "{bad}");
    }
}
