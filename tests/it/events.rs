//! Events over HTTP: what was acknowledged is there once, whatever happens to the process.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Random, Workplace};
use crate::server::Server;

const MONTH: &str = "2026-10";
const BATCH: &str = "application/cloudevents-batch+json";
const ONE: &str = "application/cloudevents+json";
const LINES: &str = "application/x-ndjson";

/// An execution as an event, on some day of October 2026.
pub fn event(number: u64) -> Value {
    let mut random = Random(number);
    let memory_mb = [128, 512, 1769][random.below(3) as usize];
    json!({
        "specversion": "1.0",
        "type": "dev.paygrain.invocation.v1",
        "source": "/functions",
        "id": format!("e-{number}"),
        "time": format!("2026-10-{:02}T{:02}:00:00.123456Z", 1 + random.below(28), random.below(24)),
        "subject": format!("f{}", number % 3),
        "data": {
            "provider": "aws",
            "service": "lambda",
            "account": "123456789012",
            "region": "us-east-1",
            "request_id": format!("e-{number}"),
            "duration_us": 1 + random.below(3_000_000),
            "memory_mb": memory_mb,
        },
    })
}

/// Status, `Retry-After` and answer of a request with events; nothing when the server has gone.
fn send(address: &str, content_type: &str, body: &str) -> Option<(u16, Option<String>, Value)> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let request = agent.post(format!("{address}/api/v1/events")).header("content-type", content_type);
    let mut response = request.send(body).ok()?;
    let later = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let text = response.body_mut().read_to_string().ok()?;
    let answer = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    Some((response.status().as_u16(), later, answer))
}

pub fn post(address: &str, content_type: &str, body: &str) -> Value {
    let (status, _, answer) = send(address, content_type, body).unwrap();
    assert_eq!(status, 200, "{answer}");
    answer
}

fn counts(answer: &Value) -> [u64; 4] {
    ["received", "accepted", "duplicate", "rejected"].map(|name| answer[name].as_u64().unwrap())
}

/// The ids that are in the lake, each as often as it is there.
fn landed(place: &Workplace) -> Vec<u64> {
    if !place.path("paygrain-lake/invocations").exists() {
        return Vec::new();
    }
    let rows = place.json(&["sql", "--format", "json", "SELECT request_id FROM invocations"]);
    let id = |row: &Value| row["request_id"].as_str().unwrap()[2..].parse().unwrap();
    let mut found: Vec<u64> = rows.as_array().unwrap().iter().map(id).collect();
    found.sort_unstable();
    found
}

