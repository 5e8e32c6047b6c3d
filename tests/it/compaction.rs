//! Small files put together: no row is lost or doubled, bills stay, and nobody is disturbed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::events::{event, post, wait_for};
use crate::harness::{Invocation, Workplace, text_log};
use crate::server::Server;

const MONTH: &str = "2026-10";
const FLAGS: [&str; 6] = ["--account", "123456789012", "--region", "us-east-1", "--resource", "f"];

fn status(place: &Workplace, table: &str) -> Value {
    let status = place.json(&["lake", "status", "--format", "json"]);
    status["tables"].as_array().unwrap().iter().find(|found| found["table"] == table).unwrap().clone()
}

#[test]
fn many_uploads_become_few_files_and_issued_bills_verify() {
    let all = Invocation::many(31, 120);
    let place = Workplace::new();
    let parts: Vec<_> =
        all.chunks(12).enumerate().map(|(part, rows)| place.file(&format!("{part}.log"), text_log(rows))).collect();
    let paths: Vec<_> = parts.iter().map(std::path::PathBuf::as_path).collect();
    place.ingest(&FLAGS, &paths[..5]);
    assert_eq!(place.run(&["close", "--period", MONTH]).code, Some(0));
    place.ingest(&FLAGS, &paths[5..]);
    let before = (place.bill(MONTH), status(&place, "invocations"));
    let compacted = place.json(&["lake", "compact", "--format", "json"]);
    let after = status(&place, "invocations");
    assert_eq!(after["rows"], 120);
    let days = place.count("SELECT count(DISTINCT date) FROM invocations");
    assert_eq!(after["files"].as_i64().unwrap(), days, "a file a day: {compacted}");
    assert!(before.1["files"].as_i64().unwrap() > 2 * days);
    assert_eq!(place.bill(MONTH), before.0);
    let verified = place.run(&["bill", "--period", MONTH, "--revision", "1", "--verify"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    // Again: nothing left to do. And what is uploaded again is still known.
    assert_eq!(place.json(&["lake", "compact", "--format", "json"])["compacted"], Value::Array(Vec::new()));
    assert!(place.ingest(&FLAGS, &paths).iter().all(|upload| upload["already_loaded"] == true));
    let whole = place.file("whole.log", text_log(&all));
    assert_eq!(place.ingest(&FLAGS, &[&whole])[0]["duplicate"], 120);
    assert!(place.run(&["lake", "status"]).stdout.contains("invocations"));
}

#[test]
fn compaction_beside_events_and_uploads_keeps_every_row_and_bounds_files() {
    const EVENTS: u64 = 400;
    let logs = Invocation::many(32, 100);
    let place = Workplace::new();
    let mut server = Server::start(&place, &["--events-interval", "30", "--compact-every", "1"]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Two compactions at once on one table: the server's and these.
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let run = place.run(&["lake", "compact"]);
                    assert_eq!(run.code, Some(0), "{}", run.stderr);
                }
            });
        }
        scope.spawn(|| {
            for (part, rows) in logs.chunks(10).enumerate() {
                let file = place.file(&format!("{part}.log"), text_log(rows));
                assert_eq!(place.ingest(&FLAGS, &[&file])[0]["accepted"], 10);
            }
        });
        let address = &server.address;
        let sender = scope.spawn(move || {
            for first in (0..EVENTS).step_by(4) {
                let events: Vec<Value> = (first..first + 4).map(event).collect();
                post(address, "application/cloudevents-batch+json", &Value::from(events).to_string());
                std::thread::sleep(Duration::from_millis(40));
            }
        });
        sender.join().unwrap();
        wait_for(&place, "SELECT count(*) AS n FROM invocations", (EVENTS + 100) as i64, Duration::from_secs(90));
        over.store(true, Ordering::Relaxed);
    });
    server.stop();
    assert_eq!(place.count("SELECT count(DISTINCT request_id) AS n FROM invocations"), (EVENTS + 100) as i64);
    assert_eq!(place.count("SELECT sum(accepted) AS n FROM uploads"), (EVENTS + 100) as i64);
    let (table, ledger) = (status(&place, "invocations"), status(&place, "uploads"));
    let days = place.count("SELECT count(DISTINCT date) FROM invocations");
    assert!(table["version"].as_i64().unwrap() > 20, "{table}");
    assert!(table["files"].as_i64().unwrap() <= 8 * days, "{table}");
    assert!(ledger["files"].as_i64().unwrap() <= 8 * 2, "{ledger}");
    // To the digit the bill of the same usage in whole files.
    let whole = Workplace::new();
    let lines: Vec<String> = (0..EVENTS).map(|number| event(number).to_string()).collect();
    let files = [whole.file("events.ndjson", lines.join("\n")), whole.file("f.log", text_log(&logs))];
    whole.ingest(&FLAGS, &[&files[1]]);
    whole.ingest(&[], &[&files[0]]);
    assert_eq!(place.bill(MONTH), whole.bill(MONTH));
}

#[test]
fn a_server_compacts_by_itself() {
    let place = Workplace::new();
    let mut server = Server::start(&place, &["--events-interval", "1", "--compact-every", "1"]);
    for number in 0..60 {
        // All on one day, each in a commit of its own.
        let mut event = event(number);
        event["time"] = "2026-10-05T00:00:00Z".into();
        post(&server.address, "application/cloudevents+json", &event.to_string());
        std::thread::sleep(Duration::from_millis(60));
    }
    wait_for(&place, "SELECT count(*) AS n FROM invocations", 60, Duration::from_secs(30));
    std::thread::sleep(Duration::from_millis(2_500));
    server.stop();
    let table = status(&place, "invocations");
    assert!(table["version"].as_i64().unwrap() > 8, "{table}");
    assert!(table["files"].as_i64().unwrap() < 9, "{table}");
    assert_eq!(table["rows"], 60);
}
