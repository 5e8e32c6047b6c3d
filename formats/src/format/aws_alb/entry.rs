//! One line of any of the logs.
//!
//! Fields are separated by spaces and some are in quotes. A request line may have raw spaces and quotes of its own, as
//! may a user agent; all that bills a request stands before them. What stands behind, the trace id and the time at which
//! the request came, is found by the three bare fields that are between.

use std::net::IpAddr;

use crate::error::excerpt;
use crate::format::{decimal, timestamp};
use crate::record::RecordKey;

/// Places that may be the end of a field in quotes that are looked at.
const ENDS_MAX: usize = 64;
/// Longest method.
const METHOD_BYTES_MAX: usize = 20;
/// Fields before the request line of an Application Load Balancer, the request line and the user agent, and the three
/// bare ones behind them.
const FIELDS_BEFORE_TRACE: usize = 17;
/// How many fields there were over the years: the last ones were added together.
const FIELDS_KNOWN: [usize; 9] = [18, 20, 21, 22, 23, 24, 25, 27, 29];

/// What wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Application,
    Classic,
    Network,
    Connection,
}

impl Kind {
    pub(super) fn variant(self) -> &'static str {
        match self {
            Kind::Application | Kind::Connection => "alb",
            Kind::Classic => "classic",
            Kind::Network => "nlb",
        }
    }

    pub(super) fn in_words(self) -> &'static str {
        match self {
            Kind::Application => "an access log record of an Application Load Balancer",
            Kind::Classic => "an access log record of a Classic Load Balancer",
            Kind::Network => "a TLS connection of a Network Load Balancer",
            Kind::Connection => "a connection log record of an Application Load Balancer",
        }
    }
}

/// One line; `None` for `-`.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) kind: Kind,
    /// Of the request, where the line says it; else when it was answered.
    pub(super) time: i64,
    pub(super) fields: usize,
    pub(super) load_balancer: Option<&'a str>,
    pub(super) client: IpAddr,
    /// Method, or `connection`.
    pub(super) operation: Option<&'a str>,
    pub(super) status: Option<&'a str>,
    pub(super) request_bytes: Option<i64>,
    pub(super) response_bytes: Option<i64>,
    pub(super) duration_us: Option<i64>,
    /// Names account and region.
    pub(super) arn: Option<&'a str>,
    pub(super) request_id: Option<&'a str>,
    pub(super) key: RecordKey,
}

impl<'a> Entry<'a> {
    pub(super) fn parse(line: &'a str) -> Result<Self, String> {
        let first = line.split(' ').next().unwrap_or_default();
        match first {
            "http" | "https" | "h2" | "grpcs" | "ws" | "wss" => return Self::application(line),
            "tls" => return Self::network(line),
            _ => {}
        }
        if timestamp::iso(first).is_none() {
            let begins = excerpt(first.as_bytes());
            return Err(format!("the line begins with `{begins}`, expected a type such as `https`, or a time"));
        }
        let second = line.split(' ').nth(1).unwrap_or_default();
        if second.parse::<IpAddr>().is_ok() { Self::connection(line) } else { Self::classic(line) }
    }

    /// The key is trace id, time of the request and client: a client may send one trace id with many requests.
    fn application(line: &'a str) -> Result<Self, String> {
        let mut words = Words(line);
        words.next("type")?;
        let answered = time("time", words.next("time")?)?;
        let load_balancer = words.next("elb")?;
        let (client, client_text) = address("client:port", words.next("client:port")?)?;
        words.next("target:port")?;
        let duration_us = words.duration(["request", "target", "response"])?;
        let status = present(words.next("elb_status_code")?);
        words.next("target_status_code")?;
        let request_bytes = size("received_bytes", words.next("received_bytes")?)?;
        let response_bytes = size("sent_bytes", words.next("sent_bytes")?)?;
        let tail = Tail::find(words.0)?;
        let trace_id = present(tail.trace_id);
        let key = RecordKey::of(&[Some("aws-alb"), trace_id, Some(client_text)]);
        Ok(Entry {
            kind: Kind::Application,
            time: tail.created.unwrap_or(answered),
            fields: tail.fields,
            load_balancer: present(load_balancer),
            client,
            operation: method(words.0),
            status,
            request_bytes,
            response_bytes,
            duration_us,
            arn: tail.arn,
            request_id: trace_id,
            key,
        })
    }

