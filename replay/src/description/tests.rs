//! Descriptions: what they become, and what is said of mistakes
use paygrain_pricing::{Period, period::DAY_US};
use proptest::prelude::*;

use super::{layout::WINDOW_RUNS_MAX, *};
use crate::workload::{Run, Window};

fn period() -> Period {
    "2026-10".parse().unwrap()
}

/// A workload of functions written without their memory and duration.
fn described(functions: &[&str]) -> Workload {
    read(functions).workload(7, period()).unwrap()
}

fn read(functions: &[&str]) -> Description {
    let function = |(number, keys): (usize, &&str)| {
        let name = if keys.contains("name =") { String::new() } else { format!("name = \"f{number}\"\n") };
        let duration = if keys.contains("duration =") { "" } else { "duration = \"100ms\"\n" };
        format!("[[function]]\nmemory = \"512MB\"\n{name}{duration}{keys}\n")
    };
    let functions: String = functions.iter().enumerate().map(function).collect();
    Description::from_toml(&format!("title = \"test\"\n{functions}")).unwrap()
}

/// Executions of a function in the whole period.
fn runs_of(workload: &Workload, function: u32) -> u64 {
    let own = |window: &Window| window.runs.iter().filter(|run| run.function == function).count() as u64;
    workload.windows.iter().map(|window| own(window) * window.repeats).sum()
}

/// What holds of every workload: windows cover the period once, come by time, and hold their executions in order.
fn check(workload: &Workload) {
    let (start_us, end_us) = (workload.period.start_us(), workload.period.end_us());
    let length = |window: &Window| i128::from(window.end_us - window.start_us) * i128::from(window.repeats);
    assert_eq!(workload.windows.iter().map(length).sum::<i128>(), i128::from(end_us - start_us), "covered");
    assert!(workload.windows.is_sorted_by_key(|window| window.start_us));
    for window in &workload.windows {
        assert!(start_us <= window.start_us && window.start_us < window.end_us && window.end_us <= end_us);
        assert!(window.runs.is_sorted_by_key(|run| (run.start_us, run.end_us())));
        assert!(window.runs.iter().all(|run| (window.start_us..window.end_us).contains(&run.start_us)));
        assert!(window.runs.iter().all(|run| run.duration_us > 0));
    }
    let laid_out: u64 = workload.windows.iter().map(|window| window.runs.len() as u64).sum();
    // A burst is never cut, so that a few more may be laid out.
    assert!(laid_out <= WINDOW_RUNS_MAX + 200_000, "{laid_out} laid out");
}

#[test]
fn a_file_in_toml_and_in_json_is_the_same() {
    let toml = r#"
        title = "uploads"
        period = "2026-10"
        [published]
        amount = 25
        currency = "USD"
        what = "one night"
        source = "a talk"
        deployment = "aws-lambda-x86"
        parts = ["compute", "requests"]
        [[function]]
        name = "resize"
        memory = 1024
        vcpu = 0.5
        duration = { median = "120ms", p95 = "900ms" }
        rate = "100 per hour"
        [[function]]
        name = "once"
        memory = "2GB"
        duration = { values = ["12ms", "450ms"], weights = [90, 10] }
        runs = [{ at = "2026-10-03T10:00:00Z", duration = "2s", count = 3 }]
    "#;
    let json = r#"{"title": "uploads", "period": "2026-10",
        "published": {"amount": 25, "currency": "USD", "what": "one night", "source": "a talk",
            "deployment": "aws-lambda-x86", "parts": ["compute", "requests"]},
        "function": [
        {"name": "resize", "memory": 1024, "vcpu": 0.5, "duration": {"median": "120ms", "p95": "900ms"},
         "rate": "100 per hour"},
        {"name": "once", "memory": "2GB", "duration": {"values": ["12ms", "450ms"], "weights": [90, 10]},
         "runs": [{"at": "2026-10-03T10:00:00Z", "duration": "2s", "count": 3}]}]}"#;
    let read = Description::from_path_text("uploads.toml", toml).unwrap();
    let mut of_json = Description::from_path_text("uploads.JSON", json).unwrap();
    of_json.file.clone_from(&read.file);
    assert_eq!(read, of_json);
    let workload = read.workload(1, "2020-01".parse().unwrap()).unwrap();
    assert_eq!((workload.period, workload.run_count()), (period(), 74_400 + 3));
    assert_eq!((workload.functions[0].memory_mb, workload.functions[0].vcpu_milli), (1024, Some(500)));
    assert_eq!(workload.functions[1].memory_mb, 2048);
    let long = workload.windows[0].runs.iter().filter(|run| run.function == 1 && run.duration_us == 2_000_000);
    assert_eq!(long.count(), 3);
    check(&workload);
}

