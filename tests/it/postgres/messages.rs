//! Bare messages, as no driver sends them. Nothing but a socket is needed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::server;
use crate::sql::with_usage;

/// A test that waits so long for an answer has found that none comes.
const HANGS: Duration = Duration::from_secs(120);

/// A connection that sends what it is told.
pub struct Wire {
    stream: TcpStream,
}

impl Wire {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(HANGS)).unwrap();
        Self { stream }
    }

    /// Says who it is, without waiting.
    pub fn begin(address: SocketAddr) -> Self {
        let mut wire = Self::to(address);
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        body.extend(b"user\0me\0database\0paygrain\0\0");
        wire.send_bytes(&[&(body.len() as u32 + 4).to_be_bytes()[..], &body].concat());
        wire
    }

    /// Is let in without a password.
    pub fn open(address: SocketAddr) -> Self {
        let mut wire = Self::begin(address);
        assert_eq!(wire.kinds_until(b'Z').first(), Some(&b'R'));
        wire
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        // Whoever has refused already may have closed.
        let _ = self.stream.write_all(bytes);
    }

    pub fn send(&mut self, kind: u8, body: &[u8]) {
        self.send_bytes(&[&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat());
    }

    pub fn query(&mut self, text: &str) {
        self.send(b'Q', &[text.as_bytes(), b"\0"].concat());
    }

    /// The next message; nothing at the end.
    pub fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).ok()?;
        Some((head[0], body))
    }

    /// Kinds of messages up to one, or the end.
    pub fn kinds_until(&mut self, last: u8) -> Vec<u8> {
        let mut kinds = Vec::new();
        while let Some((kind, _)) = self.next() {
            kinds.push(kind);
            if kind == last {
                break;
            }
        }
        kinds
    }

    /// The codes of errors up to the end of the connection, and that nothing else came.
    pub fn refusal(&mut self) -> Vec<String> {
        let mut codes = Vec::new();
        while let Some((kind, body)) = self.next() {
            match kind {
                b'E' => codes.push(code(&body)),
                b'R' => {}
                other => panic!("a message of kind {}", char::from(other)),
            }
        }
        codes
    }
}

/// The SQLSTATE of an error.
fn code(body: &[u8]) -> String {
    let fields = body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let code = fields.into_iter().find(|field| field[0] == b'C').unwrap();
    String::from_utf8(code[1..].to_vec()).unwrap()
}

/// A session answers.
fn answers(wire: &mut Wire) {
    wire.query("SELECT count(*) FROM invocations");
    assert_eq!(wire.kinds_until(b'Z'), b"TDCZ");
}

