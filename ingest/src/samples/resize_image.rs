//! Photos uploaded to a bucket and made small by a function: its log events, and the access log of the bucket.

use super::{
    ACCOUNT, DAY_US, HOUR_US, MILLISECOND_US, MINUTE_US, REGION, Random, Report, SECOND_US, billed_ms, day,
    format_time, in_hundredths, in_order, iso_ms, log_stream,
};

const BUCKET: &str = "example-photos";
const PHOTOS: i64 = 150;
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const SDK_IN_FUNCTION: &str =
    "aws-sdk-js/3.901.0 ua/2.1 os/linux lang/js md/nodejs#22.19.0 exec-env/AWS_Lambda_nodejs22.x api/s3#3.901.0";
const SDK: &str = "Boto3/1.40.40 md/Botocore#1.40.40 ua/2.1 os/macos lang/python#3.13.7";

pub(super) struct Files {
    pub(super) log_events: String,
    pub(super) access_log: String,
    pub(super) notification: String,
}

pub(super) fn files(random: &mut Random) -> Files {
    let mut story = Story { owner: random.hex(64), events: Vec::new(), access: Vec::new() };
    let uploader = format!("arn:aws:iam::{ACCOUNT}:user/uploader");
    let role = format!("arn:aws:sts::{ACCOUNT}:assumed-role/resize-image/resize-image");
    let mut notification = String::new();
    let mut stream = String::new();
    for index in 0..PHOTOS {
        let time = day(10, 1) + index * (31 * DAY_US / PHOTOS) + random.between(0, 2 * HOUR_US);
        let photo =
            Photo { key: format!("photos/2026/10/{}.jpg", random.hex(12)), bytes: random.skewed(1_800_000, 9_500_000) };
        let thumbnail =
            Photo { key: photo.key.replace("photos/", "thumbnails/"), bytes: random.between(14_000, 46_000) };
        let put = Access { requester: &uploader, agent: SDK, ip: "203.0.113.24", status: "200", ..Access::new("PUT") };
        story.access(random, time, &photo, &put);
        // Most uploads are far apart, so the environment is usually gone by the next one.
        let cold = stream.is_empty() || !random.one_in(4);
        if cold {
            stream = log_stream(random, time, "resize-image");
        }
        let start = time + random.between(600, 1_400) * MILLISECOND_US;
        let ip = "10.0.3.17";
        let read = Access { requester: &role, agent: SDK_IN_FUNCTION, ip, status: "200", ..Access::new("GET") };
        story.access(random, start + 40 * MILLISECOND_US, &photo, &read);
        let duration_us = in_hundredths(240_000 + photo.bytes / 12 + random.between(0, 90_000));
        story.execution(random, &stream, start, duration_us, cold);
        let write = Access { verb: "PUT", ..read };
        story.access(random, start + duration_us - 30 * MILLISECOND_US, &thumbnail, &write);
        story.views(random, start + duration_us, &photo, &thumbnail);
        if index == 0 {
            notification = notify(random, time, &photo, &story.owner);
        }
    }
    story.downloads(random);
    story.upkeep(random, &uploader);
    Files { log_events: story.log_events(), access_log: in_order(story.access), notification }
}

struct Photo {
    key: String,
    bytes: i64,
}

#[derive(Clone, Copy)]
struct Access<'a> {
    verb: &'a str,
    requester: &'a str,
    agent: &'a str,
    ip: &'a str,
    status: &'a str,
}

impl Access<'_> {
    /// By a browser that gets what it asks for.
    fn new(verb: &str) -> Access<'_> {
        Access { verb, requester: "-", agent: BROWSER, ip: "198.51.100.7", status: "200" }
    }
}

struct Story {
    owner: String,
    events: Vec<(i64, String)>,
    access: Vec<(i64, String)>,
}

impl Story {
    /// Looks at a thumbnail and sometimes at the photo.
    fn views(&mut self, random: &mut Random, from: i64, photo: &Photo, thumbnail: &Photo) {
        let mut time = from;
        for _ in 0..random.between(1, 5) {
            time += random.skewed(MINUTE_US, 10 * HOUR_US);
            let ip = format!("198.51.100.{}", random.between(1, 254));
            let status = match random.between(0, 39) {
                0 => "403",
                1 | 2 => "404",
                3..=8 => "304",
                _ => "200",
            };
            let seen = if random.one_in(4) { photo } else { thumbnail };
            self.access(random, time, seen, &Access { ip: &ip, status, ..Access::new("GET") });
        }
    }

    /// Whole albums as archives, mostly at weekends: few requests, and nearly all of the bytes.
    fn downloads(&mut self, random: &mut Random) {
        for index in 0..31 {
            let weekend = matches!((index + 4) % 7, 6 | 0);
            for _ in 0..random.between(2, 5) + if weekend { 8 } else { 0 } {
                let time = day(10, 1) + index * DAY_US + random.between(7 * HOUR_US, 23 * HOUR_US);
                let album = Photo {
                    key: format!("albums/{}.zip", random.hex(8)),
                    bytes: random.between(400_000_000, 3_400_000_000),
                };
                let ip = format!("198.51.100.{}", random.between(1, 254));
                self.access(random, time, &album, &Access { ip: &ip, ..Access::new("GET") });
            }
        }
    }

