//! Access logs of Elastic Load Balancing, which all land in one bucket: Application and Classic Load Balancers, TLS
//! connections of Network Load Balancers, and the connection logs of Application Load Balancers.
//!
//! The log says requests, bytes and times. What load balancers are billed by, hours and capacity units, it does not.
//! It is delivered on a best effort: what is computed from it is an estimate.

use std::collections::BTreeMap;
use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::line::Lines;
use crate::format::{Format, Origin, Recognition, Sink, aws_s3_access};
use crate::record::{EventTime, Record, Request, Usage};

mod entry;

use entry::{Entry, Kind};

/// Lines of the head that detection reads: a few bad ones do not hide the format.
const DETECTION_LINES_MAX: usize = 20;

/// `aws-alb`.
pub struct AwsAlb;

impl Format for AwsAlb {
    fn name(&self) -> &'static str {
        "aws-alb"
    }

    fn description(&self) -> &'static str {
        "Elastic Load Balancing access logs: Application, Classic and Network (TLS) Load Balancers, connection logs"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let lines = head.split(|byte| *byte == b'\n').take(DETECTION_LINES_MAX).enumerate();
        for (index, line) in lines {
            if let Ok(entry) = Entry::parse(String::from_utf8_lossy(line).trim_end()) {
                let because = format!("line {} is {}", index + 1, entry.kind.in_words());
                return Some(Recognition { because });
            }
        }
        None
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let bucket_path = BucketPath::of(origin.name);
        let mut lines = Lines::new(input);
        let mut most_fields = BTreeMap::new();
        let mut of_network = false;
        while let Some(line) = lines.next()? {
            if line.too_long {
                sink.reject(line.rejected_too_long())?;
                continue;
            }
            // A user agent may be in any encoding; it is not kept.
            let text = String::from_utf8_lossy(line.bytes);
            let text = text.trim_end();
            if text.is_empty() {
                continue;
            }
            let entry = match Entry::parse(text) {
                Ok(entry) => entry,
                Err(reason) => {
                    sink.reject(line.rejected(reason))?;
                    continue;
                }
            };
            let most = most_fields.entry(entry.kind).or_insert(entry.fields);
            if !line.ended && entry.fields < *most {
                let reason =
                    format!("the last line has {} fields, the lines before have {most}: it is cut off", entry.fields);
                sink.reject(line.rejected(reason))?;
                continue;
            }
            *most = entry.fields.max(*most);
            of_network |= entry.kind == Kind::Network;
            sink.record(record(&entry, &bucket_path, origin.defaults))?;
        }
        if of_network {
            sink.warn(
                "Network Load Balancers log the connections of TLS listeners only: other traffic is missing".into(),
            );
        }
        Ok(())
    }
}

/// The service in the words of the price books.
const SERVICE: &str = "elastic-load-balancing";

fn record(entry: &Entry<'_>, bucket_path: &BucketPath<'_>, defaults: &Defaults) -> Record {
    let mut of_arn = entry.arn.into_iter().flat_map(|arn| arn.split(':').skip(3));
    let (arn_region, arn_account) = (of_arn.next(), of_arn.next());
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let mut row = Request {
        provider: "aws".into(),
        service: SERVICE.into(),
        account: text(arn_account).or_else(|| text(bucket_path.account)),
        region: text(arn_region).or_else(|| text(bucket_path.region)),
        resource: text(entry.load_balancer).or_else(|| bucket_path.load_balancer.clone()),
        operation: text(entry.operation),
        variant: Some(entry.kind.variant().into()),
        status: text(entry.status),
        request_bytes: entry.request_bytes,
        response_bytes: entry.response_bytes,
        // By the address alone, so that other regions count as inside and public addresses of AWS as outside.
        source: Some(if aws_s3_access::is_private(entry.client) { "aws" } else { "internet" }.into()),
        request_id: text(entry.request_id),
        duration_us: entry.duration_us,
        ..Request::default()
    };
    defaults.complete_request(&mut row);
    Record { time: EventTime::Logged(entry.time), key: entry.key, usage: Usage::Request(Box::new(row)) }
}

/// What the path of a log file in its bucket says:
/// `…/123456789012_elasticloadbalancing_us-east-2_app.name.0123456789abcdef_20261005T1700Z_….log.gz`.
#[derive(Default)]
struct BucketPath<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    /// As access logs write it: `app/name/0123456789abcdef`.
    load_balancer: Option<String>,
}

impl<'a> BucketPath<'a> {
    fn of(name: &'a str) -> Self {
        let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let mut parts = file.strip_prefix("conn_log.").unwrap_or(file).split('_');
        let account = parts.next().filter(|part| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit()));
        if account.is_none() || parts.next() != Some("elasticloadbalancing") {
            return BucketPath::default();
        }
        let region = parts.next();
        let id = parts.next().filter(|id| id.starts_with("app.") || id.starts_with("net."));
        BucketPath { account, region, load_balancer: id.map(|id| id.replace('.', "/")) }
    }
}
