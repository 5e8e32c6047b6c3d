//! A web API that sleeps most of the time and then gets 400 requests at once.

use super::{ACCOUNT, DAY_US, HOUR_US, MILLISECOND_US, MINUTE_US, REGION, Random, billed_ms, day, in_order, iso_ms};

/// Day of October 2026, and minute of that day.
const BURSTS: [(i64, i64); 5] = [(2, 9 * 60), (7, 13 * 60 + 30), (14, 9 * 60), (21, 18 * 60 + 5), (28, 9 * 60)];
const SIMULTANEOUS: usize = 400;
/// Single requests between the bursts.
const SINGLE: usize = 250;

/// The log in the JSON log format of Lambda, one event a line.
pub(super) fn log(random: &mut Random) -> String {
    let mut lines = Vec::new();
    for (on, minute) in BURSTS {
        let burst = day(10, 1) + (on - 1) * DAY_US + minute * MINUTE_US;
        for _ in 0..SIMULTANEOUS {
            // All within a tenth of a second, so every one finds the others still running: all are cold starts.
            let start = burst + random.between(0, 100 * MILLISECOND_US);
            let duration_us = random.between(105_000, 420_000);
            run(random, &mut lines, start, duration_us, true);
        }
    }
    for _ in 0..SINGLE {
        let start = day(10, 1) + random.between(0, 31 * 24) * HOUR_US - random.between(1, HOUR_US);
        let start = start.max(day(10, 1) + MINUTE_US);
        let duration_us = random.skewed(12_000, 240_000);
        let cold = random.one_in(3);
        run(random, &mut lines, start, duration_us, cold);
    }
    in_order(lines)
}

fn run(random: &mut Random, lines: &mut Vec<(i64, String)>, start: i64, duration_us: i64, cold: bool) {
    let id = random.uuid();
    let init_us = cold.then(|| random.between(140_000, 260_000));
    let failed = random.one_in(150);
    let status = if failed { r#""error","errorType":"Runtime.ExitError""# } else { r#""success""# };
    let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:web-api");
    let event = |time: i64, kind: &str, record: String| {
        (time, format!(r#"{{"time":"{}","type":"platform.{kind}","record":{{{record}}}}}"#, iso_ms(time)))
    };
    lines.push(event(start, "start", format!(r#""requestId":"{id}","functionArn":"{arn}","version":"$LATEST""#)));
    let path = ["/", "/products", "/cart", "/checkout"][random.next() as usize % 4];
    let now = iso_ms(start + 5 * MILLISECOND_US);
    lines.push((
        start + 5 * MILLISECOND_US,
        format!(r#"{{"timestamp":"{now}","level":"INFO","requestId":"{id}","message":"GET {path}"}}"#),
    ));
    let init = init_us.map(|us| format!(r#","initDurationMs":{}"#, thousandths(us))).unwrap_or_default();
    let metrics = format!(
        r#""durationMs":{},"billedDurationMs":{},"memorySizeMB":256,"maxMemoryUsedMB":{}{init}"#,
        thousandths(duration_us),
        billed_ms(duration_us, init_us),
        random.between(71, 96),
    );
    let record = format!(r#""requestId":"{id}","metrics":{{{metrics}}},"status":{status}"#);
    lines.push(event(start + duration_us, "report", record));
}

/// Milliseconds as JSON writes a number: no zeros at the end.
fn thousandths(us: i64) -> String {
    let text = format!("{}.{:03}", us / 1000, us % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