#[test]
fn a_date_of_toml_is_an_instant() {
    let workload =
        described(&["runs = [{ at = 2026-10-03T12:00:00+02:00 }, { at = 2026-10-01T00:00:00Z, count = 2 }]"]);
    let starts: Vec<i64> = workload.windows[0].runs.iter().map(|run| run.start_us).collect();
    let start_us = period().start_us();
    assert_eq!(starts, [start_us, start_us, start_us + 2 * DAY_US + 10 * 3_600_000_000]);
}

#[test]
fn a_schedule_is_one_of_its_zone() {
    let workload = described(&["schedule = \"0 17 * * *\"\ntimezone = \"Europe/Zurich\""]);
    assert_eq!((workload.run_count(), workload.functions[0].trigger), (31, Trigger::Schedule));
    check(&workload);
    let limited = described(&["schedule = \"0 17 * * *\"\nfrom = \"2026-10-10T00:00:00Z\"\nto = 2026-10-12T00:00:00Z"]);
    assert_eq!(limited.run_count(), 2);
}

#[test]
fn rates_of_any_size_are_counted_exactly() {
    let days = 31;
    for (rate, count) in [
        ("1 per month", 1),
        ("3 per day", 3 * days),
        ("6720 per hour", 6720 * 24 * days),
        ("4000 per second", 4000 * 86_400 * days),
        ("10_000 per second", 10_000 * 86_400 * days),
        ("12345.678 per minute", 551_111_066),
        ("299_999 per month", 299_999),
        ("300_001 per month", 300_001),
        ("75_000_000_000 per day", 75_000_000_000 * days),
    ] {
        for spread in ["steady", "diurnal", "burst"] {
            let more = if spread == "burst" { "burst_size = 70" } else { "" };
            let workload = described(&[&format!("rate = \"{rate}\"\narrivals = \"{spread}\"\n{more}")]);
            assert_eq!(workload.run_count(), count, "{rate}, {spread}");
            check(&workload);
        }
    }
}

#[test]
fn random_arrivals_are_as_many_as_expected_within_the_error() {
    for rate in ["200 per hour", "2000 per hour", "900 per second"] {
        let keys = format!("rate = \"{rate}\"\narrivals = \"poisson\"");
        let expected = described(&[&format!("rate = \"{rate}\"")]).run_count() as f64;
        let workload = described(&[&keys]);
        let error = (workload.run_count() as f64 - expected) / expected.sqrt();
        assert!(error.abs() < 4.0, "{rate}: {error}");
        check(&workload);
        let again = read(&[&keys]);
        assert_eq!(again.workload(7, period()), Ok(workload.clone()));
        assert_ne!(again.workload(8, period()), Ok(workload));
    }
}

#[test]
fn functions_of_one_description_are_in_the_same_windows() {
    let workload = described(&[
        "rate = \"4000 per second\"",
        "rate = \"10 per second\"\narrivals = \"poisson\"",
        "rate = \"70 per day\"\nfrom = \"2026-10-03T10:30:00Z\"\nto = \"2026-10-05T10:30:00Z\"",
    ]);
    assert_eq!((runs_of(&workload, 0), runs_of(&workload, 2)), (4000 * 86_400 * 31, 140));
    check(&workload);
    // In every window is the part of the stream that goes with its length.
    for window in &workload.windows {
        let stream = window.runs.iter().filter(|run| run.function == 0).count() as i64;
        assert_eq!(stream, (window.end_us - window.start_us) / 250);
    }
    let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
    for window in workload.windows.iter().filter(|window| window.runs.iter().any(|run| run.function == 2)) {
        assert!((at("2026-10-03T10:30:00Z")..at("2026-10-05T10:30:00Z")).contains(&window.start_us));
    }
}

#[test]
fn what_runs_beside_a_stream_is_counted_and_in_its_hour() {
    let workload = described(&[
        "rate = \"400 per second\"",
        "schedule = \"30 17 * * *\"",
        "rate = \"50 per second\"\narrivals = \"diurnal\"",
    ]);
    assert_eq!(runs_of(&workload, 1), 31);
    assert_eq!(runs_of(&workload, 2), 50 * 86_400 * 31);
    check(&workload);
    for run in workload.windows.iter().flat_map(|window| &window.runs).filter(|run| run.function == 1) {
        assert_eq!(run.start_us.rem_euclid(DAY_US) / 3_600_000_000, 17);
    }
}

