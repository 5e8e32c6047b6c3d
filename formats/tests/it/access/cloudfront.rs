//! Standard logs of CloudFront: known totals, columns as the header has them, JSON, lines that are wrong.

use super::{example, parse_example, requests, text};
use crate::lines::{parse, real, try_parse_with};
use paygrain_formats::Defaults;
use paygrain_formats::format;
use paygrain_formats::record::EventTime;

const CLOUDFRONT: &str = "aws-cloudfront";

#[test]
fn real_lines_without_a_header_have_their_known_totals() {
    let Some(log) = real("cloudfront", "logstash_cloudfront_samples.log", CLOUDFRONT) else { return };
    assert_eq!((log.records.len(), log.rejected.len()), (2, 0));
    let rows = requests(&log);
    assert_eq!(rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(), 224_673);
    assert_eq!(rows.iter().filter_map(|row| row.request_bytes).sum::<i64>(), 906);
    assert_eq!((rows[0].duration_us, rows[1].duration_us), (Some(36_000), Some(1_000)));
    assert_eq!(
        (&rows[0].operation, &rows[0].variant, &rows[0].source),
        (&text("https"), &text("north-america"), &text("IAD53"))
    );
    assert_eq!(rows[1].resource, text("d111111abcdef8.cloudfront.net"));
}

#[test]
fn the_example_has_its_totals() {
    let log = parse_example("aws-cloudfront.tsv", CLOUDFRONT);
    let rows = requests(&log);
    assert_eq!(rows.len(), 7);
    assert_eq!(rows.iter().filter_map(|row| row.response_bytes).sum::<i64>(), 1_000 + 2_000 + 3_000 + 40 + 500 + 600);
    let words: Vec<_> = rows.iter().map(|row| (row.operation.as_deref().unwrap(), row.variant.as_deref())).collect();
    assert_eq!(
        words,
        [
            ("https", Some("europe")),
            ("http", Some("north-america")),
            ("https", Some("europe")),
            ("https", Some("europe")),
            ("https", None),
            ("https", Some("south-america")),
            ("https", Some("japan")),
        ]
    );
    assert_eq!(rows[2].status, text("000"));
    assert_eq!(rows[4].duration_us, Some(59_500_000));
    // A retry with the same id is told apart by its time.
    assert_eq!(log.records[2].key, log.records[3].key);
    assert_ne!(log.records[2].time, log.records[3].time);
    assert_eq!(log.warnings.len(), 1, "{:?}", log.warnings);
    assert!(log.warnings[0].contains("XYZ50"));
}

#[test]
fn a_record_as_json_is_the_same() {
    let line = parse(CLOUDFRONT, &example("aws-cloudfront.tsv"));
    let json = r#"{"date":"2026-10-05","time":"17:00:01","x-edge-location":"FRA56-P2","sc-bytes":"1000","c-ip":"203.0.113.9","cs-method":"GET","cs(Host)":"d111111abcdef8.cloudfront.net","sc-status":"200","x-edge-request-id":"AAAA0001==","cs-protocol":"https","cs-bytes":100,"time-taken":"0.025","x-edge-result-type":"Hit","DistributionId":"EXAMPLE"}"#;
    for text in [json.to_owned(), format!("[{json}]"), format!("{json}\n{{\"date\":\"2026-10-05\",\"ti")] {
        let (found, _) = format::detect(text.as_bytes()).unwrap();
        assert_eq!(found.name(), CLOUDFRONT);
        let log = parse(CLOUDFRONT, &text);
        assert_eq!(log.records[0], line.records[0]);
        assert_eq!(log.rejected.len(), usize::from(text.ends_with("ti")));
    }
    // Version 2 may carry one field for the time.
    let ms = json.replace(r#""date":"2026-10-05","time":"17:00:01""#, r#""timestamp(ms)":"1791219601234""#);
    let log = parse(CLOUDFRONT, &ms);
    assert_eq!(log.records[0].time, EventTime::Logged(1_791_219_601_234_000));
}

#[test]
fn ids_are_compared_without_their_encoding() {
    let head = "#Fields: date time x-edge-location sc-bytes c-ip x-edge-request-id\n2026-10-05\t17:00:01\tFRA56\t5\t";
    let plain = parse(CLOUDFRONT, &format!("{head}2001:db8::1\tAAAA==\n"));
    for coded in ["2001%3Adb8%3A%3A1\tAAAA%3D%3D", "2001%253Adb8%253A%253A1\tAAAA%253D%253D"] {
        assert_eq!(parse(CLOUDFRONT, &format!("{head}{coded}\n")).key(), plain.key());
    }
}

#[test]
fn lines_that_do_not_fit_are_rejected() {
    let text = example("aws-cloudfront.tsv");
    let lines: Vec<&str> = text.lines().collect();
    let head = lines[..2].join("\n");
    let good = lines[2];
    for (bad, expected) in [
        (good.rsplit_once('\t').unwrap().0.to_owned(), "the line has 32 fields, `#Fields:` says 33"),
        (format!("{good}\t-"), "the line has 34 fields"),
        (good.replace("17:00:01", "17:00:61"), "`date` and `time` are"),
        (good.replace("\t1000\t", "\t-1\t"), "`sc-bytes`"),
        (good.replace("\t0.025\t", "\t0,025\t"), "`time-taken`"),
        (good.replace("\t200\t", "\t20\t"), "`sc-status`"),
        (good.replace("AAAA0001==", "-"), "there is no `x-edge-request-id`"),
        ("\u{0}".into(), "the line has 1 fields"),
    ] {
        let log = parse(CLOUDFRONT, &format!("{head}\n{bad}\n{good}\n"));
        assert_eq!((log.records.len(), log.rejected.len()), (1, 1), "{bad}");
        assert!(log.rejected[0].reason.contains(expected), "{bad}: {}", log.rejected[0].reason);
        assert_eq!((log.rejected[0].line, log.rejected[0].byte_offset), (Some(3), head.len() as u64 + 1));
    }
    // Without a header a line has to have the number of fields of some year.
    let log = parse(CLOUDFRONT, &format!("{good}\n{}", good.rsplit_once('\t').unwrap().0));
    assert_eq!((log.records.len(), log.rejected.len()), (1, 1));
    let refused = try_parse_with(CLOUDFRONT, &mut b"#Fields: date time sc-bytes\n".as_slice(), &Defaults::default());
    assert!(refused.unwrap_err().contains("x-edge-request-id"));
}

#[test]
fn other_tables_are_not_claimed() {
    for other in [
        "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time s-ip cs-method sc-status\n"
            .to_owned(),
        vec!["a"; 23].join("\t"),
        "{\"date\":\"2026-10-05\",\"time\":\"17:00:01\"}".into(),
    ] {
        assert!(format::by_name(CLOUDFRONT).unwrap().recognises(other.as_bytes()).is_none(), "{other}");
    }
}
