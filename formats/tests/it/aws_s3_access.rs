//! S3 access logs: known totals of real files, what each request is billed as, hostile and bad lines.

use std::fs;

use crate::lines::{OWNER, S3, parse, parse_with, real, s3_line, shared};
use paygrain_formats::Defaults;
use paygrain_formats::format;
use paygrain_formats::record::EventTime;

#[test]
fn real_s3_logs_have_their_known_totals() {
    // File, records, bytes sent with status 2xx.
    for (name, records, bytes) in [
        ("dandi_2020-01-01-05-06-35-0123456789ABCDEF.log", 3, 6_286_489),
        ("dandi_parser_2020-01-01.log", 3, 512 + 1_526_223 + 1_443),
        ("dandi_parser_2022-04-06.log", 5, 6_616_308 + 512 + 1_443),
        ("logstash_s3_access_samples.log", 3, 113),
    ] {
        let Some(collected) = real("s3-access", name, S3) else { return };
        assert_eq!((collected.records.len(), collected.rejected.len()), (records, 0), "{name}");
        let good =
            collected.requests().into_iter().filter(|row| row.status.as_ref().is_some_and(|s| s.starts_with('2')));
        assert_eq!(good.filter_map(|row| row.response_bytes).sum::<i64>(), bytes, "{name}");
    }
}