#[test]
fn a_caller_waits_or_hands_on() {
    let chain = |wait: &str| {
        let called = |name: &str| format!("name = \"{name}\"\ncalled_by = \"order\"\n{wait}");
        described(&["name = \"order\"\nrate = \"10 per day\"", &called("stock"), &called("pay"), &called("mail")])
    };
    let (waiting, queued) = (chain(""), chain("wait = false"));
    for (workload, order_us, after_us, trigger) in [
        (&waiting, 400_000, [100_000, 200_000, 300_000], Trigger::Http),
        (&queued, 100_000, [100_000; 3], Trigger::Queue),
    ] {
        assert_eq!(workload.run_count(), 4 * 310);
        assert_eq!(workload.functions[2].trigger, trigger);
        check(workload);
        let runs: Vec<Run> = workload.windows[0].runs.clone();
        let orders: Vec<&Run> = runs.iter().filter(|run| run.function == 0).collect();
        assert!(orders.iter().all(|run| run.duration_us == order_us));
        for (function, after_us) in (1..).zip(after_us) {
            let starts: Vec<i64> = runs.iter().filter(|run| run.function == function).map(|run| run.start_us).collect();
            let expected: Vec<i64> = orders.iter().map(|run| run.start_us + after_us).collect();
            assert_eq!(starts, expected, "{function}");
        }
    }
}

#[test]
fn calls_are_counted_exactly_in_any_ratio() {
    for rate in ["1000 per day", "1 per second", "4000 per second"] {
        let workload = described(&[
            &format!("name = \"a\"\nrate = \"{rate}\""),
            "name = \"b\"\ncalled_by = \"a\"\ncalls = \"1/10\"\nwait = false",
            "name = \"c\"\ncalled_by = \"a\"\ncalls = 2.5",
            "name = \"d\"\ncalled_by = \"b\"\ncalls = 3\nwait = false",
        ]);
        let all = runs_of(&workload, 0);
        let expected = [all, all / 10, all * 5 / 2, all / 10 * 3];
        assert_eq!([0, 1, 2, 3].map(|function| runs_of(&workload, function)), expected, "{rate}");
        check(&workload);
        // Each waits for two or three of its own: 100 ms and 100 ms each.
        let of_a = workload.windows.iter().flat_map(|window| &window.runs).filter(|run| run.function == 0);
        assert!(of_a.clone().all(|run| [300_000, 400_000].contains(&run.duration_us)));
    }
}

#[test]
fn bursts_start_at_once() {
    let workload = described(&["rate = \"1000 per day\"\narrivals = \"burst\"\nburst_size = 300"]);
    let mut at: Vec<(i64, usize)> = Vec::new();
    for run in &workload.windows[0].runs {
        match at.last_mut() {
            Some((start_us, count)) if *start_us == run.start_us => *count += 1,
            _ => at.push((run.start_us, 1)),
        }
    }
    // 31,000 runs: 103 bursts of 300, and what is left.
    assert_eq!(at.len(), 104);
    assert!(at[..103].iter().all(|(_, count)| *count == 300));
    assert_eq!(at[103].1, 100);
}

#[test]
fn every_mistake_is_told_with_its_path() {
    let broken = r#"
        title = ""
        period = "2026-13"
        [[function]]
        name = "a"
        memory = "-1"
        duration = { median = "2s", p95 = "1s" }
        cpu_percent = 101
        rate = "many per second"
        burst_size = 3
        [[function]]
        name = "a"
        memory = "9999GB"
        duration = { values = ["12", "1s"], weights = [1] }
        schedule = "0 25 * * *"
        timezone = "Europe/Zürich"
        [[function]]
        name = "c"
        memory = 512
        called_by = "aa"
        calls = "0/0"
        [[function]]
        name = "d"
        memory = 512
        duration = "1s"
        runs = [{ at = "2027-01-01T00:00:00Z" }, { at = "tomorrow" }]
        rate = "1 per day"
        response_bytes = -1
    "#;
    let error = Description::from_path_text("broken.toml", broken).unwrap().workload(0, period()).unwrap_err();
    let paths: Vec<&str> = error.mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
    for expected in [
        "period",
        "title",
        "function[0].memory",
        "function[0].cpu_percent",
        "function[0].duration.p95",
        "function[0].burst_size",
        "function[0].rate",
        "function[1].name",
        "function[1].memory",
        "function[1].duration.weights",
        "function[1].duration.values[0]",
        "function[1].timezone",
        "function[2].duration",
        "function[2].called_by",
        "function[2].calls",
        "function[3]",
        "function[3].response_bytes",
    ] {
        assert!(paths.contains(&expected), "{expected} of {paths:?}");
    }
    assert_eq!(paths.len(), 17, "{paths:?}");
    let text = error.to_string();
    assert!(text.lines().all(|line| line.starts_with("broken.toml: ")), "{text}");
    assert!(text.contains("function[2].called_by: there is no function `aa` (did you mean `a`?)"), "{text}");
    assert!(text.contains("did you mean `Europe/Zurich`?"), "{text}");
}