    /// There is no id: the key is client, backend, what was asked and how much went to and fro.
    fn classic(line: &'a str) -> Result<Self, String> {
        let mut words = Words(line);
        let time = time("time", words.next("time")?)?;
        let load_balancer = words.next("elb")?;
        let (client, client_text) = address("client:port", words.next("client:port")?)?;
        let backend = words.next("backend:port")?;
        let duration_us = words.duration(["request", "backend", "response"])?;
        let status = words.next("elb_status_code")?;
        words.next("backend_status_code")?;
        let (received, sent) = (words.next("received_bytes")?, words.next("sent_bytes")?);
        let request = words.0;
        let fields = classic_fields(request).ok_or(
            "expected `request` in quotes, and then nothing or user agent, cipher and protocol: the line is cut off",
        )?;
        let key = RecordKey::of(&[
            Some("aws-classic-elb"),
            Some(load_balancer),
            Some(client_text),
            Some(backend),
            Some(status),
            Some(received),
            Some(sent),
            Some(request),
        ]);
        Ok(Entry {
            kind: Kind::Classic,
            time,
            fields,
            load_balancer: present(load_balancer),
            client,
            operation: method(request),
            status: present(status),
            request_bytes: size("received_bytes", received)?,
            response_bytes: size("sent_bytes", sent)?,
            duration_us,
            arn: None,
            request_id: None,
            key,
        })
    }

    /// A connection: client and port, where it arrived and when it was made.
    fn network(line: &'a str) -> Result<Self, String> {
        let mut words = Words(line);
        words.next("type")?;
        let version = words.next("version")?;
        if !matches!(version, "1.0" | "2.0") {
            let version = excerpt(version.as_bytes());
            return Err(format!("`version` is `{version}`, expected `1.0` or `2.0`"));
        }
        let closed = time("time", words.next("time")?)?;
        let load_balancer = words.next("elb")?;
        let listener = words.next("listener")?;
        let (client, client_text) = address("client:port", words.next("client:port")?)?;
        words.next("destination:port")?;
        let connected_ms = size("connection_time", words.next("connection_time")?)?;
        words.next("tls_handshake_time")?;
        let request_bytes = size("received_bytes", words.next("received_bytes")?)?;
        let response_bytes = size("sent_bytes", words.next("sent_bytes")?)?;
        words.next("incoming_tls_alert")?;
        let arn = present(words.next("chosen_cert_arn")?);
        for name in ["chosen_cert_serial", "tls_cipher", "tls_protocol_version", "tls_named_group", "domain_name"] {
            words.next(name)?;
        }
        let rest: Vec<&str> = words.0.split_ascii_whitespace().take(5).collect();
        // Version 2.0 goes on with three fields of ALPN and the time of the connection.
        let created = rest.get(3).map(|text| time("tls_connection_creation_time", text)).transpose()?;
        if version == "2.0" && created.is_none() {
            return Err("the line ends before `tls_connection_creation_time`".into());
        }
        let key = RecordKey::of(&[Some("aws-nlb"), Some(load_balancer), Some(listener), Some(client_text)]);
        Ok(Entry {
            kind: Kind::Network,
            time: created.unwrap_or(closed),
            fields: 18 + rest.len(),
            load_balancer: present(load_balancer),
            client,
            operation: Some(CONNECTION),
            status: None,
            request_bytes,
            response_bytes,
            duration_us: connected_ms.and_then(|ms| ms.checked_mul(1_000)),
            arn,
            request_id: None,
            key,
        })
    }

