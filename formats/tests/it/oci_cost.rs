//! Oracle Cloud reports: lines with their own ids, corrections, tags by column; usage reports as metered quantities.

use crate::bill_lines::text;
use crate::bills::example;
use crate::lines::parse;
use paygrain_formats::format;
use paygrain_formats::format::timestamp::iso;
use paygrain_formats::record::{EventTime, Usage};

const OCI: &str = "oci-cost";

#[test]
fn our_example_has_its_totals() {
    let bytes = example("oci-cost.csv");
    assert_eq!(format::detect(bytes.as_bytes()).unwrap().0.name(), OCI);
    let log = parse(OCI, &bytes);
    assert_eq!((log.rejected.len(), log.warnings.len(), log.records.len()), (0, 0, 5));
    // 0.00035425 + 0.000527 + 0.01275 - 0.006375
    assert_eq!(log.billed(), "0.00725625");
    let bill = log.bill();
    assert_eq!(log.records[0].time, EventTime::Logged(iso("2026-10-05T17:00:00Z").unwrap()));
    assert_eq!(bill[0].charged_to_us, iso("2026-10-05T18:00:00Z"));
    assert_eq!(
        (bill[0].export.kind.as_str(), bill[0].export.account.as_str()),
        (OCI, "ocid1.tenancy.oc1..exampletenancy")
    );
    assert_eq!(
        (Some(bill[4].export.period_from_us), bill[4].period_to_us),
        (iso("2026-10-01T00:00:00Z"), iso("2026-11-01T00:00:00Z"))
    );
    assert_eq!(
        bill[0].tags,
        text(
            r#"{"Oracle-Tags.CreatedBy":"default/ana@example.com","orcl-cloud.free-tier-retained":"true","team\\cost centre":"web\\shop"}"#
        )
    );
    assert_eq!((&bill[3].charge_class, &bill[2].charge_class), (&text("Correction"), &None));
    assert!(bill[3].other_columns.as_deref().unwrap().contains(r#""lineItem/backreferenceNo":"V1.0003.example""#));
    assert_eq!((&bill[0].sku_id, &bill[0].pricing_unit), (&text("B90617"), &text("10,000 GB Memory-Seconds")));
}

#[test]
fn a_line_is_its_reference() {
    let text = example("oci-cost.csv");
    let (head, rows) = text.split_once('\n').unwrap();
    let mut reversed: Vec<_> = rows.lines().collect();
    reversed.reverse();
    let mut keys = parse(OCI, &format!("{head}\n{}\n", reversed.join("\n"))).key();
    keys.reverse();
    assert_eq!(keys, parse(OCI, &text).key());
    // The parts of a report overlap.
    let twice = parse(OCI, &format!("{text}{text}")).key();
    assert_eq!(twice[..5], twice[5..]);
    // Lines without one are told apart by content and occurrence.
    let nameless = text.replace("V1.0001.example", "").replace("V1.0002.example", "");
    let (head, rows) = nameless.split_once('\n').unwrap();
    let first = rows.lines().next().unwrap();
    let log = parse(OCI, &format!("{head}\n{first}\n{first}\n"));
    assert_ne!(log.records[0].key, log.records[1].key);
}

#[test]
fn a_usage_report_is_metered() {
    let bytes = example("oci-cost-usage.csv");
    assert_eq!(format::detect(bytes.as_bytes()).unwrap().0.name(), OCI);
    let log = parse(OCI, &bytes);
    assert_eq!((log.rejected.len(), log.warnings.len()), (0, 1));
    let quantities: Vec<_> = log
        .records
        .iter()
        .map(|record| match &record.usage {
            Usage::MeteredQuantity(row) => {
                (row.service.as_str(), row.unit.as_deref(), row.quantity.unwrap() / 10_i128.pow(17))
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        quantities,
        [
            ("functions", Some("GB_MS"), 2_500_000),
            ("functions", Some("COUNT"), 31_000),
            ("objectstore", Some("BYTES"), 5_368_709_125)
        ]
    );
}

#[test]
fn bad_rows_cost_themselves_alone() {
    let text = example("oci-cost.csv");
    for (found, bad, expected) in [
        ("0.01275", "x", "`cost/myCost` is `x`, expected a decimal number"),
        ("0.01275", "", "there is no `cost/myCost`"),
        (
            "V1.0003.example,ocid1.tenancy.oc1..exampletenancy,2026-10-05T18:00Z",
            "V1.0003.example,t,5 pm",
            "`lineItem/intervalUsageStart` is `5 pm`",
        ),
        ("V1.0003.example,", "V1.0003.example", "the row has 27 columns, the header has 28"),
    ] {
        let log = parse(OCI, &text.replacen(found, bad, 1));
        assert_eq!((log.records.len(), log.rejected.len()), (4, 1), "{found}");
        assert!(log.rejected[0].reason.contains(expected), "{}", log.rejected[0].reason);
        assert_eq!(log.rejected[0].line, Some(4), "{found}");
    }
}
