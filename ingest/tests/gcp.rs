//! Logs of Cloud Functions and Cloud Run: known totals of real files, one key in every envelope.

use lines::{parse, real};
use paygrain_ingest::record::EventTime;

mod lines;

const FUNCTIONS: &str = "gcp-cloud-functions";

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