    /// A listing every day, and some photos deleted at the end of the month.
    fn upkeep(&mut self, random: &mut Random, uploader: &str) {
        let by = Access { requester: uploader, agent: SDK, ip: "203.0.113.24", status: "200", ..Access::new("GET") };
        for index in 0..31 {
            let time = day(10, 1) + index * DAY_US + 6 * HOUR_US + random.between(0, 59) * SECOND_US;
            let listing = Photo { key: "-".into(), bytes: random.between(9_000, 40_000) };
            self.access(random, time, &listing, &by);
        }
        for index in 0..12 {
            let time = day(10, 31) + 8 * HOUR_US + index * SECOND_US;
            let photo = Photo { key: format!("photos/2026/10/{}.jpg", random.hex(12)), bytes: 0 };
            self.access(random, time, &photo, &Access { verb: "DELETE", status: "204", ..by });
        }
    }

    /// Adds a line to the access log.
    fn access(&mut self, random: &mut Random, time: i64, object: &Photo, access: &Access<'_>) {
        let Access { verb, requester, agent, ip, status } = *access;
        let Photo { key, bytes } = object;
        let (what, request) = match key.as_str() {
            "-" => ("BUCKET", "/?list-type=2&prefix=photos%2F".to_owned()),
            key => ("OBJECT", format!("/{key}")),
        };
        let (error, sent, size) = match (verb, status) {
            (_, "403") => ("AccessDenied", "243".into(), "-".to_owned()),
            (_, "404") => ("NoSuchKey", "287".into(), "-".into()),
            (_, "304") => ("-", "-".to_owned(), bytes.to_string()),
            ("PUT", _) => ("-", "-".into(), bytes.to_string()),
            ("DELETE", _) => ("-", "-".into(), "-".into()),
            _ if what == "BUCKET" => ("-", bytes.to_string(), "-".into()),
            _ => ("-", bytes.to_string(), bytes.to_string()),
        };
        let signature =
            if requester == "-" { "- TLS_AES_128_GCM_SHA256 -" } else { "SigV4 TLS_AES_128_GCM_SHA256 AuthHeader" };
        let when = format_time(time, "%d/%b/%Y:%H:%M:%S +0000");
        let line = format!(
            "{owner} {BUCKET} [{when}] {ip} {requester} {id} REST.{verb}.{what} {key} \"{verb} {request} HTTP/1.1\" {status} {error} {sent} {size} {total} {turn} \"-\" \"{agent}\" - {host}= {signature} {BUCKET}.s3.{REGION}.amazonaws.com TLSv1.3 - -",
            owner = self.owner,
            id = random.hex(16).to_uppercase(),
            total = random.between(12, 90),
            turn = random.between(8, 12),
            host = random.hex(43),
        );
        // The log has whole seconds.
        self.access.push((time / SECOND_US, line));
    }

    /// Adds the log events of one execution.
    fn execution(&mut self, random: &mut Random, stream: &str, start: i64, duration_us: i64, cold: bool) {
        let id = random.uuid();
        let init_us = cold.then(|| in_hundredths(random.between(390_000, 610_000)));
        let report = Report {
            request_id: &id,
            duration_us,
            init_us,
            billed_ms: billed_ms(duration_us, init_us),
            memory_mb: 1024,
            used_mb: random.between(180, 330),
            status: "",
        };
        let messages = [
            (start, format!("START RequestId: {id} Version: $LATEST")),
            (start + duration_us, format!("END RequestId: {id}")),
            (start + duration_us, report.message()),
        ];
        for (time, message) in messages {
            let ms = time / MILLISECOND_US;
            let received = ms + random.between(200, 4_000);
            let event_id = format!("39{:054}", random.next());
            let message = message.replace('\t', "\\t");
            self.events.push((
                time,
                format!(
                    "    {{\n      \"logStreamName\": \"{stream}\",\n      \"timestamp\": {ms},\n      \"message\": \"{message}\\n\",\n      \"ingestionTime\": {received},\n      \"eventId\": \"{event_id}\"\n    }}"
                ),
            ));
        }
    }

    /// The answer of `aws logs filter-log-events`.
    fn log_events(&mut self) -> String {
        self.events.sort_by_key(|(time, _)| *time);
        let events: Vec<&str> = self.events.iter().map(|(_, event)| event.as_str()).collect();
        format!("{{\n  \"events\": [\n{}\n  ],\n  \"searchedLogStreams\": []\n}}\n", events.join(",\n"))
    }
}

/// What S3 tells the function about an upload.
fn notify(random: &mut Random, time: i64, photo: &Photo, owner: &str) -> String {
    let record = serde_json::json!({
        "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": REGION,
            "eventTime": iso_ms(time),
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": format!("AWS:AIDA{}", random.hex(16).to_uppercase()) },
            "requestParameters": { "sourceIPAddress": "203.0.113.24" },
            "responseElements": {
                "x-amz-request-id": random.hex(16).to_uppercase(),
                "x-amz-id-2": format!("{}=", random.hex(43)),
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "resize-image",
                "bucket": {
                    "name": BUCKET,
                    "ownerIdentity": { "principalId": owner },
                    "arn": format!("arn:aws:s3:::{BUCKET}"),
                },
                "object": {
                    "key": photo.key,
                    "size": photo.bytes,
                    "eTag": random.hex(32),
                    "sequencer": format!("00{}", random.hex(16).to_uppercase()),
                },
            },
        }],
    });
    format!("{record:#}\n")
}
