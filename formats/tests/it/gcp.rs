//! Logs of Cloud Functions and Cloud Run: known totals of real files, one key in every envelope.

use crate::lines::{parse, real};
use paygrain_formats::record::EventTime;

const FUNCTIONS: &str = "gcp-cloud-functions";
const RUN: &str = "gcp-cloud-run";

#[test]
fn real_gcp_logs_have_their_known_totals() {
    let Some(entries) = real("gcp", "cloud_functions_gen1_logentries.json", FUNCTIONS) else { return };
    assert_eq!(entries.rejected, []);
    assert_eq!(entries.invocations().iter().filter_map(|row| row.duration_us).collect::<Vec<_>>(), [5_000, 426_000]);
    let text = real("gcp", "cloud_functions_gen1_text_variants.txt", FUNCTIONS).unwrap();
    assert_eq!(text.rejected, []);
    let durations: Vec<_> = text.invocations().iter().filter_map(|row| row.duration_us).collect();
    assert_eq!(durations, [7_867_000, 800_000, 1_198_000]);
    let run = real("gcp", "cloud_run_request_logentry_2025-12.json", "gcp-cloud-run").unwrap();
    assert_eq!(run.rejected, []);
    let row = run.invocations()[0].clone();
    assert_eq!((row.duration_us, row.request_bytes, row.response_bytes), (Some(60_369_160), Some(754), Some(314)));
    assert_eq!((row.status.as_deref(), row.error_type.as_deref()), (Some("error"), Some("502")));
}

#[test]
fn a_line_of_text_and_its_log_entry_are_one() {
    let text = "D  orch-test-1  an76uyawgxow  2021-11-29 20:18:35.496  Function execution took 5 ms, finished with status code: 200\n";
    let text = parse(FUNCTIONS, text);
    let Some(entries) = real("gcp", "cloud_functions_gen1_logentries.json", FUNCTIONS) else { return };
    assert_eq!(text.key()[0], entries.key()[0]);
    assert_eq!(text.key()[0].0, EventTime::Logged(1_638_217_115_491_000));
}

#[test]
fn what_a_function_prints_is_no_execution() {
    let log = parse(
        FUNCTIONS,
        "D  f  an76uyawgxow  2021-11-29 20:18:35.491  Function execution started\n\
         I  f  an76uyawgxow  2021-11-29 20:18:35.492  Function execution took 9 ms, finished with status code: 200\n\
         D  f  an76uyawgxow  2021-11-29 20:18:35.496  Function execution took 5 ms, finished with status code: 503\n\
         D  f  grcug3cacqj4  2021-11-29 20:18:36.000  Function execution took 60000 ms, finished with status: 'timeout'\n\
         D  f  aaaaaaaaaaa1  2021-11-29 20:18:37.000  Function execution started\n",
    );
    assert_eq!(log.rejected, []);
    let rows: Vec<_> =
        log.invocations().iter().map(|row| (row.duration_us, row.status.clone(), row.trigger.clone())).collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [(Some(5_000), text("error"), text("http")), (Some(60_000_000), text("timeout"), text("event"))]);
    assert!(
        log.warnings.iter().any(|warning| warning.starts_with("1 executions began whose end")),
        "{:?}",
        log.warnings
    );
}

#[test]
fn executions_that_cannot_be_read_are_kept() {
    for (line, expected) in [
        ("Function execution took x ms, finished with status code: 200", "execution time"),
        ("Function execution took -1 ms, finished with status code: 200", "execution time"),
        ("Function execution took 5 ms, finished with status code: 20", "expected `took N ms"),
        ("Function execution took 5 s, finished with status: 'ok'", "expected `took N ms"),
        (
            "D f an76uyawgxow 2021-11-29 20:18:35.496 PST Function execution took 5 ms, finished with status: 'ok'",
            "zone `PST`",
        ),
    ] {
        let log = parse(FUNCTIONS, &format!("{line}\nFunction execution took 7 ms, finished with status: 'ok'\n"));
        assert_eq!((log.records.len(), log.rejected.len()), (1, 1), "{line}");
        let row = &log.rejected[0];
        assert_eq!((row.line, row.byte_offset), (Some(1), 0), "{line}");
        assert!(row.reason.contains(expected), "{line}: {}", row.reason);
    }
}

