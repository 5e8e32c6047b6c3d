//! kill -9 at random moments of an ingest, then the same files again: the bill is that of an undisturbed run.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Invocation, Random, Workplace, text_log};

const FLAGS: [&str; 6] = ["--account", "123456789012", "--region", "us-east-1", "--resource", "f"];
const FILES: usize = 10;
const RECORDS: usize = 400;
const KILLS: usize = 50;

#[test]
fn fifty_kills_leave_every_upload_whole_or_absent() {
    let contents: Vec<_> = (0..FILES).map(|file| text_log(&Invocation::many(100 + file as u64, RECORDS))).collect();
    let undisturbed = Workplace::new();
    let files: Vec<_> =
        contents.iter().enumerate().map(|(file, log)| undisturbed.file(&format!("{file}.log"), log)).collect();
    let begun = Instant::now();
    for file in &files {
        undisturbed.ingest(&FLAGS, &[file]);
    }
    let usual = begun.elapsed() / u32::try_from(FILES).unwrap();

    let place = Workplace::new();
    let files: Vec<_> =
        contents.iter().enumerate().map(|(file, log)| place.file(&format!("{file}.log"), log)).collect();
    let mut random = Random(9);
    let mut killed = 0;
    for attempt in 0..KILLS * 4 {
        if killed == KILLS {
            break;
        }
        let mut arguments = vec!["ingest"];
        arguments.extend(FLAGS);
        arguments.push(files[attempt % FILES].to_str().unwrap());
        let mut child = place.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random.below(usual.as_micros() as u64)));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        killed += usize::from(status.code().is_none());
        if attempt % 5 == 0 && place.path("paygrain-lake/invocations/_delta_log").exists() {
            // Every upload that shows any record shows all of them.
            let halves = format!(
                "SELECT count(*) FROM (SELECT upload_id FROM invocations GROUP BY upload_id HAVING count(*) <> {RECORDS})"
            );
            assert_eq!(place.count(&halves), 0, "after {killed} kills");
        }
    }
    assert_eq!(killed, KILLS, "the ingests ended before they could be killed");

    for file in &files {
        place.ingest(&FLAGS, &[file]);
    }
    assert_eq!(place.count("SELECT count(*) FROM invocations"), (FILES * RECORDS) as i64);
    assert_eq!(place.count("SELECT count(*) FROM uploads"), FILES as i64);
    assert_eq!(place.count("SELECT sum(read) FROM uploads"), (FILES * RECORDS) as i64);
    assert_eq!(place.bill("2026-10"), undisturbed.bill("2026-10"));
}