#[test]
fn real_s3_rows_are_those_that_another_parser_published() {
    let Some(collected) = real("s3-access", "dandi_parser_2022-04-06.log", S3) else { return };
    let expected =
        fs::read_to_string(shared().unwrap().join("s3-access/dandi_parser_2022-04-06_expected.tsv")).unwrap();
    let expected: Vec<(i64, i64)> = expected
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            (format::timestamp::iso(fields[0]).unwrap(), fields[3].parse().unwrap())
        })
        .collect();
    let found: Vec<(i64, i64)> = collected
        .records
        .iter()
        .zip(collected.requests())
        .filter(|(_, row)| row.status.as_ref().is_some_and(|status| status.starts_with('2')))
        .map(|(record, row)| match record.time {
            EventTime::Logged(time) => (time, row.response_bytes.unwrap()),
            EventTime::Assumed => panic!("no time"),
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn s3_requests_are_billed_as_what_they_are() {
    for (operation, expected, class) in [
        ("REST.GET.OBJECT", "GET", None),
        ("WEBSITE.GET.OBJECT", "GET", None),
        ("REST.GET.ACL", "GET", None),
        ("REST.GET.BUCKET", "LIST", None),
        ("REST.GET.BUCKETVERSIONS", "LIST", None),
        ("REST.GET.BUCKETPOLICY", "GET", None),
        ("REST.HEAD.OBJECT", "HEAD", None),
        ("REST.PUT.OBJECT", "PUT", None),
        ("REST.PUT.PART", "PUT", None),
        ("REST.POST.UPLOADS", "POST", None),
        ("REST.POST.MULTI_OBJECT_DELETE", "DELETE", None),
        ("BATCH.DELETE.OBJECT", "DELETE", None),
        ("REST.DELETE.OBJECT", "DELETE", None),
        ("REST.COPY.OBJECT", "COPY", None),
        ("REST.COPY.OBJECT_GET", "RETRIEVAL", None),
        ("REST.OPTIONS.PREFLIGHT", "OPTIONS", None),
        ("S3.EXPIRE.OBJECT", "DELETE", None),
        ("S3.CREATE.DELETEMARKER", "DELETE", None),
        ("S3.TRANSITION.OBJECT", "TRANSITION", Some("GLACIER")),
        ("S3.TRANSITION_SIA.OBJECT", "TRANSITION", Some("STANDARD_IA")),
        ("S3.TRANSITION_GDA.OBJECT", "TRANSITION", Some("DEEP_ARCHIVE")),
    ] {
        let line = s3_line("-", operation, "\"GET /a HTTP/1.1\" 200 - 12 34 5 6", "\"curl\"");
        let collected = parse(S3, &line);
        assert_eq!(collected.rejected, [], "{operation}");
        let row = collected.requests()[0].clone();
        assert_eq!((row.operation.as_deref(), row.storage_class.as_deref()), (Some(expected), class), "{operation}");
        assert_eq!(row.request_bytes, (expected == "PUT").then_some(34), "{operation}");
    }
}

#[test]
fn s3_lines_of_all_shapes() {
    let normal = "\"GET /a HTTP/1.1\" 200 - 12 34 5 6";
    let arn = "arn:aws:iam::999999999999:user/x";
    let forged = "\"x HTTP/1.1\" 200 - 999999 1 1 1 \"-\" \"y\"";
    // Requester, operation, the middle, user agent; then status, bytes sent, source, variant.
    for (requester, operation, middle, agent, status, bytes, source, variant) in [
        ("-", "REST.GET.OBJECT", normal, "\"curl\"", Some("200"), Some(12), "internet", None),
        (" -", "REST.GET.OBJECT", normal, "\"curl\"", Some("200"), Some(12), "internet", None),
        ("svc:cloudfront.amazonaws.com", "REST.GET.OBJECT", normal, "\"x\"", Some("200"), Some(12), "aws", None),
        ("-", "REST.GET.OBJECT", normal, "\"a exec-env/AWS_Lambda_x\"", Some("200"), Some(12), "aws", None),
        (
            "-",
            "REST.GET.OBJECT",
            "\"GET /a HTTP/1.1\" 304 - - 34 5 -",
            "\"\"q\" b\"",
            Some("304"),
            None,
            "internet",
            None,
        ),
        ("-", "REST.GET.OBJECT", normal, forged, Some("200"), Some(12), "internet", None),
        (
            "-",
            "REST.GET.OBJECT",
            "\"GET /?x=\"y\"&z HTTP/1.1\" 404 NoSuchKey 9 - 5 -",
            "\"-\"",
            Some("404"),
            Some(9),
            "internet",
            None,
        ),
        (
            "-",
            "REST.GET.OBJECT",
            "\"GET /a HTTP/1.1\" 403 AccessDenied 243 - 5 -",
            "\"c\"",
            Some("403"),
            Some(243),
            "internet",
            Some("denied"),
        ),
        (
            OWNER,
            "REST.GET.OBJECT",
            "\"GET /a HTTP/1.1\" 403 AccessDenied 243 - 5 -",
            "\"c\"",
            Some("403"),
            Some(243),
            "internet",
            None,
        ),
        (
            arn,
            "REST.GET.OBJECT",
            "\"GET /a HTTP/1.1\" 403 AccessDenied 243 - 5 -",
            "\"c\"",
            Some("403"),
            Some(243),
            "internet",
            None,
        ),
        ("-", "BATCH.DELETE.OBJECT", "- 204 - - 34 - -", "-", Some("204"), None, "internet", None),
        ("AmazonS3", "S3.EXPIRE.OBJECT", "\"-\" - - - 34 - -", "\"-\"", None, None, "aws", None),
    ] {
        let line = s3_line(requester, operation, middle, agent);
        let collected = parse(S3, &line);
        assert_eq!(collected.rejected, [], "{line}");
        let row = collected.requests()[0].clone();
        assert_eq!((row.status.as_deref(), row.response_bytes), (status, bytes), "{line}");
        assert_eq!((row.source.as_deref(), row.variant.as_deref()), (Some(source), variant), "{line}");
    }
    let line = s3_line(arn, "REST.GET.OBJECT", "\"GET /a HTTP/1.1\" 403 AccessDenied 243 - 5 -", "\"c\"");
    let defaults = Defaults { account: Some("123456789012".into()), ..Defaults::default() };
    let collected = parse_with(S3, &mut line.as_bytes(), &defaults);
    assert_eq!(collected.requests()[0].variant.as_deref(), Some("denied"));
}

#[test]
fn bad_s3_lines_are_rejected() {
    let good = s3_line("-", "REST.GET.OBJECT", "\"GET /a HTTP/1.1\" 200 - 12 34 5 6", "\"curl\"");
    let tail = good.find(" - hostid").unwrap();
    for cut in 1..=tail {
        let collected = parse(S3, &good[..cut]);
        assert_eq!((collected.records.len(), collected.rejected.len()), (0, 1), "{}", &good[..cut]);
    }
    for bad in [
        good.replace("[05/Oct", "[35/Oct"),
        good.replace("200 - 12", "200 - -12"),
        good.replace("200 - 12", "20 - 12"),
        good.replace("200 - 12", "200 - 99999999999999999999"),
        good.replace("REST.GET.OBJECT", "hello"),
        "\u{0}\u{0}".into(),
    ] {
        let collected = parse(S3, &format!("\n{bad}\r\n{good}\n"));
        assert_eq!((collected.records.len(), collected.rejected.len()), (1, 1), "{bad}");
        assert_eq!((collected.rejected[0].line, collected.rejected[0].byte_offset), (Some(2), 1));
    }
    let mut bytes = good.clone().into_bytes();
    let agent = good.find("curl").unwrap();
    bytes[agent] = 0xe9;
    assert_eq!(parse_with(S3, &mut bytes.as_slice(), &Defaults::default()).records.len(), 1);
    let bucket = good.find("photos").unwrap();
    bytes[bucket] = 0xe9;
    assert_eq!(parse_with(S3, &mut bytes.as_slice(), &Defaults::default()).rejected.len(), 1);
}

#[test]
fn the_key_is_request_operation_object_and_status() {
    let line = s3_line("-", "REST.GET.OBJECT", "\"GET /a HTTP/1.1\" 200 - 12 34 5 6", "\"curl\"");
    let expected = parse(S3, &line).key();
    assert_eq!(expected.len(), 1);
    // The same line as it was written before there were fields behind the version.
    let (old, _) = line.split_once(" hostid=").unwrap();
    assert_eq!(parse(S3, old).key(), expected);
    for other in [
        line.replace("A1B2C3D4E5F60718", "A1B2C3D4E5F60719"),
        line.replace("REST.GET.OBJECT", "REST.HEAD.OBJECT"),
        line.replace("a%2520b.jpg", "b.jpg"),
        line.replace(" 200 - ", " 304 - "),
        line.replace(" photos ", " films "),
        line.replace("17:00:01", "17:00:02"),
    ] {
        let collected = parse(S3, &other);
        assert_eq!((collected.records.len(), collected.rejected.len()), (1, 0), "{other}");
        assert_ne!(collected.key(), expected, "{other}");
    }
}