/// Waits until so many rows have landed.
pub fn wait_for(place: &Workplace, query: &str, expected: i64, limit: Duration) -> Duration {
    let begun = Instant::now();
    loop {
        let run = place.run(&["sql", "--format", "json", query]);
        let found = serde_json::from_str::<Value>(&run.stdout)
            .ok()
            .and_then(|rows| rows[0].as_object()?.values().next()?.as_i64());
        if found == Some(expected) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < limit, "{query}: {found:?}, expected {expected}: {}", run.stderr);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The bill of the same events in a file, in a lake of its own.
pub fn bill_of_file(numbers: impl IntoIterator<Item = u64>) -> Value {
    let place = Workplace::new();
    let lines: Vec<String> = numbers.into_iter().map(|number| event(number).to_string()).collect();
    let file = place.file("events.ndjson", lines.join("\n"));
    assert_eq!(place.ingest(&[], &[&file])[0]["rejected"], 0);
    place.bill(MONTH)
}

#[test]
fn the_guide_holds() {
    let guide = include_str!("../../docs/events.md");
    let place = Workplace::new();
    let server = Server::start(&place, &[]);
    // The first fence of JSON is what the example with curl sends.
    let fence = guide.split_once("```json\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(counts(&post(&server.address, ONE, fence)), [1, 1, 0, 0]);
    let took = wait_for(&place, "SELECT count(*) AS n FROM metered", 1, Duration::from_secs(20));
    eprintln!("an event shows after {took:?}");
    let mapping = guide.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0;
    place.file("usage.toml", mapping);
    let other = Server::start(&place, &["--events-mapping", "usage.toml"]);
    let lines = guide.split_once("```ndjson\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(counts(&post(&other.address, LINES, lines)), [2, 2, 0, 0]);
    wait_for(&place, "SELECT count(*) AS n FROM metered WHERE meter = 'tokens'", 2, Duration::from_secs(20));
    // From a file, by the same mapping: the same events.
    let file = place.file("events.ndjson", lines);
    assert_eq!(place.ingest(&["--mapping", "usage.toml"], &[&file])[0]["duplicate"], 2);
}

#[test]
fn what_was_acknowledged_survives_kills_under_load() {
    const ROUNDS: u64 = 12;
    let place = Workplace::new();
    let mut random = Random(17);
    let (sent, acknowledged) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    for round in 0..ROUNDS {
        let mut server = Server::start(&place, &["--events-interval", "100", "--compact-every", "1"]);
        let over = AtomicBool::new(false);
        let address = server.address.clone();
        let lives = Duration::from_millis(100 + random.below(1_500));
        std::thread::scope(|scope| {
            for sender in 0..3_u64 {
                let (address, over, sent, acknowledged) = (&address, &over, &sent, &acknowledged);
                let mut random = Random(round * 10 + sender);
                scope.spawn(move || {
                    let mut next = (round * 10 + sender) * 1_000_000;
                    while !over.load(Ordering::Relaxed) {
                        let numbers: Vec<u64> = (next..next + 1 + random.below(40)).collect();
                        next += numbers.len() as u64;
                        sent.lock().unwrap().extend(&numbers);
                        let events: Vec<Value> = numbers.iter().map(|number| event(*number)).collect();
                        let Some((200, _, answer)) = send(address, BATCH, &Value::from(events).to_string()) else {
                            continue;
                        };
                        let count = numbers.len() as u64;
                        assert_eq!(counts(&answer), [count, count, 0, 0]);
                        acknowledged.lock().unwrap().extend(numbers);
                    }
                });
            }
            std::thread::sleep(lives);
            server.kill();
            over.store(true, Ordering::Relaxed);
        });
    }
    let (sent, acknowledged) = (sent.into_inner().unwrap(), acknowledged.into_inner().unwrap());
    assert!(acknowledged.len() > 500, "only {} events were acknowledged", acknowledged.len());
    // The next start lands what the last kill left.
    let mut server = Server::start(&place, &[]);
    let found = landed(&place);
    let distinct: BTreeSet<u64> = found.iter().copied().collect();
    assert_eq!(found.len(), distinct.len(), "an event is there twice");
    assert_eq!(acknowledged.difference(&distinct).count(), 0, "an acknowledged event is lost");
    assert!(distinct.is_subset(&sent));
    // The ledger tells of every row.
    let ledger = |column: &str| place.count(&format!("SELECT sum({column}) AS n FROM uploads"));
    assert_eq!(ledger("accepted"), found.len() as i64);
    assert_eq!(ledger("read"), ledger("accepted") + ledger("duplicate") + ledger("rejected"));
    // All of it again, as a producer that heard no answer would: nothing is doubled, and nothing lacks.
    for part in sent.iter().copied().collect::<Vec<_>>().chunks(500) {
        let lines: Vec<String> = part.iter().map(|number| event(*number).to_string()).collect();
        assert_eq!(counts(&post(&server.address, LINES, &lines.join("\n")))[0], part.len() as u64);
    }
    server.stop();
    assert_eq!(landed(&place), sent.iter().copied().collect::<Vec<_>>());
    assert_eq!(std::fs::read_dir(place.path("paygrain-lake/event_log")).unwrap().count(), 0, "all has landed");
    assert_eq!(place.bill(MONTH), bill_of_file(sent));
}

#[test]
fn two_servers_on_one_lake_keep_each_event_once_and_one_lands_what_the_other_left() {
    let place = Workplace::new();
    let arguments = ["--events-interval", "200", "--compact-every", "1"];
    let (mut one, two) = (Server::start(&place, &arguments), Server::start(&place, &arguments));
    const COUNT: u64 = 600;
    // Both get every event, in opposite order and in other batches.
    std::thread::scope(|scope| {
        for (server, size, backwards) in [(&one, 30, false), (&two, 25, true)] {
            scope.spawn(move || {
                let mut numbers: Vec<u64> = (0..COUNT).collect();
                if backwards {
                    numbers.reverse();
                }
                for part in numbers.chunks(size) {
                    let events: Vec<Value> = part.iter().map(|number| event(*number)).collect();
                    assert_eq!(counts(&post(&server.address, BATCH, &Value::from(events).to_string()))[3], 0);
                }
            });
        }
    });
    // One dies with events that have not landed; the other lands them.
    for number in COUNT..COUNT + 50 {
        post(&one.address, ONE, &event(number).to_string());
    }
    one.kill();
    wait_for(&place, "SELECT count(*) AS n FROM invocations", (COUNT + 50) as i64, Duration::from_secs(60));
    assert_eq!(landed(&place), (0..COUNT + 50).collect::<Vec<_>>());
    drop(two);
    assert_eq!(place.bill(MONTH), bill_of_file(0..COUNT + 50));
}

#[test]
fn an_event_sent_again_with_another_time_is_the_same() {
    let place = Workplace::new();
    let server = Server::start(&place, &["--events-interval", "100"]);
    let first = event(1);
    assert_eq!(counts(&post(&server.address, ONE, &first.to_string())), [1, 1, 0, 0]);
    let mut later = first.clone();
    later["time"] = "2026-12-24T00:00:00Z".into();
    let mut untimed = first.clone();
    untimed.as_object_mut().unwrap().remove("time");
    let mut elsewhere = first.clone();
    elsewhere["source"] = "/other".into();
    // At once, and after it has landed.
    for _ in 0..2 {
        assert_eq!(counts(&post(&server.address, ONE, &later.to_string())), [1, 0, 1, 0]);
        assert_eq!(counts(&post(&server.address, LINES, &format!("{untimed}\n{later}"))), [2, 0, 2, 0]);
        wait_for(&place, "SELECT count(*) AS n FROM invocations", 1, Duration::from_secs(20));
    }
    assert_eq!(counts(&post(&server.address, BATCH, &format!("[{elsewhere},{elsewhere}]"))), [2, 1, 1, 0]);
    wait_for(&place, "SELECT count(*) AS n FROM invocations", 2, Duration::from_secs(20));
    // In a file too, and after a restart.
    let file = place.file("again.ndjson", format!("{later}\n{untimed}\n{}\n", event(2)));
    let upload = &place.ingest(&[], &[&file])[0];
    assert_eq!((&upload["accepted"], &upload["duplicate"]), (&1.into(), &2.into()));
    drop(server);
    let server = Server::start(&place, &[]);
    let mut of_file = event(2);
    of_file["time"] = "2026-11-11T11:11:11Z".into();
    assert_eq!(counts(&post(&server.address, BATCH, &format!("[{later},{of_file}]"))), [2, 0, 2, 0]);
    assert_eq!(landed(&place), [1, 1, 2]);
}

#[test]
fn order_batches_and_modes_do_not_matter() {
    const COUNT: u64 = 150;
    let expected = bill_of_file(0..COUNT);
    for seed in 0..2 {
        let place = Workplace::new();
        let mut server = Server::start(&place, &["--events-interval", "50"]);
        let mut random = Random(seed);
        let mut numbers: Vec<u64> = (0..COUNT).chain(0..COUNT / 3).collect();
        for place in (1..numbers.len()).rev() {
            numbers.swap(place, random.below(place as u64 + 1) as usize);
        }
        let mut rest = &numbers[..];
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(rest.len().min(1 + random.below(40) as usize));
            let events: Vec<Value> = part.iter().map(|number| event(*number)).collect();
            let lines = || events.iter().map(Value::to_string).collect::<Vec<_>>();
            match random.below(3) {
                0 => drop(post(&server.address, LINES, &lines().join("\n"))),
                1 => drop(post(&server.address, BATCH, &format!("[{}]", lines().join(",\n")))),
                _ => {
                    for event in &events {
                        binary(&server.address, event);
                    }
                }
            }
            rest = behind;
        }
        server.stop();
        assert_eq!(landed(&place), (0..COUNT).collect::<Vec<_>>());
        assert_eq!(place.bill(MONTH), expected, "seed {seed}");
    }
}

/// Attributes in headers, data in the body.
fn binary(address: &str, event: &Value) {
    let mut request = ureq::post(format!("{address}/api/v1/events")).header("content-type", "application/json");
    for name in ["specversion", "type", "source", "id", "time", "subject"] {
        request = request.header(format!("ce-{name}"), event[name].as_str().unwrap());
    }
    request.send(event["data"].to_string()).unwrap();
}

#[test]
fn refused_events_are_told_and_kept() {
    let place = Workplace::new();
    let server = Server::start(&place, &["--events-interval", "50"]);
    let mut no_number = event(1);
    no_number["type"] = "deployed".into();
    let mut large = event(2);
    large["data"]["memory_mb"] = 4_000_000_000_000_u64.into();
    let mut unknown = event(3);
    unknown["data"]["colour"] = "blue".into();
    let lines = [
        no_number.to_string(),
        "{\"specversion\":".into(),
        event(4).to_string(),
        large.to_string(),
        unknown.to_string(),
    ];
    let answer = post(&server.address, LINES, &lines.join("\n"));
    assert_eq!(counts(&answer), [5, 1, 0, 4]);
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.iter().map(|error| error["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 3, 4]);
    for (error, words) in
        errors.iter().zip(["expected a number in `data.value`", "not valid JSON", "`memory_mb` is", "`data.colour`"])
    {
        assert!(error["reason"].as_str().unwrap().contains(words), "{error}");
    }
    wait_for(&place, "SELECT count(*) AS n FROM rejected_rows", 4, Duration::from_secs(20));
    let rows =
        place.json(&["sql", "--format", "json", "SELECT line FROM rejected_rows WHERE line IS NOT NULL ORDER BY line"]);
    assert_eq!(
        rows.as_array().unwrap().iter().map(|row| row["line"].as_u64().unwrap()).collect::<Vec<_>>(),
        [1, 2, 4, 5]
    );
    wait_for(&place, "SELECT rejected AS n FROM uploads", 4, Duration::from_secs(20));
    let (status, body) = server.get("/api/v1/uploads");
    assert_eq!(status, 200);
    let upload = &serde_json::from_str::<Value>(&body).unwrap()["uploads"][0];
    assert_eq!((&upload["read"], &upload["accepted"]), (&5.into(), &1.into()));
    let (status, _) = server.get(&format!("/uploads/{}", upload["id"].as_str().unwrap()));
    assert_eq!(status, 200);
    // A line of a stream that is too long costs itself alone.
    let long = format!("{}\n{{\"a\":\"{}\"}}\n{}\n", event(5), "x".repeat(3 << 20), event(6));
    assert_eq!(counts(&post(&server.address, LINES, &long)), [3, 2, 0, 1]);
    // Whole requests that cannot be read are problems, and leave nothing.
    for (content_type, body, expected) in [("text/plain", event(7).to_string(), 415), (ONE, " ".into(), 400)] {
        let (status, _, problem) = send(&server.address, content_type, &body).unwrap();
        assert_eq!((status, &problem["status"]), (expected, &expected.into()), "{problem}");
        assert!(problem["hint"].is_string() || expected == 400, "{problem}");
    }
    assert_eq!(counts(&post(&server.address, BATCH, "[]")), [0, 0, 0, 0]);
}

#[test]
fn too_many_events_are_told_to_come_again() {
    let place = Workplace::new();
    let mut server = Server::start(&place, &["--events-backlog", "3000", "--events-interval", "1500"]);
    let mut taken = 0_u64;
    let refused = loop {
        let (status, later, answer) = send(&server.address, ONE, &event(taken).to_string()).unwrap();
        match status {
            200 => taken += 1,
            _ => break (status, later, answer),
        }
        assert!(taken < 20, "nothing is refused");
    };
    assert!(taken > 0);
    assert_eq!((refused.0, refused.1.as_deref()), (429, Some("1")), "{}", refused.2);
    assert!(refused.2["detail"].as_str().unwrap().contains("wait to land"), "{}", refused.2);
    // A repetition of what was taken adds nothing and is answered when there is room.
    let begun = Instant::now();
    while send(&server.address, ONE, &event(taken).to_string()).unwrap().0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(100));
    }
    // A stream waits for room by itself: its sender needs to do nothing.
    let lines: Vec<String> = (0..6).map(|number| format!("{}{}", event(number), " ".repeat(200_000))).collect();
    assert_eq!(counts(&post(&server.address, LINES, &lines.join("\n")))[0], 6);
    server.stop();
    assert_eq!(landed(&place).len() as u64, (taken + 1).max(6));
}
