//! Logs of load balancers: known totals of real lines, lines of every age and kind, hostile and cut ones.

use super::{assert_order_does_not_matter, example, parse_example, parse_named, requests, text};
use crate::lines::{parse, real};
use paygrain_formats::format;
use paygrain_formats::record::EventTime;

const ALB: &str = "aws-alb";

fn line(place: usize) -> String {
    example("aws-alb.log").lines().nth(place).unwrap().to_owned()
}

#[test]
fn real_lines_have_their_known_totals() {
    let Some(log) = real("alb", "logstash_classic_elb_samples.log", ALB) else { return };
    assert_eq!((log.records.len(), log.rejected.len()), (4, 0));
    let rows = requests(&log);
    assert_eq!(rows.iter().filter_map(|row| row.request_bytes).sum::<i64>(), 1_294_336);
    assert_eq!(rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(), 29 + 57 + 57);
    assert_eq!((rows[1].status.as_deref(), rows[1].duration_us), (Some("408"), None));
    assert_eq!((rows[0].operation.as_deref(), rows[1].operation.as_deref()), (Some("GET"), Some("PUT")));
    // 73 + 1,048 + 57 microseconds.
    assert_eq!(rows[0].duration_us, Some(1_178));
    assert_eq!(log.key().len(), 4);
}

#[test]
fn the_example_has_its_totals() {
    let log = parse_example("aws-alb.log", ALB);
    let rows = requests(&log);
    assert_eq!(rows.len(), 10);
    assert_eq!(rows.iter().filter_map(|row| row.request_bytes).sum::<i64>(), 250 * 2 + 180 * 2 + 100 + 10 + 82 + 98);
    assert_eq!(
        rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(),
        5_120 * 2 + 337 + 350 + 200 + 57 + 305 + 246
    );
    let kinds: Vec<_> = rows.iter().map(|row| row.variant.as_deref().unwrap()).collect();
    assert_eq!(kinds, ["alb", "alb", "alb", "alb", "alb", "classic", "classic", "classic", "nlb", "alb"]);
    let operations: Vec<_> = rows.iter().map(|row| row.operation.as_deref()).collect();
    let (get, post, connection) = (Some("GET"), Some("POST"), Some("connection"));
    assert_eq!(operations, [get, post, get, get, get, get, get, None, connection, connection]);
    assert_eq!(rows.iter().filter(|row| row.source.as_deref() == Some("aws")).count(), 1);
    assert_eq!((&rows[0].account, &rows[0].region), (&text("123456789012"), &text("eu-west-1")));
    assert_eq!((&rows[8].account, rows[8].duration_us), (&text("123456789012"), Some(59_000_000)));
    assert_eq!(rows[0].resource, text("app/shop/0123456789abcdef"));
    assert_eq!((rows[0].duration_us, rows[2].duration_us), (Some(249_000), None));
    assert_eq!(rows[0].request_id, text("Root=1-68e2a0f1-000000000000000000000001"));
    // When the request came, not when it was answered.
    assert_eq!(log.records[0].time, EventTime::Logged(format::timestamp::iso("2026-10-05T17:00:01Z").unwrap()));
    assert_eq!(log.warnings.len(), 1, "{:?}", log.warnings);
    assert!(log.warnings[0].contains("TLS listeners"));
}

#[test]
fn one_trace_id_may_be_of_many_requests() {
    let text = example("aws-alb.log");
    assert_order_does_not_matter(ALB, &text.lines().collect::<Vec<_>>());
    // The first two lines share trace id and time, of different clients.
    let log = parse(ALB, &text);
    assert_ne!(log.records[0].key, log.records[1].key);
    assert_eq!(log.records[0].time, log.records[1].time);
}

#[test]
fn lines_of_every_age_have_the_same_key() {
    let full = line(0);
    let fields = |count: usize| {
        let tail = full.find(" \"Root").unwrap();
        let rest: Vec<&str> = full[tail + 1..].split(' ').take(count - 17).collect();
        format!("{} {}\n", &full[..tail], rest.join(" "))
    };
    let expected = parse(ALB, &full).key();
    for count in [22, 23, 24, 25, 27, 29, 30] {
        let log = parse(ALB, &fields(count));
        assert_eq!((log.rejected.len(), log.key()), (0, expected.clone()), "{count}");
    }
    // From before a request had a time of its own.
    for count in [18, 20, 21] {
        let log = parse(ALB, &fields(count));
        assert_eq!(log.rejected, [], "{count}");
        assert_eq!(log.key()[0].1, expected[0].1, "{count}");
    }
    for count in [19, 26, 28] {
        assert_eq!(parse(ALB, &fields(count)).rejected.len(), 1, "{count}");
    }
}

