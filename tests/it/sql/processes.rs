//! The processes of queries: when they end, and what of an answer stays in the server.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{ask, query, with_usage};
use crate::server::Server;

/// A test that waits for a process so long has found that it hangs.
const HANGS: Duration = Duration::from_secs(120);

#[test]
fn a_client_that_goes_away_ends_its_query_and_so_does_the_end_of_the_server() {
    if !std::path::Path::new("/proc/self/stat").exists() {
        return crate::harness::skipped("there is no /proc here");
    }
    let place = with_usage();
    let mut server = Server::start(&place, &["--sql-timeout", "600"]);
    let endless = "SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = 3";
    let address = server.address.strip_prefix("http://").unwrap().to_owned();
    let begin = || {
        let mut stream = TcpStream::connect(&address).unwrap();
        let length = endless.len();
        write!(stream, "POST /api/v1/sql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/sql\r\nContent-Length: {length}\r\n\r\n{endless}").unwrap();
        stream
    };
    let stream = begin();
    until("a worker runs", || !children(server.id()).is_empty());
    drop(stream);
    until("the worker is gone with its client", || children(server.id()).is_empty());
    let _stream = begin();
    until("a worker runs again", || !children(server.id()).is_empty());
    let workers = children(server.id());
    server.kill();
    until("the worker is gone with its server", || workers.iter().all(|worker| parent_of(*worker).is_none()));
}

/// Asks again and again.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < HANGS, "not so: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The processes that a process has started and that still run.
pub fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|id| parent_of(*id) == Some(parent)).collect()
}

/// The parent of a process that runs.
fn parent_of(id: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?);
    if state == "Z" { None } else { parent.parse().ok() }
}

#[test]
fn a_large_answer_does_not_pass_through_the_servers_memory() {
    if !std::path::Path::new("/proc/self/status").exists() {
        return crate::harness::skipped("there is no /proc here");
    }
    let place = with_usage();
    let server = Server::start(&place, &[]);
    assert_eq!(query(&server, "SELECT 1").status, 200);
    let before = peak_kib(server.id());
    // 100 MB, in rows of 1 MB each.
    let rows = "SELECT value, repeat('0123456789', 100000) AS long FROM generate_series(1, 100)";
    let said = ask(&server, "/api/v1/sql", "application/sql", "text/csv", rows);
    assert_eq!((said.status, said.body.iter().filter(|byte| **byte == b'\n').count()), (200, 101));
    assert!(said.body.len() > 100_000_000);
    let grown = peak_kib(server.id()) - before;
    assert!(grown < 48 * 1024, "the server grew by {grown} KiB");
}

/// Most memory that a process had, in KiB.
fn peak_kib(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
