//! The public Azure Functions traces: known totals of the real tables.

use std::collections::HashMap;

use crate::azure::{ONE, example, metered, sum};
use crate::lines::{Collected, parse, real};
use paygrain_formats::Defaults;
use paygrain_formats::format::{self, Origin};
use paygrain_formats::record::{EventTime, Usage};

const TRACE_2019: &str = "azure-trace-2019";
const TRACE_2021: &str = "azure-trace-2021";
const FOLDER: &str = "azure-functions-trace";

/// As `parse`, of a file with a name.
fn parse_named(format: &str, name: &str, text: &str) -> Collected {
    let mut collected = Collected::default();
    let defaults = Defaults::default();
    let origin = Origin { name, defaults: &defaults };
    format::by_name(format).unwrap().parse(&mut text.as_bytes(), &origin, &mut collected).unwrap();
    collected
}

fn text(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/files/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Quantities of a meter by function, summed.
fn by_function(log: &Collected, meter: &str) -> HashMap<String, i128> {
    let mut sums = HashMap::new();
    for row in metered(log).into_iter().filter(|row| row.meter.as_deref() == Some(meter)) {
        *sums.entry(row.resource.clone().unwrap()).or_default() += row.quantity.unwrap();
    }
    sums
}

#[test]
fn real_tables_of_2019_have_their_known_totals() {
    let invocations = [
        ("invitro_azure2019_100_inv.csv", 513_418),
        ("invitro_pr15_100_inv.csv", 86_751),
        ("invitro_pr15_500_inv.csv", 341_096),
        ("invitro_example_invocations.csv", 4_525),
    ];
    for (name, expected) in invocations {
        let Some(log) = real(FOLDER, name, TRACE_2019) else { return };
        assert_eq!((log.rejected.len(), sum(&log, "invocations")), (0, expected * ONE), "{name}");
        let mut keys: Vec<_> = log.key().into_iter().map(|(_, key)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), log.records.len(), "{name}");
    }
    let functions = by_function(&real(FOLDER, "invitro_example_invocations.csv", TRACE_2019).unwrap(), "invocations");
    let mut counts: Vec<_> = functions.values().map(|sum| sum / ONE).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1_125, 1_125, 1_125, 1_150]);

    let durations = real(FOLDER, "invitro_azure2019_100_run.csv", TRACE_2019).unwrap();
    assert_eq!((durations.rejected.len(), sum(&durations, "durations-measured")), (0, 6_987_963 * ONE));
    let counts = by_function(&real(FOLDER, "invitro_azure2019_100_inv.csv", TRACE_2019).unwrap(), "invocations");
    let averages = by_function(&durations, "average-duration");
    let total_ms: i128 = counts.iter().map(|(function, count)| count / ONE * (averages[function] / ONE)).sum();
    assert_eq!(total_ms, 28_911_622_186);

    for (name, rows) in [
        ("invitro_azure2019_100_mem.csv", 100),
        ("invitro_pr15_100_mem.csv", 100),
        ("invitro_pr15_500_mem.csv", 500),
        ("invitro_example_memory.csv", 4),
        ("invitro_pr15_100_run.csv", 100),
        ("invitro_pr15_500_run.csv", 500),
        ("invitro_example_durations.csv", 4),
    ] {
        let log = real(FOLDER, name, TRACE_2019).unwrap();
        assert_eq!((log.records.len(), log.rejected.len()), (2 * rows, 0), "{name}");
    }
}

#[test]
fn the_real_trace_of_2021_has_its_known_totals() {
    let Some(log) = real(FOLDER, "invitro_azure2021_200.csv", TRACE_2021) else { return };
    assert_eq!((log.records.len(), log.rejected.len()), (199, 0));
    let rows = log.invocations();
    assert_eq!(rows.iter().filter_map(|row| row.duration_us).sum::<i64>(), 10_599_170_000);
    let mut functions: Vec<_> = rows.iter().map(|row| row.resource.as_deref()).collect();
    functions.sort_unstable();
    functions.dedup();
    assert_eq!(functions.len(), 31);
    let ends = log.records.iter().filter_map(|record| match (&record.time, &record.usage) {
        (EventTime::Logged(start_us), Usage::Invocation(row)) => Some(start_us + row.duration_us?),
        _ => None,
    });
    // 2021-01-31 and 1260.0557980537415 s.
    assert_eq!(ends.max(), Some(1_612_051_200_000_000 + 1_260_055_798));
    assert!(log.warnings[0].contains("not for billing"));
}

