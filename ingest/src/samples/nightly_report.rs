//! A report every day at 17:00 UTC: one execution a day, each on a new environment, for two months.

use super::{
    DAY_US, HOUR_US, MILLISECOND_US, MINUTE_US, Random, Report, billed_ms, day, in_hundredths, iso_ms, log_stream,
};

const DAYS: i64 = 61;
/// The day on which it ran into its time limit and was tried again.
const TIMEOUT_DAY: i64 = 16;
const TIMEOUT_US: i64 = 3_000_000;
const GROUP: &str = "/aws/lambda/nightly-report";

/// The log as log tools print it, with group, stream and time before each message.
pub(super) fn log(random: &mut Random) -> String {
    let mut out = String::new();
    let runtime = random.hex(64);
    for index in 0..DAYS {
        let start = day(9, 1) + index * DAY_US + 17 * HOUR_US + random.between(40, 900) * MILLISECOND_US;
        let id = random.uuid();
        if index == TIMEOUT_DAY {
            run(random, &mut out, &runtime, start, &id, true);
            // The retry of an asynchronous invocation has the same request id.
            run(random, &mut out, &runtime, start + MINUTE_US, &id, false);
        } else {
            run(random, &mut out, &runtime, start, &id, false);
        }
    }
    out
}

fn run(random: &mut Random, out: &mut String, runtime: &str, start: i64, id: &str, timeout: bool) {
    let stream = log_stream(random, start, "");
    let init_us = in_hundredths(random.between(180_000, 320_000));
    let duration_us = if timeout { TIMEOUT_US } else { in_hundredths(random.between(280_000, 340_000)) };
    let end = start + duration_us;
    let report = Report {
        request_id: id,
        duration_us,
        init_us: Some(init_us),
        billed_ms: billed_ms(duration_us, Some(init_us)),
        memory_mb: 512,
        used_mb: random.between(92, 118),
        status: if timeout { "Status: timeout" } else { "" },
    };
    let mut lines = vec![
        (
            start - init_us,
            format!(
                "INIT_START Runtime Version: python:3.13.v30\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:{runtime}"
            ),
        ),
        (start, format!("START RequestId: {id} Version: $LATEST")),
    ];
    if timeout {
        lines.push((end, format!("{} {id} Task timed out after 3.00 seconds", iso_ms(end))));
    } else {
        let rows = random.between(1_800, 2_600);
        lines.push((end - 9 * MILLISECOND_US, format!("[INFO]\t{}\t{id}\t{rows} rows written", iso_ms(end))));
    }
    lines.push((end, format!("END RequestId: {id}")));
    lines.push((end, report.message()));
    for (time, message) in lines {
        out.push_str(&format!("{GROUP} {stream} {} {message}\n", iso_ms(time)));
    }
}
