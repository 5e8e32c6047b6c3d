//! Files that other projects recorded, with the totals that are known of them.

use crate::harness::{Workplace, shared};

/// File, rows read, accepted, rejected, sum of billed milliseconds.
const LAMBDA: [(&str, u64, u64, u64, i64); 7] = [
    ("report_variants.log", 14, 13, 1, 39_293),
    ("aws_logs_tail_2026-05.txt", 1, 1, 0, 19_611),
    ("sam_tail_snapstart.txt", 1, 1, 0, 2_521),
    ("init_failure_run_2024-04.txt", 1, 1, 0, 3_000),
    ("datadog_event_cloudwatch_logs.json", 1, 1, 0, 700),
    ("datadog_snapshot_cloudwatch_log_coldstart.json", 1, 1, 0, 100),
    ("datadog_snapshot_cloudwatch_log_timeout.json", 1, 1, 0, 3_000),
];

#[test]
fn lambda_logs_have_their_known_totals() {
    let Some(folder) = shared("formats/aws-lambda-logs") else { return };
    for (name, read, accepted, rejected, billed_ms) in LAMBDA {
        let place = Workplace::new();
        let upload = place.ingest(&["--resource", "f"], &[&folder.join(name)]).remove(0);
        let counts = ["read", "accepted", "rejected"].map(|key| upload[key].as_u64().unwrap());
        assert_eq!(counts, [read, accepted, rejected], "{name}");
        assert_eq!(place.count("SELECT sum(billed_ms) FROM invocations"), billed_ms, "{name}");
    }
}

#[test]
fn s3_access_logs_have_their_known_totals() {
    let Some(folder) = shared("formats/s3-access") else { return };
    let place = Workplace::new();
    let upload = place.ingest(&[], &[&folder.join("dandi_parser_2022-04-06.log")]).remove(0);
    assert_eq!([upload["accepted"].as_u64(), upload["rejected"].as_u64()], [Some(5), Some(0)]);
    let expected = std::fs::read_to_string(folder.join("dandi_parser_2022-04-06_expected.tsv")).unwrap();
    assert!(!expected.is_empty());
    let bytes =
        place.count("SELECT sum(response_bytes) FROM requests WHERE operation = 'GET' AND status IN ('200', '206')");
    assert_eq!(bytes, 6_616_308 + 512 + 1_443);
    let bill = place.json(&["bill", "--period", "2022-04", "--format", "json"]);
    assert_eq!(bill["unpriced"], serde_json::json!([]));
}