#[test]
fn one_mistake_is_told_with_what_to_write() {
    for (keys, path, message, hint) in [
        ("", "function[0]", "it is not said when it runs", "rate"),
        ("rate = \"0 per day\"", "function[0].rate", "not one run", "higher"),
        ("rate = \"999999999999999 per second\"", "function[0].rate", "is more than", "lower"),
        ("rate = \"5 per fortnight\"", "function[0].rate", "`fortnight` is not a unit", "second"),
        ("rate = \"5 per day\"\narrivals = \"burst\"", "function[0].burst_size", "is missing", "100"),
        (
            "rate = \"5 per day\"\narrivals = \"diurnal\"\npeak_factor = 0.5",
            "function[0].peak_factor",
            "`0.5` is not a number from 1 to 20",
            "mean hour",
        ),
        ("rate = \"5 per day\"\nwait = true", "function[0].wait", "only beside `called_by`", "take it out"),
        ("rate = \"5 per day\"\nfrom = \"2026-11-01T00:00:00Z\"", "function[0].from", "leaves nothing", "period"),
        (
            "rate = \"5 per day\"\nfrom = \"2026-10-05T00:00:00Z\"\nto = \"2026-10-04T00:00:00Z\"",
            "function[0].to",
            "not after `from`",
            "first instant",
        ),
        ("rate = \"5 per day\"\ngpu = -1", "function[0].gpu", "from 0 to 1000", ""),
        ("rate = \"5 per day\"\nio_percent = 101", "function[0].io_percent", "from 0 to 100", ""),
        (
            "rate = \"5 per day\"\nio_percent = 60\ncpu_percent = 41",
            "function[0].io_percent",
            "is 60, with 41 of `cpu_percent` more than 100 together",
            "say one of them",
        ),
        ("schedule = \"0 0 25 12 *\"", "function[0].schedule", "does not come in 2026-10", "period"),
        ("schedule = \"0 25 * * *\"", "function[0].schedule", "25", ""),
        ("runs = []", "function[0].runs", "empty", ""),
        ("runs = [{ at = \"soon\" }]", "function[0].runs[0].at", "`soon` is not an instant", "2026-10-03T10:00:00Z"),
        ("runs = [{ at = \"2026-10-03T10:00:00Z\", count = 0 }]", "function[0].runs[0].count", "from 1 to 300000", ""),
        ("name = \"x\"\ncalled_by = \"x\"", "function[0].called_by", "in a circle", "begin the chain"),
    ] {
        let error = read(&[keys]).workload(0, period()).unwrap_err();
        let [mistake] = error.mistakes.as_slice() else { panic!("{keys}: {error}") };
        assert_eq!(mistake.path, path, "{keys}: {error}");
        assert!(mistake.message.contains(message), "{keys}: {error}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{keys}: {:?}", error.hint());
    }
    let calls = [
        "name = \"a\"\nrate = \"1 per day\"",
        "name = \"b\"\ncalled_by = \"a\"\ncalls = 1000",
        "called_by = \"b\"\ncalls = 1000",
    ];
    let error = read(&calls).workload(0, period()).unwrap_err();
    assert!(error.to_string().contains("one execution leads to 1001001 others"), "{error}");
}

#[test]
fn a_published_figure_is_of_parts_that_there_are() {
    let text = "title = \"t\"\n[published]\namount = 1\ncurrency = \"USD\"\nwhat = \"w\"\nsource = \"s\"\n\
                parts = [\"compute\", \"request\"]\n[[function]]\nname = \"f\"\nmemory = 128\nduration = \"1s\"\nrate = \"5 per day\"\n";
    let error = Description::from_toml(text).unwrap().workload(1, period()).unwrap_err();
    assert!(error.to_string().contains("published.parts[1]: is `request`: one of compute, idle, "), "{error}");
    assert_eq!(error.hint().as_deref(), Some("did you mean `requests`?"));
}

