//! Amazon S3 server access logs.
//!
//! Fields are separated by spaces, and three of them are in quotes without anything being escaped inside: the request
//! line, the referer and the user agent are what a stranger sent. So the line is read from the left up to the request
//! line, and the first place behind it where all the numbers stand is taken as its end; a request line has no spaces of
//! its own, while the two strings after the numbers, which may have any, are not needed.
//!
//! The log is delivered on a best effort: what is computed from it is an estimate.

use std::borrow::Cow;
use std::io::BufRead;
use std::net::IpAddr;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::line::Lines;
use crate::format::{Format, Origin, Recognition, Sink, timestamp};
use crate::record::{EventTime, RecordKey, Request};

/// Lines of the head that detection reads: a few bad ones do not hide the format.
const DETECTION_LINES_MAX: usize = 20;

/// What the SDK says inside a function or container.
static IN_FUNCTION: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"exec-env/AWS_"));

/// `aws-s3-access`.
pub struct AwsS3Access;

impl Format for AwsS3Access {
    fn name(&self) -> &'static str {
        "aws-s3-access"
    }

    fn description(&self) -> &'static str {
        "Amazon S3 server access log, as S3 delivers it into a log bucket"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let lines = head.split(|byte| *byte == b'\n').take(DETECTION_LINES_MAX).enumerate();
        for (index, line) in lines {
            if let Ok(entry) = Entry::parse(&String::from_utf8_lossy(line)) {
                let because =
                    format!("line {} is an S3 access record of `{}` on `{}`", index + 1, entry.operation, entry.bucket);
                return Some(Recognition { because });
            }
        }
        None
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        Lines::new(input).each(|line| {
            if line.too_long {
                return sink.reject(line.rejected_too_long());
            }
            // A user agent may be in any encoding; what identifies and bills the request may not.
            let text =
                std::str::from_utf8(line.bytes).map_or_else(|_| String::from_utf8_lossy(line.bytes), Cow::Borrowed);
            if line.bytes.trim_ascii().is_empty() {
                return Ok(());
            }
            match Entry::parse(&text) {
                Ok(entry) if matches!(text, Cow::Owned(_)) && entry.is_damaged() => {
                    sink.reject(line.rejected("the line is not valid UTF-8"))
                }
                Ok(entry) => entry.hand_over(origin.defaults, sink),
                Err(reason) => sink.reject(line.rejected(reason)),
            }
        })
    }
}

/// One line, as it is; `None` for `-`.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    owner: &'a str,
    bucket: &'a str,
    time: i64,
    remote_ip: Option<&'a str>,
    requester: Option<&'a str>,
    request_id: &'a str,
    operation: &'a str,
    key: &'a str,
    numbers: Numbers<'a>,
    rest: &'a str,
}

