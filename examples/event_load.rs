//! Sends events to a running server as fast as it takes them, and prints how many it took in a second.
//!
//! ```text
//! cargo run --release -- serve --lake /tmp/load-lake &
//! cargo run --release --example event_load -- http://127.0.0.1:8080 --senders 4 --batch 500 --seconds 10
//! ```
//!
//! Every event is new, of today, in the words of the table `metered`; each request is a stream of lines.
//! `--duplicates 10` sends every tenth event twice.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the command line says.
struct Load {
    address: String,
    senders: u64,
    batch: u64,
    seconds: u64,
    duplicates: u64,
}

impl Load {
    fn read() -> Result<Self, String> {
        let mut load = Self { address: String::new(), senders: 4, batch: 500, seconds: 10, duplicates: 0 };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let number = || -> Result<u64, String> { Err(format!("`{argument}` needs a number")) };
            let mut value = || arguments.next().and_then(|text| text.parse().ok()).map_or_else(number, Ok);
            match argument.as_str() {
                "--senders" => load.senders = value()?,
                "--batch" => load.batch = value()?,
                "--seconds" => load.seconds = value()?,
                "--duplicates" => load.duplicates = value()?,
                _ => load.address = argument.trim_end_matches('/').to_owned(),
            }
        }
        if load.address.is_empty() { Err("name the address of a server".into()) } else { Ok(load) }
    }
}

/// What the senders have counted.
#[derive(Default)]
struct Counts {
    taken: AtomicU64,
    duplicate: AtomicU64,
    busy: AtomicU64,
    slowest_us: AtomicU64,
    requests: AtomicU64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let load = Load::read()?;
    let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
    let (counts, begun) = (Counts::default(), Instant::now());
    std::thread::scope(|scope| {
        for sender in 0..load.senders {
            let (load, counts) = (&load, &counts);
            scope.spawn(move || {
                if let Err(error) = send(load, counts, &format!("/load/{run}/{sender}"), begun) {
                    eprintln!("sender {sender}: {error}");
                }
            });
        }
    });
    let elapsed = begun.elapsed();
    let [taken, duplicate, busy, slowest_us, requests] =
        [&counts.taken, &counts.duplicate, &counts.busy, &counts.slowest_us, &counts.requests]
            .map(|count| count.load(Ordering::Relaxed));
    let per_second = u128::from(taken) * 1000 / elapsed.as_millis().max(1);
    println!(
        "{taken} events acknowledged in {:.1} s by {} senders in batches of {}: {per_second} events/s",
        elapsed.as_secs_f64(),
        load.senders,
        load.batch
    );
    println!("{duplicate} duplicates, {busy} answers of 429, {requests} requests, slowest {} ms", slowest_us / 1000);
    Ok(())
}

fn send(load: &Load, counts: &Counts, source: &str, begun: Instant) -> Result<(), Box<dyn std::error::Error>> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let time = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ");
    let mut next = 0_u64;
    while begun.elapsed() < Duration::from_secs(load.seconds) {
        let mut lines = String::new();
        for number in next..next + load.batch {
            // A duplicate bears the id of the event before it.
            let again = load.duplicates > 0 && number % load.duplicates == 1;
            let id = number - u64::from(again);
            writeln!(
                lines,
                r#"{{"specversion":"1.0","type":"tokens","source":"{source}","id":"{id}","time":"{time}","subject":"team-{}","data":{{"value":"{}.25","unit":"token"}}}}"#,
                id % 20,
                id % 977
            )?;
        }
        let sent = Instant::now();
        let request =
            agent.post(format!("{}/api/v1/events", load.address)).header("content-type", "application/x-ndjson");
        let mut response = request.send(&lines)?;
        let text = response.body_mut().read_to_string()?;
        counts.requests.fetch_add(1, Ordering::Relaxed);
        counts.slowest_us.fetch_max(u64::try_from(sent.elapsed().as_micros())?, Ordering::Relaxed);
        match response.status().as_u16() {
            200 => {
                let answer: serde_json::Value = serde_json::from_str(&text)?;
                let count = |name: &str| answer[name].as_u64().unwrap_or(0);
                counts.taken.fetch_add(count("accepted"), Ordering::Relaxed);
                counts.duplicate.fetch_add(count("duplicate"), Ordering::Relaxed);
                next += load.batch;
            }
            429 => {
                counts.busy.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(200));
            }
            status => return Err(format!("{status}: {text}").into()),
        }
    }
    Ok(())
}