#[test]
fn broken_entries_cost_themselves_alone() {
    let entry = |id: &str, latency: &str| {
        format!(
            r#"{{"insertId":"{id}","logName":"projects/p/logs/run.googleapis.com%2Frequests","timestamp":"2025-06-02T16:00:00Z","resource":{{"type":"cloud_run_revision","labels":{{"service_name":"api"}}}},"httpRequest":{{"status":200,"latency":"{latency}"}}}}"#
        )
    };
    let good = [entry("a", "0.1s"), entry("b", "1.0000001s")];
    for (bad, expected) in [
        (entry("c", "1,5s"), "`httpRequest.latency`"),
        (entry("c", "-1s"), "`httpRequest.latency`"),
        (entry("c", "99999999999999999999s"), "`httpRequest.latency`"),
        (entry("c", "1s").replace("2025-06-02", "2025-06-32"), "`timestamp` is"),
        (entry("c", "1s").replace("\"insertId\":\"c\",", ""), "there is no `insertId`"),
        ("{\"message\":{\"data\":\"%%\"}}".to_owned(), "not valid base64"),
        ("{\"a\":1}".to_owned(), "not a log entry"),
        ("{\"insertId\":\"c\",".to_owned(), "not valid JSON"),
    ] {
        let log = parse("gcp-cloud-run", &format!("{}\n{bad}\n{}\n", good[0], good[1]));
        assert_eq!(log.rejected.len(), 1, "{bad}: {:?}", log.rejected);
        assert!(log.rejected[0].reason.contains(expected), "{bad}: {}", log.rejected[0].reason);
        assert_eq!(log.rejected[0].line, Some(2), "{bad}");
        let durations: Vec<_> = log.invocations().iter().filter_map(|row| row.duration_us).collect();
        // Digits beyond microseconds round up: so does every step of billing.
        assert_eq!(durations, [100_000, 1_000_001], "{bad}");
    }
}

#[test]
fn a_request_to_cloud_run_has_one_key_in_every_envelope() {
    let entry = |log: &str, id: &str, time: &str| {
        format!(
            r#"{{"insertId":"{id}","logName":"projects/p/logs/{log}","timestamp":"{time}","resource":{{"type":"cloud_run_revision","labels":{{"service_name":"api"}}}},"httpRequest":{{"status":200,"latency":"0.1s"}}}}"#
        )
    };
    let (log, time) = ("run.googleapis.com%2Frequests", "2026-10-05T17:00:01.234Z");
    let one = entry(log, "a", time);
    let expected = parse(RUN, &one).key();
    assert_eq!(expected.len(), 1);
    let message = format!(r#"{{"message":{{"data":"{}","messageId":"7"}},"subscription":"s"}}"#, base64(&one));
    for (name, text) in [
        ("entries", format!("[\n  {one}\n]\n")),
        ("message of Pub/Sub", message),
        ("decoded name of the log", entry("run.googleapis.com/requests", "a", time)),
        ("another zone", entry(log, "a", "2026-10-05T19:00:01.234+02:00")),
    ] {
        assert_eq!(parse(RUN, &text).key(), expected, "{name}");
    }
    // The id counts within its log and time only.
    for other in [
        entry(log, "b", time),
        entry(log, "a", "2026-10-05T17:00:01.235Z"),
        one.replace("projects/p/logs", "projects/q/logs"),
    ] {
        assert_eq!(parse(RUN, &other).records.len(), 1, "{other}");
        assert_ne!(parse(RUN, &other).key(), expected, "{other}");
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
