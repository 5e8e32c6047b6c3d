//! Logs of Heroku: known lines, every envelope, what an app cannot forge, dynos that come and go.

use super::{example, parse_example, requests, text};
use crate::lines::{Collected, parse, real};
use paygrain_formats::format;
use paygrain_formats::record::{EventTime, MeteredQuantity, Usage};

const HEROKU: &str = "heroku-router";

const FIELDS: &str = r#"at=info method=GET path="/a" host=h.example.com request_id=00000000-0000-0000-0000-00000000000a fwd="203.0.113.9" dyno=web.1 connect=1ms service=24ms status=200 bytes=51"#;

fn metered(log: &Collected) -> Vec<(EventTime, &MeteredQuantity)> {
    let rows = log.records.iter().filter_map(|record| match &record.usage {
        Usage::MeteredQuantity(row) => Some((record.time, &**row)),
        _ => None,
    });
    rows.collect()
}

#[test]
fn real_lines_have_their_known_totals() {
    let Some(log) = real("heroku", "router_and_samples.log", HEROKU) else { return };
    // Four lines of the router, three of memory, which nobody bills.
    assert_eq!((log.records.len(), log.rejected.len()), (4, 0));
    let rows = requests(&log);
    assert_eq!(rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(), 1_450 + 61 + 20_946);
    let durations: Vec<_> = rows.iter().filter_map(|row| row.duration_us).collect();
    assert_eq!(durations, [12_000, 23_000, 365_000, 30_013_000]);
    assert_eq!((&rows[3].status, &rows[3].variant, &rows[3].instance), (&text("503"), &text("H12"), &text("web.5")));
    // From before there were ids, with a path without quotes.
    assert_eq!((&rows[1].request_id, &rows[1].status), (&None, &text("200")));
    assert_eq!(rows[2].request_id, text("755159ef5cfc715185a43e664d0be6c8"));
}

#[test]
fn the_example_has_its_totals() {
    let log = parse_example("heroku-router.log", HEROKU);
    let rows = requests(&log);
    assert_eq!(rows.iter().map(|row| row.status.as_deref().unwrap()).collect::<Vec<_>>(), ["200", "503", "503", "200"]);
    assert_eq!(rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(), 5_120 + 61);
    assert_eq!((rows[2].duration_us, rows[2].response_bytes, &rows[2].instance), (None, None, &None));
    let dynos = metered(&log);
    assert_eq!(dynos.len(), 1);
    let (time, row) = dynos[0];
    assert_eq!(time, EventTime::Logged(format::timestamp::iso("2026-10-05T16:00:06Z").unwrap()));
    assert_eq!((row.held_us, row.quantity), (Some(7_200_000_000), Some(10_i128.pow(18))));
    assert_eq!((&row.variant, &row.meter, &row.resource), (&text("standard-1x"), &text("dyno"), &text("web.1")));
    assert_eq!(log.warnings.len(), 2, "{:?}", log.warnings);
    assert!(log.warnings[0].contains("491 messages") && log.warnings[0].contains("incomplete"));
    assert!(log.warnings[1].contains("web.1"));
}

#[test]
fn a_request_has_one_key_in_every_envelope() {
    let time = "2026-10-05T17:00:01.100000+00:00";
    let message = |frame: &str| format!("{frame}{FIELDS}\n");
    let frame = message(&format!("<158>1 {time} host heroku router - "));
    let unended = frame.trim_end();
    let next = format!("<40>1 {time} host app web.1 - é\n");
    let texts = [
        message(&format!("{time} heroku[router]: ")),
        message("2026-10-05T19:00:01.100000+02:00 heroku[router]: "),
        frame.clone(),
        message(&format!("<158>1 {time} heroku router - - ")),
        message(&format!("<158>1 {time} d.00000000-0000-0000-0000-000000000000 heroku router - - ")),
        format!("{} {frame}{} {next}", frame.len(), next.len()),
        // Frames behind each other without line ends, and one with a length that no longer fits.
        format!("{} {unended}{} {next}", unended.len(), next.len()),
        format!("{} {next}{} {frame}", next.trim_end().len(), 7),
        unended.to_owned(),
    ];
    let expected = parse(HEROKU, &texts[0]);
    assert_eq!(requests(&expected)[0].request_id, text("00000000-0000-0000-0000-00000000000a"));
    for text in &texts {
        assert_eq!(format::detect(text.as_bytes()).unwrap().0.name(), HEROKU, "{text}");
        let log = parse(HEROKU, text);
        assert_eq!((log.rejected.len(), &log.records), (0, &expected.records), "{text}");
    }
}