#[test]
fn waiting_is_what_work_leaves_of_a_duration() {
    for (keys, expected) in [
        ("", None),
        ("cpu_percent = 30", Some(30)),
        ("io_percent = 70", Some(30)),
        ("io_percent = 0", Some(100)),
        ("io_percent = 100", Some(0)),
        ("cpu_percent = 30\nio_percent = 70", Some(30)),
        ("cpu_percent = 30\nio_percent = 50", Some(30)),
    ] {
        let keys = format!("rate = \"5 per day\"\ngpu = 2\n{keys}");
        let workload = described(&[&keys]);
        assert_eq!((workload.functions[0].cpu_percent, workload.functions[0].gpu), (expected, 2), "{keys}");
    }
}

#[test]
fn names_and_kinds_of_values_are_told_with_their_line() {
    for (keys, line, path, message, hint) in [
        ("shedule = \"0 17 * * *\"", 5, "function[0].shedule", "unknown field `shedule`", "did you mean `schedule`?"),
        ("cpu_percent = \"much\"", 5, "function[0].cpu_percent", "invalid type", ""),
        ("arrivals = \"possion\"", 5, "function[0].arrivals", "unknown variant `possion`", "did you mean `poisson`?"),
        ("duration = { median = \"1s\" }", 5, "function[0].duration", "either `median` and `p95`", ""),
        ("duration = { median = \"1s\", p59 = \"2s\" }", 5, "function[0].duration.p59", "unknown field `p59`", "p95"),
        ("runs = [{ when = \"now\" }]", 5, "function[0].runs[0].when", "unknown field `when`", ""),
        ("name = \"x", 5, "", "", ""),
    ] {
        let text = format!("title = \"t\"\n[[function]]\nname = \"a\"\nmemory = 1\n{keys}\n");
        let error = Description::from_toml(
            &text.replace("name = \"a\"\n", if keys.contains("name") { "\n" } else { "name = \"a\"\n" }),
        )
        .unwrap_err();
        let [mistake] = error.mistakes.as_slice() else { panic!("{keys}: {error}") };
        assert_eq!((mistake.path.as_str(), mistake.line), (path, Some(line)), "{keys}: {error}");
        assert!(mistake.message.contains(message), "{keys}: {error}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{keys}: {:?}", error.hint());
    }
    let error = Description::from_json("{\"title\": \"t\",\n \"function\": [{\"name\": 5}]}").unwrap_err();
    assert_eq!(error.to_string(), "line 2, function[0].name: invalid type: integer `5`, expected a string");
    let error = Description::from_json("{\"title\": \"t\", \"function\": []} more").unwrap_err();
    assert!(error.to_string().contains("trailing characters"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_mixture_is_counted_and_covered(
        rates in prop::collection::vec((1_u64..5_000_000_000, 0_usize..4, 1_u64..1000), 1..4),
        seed: u64,
        limited: bool,
    ) {
        let mut keys = Vec::new();
        for (number, (rate, spread, size)) in rates.iter().enumerate() {
            let more = match spread {
                1 => format!("peak_factor = {}", 1 + size % 20),
                2 => format!("burst_size = {size}"),
                _ => String::new(),
            };
            let from = if limited && number == 0 { "from = \"2026-10-03T10:17:23.5Z\"\n" } else { "" };
            let spread = ["steady", "diurnal", "burst", "poisson"][*spread];
            keys.push(format!("rate = \"{rate} per month\"\narrivals = \"{spread}\"\n{from}{more}"));
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let Ok(workload) = read(&keys).workload(seed, period()) else { return Ok(()) };
        check(&workload);
        for (function, (rate, spread, _)) in (0..).zip(&rates) {
            if *spread != 3 && !(limited && function == 0) {
                prop_assert_eq!(runs_of(&workload, function), *rate);
            }
        }
    }
}

#[test]
fn the_page_about_workloads_has_every_key() {
    let page = include_str!("../../../docs/workloads.md");
    for text in [
        "none = 1",
        "title = \"t\"\n[published]\nnone = 1",
        "[[function]]\nnone = 1",
        "[[function]]\nruns = [{ none = 1 }]",
    ] {
        let error = Description::from_toml(text).unwrap_err();
        let message = &error.mistakes[0].message;
        let keys: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        assert!(keys.len() > 2, "{message}");
        for key in keys {
            let written = [format!("`{key}`"), format!("`[[{key}]]`"), format!("{{ {key} = "), format!(" {key} = ")];
            assert!(written.iter().any(|written| page.contains(written)), "`{key}` is missing");
        }
    }
}

#[test]
fn the_example_of_the_page_is_a_workload() {
    let page = include_str!("../../../docs/workloads.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let workload = Description::from_toml(example).unwrap().workload(0, period()).unwrap();
    assert_eq!(workload.run_count(), 48_000 * 31);
}