#[test]
fn messages_that_ask_for_too_much_do_no_harm() {
    let place = with_usage();
    let server = server(&place, &[]);
    let address = server.postgres();

    // As many rows as a number holds, which no memory would.
    let mut wire = Wire::open(address);
    wire.send(b'P', b"\0SELECT 1\0\0\0");
    wire.send(b'B', b"\0\0\0\0\0\0\0\0");
    wire.send(b'E', &[&b"\0"[..], &i32::MAX.to_be_bytes()].concat());
    wire.send(b'S', b"");
    assert_eq!(wire.kinds_until(b'Z'), b"12DCZ");
    // In parts.
    wire.send(b'P', b"\0SELECT value FROM generate_series(1, 3)\0\0\0");
    wire.send(b'B', b"\0\0\0\0\0\0\0\0");
    for _ in 0..2 {
        wire.send(b'E', b"\0\0\0\0\x02");
    }
    wire.send(b'S', b"");
    assert_eq!(wire.kinds_until(b'Z'), b"12DDsDCZ");
    // Formats that do not go with the columns.
    wire.send(b'P', b"\0SELECT 1 AS a, 2 AS b, 3 AS c\0\0\0");
    wire.send(b'B', b"\0\0\0\0\0\0\0\x02\0\x01\0\x01");
    wire.send(b'E', b"\0\0\0\0\0");
    wire.send(b'S', b"");
    assert_eq!(wire.kinds_until(b'Z'), b"12EZ");
    // Formats of parameters that are not there; a statement and a portal that are not there; counts that lie.
    wire.send(b'P', b"\0SELECT $1\0\0\0");
    wire.send(b'B', b"\0\0\0\x02\0\x01\0\x01\0\x01\0\0\0\x01x\0\0");
    wire.send(b'E', b"\0\0\0\0\0");
    wire.send(b'S', b"");
    assert_eq!(wire.kinds_until(b'Z'), b"12EZ");
    for (kind, body) in [(b'B', &b"\0nothing\0\0\0\0\0\0\0"[..]), (b'E', b"nothing\0\0\0\0\0"), (b'D', b"Snothing\0")] {
        wire.send(kind, body);
        wire.send(b'S', b"");
        assert_eq!(wire.kinds_until(b'Z'), b"EZ", "{}", char::from(kind));
    }
    answers(&mut wire);

    // More statements than a session may keep.
    let text = format!("name\0SELECT '{}'\0\0\0", "x".repeat(900_000));
    let mut refused = false;
    for number in 0..30 {
        wire.send(b'P', format!("{number}{text}").as_bytes());
        wire.send(b'S', b"");
        refused |= wire.kinds_until(b'Z') == b"EZ";
    }
    assert!(refused);
    answers(&mut wire);

    // A message of a gigabyte; lengths that cannot be; another protocol.
    wire.send_bytes(b"Q\x3f\xff\xff\x00");
    wire.send_bytes(&vec![b' '; 2 << 20]);
    assert!(wire.refusal().len() <= 1);
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\0\0\0\0\0\0\0\0",
        b"\0\0\0\x04",
        b"\x16\x03\x01\x02\x00",
        &[0xff; 64],
    ] {
        let mut wire = Wire::to(address);
        wire.send_bytes(bytes);
        wire.stream.shutdown(std::net::Shutdown::Write).unwrap();
        wire.refusal();
    }
    let mut wire = Wire::open(address);
    wire.send_bytes(b"Q\0\0\0\x02");
    wire.stream.shutdown(std::net::Shutdown::Write).unwrap();
    while wire.next().is_some() {}
    answers(&mut Wire::open(address));
}

#[test]
fn a_client_that_goes_away_ends_its_query() {
    let place = with_usage();
    let server = server(&place, &["--sql-timeout", "600"]);
    let mut wire = Wire::open(server.postgres());
    wire.query("SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = 3");
    let children = || crate::sql::processes::children(server.id());
    let begun = std::time::Instant::now();
    while children().is_empty() {
        assert!(begun.elapsed() < HANGS, "no process was started");
        std::thread::yield_now();
    }
    drop(wire);
    while !children().is_empty() {
        assert!(begun.elapsed() < HANGS, "the process still runs");
        std::thread::yield_now();
    }
}

#[test]
fn only_so_many_connections_are_taken() {
    let place = with_usage();
    let server = server(&place, &["--postgres-connections", "2"]);
    let (mut first, second) = (Wire::open(server.postgres()), Wire::open(server.postgres()));
    assert_eq!(Wire::begin(server.postgres()).refusal(), ["53300"]);
    answers(&mut first);
    drop(second);
    // Its place is free as soon as the server has seen that it is gone.
    let mut begun = Wire::begin(server.postgres());
    while begun.next().is_some_and(|(kind, _)| kind == b'E') {
        begun = Wire::begin(server.postgres());
    }
}

#[test]
fn connections_are_told_that_the_server_stops() {
    let place = with_usage();
    let mut server = server(&place, &[]);
    let mut wire = Wire::open(server.postgres());
    answers(&mut wire);
    server.stop();
    assert_eq!(wire.refusal(), ["57P01"]);
}
