//! Usage and storage logs of Cloud Storage: known totals, classes of operations, logs put together.

use std::fs;

use super::{example, parse_example, parse_named, requests, text};
use crate::lines::{parse, real, shared, try_parse_with};
use paygrain_formats::Defaults;
use paygrain_formats::format;
use paygrain_formats::record::{EventTime, StoredBytes, Usage};

const GCS: &str = "gcp-gcs-usage";

fn stored(usage: &Usage) -> &StoredBytes {
    match usage {
        Usage::StoredBytes(row) => row,
        other => panic!("not stored bytes: {other:?}"),
    }
}

#[test]
fn real_logs_have_their_known_totals() {
    for (name, count, sent, good) in
        [("gcs_usage_kanjiapi_2023_08_28_07.csv", 2, 277, 1), ("gcs_usage_kanjiapi_2023_08_28_08.csv", 3, 267, 1)]
    {
        let Some(log) = real("gcp", name, GCS) else { return };
        assert_eq!((log.records.len(), log.rejected.len()), (count, 0), "{name}");
        let rows = requests(&log);
        assert_eq!(rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(), sent, "{name}");
        assert_eq!(rows.iter().filter(|row| row.status.as_deref() == Some("200")).count(), good, "{name}");
        assert!(rows.iter().all(|row| row.resource.as_deref() == Some("kanjiapi.dev")));
    }
}

#[test]
fn real_logs_put_together_are_the_same_records() {
    let Some(folder) = shared() else { return };
    let read =
        |hour: &str| fs::read_to_string(folder.join(format!("gcp/gcs_usage_kanjiapi_2023_08_28_{hour}.csv"))).unwrap();
    let (seven, eight) = (read("07"), read("08"));
    let mut keys = parse(GCS, &seven).key();
    keys.extend(parse(GCS, &eight).key());
    // They have no line end at their end.
    for between in ["", "\n", "\r\n"] {
        let log = parse(GCS, &format!("{seven}{between}{eight}"));
        assert_eq!((log.rejected.len(), log.key()), (0, keys.clone()), "{between:?}");
    }
}

#[test]
fn the_example_has_its_totals() {
    let log = parse_example("gcp-gcs-usage.csv", GCS);
    let rows = requests(&log);
    let classes: Vec<_> = rows.iter().map(|row| row.operation.as_deref().unwrap()).collect();
    assert_eq!(classes, ["class-b", "class-b", "class-a", "class-a", "free", "free", "class-a", "class-b"]);
    assert_eq!(rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(), 1_000 + 300 + 9 + 200);
    assert_eq!(rows.iter().filter_map(|row| row.request_bytes).sum::<i64>(), 2_000);
    assert_eq!((rows[0].duration_us, rows[6].response_bytes), (Some(5_000), None));
    let sources: Vec<_> = rows.iter().map(|row| row.source.as_deref().unwrap()).collect();
    assert_eq!(sources, ["internet", "internet", "gcp", "internet", "internet", "internet", "gcp", "internet"]);
    assert_eq!(log.records[0].time, EventTime::Logged(1_791_219_601_000_001));
}

#[test]
fn operations_are_of_their_classes() {
    for (operation, status, class) in [
        ("GET_Object", "200", "class-b"),
        ("GET_Object", "206", "class-b"),
        ("GET_Object", "304", "class-b"),
        ("GET_Object", "307", "free"),
        ("GET_Object", "503", "free"),
        ("GET_Bucket", "200", "class-a"),
        ("GET_Service", "200", "class-a"),
        ("HEAD_Bucket", "200", "class-b"),
        ("PUT_Bucket", "200", "class-a"),
        ("POST_Object", "200", "class-a"),
        ("DELETE_Object", "204", "free"),
        ("storage.objects.insert", "200", "class-a"),
        ("storage.objects.compose", "200", "class-a"),
        ("storage.buckets.list", "200", "class-a"),
        ("storage.buckets.getIamPolicy", "200", "class-b"),
        ("storage.objectAccessControls.delete", "200", "class-a"),
        ("storage.objectAccessControls.list", "200", "class-b"),
        ("storage.notifications.list", "200", "class-b"),
        ("storage.objects.delete", "204", "free"),
        ("storage.channels.stop", "204", "free"),
        ("Something_New", "200", "Something_New"),
    ] {
        let header = "time_micros,s_request_id,cs_operation,cs_bucket,sc_status";
        let log = parse(GCS, &format!("{header}\n1791219601000001,a,{operation},b,{status}\n"));
        assert_eq!(requests(&log)[0].operation, text(class), "{operation} {status}");
    }
}

#[test]
fn bytes_of_a_day_are_held_for_a_day() {
    let name = "gcp-gcs-usage_storage_2026_10_05_07_00_00_0a1b2c_v0.csv";
    let log = parse_example(name, GCS);
    let midnight_on_the_pacific = EventTime::Logged(1_791_183_600_000_000);
    assert!(log.records.iter().all(|record| record.time == midnight_on_the_pacific));
    let rows: Vec<_> = log.records.iter().map(|record| stored(&record.usage)).collect();
    assert_eq!((rows[0].bytes, rows[0].held_us), (Some(10_000), Some(86_400_000_000)));
    // 25 byte-hours are 1.04 bytes for a day.
    assert_eq!((rows[1].bytes, rows[1].resource.as_deref()), (Some(1), Some("backup")));
    assert_eq!(log.warnings, Vec::<String>::new());
    let log = parse_named(GCS, "download.csv", &example(name));
    assert_eq!((log.records[0].time, log.warnings.len()), (EventTime::Assumed, 1));
    // Two days may have the same bytes.
    let told = |name: &str| format::by_name(GCS).unwrap().told_by_name(name);
    assert!(told(name).is_some() && told(name) != told(&name.replace("_05_07", "_06_07")));
    assert_eq!(told("download.csv"), None);
    // Of a second log in one file the day is lost.
    for between in ["", "\n"] {
        let log = parse_named(GCS, name, &format!("{0}{between}{0}", example(name)));
        assert_eq!((log.records.len(), log.rejected.len()), (2, 2), "{:?}", log.rejected);
        assert!(log.rejected[0].reason.contains("one by one"));
    }
}

#[test]
fn bad_rows_are_rejected_and_bad_tables_refused() {
    let good = example("gcp-gcs-usage.csv");
    for (from, to, expected) in [
        ("\"1791219601000001\"", "\"1791219601.5\"", "`time_micros`"),
        ("\"1791219601000001\"", "\"\"", "`time_micros` is empty"),
        ("\"1791219601000001\"", "\"999999999999999999\"", "out of range"),
        ("\"1000\",\"5000\"", "\"-1\",\"5000\"", "`sc_bytes`"),
        ("\"aä.jpg\"", "\"aä.jpg\",\"more\"", "columns"),
    ] {
        let log = parse(GCS, &good.replacen(from, to, 1));
        assert_eq!((log.records.len(), log.rejected.len()), (7, 1), "{to}");
        assert!(log.rejected[0].reason.contains(expected), "{to}: {}", log.rejected[0].reason);
        assert_eq!(log.rejected[0].line, Some(2), "{to}");
    }
    let cut = &good[..good.len() - 30];
    let log = parse(GCS, cut);
    assert_eq!((log.records.len(), log.rejected.len()), (7, 1));
    let refused = try_parse_with(GCS, &mut b"bucket,bytes\na,1\n".as_slice(), &Defaults::default());
    assert!(refused.unwrap_err().contains("storage_byte_hours"));
    assert_eq!(try_parse_with(GCS, &mut b"".as_slice(), &Defaults::default()).unwrap().records, []);
}
