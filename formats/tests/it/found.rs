//! Inputs that fuzzing and the table of bad input found, each with what was wrong then.

use std::io::BufReader;

use crate::lines::{Collected, parse};
use paygrain_formats::format::mapped::Mapped;
use paygrain_formats::format::{Format, Origin, by_name};
use paygrain_formats::{Defaults, Mapping};

fn read(format: &dyn Format, bytes: &[u8], piece_bytes: usize) -> (Collected, Option<String>) {
    let mut collected = Collected::default();
    let defaults = Defaults::default();
    let mut input = BufReader::with_capacity(piece_bytes, bytes);
    let outcome = format.parse(&mut input, &Origin { name: "", defaults: &defaults }, &mut collected);
    (collected, outcome.err().map(|error| error.to_string()))
}

fn mapped() -> Mapped {
    let text = r#"
        table = "requests"
        time.column = "t"
        columns = { provider = { value = "x" }, service = { value = "y" }, resource = "r" }
    "#;
    Mapped { mapping: Mapping::from_toml("m.toml", text).unwrap() }
}

/// The separator was looked for in what the first read gave.
#[test]
fn the_separator_does_not_depend_on_how_bytes_come() {
    let mapped = mapped();
    for text in [
        "t\tr\n2026-10-05T17:00:00Z\ta\n",
        "t;r\n2026-10-05T17:00:00Z;a\n",
        "\n  \n\nt\tr\n2026-10-05T17:00:00Z\ta\n",
        "\u{feff}t|r\r\n2026-10-05T17:00:00Z|a\r\n",
        "{\"t\":\"2026-10-05T17:00:00Z\",\"r\":\"a\"}\n",
        "  \n {\"t\":\"2026-10-05T17:00:00Z\",\"r\":\"a\"}\n",
    ] {
        let (whole, error) = read(&mapped, text.as_bytes(), 4096);
        assert_eq!((whole.records.len(), &whole.rejected, &error), (1, &Vec::new(), &None), "{text:?}");
        for piece_bytes in [1, 2, 3, 7] {
            let pieces = read(&mapped, text.as_bytes(), piece_bytes);
            assert_eq!((&pieces.0, &pieces.1), (&whole, &error), "{text:?}");
        }
    }
    // White space in front had been taken for all there is to find the separator in.
    let portal = "\ntimestamp [UTC]\tname\tduration\tsuccess\tresultCode\tcustomDimensions\n";
    let insights = by_name("azure-app-insights").unwrap();
    assert_eq!(read(insights, portal.as_bytes(), 1), read(insights, portal.as_bytes(), 4096));
    assert_eq!(read(insights, portal.as_bytes(), 1).1, None);
}

/// A status was quoted in full, however long.
#[test]
fn a_reason_is_short_and_has_no_control_characters() {
    let noise = format!("{}\u{1b}[31m{}", "x".repeat(500), "\u{1}\u{85}é".repeat(9_000));
    let log = parse(
        "gcp-cloud-functions",
        &format!(
            "D  f  an76uyawgxow  2021-11-29 20:18:35.496  Function execution took 5 ms, finished with status code {noise}\n"
        ),
    );
    assert_eq!(log.rejected.len(), 1);
    let reason = &log.rejected[0].reason;
    assert!(reason.len() <= 1_020 && !reason.contains('\u{1b}'), "{reason}");
    assert!(reason.contains("\\u{1b}[31m"), "{reason}");
}

/// Bytes that are no text were counted as the three of the character that stands for them.
#[test]
fn places_are_those_of_the_file_behind_bytes_that_are_no_text() {
    let good = "2026-10-05T17:00:01.2+00:00 heroku[router]: at=info method=GET";
    let frame = |text: &str| format!("{} <158>1 {text}", text.len() + 7);
    let mut bytes = frame("2026-10-05T17:00:01+00:00 host app web.1 - ????????????").replace('?', "\u{1}").into_bytes();
    for byte in bytes.iter_mut().filter(|byte| **byte == 1) {
        *byte = 0xff;
    }
    let second = bytes.len() as u64;
    bytes.extend(frame("2026-10-05T17:00:01+00:00 host heroku router - at=info method=GET").into_bytes());
    let (rows, _) = read(by_name("heroku-router").unwrap(), &bytes, 4096);
    let places: Vec<_> = rows.rejected.iter().map(|row| row.byte_offset).collect();
    assert_eq!(places, [second], "{rows:?}");
    assert_eq!(parse("heroku-router", good).rejected.len(), 1);
}

/// A line of the platform with a time that is none was taken for something that the app printed.
#[test]
fn a_router_line_without_a_time_is_told() {
    for line in [
        "10000-10-05T17:00:01+00:00 heroku[router]: at=info method=GET path=\"/\" status=200 bytes=12",
        "<158>1 2026-13-05T17:00:01+00:00 host heroku router - at=info method=GET path=\"/\" status=200 bytes=12",
    ] {
        let log = parse("heroku-router", &format!("{line}\n"));
        assert_eq!(log.records, []);
        assert_eq!(log.rejected.len(), 1, "{line}");
        assert!(log.rejected[0].reason.contains("expected an ISO 8601 time"), "{log:?}");
    }
    let printed = parse("heroku-router", "caused by: heroku[router]: at=info\n12 heroku[x]\n");
    assert_eq!((printed.records.len(), printed.rejected.len()), (0, 0), "{printed:?}");
}

/// The names of the minutes are numbers, and became 1,440 counts.
#[test]
fn the_header_of_a_trace_once_more_is_no_row() {
    let minutes = |value: &dyn Fn(usize) -> String| (1..=1440).map(value).collect::<Vec<_>>().join(",");
    let header = format!("HashOwner,HashApp,HashFunction,Trigger,{}\n", minutes(&|minute| minute.to_string()));
    let row = format!("o,a,f,http,{}\n", minutes(&|minute| (minute % 2).to_string()));
    let once = parse("azure-trace-2019", &format!("{header}{row}"));
    let twice = parse("azure-trace-2019", &format!("{header}{row}{header}"));
    assert_eq!(once.records.len(), 720);
    assert_eq!((twice.records, twice.rejected), (once.records, vec![]));
}

/// A log of entries that are no requests gave nothing and said nothing.
#[test]
fn a_log_without_requests_says_so() {
    let entry = r#"{"insertId":"a","logName":"projects/p/logs/run.googleapis.com%2Fstdout","resource":{"type":"cloud_run_revision","labels":{}},"timestamp":"2026-10-05T17:00:01Z","textPayload":"hello"}"#;
    let log = parse("gcp-cloud-run", entry);
    assert_eq!((log.records.len(), log.rejected.len()), (0, 0));
    assert!(log.warnings.iter().any(|warning| warning.starts_with("none of the 1 log entries")), "{log:?}");
}