/// The fields between the request line and the referer.
#[derive(Debug, PartialEq, Eq)]
struct Numbers<'a> {
    status: Option<&'a str>,
    error_code: Option<&'a str>,
    bytes_sent: Option<i64>,
    object_bytes: Option<i64>,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Result<Self, String> {
        let mut rest = line.trim_end();
        let mut next = |name: &str| {
            let (field, after) = word(rest).ok_or_else(|| format!("the line ends before `{name}`"))?;
            rest = after;
            Ok::<&str, String>(field)
        };
        let owner = next("BucketOwner")?;
        let bucket = next("Bucket")?;
        let (day, zone) = (next("Time")?, next("Time")?);
        let time = time_of(day, zone)
            .ok_or_else(|| format!("`Time` is `{day} {zone}`, expected `[06/Feb/2019:00:00:38 +0000]`"))?;
        let remote_ip = next("RemoteIP")?;
        let requester = next("Requester")?;
        let request_id = next("RequestID")?;
        let operation = next("Operation")?;
        let key = next("Key")?;
        if !is_operation(operation) {
            return Err(format!("`Operation` is `{operation}`, expected something like `REST.GET.OBJECT`"));
        }
        let (numbers, rest) = Numbers::find(rest.trim_start())?;
        if !is_tail(rest) {
            return Err("the line ends before `VersionId`: it is cut off".into());
        }
        let (remote_ip, requester) = (present(remote_ip), present(requester));
        Ok(Entry { owner, bucket, time, remote_ip, requester, request_id, operation, key, numbers, rest })
    }

    /// Whether bytes that are no text stand where they matter.
    fn is_damaged(&self) -> bool {
        [self.owner, self.bucket, self.request_id, self.operation, self.key]
            .iter()
            .any(|field| field.contains(char::REPLACEMENT_CHARACTER))
    }

    fn hand_over(&self, defaults: &Defaults, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let (operation, storage_class) = billed_as(self.operation);
        let uploads = matches!(operation, "PUT") || self.operation == "REST.POST.OBJECT";
        let mut row = Request {
            provider: "aws",
            service: "s3",
            resource: Some(self.bucket),
            operation: Some(operation),
            status: self.numbers.status,
            request_bytes: self.numbers.object_bytes.filter(|_| uploads),
            response_bytes: match operation {
                // The source side of a copy sends nothing, but the whole object is retrieved from its class.
                "RETRIEVAL" if self.operation == "REST.COPY.OBJECT_GET" => {
                    self.numbers.bytes_sent.or(self.numbers.object_bytes)
                }
                _ => self.numbers.bytes_sent,
            },
            storage_class,
            // What a copy reads stays inside.
            source: Some(if operation == "RETRIEVAL" { "aws" } else { self.source() }),
            request_id: present(self.request_id),
            ..Request::default()
        };
        defaults.complete_request(&mut row);
        row.variant = self.is_denied(row.account).then_some("denied");
        let key = RecordKey::of(&[
            Some("aws-s3"),
            Some(self.bucket),
            Some(self.request_id),
            Some(self.operation),
            Some(self.key),
            self.numbers.status,
        ]);
        sink.request(EventTime::Logged(self.time), key, &row)
    }

    /// `aws` where the response stays inside, `internet` where it is transferred out, as far as a line can tell: by
    /// address, requester and the SDK inside a function or container. Inside includes other regions.
    fn source(&self) -> &'static str {
        let by_service = self.requester.is_some_and(|requester| {
            requester == "AmazonS3" || requester.starts_with("svc:") || requester.ends_with(".amazonaws.com")
        });
        if by_service || is_inside(self.remote_ip, self.rest) { "aws" } else { "internet" }
    }

    /// Requests that S3 refuses to strangers are free since 2024-05-13. Who has no name, another canonical id than the
    /// owner, or a role in another account is a stranger; of a role in an unknown account we cannot tell.
    fn is_denied(&self, account: Option<&str>) -> bool {
        if self.numbers.status != Some("403") || self.numbers.error_code != Some("AccessDenied") {
            return false;
        }
        let Some(requester) = self.requester else { return true };
        if requester.starts_with("arn:") {
            return match (requester.split(':').nth(4), account) {
                (Some(of_requester), Some(of_owner)) => of_requester != of_owner,
                _ => false,
            };
        }
        is_canonical_id(requester) && requester != self.owner
    }
}

impl<'a> Numbers<'a> {
    /// Finds the end of the request line, which `text` begins with, and reads what stands behind it.
    fn find(text: &'a str) -> Result<(Self, &'a str), String> {
        let Some(quoted) = text.strip_prefix('"') else {
            // Some operations of S3 itself have a bare `-`.
            let after = text.strip_prefix("- ").ok_or("`Request-URI` is neither in quotes nor `-`")?;
            return Self::read(after).ok_or_else(|| "expected status, error code and sizes after `Request-URI`".into());
        };
        let quotes = memchr::memchr_iter(b'"', quoted.as_bytes());
        let ends = quotes.filter(|at| quoted.as_bytes().get(at + 1) == Some(&b' ')).map(|at| quoted.split_at(at));
        let mut without_version = None;
        for (line, after) in ends {
            let Some(found) = Self::read(&after[2..]) else { continue };
            if is_request_line(line) {
                return Ok(found);
            }
            without_version.get_or_insert(found);
        }
        without_version
            .ok_or_else(|| "expected status, error code and sizes after `Request-URI`: the line is cut off".into())
    }

    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let (status, rest) = word(text)?;
        let (error_code, rest) = word(rest)?;
        let (bytes_sent, rest) = word(rest)?;
        let (object_bytes, rest) = word(rest)?;
        let (total_time, rest) = word(rest)?;
        let (turn_around_time, rest) = word(rest)?;
        let status = present(status);
        if status.is_some_and(|status| status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit())) {
            return None;
        }
        let numbers = Numbers {
            status,
            error_code: present(error_code),
            bytes_sent: size(bytes_sent)?,
            object_bytes: size(object_bytes)?,
        };
        size(total_time)?;
        size(turn_around_time)?;
        (!error_code.contains('"')).then_some((numbers, rest.trim_start()))
    }
}

/// The next word and what follows; words may be separated by several spaces.
fn word(text: &str) -> Option<(&str, &str)> {
    let begin = text.bytes().position(|byte| byte != b' ')?;
    let text = &text[begin..];
    let end = memchr::memchr(b' ', text.as_bytes()).unwrap_or(text.len());
    Some((&text[..end], text.get(end + 1..).unwrap_or_default()))
}