#[test]
fn what_strangers_and_apps_write_changes_nothing() {
    let line = format!("2026-10-05T17:00:01.1+00:00 heroku[router]: {FIELDS}\n");
    let expected = parse(HEROKU, &line);
    for hostile in [
        line.replace("path=\"/a\"", "path=\"/a?status=999&bytes=9\""),
        line.replace("path=\"/a\"", "path=\"/\" status=999 bytes=999 x=\"\""),
        line.replace("path=\"/a\"", "path=/a?b=c&status=9&d=\"e"),
        line.replace("fwd=\"203.0.113.9\"", "fwd=\"x, request_id=y, 203.0.113.9\""),
    ] {
        let log = parse(HEROKU, &hostile);
        assert_eq!(log.rejected, [], "{hostile}");
        assert_eq!(log.key(), expected.key(), "{hostile}");
        assert_eq!(
            (requests(&log)[0].response_bytes, &requests(&log)[0].status),
            (Some(51), &text("200")),
            "{hostile}"
        );
    }
    for of_app in [
        format!("2026-10-05T17:00:01.1+00:00 app[web.1]: heroku[router]: {FIELDS}\n"),
        format!("2026-10-05T17:00:01.1+00:00 app[router]: {FIELDS}\n"),
        format!("<40>1 2026-10-05T17:00:01.1+00:00 host app web.1 - heroku router - {FIELDS}\n"),
        format!("{FIELDS}\n"),
        "2026-10-05T17:00:01.1+00:00 app[web.1]: State changed from up to down\n".into(),
    ] {
        let log = parse(HEROKU, &of_app);
        assert_eq!(log, Collected::default(), "{of_app}");
        assert!(format::by_name(HEROKU).unwrap().recognises(of_app.as_bytes()).is_none(), "{of_app}");
    }
}

#[test]
fn cut_and_wrong_lines_are_rejected() {
    let line = format!("2026-10-05T17:00:01.1+00:00 heroku[router]: {FIELDS} protocol=https");
    let whole = format!("{line}\n");
    for cut in whole.find("heroku").unwrap() + 1..whole.find(" protocol").unwrap() {
        // Cut within its name, the line may be of anything; cut behind it, it is known to have another end.
        let log = parse(HEROKU, &format!("{whole}{}", &line[..cut]));
        assert_eq!((log.records.len(), log.rejected.len()), (1, 1), "{}", &line[..cut]);
        assert_eq!((log.rejected[0].line, log.rejected[0].byte_offset), (Some(2), whole.len() as u64));
    }
    for (from, to, expected) in [
        ("status=200", "status=2000", "`status`"),
        ("status=200 ", "", "there is no `status`"),
        ("bytes=51 ", "", "there is no `bytes`"),
        ("bytes=51", "bytes=-51", "`bytes`"),
        ("service=24ms", "service=24s", "`service`"),
    ] {
        let log = parse(HEROKU, &whole.replace(from, to));
        assert_eq!((log.records.len(), log.rejected.len()), (0, 1), "{to}");
        assert!(log.rejected[0].reason.contains(expected), "{to}: {}", log.rejected[0].reason);
    }
}

#[test]
fn dynos_count_from_start_to_stop_and_only_with_a_size() {
    let log = |lines: &[(&str, &str)]| {
        let line = |(at, message): &(&str, &str)| format!("2026-10-05T{at}+00:00 {message}\n");
        parse(HEROKU, &lines.iter().map(line).collect::<String>())
    };
    let scaled = ("00:00:00", "app[api]: Scaled to web@2:Performance-L-RAM clock@1:Eco by user a@example.com");
    let started = ("01:00:00", "heroku[web.1]: State changed from down to starting");
    let up = ("01:00:30", "heroku[web.1]: State changed from starting to up");
    let restarted = ("02:00:00", "heroku[web.1]: State changed from up to starting");
    let crashed = ("02:30:00", "heroku[web.1]: State changed from starting to crashed");
    let down = ("03:00:00", "heroku[web.1]: State changed from up to down");
    let whole = log(&[scaled, started, up, restarted, crashed, down]);
    assert_eq!(whole.warnings, Vec::<String>::new());
    let rows = metered(&whole);
    assert_eq!((rows.len(), rows[0].1.held_us), (1, Some(7_200_000_000)));
    assert_eq!(rows[0].1.variant, text("performance-l-ram"));
    for (lines, expected) in [
        (vec![started, down], "size"),
        (vec![scaled, down], "when dynos started"),
        (vec![scaled, started], "ends before"),
        (vec![scaled, down, started], "when dynos started"),
    ] {
        let log = log(&lines);
        assert_eq!(metered(&log).len(), 0, "{lines:?}");
        assert!(log.warnings[0].contains(expected), "{:?}", log.warnings);
    }
}

#[test]
fn every_dropped_message_is_told() {
    for (line, expected) in [
        (
            "2026-10-05T17:00:00+00:00 heroku[logplex]: Error L10 (output buffer overflow): 491 messages dropped since 2026-10-05T16:00:00+00:00.",
            491,
        ),
        (
            "<172>1 2026-10-05T17:00:00+00:00 host heroku logplex - Error L11 (tail buffer overflow): 7 messages dropped since 2026-10-05T16:00:00+00:00.",
            7,
        ),
        (
            "<172>1 2026-10-05T17:00:00+00:00 host heroku logplex - Error L10 (output buffer overflow): drain 'd.1' dropped 1 messages since 2026-10-05T16:00:00+00:00.",
            1,
        ),
    ] {
        let log = parse(HEROKU, &format!("{line}\n{line}\n"));
        assert_eq!(log.warnings, [format!("Logplex dropped {} messages: metering is incomplete", 2 * expected)]);
    }
    assert_eq!(parse(HEROKU, &example("heroku-router.log").replace("logplex", "web.1")).warnings.len(), 1);
}
