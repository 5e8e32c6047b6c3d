//! Requests to Azure Storage: known lines, what they are billed as, one key in both logs, cut lines.

use super::{assert_order_does_not_matter, example, parse_example, requests, text};
use crate::lines::{parse, parse_with, real};
use paygrain_formats::Defaults;
use paygrain_formats::format;

const AZURE: &str = "azure-storage-analytics";

#[test]
fn real_lines_have_their_known_totals() {
    let Some(log) = real("azure", "storage_analytics_v1.log", AZURE) else { return };
    assert_eq!((log.records.len(), log.rejected.len()), (2, 0));
    let rows = requests(&log);
    assert_eq!(rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(), 23 + 100);
    assert_eq!((rows[0].duration_us, rows[1].duration_us), (Some(17_000), Some(18_000)));
    assert!(rows.iter().all(|row| row.operation.as_deref() == Some("read") && row.status.as_deref() == Some("200")));
    assert_eq!((&rows[0].resource, &rows[1].resource), (&text("storagesample"), &text("myaccount")));
    assert_eq!(rows[1].request_id, text("a84aa705-8a85-48c5-b064-b43bd22979c3"));
}

#[test]
fn the_examples_have_their_totals() {
    let log = parse_example("azure-storage-analytics.log", AZURE);
    let rows = requests(&log);
    let operations: Vec<_> = rows.iter().map(|row| row.operation.as_deref().unwrap()).collect();
    assert_eq!(operations, ["read", "write", "list", "free", "free", "other", "free", "read", "PutMessage"]);
    assert_eq!(rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(), 1_000 + 4_000 + 500 + 300);
    assert_eq!(rows.iter().filter_map(|row| row.request_bytes).sum::<i64>(), 2_000 * 2 + 64);
    assert_eq!((rows[8].service.as_str(), rows[2].source.as_deref()), ("queue", Some("azure")));
    // A batch: one request id, two operations.
    assert_eq!(rows[3].request_id, rows[4].request_id);
    assert_ne!(log.records[3].key, log.records[4].key);
    assert_eq!(log.warnings.len(), 1, "{:?}", log.warnings);
    let defaults = Defaults { storage_class: text("hot"), ..Defaults::default() };
    let log = parse_with(AZURE, &mut example("azure-storage-analytics.log").as_bytes(), &defaults);
    assert_eq!((log.warnings.len(), requests(&log)[0].storage_class.as_deref()), (0, Some("hot")));

    let log = parse_example("azure-storage-analytics.json", AZURE);
    let rows = requests(&log);
    let operations: Vec<_> = rows.iter().map(|row| row.operation.as_deref().unwrap()).collect();
    assert_eq!(operations, ["read", "write", "free"]);
    assert_eq!(
        (&rows[0].region, &rows[0].account),
        (&text("westeurope"), &text("00000000-0000-0000-0000-0000000000aa"))
    );
    assert_eq!((&rows[0].storage_class, &rows[1].storage_class), (&text("hot"), &text("cool")));
    assert_eq!((rows[1].request_bytes, &rows[1].source), (Some(4_000), &text("azure")));
}

#[test]
fn a_request_has_one_key_in_both_logs() {
    assert_order_does_not_matter(AZURE, &example("azure-storage-analytics.log").lines().collect::<Vec<_>>());
    let old = parse(AZURE, &example("azure-storage-analytics.log"));
    let entries = example("azure-storage-analytics.json");
    let new = parse(AZURE, &entries);
    assert_eq!(old.key()[0], new.key()[0]);
    let records = format!("{{\"records\":[{}]}}", entries.trim().replace('\n', ","));
    let (found, _) = format::detect(records.as_bytes()).unwrap();
    assert_eq!(found.name(), AZURE);
    for text in [records, format!("[{}]", entries.trim().replace('\n', ","))] {
        let log = parse(AZURE, &text);
        assert_eq!((log.rejected.len(), log.key()), (0, new.key()), "{text}");
    }
}

#[test]
fn what_the_service_could_not_do_is_free() {
    let line = example("azure-storage-analytics.log").lines().nth(1).unwrap().to_owned();
    for (status, code, expected) in [
        ("Success", "201", "write"),
        ("SASThrottlingError", "503", "free"),
        ("AnonymousServerTimeoutError", "500", "free"),
        ("ServerOtherError", "500", "free"),
        ("ClientTimeoutError", "500", "write"),
        ("AuthorizationError", "403", "write"),
        ("AuthorizationError", "401", "free"),
    ] {
        let log = parse(AZURE, &line.replace("Success;201", &format!("{status};{code}")));
        assert_eq!(requests(&log)[0].operation, text(expected), "{status} {code}");
    }
}

#[test]
fn cut_and_wrong_lines_are_rejected() {
    let text = example("azure-storage-analytics.log");
    let line = text.lines().next().unwrap();
    for cut in 1..line.rfind(";\"client-1").unwrap() {
        let Some(part) = line.get(..cut) else { continue };
        let log = parse(AZURE, part);
        assert_eq!((log.records.len(), log.rejected.len()), (0, 1), "{part}");
    }
    for (from, to, expected) in [
        ("2026-10-05T17:00:01.1234567Z", "05/10/2026", "the time of the request"),
        (";18;10;", ";x;10;", "`latency`"),
        (";1000;0;;", ";-1;0;;", "`response body size`"),
        ("000000000000;0;203", "000000000000;a;203", "`operation count`"),
        ("00000000-0001-0000-0000-000000000000", "", "there is no id"),
        ("1.0;2026", "3.0;2026", "`version-number`"),
    ] {
        let log = parse(AZURE, &line.replacen(from, to, 1));
        assert_eq!((log.records.len(), log.rejected.len()), (0, 1), "{to}");
        assert!(log.rejected[0].reason.contains(expected), "{to}: {}", log.rejected[0].reason);
    }
}

#[test]
fn broken_entries_cost_themselves_alone() {
    let text = example("azure-storage-analytics.json");
    let lines: Vec<&str> = text.lines().collect();
    for (bad, rejected) in [
        (lines[1].replace("\"correlationId\":\"00000000-0009-0000-0000-000000000000\",", ""), 1),
        (lines[1].replace("\"time\":\"2026", "\"time\":\"26"), 1),
        (lines[1].replace("4000", "\"x\""), 1),
        (lines[1].replace("blobServices", "things"), 1),
        (lines[1][..200].to_owned(), 1),
        ("{\"a\":1}".into(), 1),
        // What is of another category is no request.
        (lines[1].replace("StorageWrite", "Transaction"), 0),
    ] {
        let log = parse(AZURE, &format!("{}\n{bad}\n{}\n", lines[0], lines[2]));
        assert_eq!((log.records.len(), log.rejected.len()), (2, rejected), "{bad}: {:?}", log.rejected);
    }
}

#[test]
fn other_resource_logs_are_not_claimed() {
    for other in [
        r#"{"records":[{"category":"AppRequests","operationName":"x","time":"2026-10-05T17:00:00Z"}]}"#,
        r#"{"category":"StorageRead"}"#,
        "1.0;2.0;3.0\n",
    ] {
        assert!(format::by_name(AZURE).unwrap().recognises(other.as_bytes()).is_none(), "{other}");
    }
}