#[test]
fn what_strangers_send_changes_nothing() {
    let full = line(0);
    let expected = parse(ALB, &full);
    let request = "GET https://shop.example.com:443/list?q=a b HTTP/1.1";
    let agent = "Mozilla/5.0 (X11; \"quoted\" Linux)";
    for hostile in [
        full.replace(request, "GET https://shop.example.com:443/wget+ a.b \"x\" - HTTP/1.1"),
        full.replace(agent, "a\" - - - \"b"),
        full.replace(agent, "\" 200 200 9 9 \"GET / HTTP/1.1\" \""),
        full.replace(agent, &"\" - - - \"".repeat(20)),
    ] {
        let log = parse(ALB, &hostile);
        assert_eq!(log.rejected, [], "{hostile}");
        assert_eq!(log.key(), expected.key(), "{hostile}");
        assert_eq!(requests(&log)[0].response_bytes, Some(5_120));
    }
}

#[test]
fn cut_lines_are_rejected() {
    // The application's first line, the classic ones, the connection of the network: each cut before what counts.
    for (place, until) in [(0, " \"Root"), (5, "\" ECDHE"), (6, " HTTP"), (8, " - - - 2026"), (9, " TID_")] {
        let full = line(place);
        let end = full.find(until).unwrap() + 1;
        for cut in 30..=end {
            // A classic line of 12 fields is whole at the end of its request, and one of 15 at two words behind.
            let part = &full[..cut];
            if part.ends_with("HTTP/1.1\"") || part.ends_with("HTTP/1.1\" ") {
                continue;
            }
            let log = parse(ALB, part);
            assert_eq!((log.records.len(), log.rejected.len()), (0, 1), "{part}");
        }
    }
    // A last line that ends where an older version did.
    let full = line(0);
    let at = full.find(" \"10.0.1.5:8080\"").unwrap();
    let log = parse(ALB, &format!("{full}\n{}", &full[..at].replace("40001", "40009")));
    assert_eq!((log.records.len(), log.rejected.len()), (1, 1));
    assert!(log.rejected[0].reason.contains("cut off"), "{}", log.rejected[0].reason);
    assert_eq!((log.rejected[0].line, log.rejected[0].byte_offset), (Some(2), full.len() as u64 + 1));
}

#[test]
fn wrong_fields_are_named() {
    for (from, to, expected) in [
        (" 250 5120 ", " -250 5120 ", "`received_bytes`"),
        (" 250 5120 ", " 250 99999999999999999999 ", "`sent_bytes`"),
        ("0.248", "0,248", "`target_processing_time`"),
        ("203.0.113.9:40001", "203.0.113.9", "`client:port`"),
        ("2026-10-05T17:00:01.250000Z", "2026-13-05T17:00:01Z", "`time`"),
        ("https 2026", "gopher 2026", "expected a type"),
    ] {
        let log = parse(ALB, &line(0).replacen(from, to, 1));
        assert_eq!((log.records.len(), log.rejected.len()), (0, 1), "{to}");
        assert!(log.rejected[0].reason.contains(expected), "{to}: {}", log.rejected[0].reason);
    }
}

#[test]
fn the_path_of_a_log_says_account_and_region() {
    let path = "logs/AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/10/05/123456789012_elasticloadbalancing_eu-west-1_old-shop_20261005T1700Z_203.0.113.1_0a1b2c3d.log.gz";
    let log = parse_named(ALB, path, &line(5));
    assert_eq!((&requests(&log)[0].account, &requests(&log)[0].region), (&text("123456789012"), &text("eu-west-1")));
    let path = "conn_log.123456789012_elasticloadbalancing_eu-west-1_app.shop.0123456789abcdef_20261005T1700Z_203.0.113.1_0a1b2c3d.log.gz";
    let log = parse_named(ALB, path, &line(9));
    assert_eq!(requests(&log)[0].resource, text("app/shop/0123456789abcdef"));
    assert_eq!(requests(&parse_named(ALB, "access.log", &line(5)))[0].account, None);
}