/// The time in `[06/Feb/2019:00:00:38` and `+0000]`.
fn time_of(day: &str, zone: &str) -> Option<i64> {
    let (day, zone) = (day.strip_prefix('[')?, zone.strip_suffix(']')?);
    let mut text = [b' '; 32];
    text.get_mut(..day.len())?.copy_from_slice(day.as_bytes());
    let end = day.len() + 1 + zone.len();
    text.get_mut(day.len() + 1..end)?.copy_from_slice(zone.as_bytes());
    timestamp::web_server(std::str::from_utf8(&text[..end]).ok()?)
}

fn present(field: &str) -> Option<&str> {
    (field != "-").then_some(field)
}

/// A size or time that may be `-`; `None` when it is neither.
#[allow(clippy::option_option)] // Absent and wrong are different things here.
fn size(field: &str) -> Option<Option<i64>> {
    match present(field) {
        None => Some(None),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Some),
        Some(_) => None,
    }
}

/// Ends with ` HTTP/1.1` or the like.
fn is_request_line(text: &str) -> bool {
    let version = text.rsplit_once(" HTTP/").map(|(_, version)| version);
    version.is_some_and(|version| {
        (1..=3).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// Whether referer, user agent and at least a version id follow.
fn is_tail(rest: &str) -> bool {
    match rest.rsplit_once('"') {
        None => rest.split_ascii_whitespace().count() >= 3,
        Some((before, after)) => after.starts_with(' ') && !after.trim().is_empty() && before.contains([' ', '"']),
    }
}

/// `REST.GET.OBJECT`, `S3.EXPIRE.OBJECT`, `BATCH.DELETE.OBJECT`, `WEBSITE.GET.OBJECT`, `SOAP.…`.
fn is_operation(text: &str) -> bool {
    text.contains('.')
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
}

fn is_canonical_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether address and user agent say that a request came from inside; a service has its name for an address, or none.
pub(super) fn is_inside(remote_ip: Option<&str>, user_agent: &str) -> bool {
    let inside = remote_ip.is_none_or(|ip| ip.ends_with(".amazonaws.com") || ip.parse().is_ok_and(is_private));
    inside || IN_FUNCTION.find(user_agent.as_bytes()).is_some()
}

pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip {
        // 100.64.0.0/10 is the shared space that load balancers and private links use.
        IpAddr::V4(ip) => {
            ip.is_private() || ip.is_link_local() || ip.is_loopback() || {
                let [first, second, ..] = ip.octets();
                first == 100 && (64..128).contains(&second)
            }
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// What an operation is billed as, and the storage class where it names one.
///
/// A copy is one request, billed at its destination (`COPY`); the record of its source side is no request but a
/// `RETRIEVAL`, which only some storage classes charge for. Deleting several objects is one POST request in the log, and
/// a `BATCH.DELETE.OBJECT` for each object; all deletion is free, and so is expiry.
pub(super) fn billed_as(operation: &str) -> (&str, Option<&'static str>) {
    let mut parts = operation.splitn(3, '.');
    let (source, verb, what) = (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if source == Some("S3") {
        return match verb {
            "EXPIRE" | "CREATE" | "DELETE" => ("DELETE", None),
            _ => match verb.strip_prefix("TRANSITION") {
                Some(class) => ("TRANSITION", Some(storage_class(class))),
                None => (operation, None),
            },
        };
    }
    let billed = match (verb, what) {
        ("COPY", "OBJECT_GET" | "PART_GET") => "RETRIEVAL",
        ("COPY", _) => "COPY",
        ("POST", "MULTI_OBJECT_DELETE") => "DELETE",
        ("GET", "BUCKET" | "BUCKETVERSIONS" | "UPLOADS" | "UPLOAD" | "SERVICE") => "LIST",
        ("PUT" | "GET" | "HEAD" | "POST" | "DELETE" | "OPTIONS", _) => verb,
        _ => return (operation, None),
    };
    (billed, None)
}

/// The class of a lifecycle transition in the words of the price books.
fn storage_class(of_transition: &str) -> &'static str {
    match of_transition {
        "_SIA" => "STANDARD_IA",
        "_ZIA" => "ONEZONE_IA",
        "_INT" => "INTELLIGENT_TIERING",
        "_GIR" => "GLACIER_IR",
        "_GDA" => "DEEP_ARCHIVE",
        // Without a suffix it is Glacier as it was before there were several.
        _ => "GLACIER",
    }
}
