//! Allocations of OpenCost.

use crate::azure::{ONE, example, metered, sum};
use crate::lines::{parse, real};
use paygrain_formats::record::EventTime;

const OPENCOST: &str = "opencost";

#[test]
fn the_real_allocation_has_its_known_totals() {
    let Some(log) = real("opencost", "allocation_sample.json", OPENCOST) else { return };
    assert_eq!(log.rejected, []);
    let rows: Vec<_> = metered(&log)
        .into_iter()
        .map(|row| {
            (
                row.resource.as_deref().unwrap(),
                row.variant.as_deref(),
                row.meter.as_deref().unwrap(),
                row.quantity.unwrap() / ONE,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("__idle__", Some("idle"), "cpu", 100),
            ("__idle__", Some("idle"), "ram", 1),
            ("kubetidy-demo/checkout-api", None, "cpu", 24),
            ("kubetidy-demo/checkout-api", None, "ram", 17_179_869_184_000),
        ]
    );
    assert!(log.key().iter().all(|(time, _)| *time == EventTime::Assumed));
    assert!(log.warnings[0].starts_with("2 allocations name no window"), "{:?}", log.warnings);
}

#[test]
fn the_example_has_its_totals() {
    let log = example("opencost.json", OPENCOST);
    assert_eq!(sum(&log, "cpu"), 51_012_345_678_901_234_000 + 12_345_678_901_235);
    assert_eq!(sum(&log, "ram"), (1_073_741_824 + 17_179_869_184) * ONE + ONE / 2);
    assert_eq!((sum(&log, "gpu"), sum(&log, "pv")), (16 * ONE, 2_576_980_378_624 * ONE));
    assert_eq!((sum(&log, "network-transfer"), sum(&log, "network-receive")), (1_048_576 * ONE, 0));
    assert_eq!((log.rejected.len(), log.rejected[0].line), (1, Some(5)));
    assert!(log.rejected[0].reason.starts_with("`cpuCoreHours` of `shop/broken` is `-3`"), "{:?}", log.rejected);
    assert_eq!(log.warnings, ["numbers with more than 18 decimals were rounded to 18"]);
    // By the window of the question, not by the time something ran in it.
    assert_eq!(log.key()[2].0, EventTime::Logged(1_791_158_400_000_000));
}

fn allocation(start: &str, end: &str, hours: &str) -> String {
    format!(
        r#"{{"a":{{"name":"a","properties":{{}},"window":{{"start":"{start}T00:00:00Z","end":"{end}T00:00:00Z"}},"cpuCoreHours":{hours},"ramByteHours":1}}}}"#
    )
}

#[test]
fn a_window_has_one_key_in_every_envelope() {
    let (one, two) = (allocation("2026-10-05", "2026-10-06", "2"), allocation("2026-10-06", "2026-10-07", "2"));
    let answer = parse(OPENCOST, &format!(r#"{{"code":200,"data":[{one},{two}]}}"#));
    assert_eq!((answer.records.len(), answer.warnings.len()), (4, 0));
    for text in [
        format!("[{one},\n{two}]"),
        format!("{one}\n{two}\n"),
        format!(r#"{{"code":200,"data":[{one}]}}{{"code":200,"data":[{two}]}}"#),
    ] {
        assert_eq!(parse(OPENCOST, &text).records, answer.records, "{text}");
    }
    assert_eq!(parse(OPENCOST, r#"{"code":200,"data":null}"#), crate::lines::Collected::default());
}

#[test]
fn windows_that_overlap_are_told() {
    let day = allocation("2026-10-05", "2026-10-06", "2");
    let week = allocation("2026-10-01", "2026-10-08", "14");
    let log = parse(OPENCOST, &format!(r#"{{"code":200,"data":[{day},{week}]}}"#));
    assert_eq!(log.records.len(), 4);
    assert!(log.warnings[0].starts_with("windows overlap"), "{:?}", log.warnings);
    let mut keys = log.key();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}

#[test]
fn bad_allocations_cost_themselves_alone() {
    let (one, two) = (allocation("2026-10-05", "2026-10-06", "2"), allocation("2026-10-06", "2026-10-07", "2"));
    for (bad, expected) in [
        (allocation("2026-10-06", "2026-10-05", "2"), "the window of `a` ends before it begins"),
        (allocation("2026-10-36", "2026-10-05", "2"), "`start` of `a` is `2026-10-36"),
        (allocation("2026-10-05", "2026-10-06", "\"x\""), "`cpuCoreHours` of `a` is `x`"),
        ("{\"a\":1}".to_owned(), "`a` is no allocation"),
        ("7".to_owned(), "not valid JSON"),
    ] {
        let log = parse(OPENCOST, &format!("{{\"code\":200,\"data\":[{one},\n{bad},\n{two}]}}"));
        assert_eq!((log.records.len(), log.rejected.len()), (4, 1), "{bad}");
        assert_eq!(log.rejected[0].line, Some(2), "{bad}");
        assert!(log.rejected[0].reason.contains(expected), "{bad}: {}", log.rejected[0].reason);
    }
    let cut = format!("{{\"code\":200,\"data\":[{one},\n{two}]}}");
    let log = parse(OPENCOST, &cut[..cut.len() - 9]);
    assert_eq!((log.records.len(), log.rejected.len(), log.rejected[0].line), (2, 1, Some(2)));
}
