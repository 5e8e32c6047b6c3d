//! One night a year: 3,000 people open the page in the same second, and come back as results come in.

use super::{
    HOUR_US, MINUTE_US, Random, Report, SECOND_US, billed_ms, day, in_hundredths, in_order, iso_ms, log_stream,
};

const USERS: usize = 3_000;
/// Minutes after the polls close at which new results draw people back, and how many of them.
const RETURNS: [(i64, usize); 3] = [(30, 500), (75, 300), (180, 200)];

/// The log in the form of an export, with group and stream before the time.
pub(super) fn log(random: &mut Random) -> String {
    let polls_close = day(10, 4) + 20 * HOUR_US;
    let mut lines = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..USERS {
        // All executions of the first second overlap: they are as many environments.
        let start = polls_close + random.between(0, SECOND_US);
        let stream = log_stream(random, start, "");
        let duration_us = in_hundredths(random.between(1_050_000, 2_600_000));
        run(random, &mut lines, &stream, start, duration_us, true);
        streams.push(stream);
    }
    for (minutes, users) in RETURNS {
        // By now the environments of the first wave are idle; each of these takes its own.
        for stream in streams.iter().take(users) {
            let start = polls_close + minutes * MINUTE_US + random.between(0, 20 * SECOND_US);
            let duration_us = in_hundredths(random.skewed(90_000, 900_000));
            run(random, &mut lines, stream, start, duration_us, false);
        }
    }
    in_order(lines)
}

fn run(random: &mut Random, lines: &mut Vec<(i64, String)>, stream: &str, start: i64, duration_us: i64, cold: bool) {
    let id = random.uuid();
    let init_us = cold.then(|| in_hundredths(random.between(310_000, 480_000)));
    let report = Report {
        request_id: &id,
        duration_us,
        init_us,
        billed_ms: billed_ms(duration_us, init_us),
        memory_mb: 512,
        used_mb: random.between(130, 160),
        status: "",
    };
    let end = start + duration_us;
    let messages = [
        (start, format!("START RequestId: {id} Version: 12")),
        (end, format!("END RequestId: {id}")),
        (end, report.message()),
    ];
    for (time, message) in messages {
        lines.push((time, format!("/aws/lambda/election-results {stream} {} {message}", iso_ms(time))));
    }
}