#[test]
fn our_tables_of_2019_have_their_totals() {
    let log = example("azure-trace-2019.d02.csv", TRACE_2019);
    assert_eq!(sum(&log, "invocations"), (6 + 24 + 250) * ONE);
    assert_eq!((log.rejected.len(), log.rejected[0].line), (1, Some(6)));
    assert!(log.rejected[0].reason.starts_with("minute 1440 is `-1`"), "{:?}", log.rejected);
    let durations = example("azure-trace-2019-durations.d02.csv", TRACE_2019);
    assert_eq!(sum(&durations, "average-duration"), 2_101_500 * ONE / 1_000);
    assert_eq!((durations.records.len(), durations.rejected.len()), (4, 1));
    let memory = example("azure-trace-2019-memory.d02.csv", TRACE_2019);
    assert_eq!((sum(&memory, "average-memory"), sum(&memory, "memory-samples")), (376 * ONE, 19_362 * ONE));
    for log in [log, durations, memory] {
        assert!(
            metered(&log).iter().all(|row| row.service == "azure-trace" && row.variant.as_deref() == Some("estimate"))
        );
        assert!(log.warnings[0].contains("not for billing"));
        assert!(log.warnings[1].starts_with("the table names no day"));
    }
}

#[test]
fn the_day_is_in_the_name() {
    let table = text("azure-trace-2019.d02.csv");
    let log = parse_named(TRACE_2019, "traces/d03/invocations_per_function_md.anon.d02.csv", &table);
    // 2019-07-16, the minutes 1, 2 and 1440.
    let day = 1_563_235_200_000_000;
    let times: Vec<_> = log.key().into_iter().take(3).map(|(time, _)| time).collect();
    assert_eq!(times, [day, day + 60_000_000, day + 1_439 * 60_000_000].map(EventTime::Logged));
    assert_eq!(log.warnings.len(), 1, "{:?}", log.warnings);
    for name in ["d15.csv", "d00.csv", "d1.csv", "head02.csv", "d02/x.csv", ""] {
        assert_eq!(parse_named(TRACE_2019, name, &table).key()[0].0, EventTime::Assumed, "{name}");
    }
}

#[test]
fn the_order_of_columns_and_rows_changes_no_key() {
    let table = text("azure-trace-2019.d02.csv");
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    lines.pop();
    let first = parse(TRACE_2019, &lines.join("\n"));
    let mut reordered = vec![lines[0].replace("HashOwner,HashApp,HashFunction", "HashFunction,HashOwner,HashApp")];
    for line in lines[1..].iter().rev() {
        let mut values: Vec<&str> = line.split(',').collect();
        values[..3].rotate_right(1);
        reordered.push(values.join(","));
    }
    reordered[0] = reordered[0]
        .split(',')
        .map(|name| if name.parse::<u16>().is_ok() { format!("minute_{name}") } else { name.into() })
        .collect::<Vec<_>>()
        .join(",");
    let second = parse(TRACE_2019, &reordered.join("\r\n"));
    let sorted = |log: &Collected| {
        let mut keys: Vec<_> = log.key().into_iter().map(|(_, key)| key).collect();
        keys.sort_unstable();
        keys
    };
    assert_eq!(sorted(&first), sorted(&second));
    assert_eq!(first.records.len(), 3 + 24 + 1);
}

#[test]
fn our_trace_of_2021_has_its_totals() {
    let log = example("azure-trace-2021.csv", TRACE_2021);
    assert_eq!((log.records.len(), log.rejected.len()), (7, 2));
    assert_eq!(log.rejected.iter().map(|row| row.line).collect::<Vec<_>>(), [Some(7), Some(9)]);
    let durations: Vec<_> = log.invocations().iter().filter_map(|row| row.duration_us).collect();
    assert_eq!(durations, [78_000, 57_154_000, 1_500_000, 1_500_000, 20_250_000, 1, 0]);
    let midnight = 1_612_051_200_000_000;
    let keys = log.key();
    assert_eq!(keys[0].0, EventTime::Logged(midnight + 172_000));
    // It began before the trace did.
    assert_eq!(keys[4].0, EventTime::Logged(midnight - 7_750_000));
    assert_eq!(keys[2].0, keys[3].0);
    assert_ne!(keys[2].1, keys[3].1);
    // Equal rows are counted, so that the file read again or in another order has the same keys.
    let table = text("azure-trace-2021.csv");
    let (header, rows) = table.split_once('\n').unwrap();
    let mut lines: Vec<&str> = rows.lines().collect();
    lines.reverse();
    let mut again = parse(TRACE_2021, &format!("{header}\n{}", lines.join("\n"))).key();
    let mut keys = keys;
    keys.sort_unstable_by_key(|(_, key)| *key);
    again.sort_unstable_by_key(|(_, key)| *key);
    assert_eq!(keys, again);
}

#[test]
fn tables_that_lack_columns_are_refused() {
    for header in ["HashOwner,HashApp,HashFunction,1,2,1440\n", "HashOwner,x\n", "a,b\n"] {
        let mut sink = Collected::default();
        let defaults = Defaults::default();
        let origin = Origin { name: "", defaults: &defaults };
        assert!(format::by_name(TRACE_2019).unwrap().parse(&mut header.as_bytes(), &origin, &mut sink).is_err());
    }
    let log = parse(TRACE_2021, "app,func,end_timestamp,duration\na,b,1e9,1\na,b,1,1e30\na,b,1,1\n");
    assert_eq!((log.records.len(), log.rejected.len()), (1, 2), "{:?}", log.rejected);
    let log = parse(TRACE_2021, "app,func,duration\na,b,1\n");
    assert_eq!(log.rejected[0].reason, "`end_timestamp` is empty");
}