    /// A connection has an id of its own.
    fn connection(line: &'a str) -> Result<Self, String> {
        let mut words = Words(line);
        let time = time("timestamp", words.next("timestamp")?)?;
        let client = words.next("client_ip")?;
        let client: IpAddr = client.parse().map_err(|_| "`client_ip` is no address".to_owned())?;
        for name in ["client_port", "listener_port"] {
            let port = words.next(name)?;
            port.parse::<u16>().map_err(|_| format!("`{name}` is `{}`, expected a port", excerpt(port.as_bytes())))?;
        }
        let id = words.0.split(' ').find(|word| word.starts_with("TID_"));
        let id = id.ok_or("the line ends before `conn_trace_id`: it is cut off")?;
        Ok(Entry {
            kind: Kind::Connection,
            time,
            fields: 0,
            load_balancer: None,
            client,
            operation: Some(CONNECTION),
            status: None,
            request_bytes: None,
            response_bytes: None,
            duration_us: None,
            arn: None,
            request_id: Some(id),
            key: RecordKey::of(&[Some("aws-alb-connection"), Some(id)]),
        })
    }
}

/// How many fields a Classic Load Balancer's line has, of which the request and all behind it is given: 12, or 15 since
/// it says the user agent. `None` where it ends in the middle.
fn classic_fields(text: &str) -> Option<usize> {
    let quoted = text.strip_prefix('"')?;
    let mut ends = quoted.match_indices('"').map(|(at, _)| quoted.split_at(at)).filter(|(_, after)| {
        let behind = &after[1..];
        behind.is_empty() || behind.starts_with(' ')
    });
    let first = ends.next()?;
    let others = ends.take(ENDS_MAX);
    let (_, after) = [first].into_iter().chain(others).find(|(request, _)| is_request_line(request)).unwrap_or(first);
    let Some(rest) = after.strip_prefix("\" ") else { return Some(12) };
    let (rest, protocol) = rest.rsplit_once(' ')?;
    let (agent, cipher) = rest.rsplit_once(' ')?;
    let is_whole = agent.len() > 1 && agent.starts_with('"') && agent.ends_with('"');
    (is_whole && !cipher.contains('"') && !protocol.contains('"')).then_some(15)
}

/// Ends with ` HTTP/1.1` or the like.
fn is_request_line(text: &str) -> bool {
    text.rsplit_once(" HTTP/").is_some_and(|(_, version)| (1..=3).contains(&version.len()))
}

/// What a connection is in place of a method.
const CONNECTION: &str = "connection";

/// What stands behind the user agent of an Application Load Balancer's line.
struct Tail<'a> {
    arn: Option<&'a str>,
    trace_id: &'a str,
    created: Option<i64>,
    fields: usize,
}

impl<'a> Tail<'a> {
    fn find(quoted: &'a str) -> Result<Self, String> {
        const CUT: &str =
            "expected request, user agent, cipher, protocol, target group and trace id: the line is cut off";
        let ends = memchr::memmem::find_iter(quoted.as_bytes(), b"\" ");
        let found = ends.filter_map(|end| Self::bare(&quoted[end + 2..])).take(ENDS_MAX).find_map(|(arn, rest)| {
            let mut fields = Fields(rest);
            let trace_id = fields.next()?.filter(|id| *id == "-" || id.contains('='))?;
            let created = match fields.by_ref().nth(3) {
                // Not the end of the user agent after all, or cut off in the time.
                Some(text) => Some(text.and_then(|text| timestamp::iso(text).filter(|_| text.ends_with('Z')))?),
                None => None,
            };
            let count = Fields(rest).try_fold(0, |count, field| field.map(|_| count + 1))?;
            Some(Tail { arn, trace_id, created, fields: FIELDS_BEFORE_TRACE + count })
        });
        let found = found.ok_or(CUT)?;
        let newer = found.fields > FIELDS_KNOWN[FIELDS_KNOWN.len() - 1];
        if !newer && !FIELDS_KNOWN.contains(&found.fields) {
            return Err(format!(
                "the line has {} fields, which no version of the log has: it is cut off",
                found.fields
            ));
        }
        Ok(found)
    }

    /// Cipher, protocol and target group, and what follows in quotes.
    fn bare(text: &'a str) -> Option<(Option<&'a str>, &'a str)> {
        let mut words = Words(text);
        let cipher = words.next("ssl_cipher").ok()?;
        let protocol = words.next("ssl_protocol").ok()?;
        let arn = words.next("target_group_arn").ok()?;
        let is_cipher = cipher.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let is_protocol = protocol == "-" || protocol.starts_with("TLS") || protocol.starts_with("SSL");
        let is_arn = arn == "-" || (arn.starts_with("arn:") && !arn.contains('"'));
        (is_cipher && is_protocol && is_arn && words.0.starts_with('"')).then_some((present(arn), words.0))
    }
}

/// The fields of a text without their quotes; `None` for one that is not closed.
struct Fields<'a>(&'a str);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<&'a str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (field, after) = match self.0.strip_prefix('"') {
            Some(quoted) => match quoted.find("\" ") {
                Some(end) => (Some(&quoted[..end]), &quoted[end + 2..]),
                None => (quoted.strip_suffix('"'), ""),
            },
            None => {
                let (field, after) = self.0.split_once(' ').unwrap_or((self.0, ""));
                (Some(field), after)
            }
        };
        self.0 = after.trim_start_matches(' ');
        Some(field)
    }
}

/// The rest of a line, word by word.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self, name: &str) -> Result<&'a str, String> {
        let text = self.0.trim_start_matches(' ');
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        self.0 = rest;
        if word.is_empty() { Err(format!("the line ends before `{name}`")) } else { Ok(word) }
    }

    /// The sum of three times in seconds; `-1` says that the request did not come so far.
    fn duration(&mut self, parts: [&str; 3]) -> Result<Option<i64>, String> {
        let mut sum = Some(0_i64);
        for part in parts {
            let name = format!("{part}_processing_time");
            let text = self.next(&name)?;
            let time = match text {
                "-1" | "-" => None,
                _ => Some(decimal::exact(text, 6).map_err(|problem| format!("`{name}` {problem}"))?),
            };
            sum = sum.and_then(|sum| sum.checked_add(time?));
        }
        Ok(sum)
    }
}

fn present(field: &str) -> Option<&str> {
    (field != "-").then_some(field)
}

fn time(name: &str, text: &str) -> Result<i64, String> {
    timestamp::iso(text).ok_or_else(|| {
        format!("`{name}` is `{}`, expected a time such as `2026-10-05T17:00:01.234567Z`", excerpt(text.as_bytes()))
    })
}

/// An address with its port, as it is and without.
fn address<'a>(name: &str, text: &'a str) -> Result<(IpAddr, &'a str), String> {
    let found = text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let ip = found.and_then(|(ip, _)| ip.trim_start_matches('[').trim_end_matches(']').parse().ok());
    Ok((ip.ok_or_else(|| format!("`{name}` is `{}`, expected an address and a port", excerpt(text.as_bytes())))?, text))
}

fn size(name: &str, text: &str) -> Result<Option<i64>, String> {
    let Some(digits) = present(text) else { return Ok(None) };
    decimal::exact(digits, 0).map(Some).map_err(|problem| format!("`{name}` {problem}"))
}

/// The method at the beginning of a request line in quotes.
fn method(quoted: &str) -> Option<&str> {
    let method = quoted.strip_prefix('"')?.split([' ', '"']).next()?;
    let is_method =
        (1..=METHOD_BYTES_MAX).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
    is_method.then_some(method)
}
