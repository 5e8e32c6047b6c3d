//! Tests of schedules: forms, changes of the clock, mistakes
use proptest::prelude::*;

use super::*;

fn parse(text: &str, zone: &str) -> Schedule {
    Schedule::parse(text, zone).unwrap_or_else(|error| panic!("{error} ({:?})", error.hint))
}

fn period(text: &str) -> Period {
    text.parse().unwrap()
}

fn texts(runs: &[i64]) -> Vec<String> {
    runs.iter().map(|at_us| utc_text(*at_us)).collect()
}

/// The times of those that are on a day of UTC.
fn of_day<'r>(runs: &'r [String], day: &str) -> Vec<&'r str> {
    runs.iter().filter_map(|run| run.strip_prefix(day)?.strip_prefix('T')).collect()
}

/// What is said of the runs that a change of the clock in Zurich touches.
fn told(text: &str, month: &str) -> Vec<String> {
    parse(text, "Europe/Zurich").clock_changes(period(month)).iter().map(ToString::to_string).collect()
}

/// Every run of a period as `croner` finds them, one after the other.
fn one_by_one(schedule: &Schedule, period: Period) -> Vec<i64> {
    let Form::Cron(cron) = &schedule.form else { return Vec::new() };
    let mut runs = Vec::new();
    let mut next = schedule.after(cron, period.start_us() - 1);
    while let Some(at_us) = next.filter(|at_us| *at_us < period.end_us()) {
        runs.push(at_us);
        next = schedule.after(cron, at_us);
    }
    runs
}

#[test]
fn every_form_names_its_runs() {
    for (text, month, count, first) in [
        ("0 17 * * *", "2026-10", 31, "2026-10-01T17:00:00Z"),
        ("  0   17 * * *  ", "2026-10", 31, "2026-10-01T17:00:00Z"),
        ("0 9 * * MON-FRI", "2026-10", 22, "2026-10-01T09:00:00Z"),
        ("0 9 * * 1-5", "2026-10", 22, "2026-10-01T09:00:00Z"),
        ("*/5 * * * *", "2026-02", 12 * 24 * 28, "2026-02-01T00:00:00Z"),
        ("*/10 * * * * *", "2026-02", 6 * 60 * 24 * 28, "2026-02-01T00:00:00Z"),
        ("30 0 17 * * *", "2026-10", 31, "2026-10-01T17:00:30Z"),
        ("30 0 17 1 10 * 2026", "2026-10", 1, "2026-10-01T17:00:30Z"),
        ("0 0 0 29 2 * 2028", "2028-02", 1, "2028-02-29T00:00:00Z"),
        ("@daily", "2026-10", 31, "2026-10-01T00:00:00Z"),
        ("@monthly", "2026-10", 1, "2026-10-01T00:00:00Z"),
        ("@hourly", "2026-02", 672, "2026-02-01T00:00:00Z"),
        ("@HOURLY", "2026-10", 744, "2026-10-01T00:00:00Z"),
        ("0 0 L * *", "2026-02", 1, "2026-02-28T00:00:00Z"),
        ("0 0 L * *", "2024-02", 1, "2024-02-29T00:00:00Z"),
        ("0 0 * * MON#2", "2026-10", 1, "2026-10-12T00:00:00Z"),
        ("0 9 * * MON#2", "2026-10", 1, "2026-10-12T09:00:00Z"),
        ("0 9 * * FRIL", "2026-10", 1, "2026-10-30T09:00:00Z"),
        ("0 9 * * mon-fri", "2026-10", 22, "2026-10-01T09:00:00Z"),
        ("0 9 1 JAN ?", "2026-01", 1, "2026-01-01T09:00:00Z"),
        ("0 0 29 2 *", "2026-02", 0, ""),
        ("cron(0 17 * * ? *)", "2026-10", 31, "2026-10-01T17:00:00Z"),
        ("cron(0 10 1 10 ? 2026)", "2026-10", 1, "2026-10-01T10:00:00Z"),
        ("cron(0 9 ? * 2-6 *)", "2026-10", 22, "2026-10-01T09:00:00Z"),
        ("cron(0 9 ? * MON-FRI *)", "2026-10", 22, "2026-10-01T09:00:00Z"),
        ("cron(0/15 * * * ? *)", "2026-10", 2976, "2026-10-01T00:00:00Z"),
        ("cron(0/15 8-17 ? * MON-FRI *)", "2026-10", 22 * 10 * 4, "2026-10-01T08:00:00Z"),
        ("cron(0 9 ? * 6L *)", "2026-10", 1, "2026-10-30T09:00:00Z"),
        ("cron(0 9 ? * 2#1 *)", "2026-10", 1, "2026-10-05T09:00:00Z"),
        ("rate(5 minutes)", "2026-10", 12 * 744, "2026-10-01T00:00:00Z"),
        ("rate(7 days)", "2026-10", 5, "2026-10-01T00:00:00Z"),
        ("rate(1 hour)", "2026-10", 744, "2026-10-01T00:00:00Z"),
    ] {
        let runs = parse(text, "UTC").runs(period(month));
        assert_eq!(
            (runs.len(), texts(&runs).first().cloned().unwrap_or_default()),
            (count, first.to_owned()),
            "{text}"
        );
    }
    // Once a second is the most there can be.
    assert_eq!(parse("* * * * * *", "UTC").runs(period("2026-10")).len(), 31 * 86_400);
    assert_eq!(parse("* * * * * *", "Europe/Zurich").runs(period("2026-03")).len(), 31 * 86_400);
}

#[test]
fn a_period_is_one_of_utc() {
    // Midnight in Zurich on 1 October is in September.
    let october = texts(&parse("0 0 * * *", "Europe/Zurich").runs(period("2026-10")));
    assert_eq!(october.len(), 31);
    assert_eq!(october.first().map(String::as_str), Some("2026-10-01T22:00:00Z"));
    assert_eq!(october.last().map(String::as_str), Some("2026-10-31T23:00:00Z"));
}

#[test]
fn next_runs_follow_each_other() {
    let after = period("2026-10").start_us();
    assert_eq!(
        texts(&parse("0 17 * * *", "Europe/Zurich").next(after, 3)),
        ["2026-10-01T15:00:00Z", "2026-10-02T15:00:00Z", "2026-10-03T15:00:00Z"]
    );
    assert_eq!(texts(&parse("0 0 29 2 *", "UTC").next(after, 2)), ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    assert_eq!(texts(&parse("rate(1 day)", "UTC").next(after, 1)), ["2026-10-02T00:00:00Z"]);
    let hourly = texts(&parse("rate(1 hour)", "UTC").next(after, 2));
    assert_eq!(hourly, ["2026-10-01T01:00:00Z", "2026-10-01T02:00:00Z"]);
    assert!(parse("0 0 0 1 1 * 2020", "UTC").next(after, 3).is_empty());
    assert_eq!(texts(&parse("cron(0 0 1 1 ? 2027)", "UTC").next(after, 5)), ["2027-01-01T00:00:00Z"]);
    // A part of a second after a run is after it, not before.
    assert_eq!(texts(&parse("0 0 * * *", "UTC").next(after + 1, 1)), ["2026-10-02T00:00:00Z"]);
    assert_eq!(texts(&parse("0 0 * * *", "UTC").next(after - 1, 1)), ["2026-10-01T00:00:00Z"]);
}

#[test]
fn a_time_that_does_not_exist_comes_after_the_gap() {
    // In Zurich the clock goes from 02:00 to 03:00 at 01:00 UTC on 2026-03-29.
    let march = period("2026-03");
    let daily = texts(&parse("30 2 * * *", "Europe/Zurich").runs(march));
    assert_eq!(daily.len(), 31);
    assert_eq!(daily[27..30], ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    let moved = ["2026-03-29 02:30:00 does not exist: the run is at 2026-03-29T01:00:00Z"];
    assert_eq!(told("30 2 * * *", "2026-03"), moved);
    // Of every hour, and of two times of a day, the one that does not exist is left out.
    let hourly = parse("0 * * * *", "Europe/Zurich");
    assert_eq!(hourly.runs(march).len(), 743 + 1, "a month of UTC has all its hours");
    assert_eq!(told("0 * * * *", "2026-03"), ["2026-03-29 02:00:00 does not exist: no run"]);
    let twice = texts(&parse("30 2,14 * * *", "Europe/Zurich").runs(march));
    assert_eq!((twice.len(), of_day(&twice, "2026-03-29")), (61, vec!["12:30:00Z"]));
    assert_eq!(told("30 2,14 * * *", "2026-03"), ["2026-03-29 02:30:00 does not exist: no run"]);
}

#[test]
fn a_time_that_exists_twice_comes_once_for_one_time_and_twice_otherwise() {
    // From 03:00 back to 02:00 at 01:00 UTC on 2026-10-25: 02:30 is at 00:30 and at 01:30 UTC.
    let october = period("2026-10");
    let daily = texts(&parse("30 2 * * *", "Europe/Zurich").runs(october));
    assert_eq!(daily.len(), 31);
    assert_eq!(daily[23..26], ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    let once = ["2026-10-25 02:30:00 exists twice: the run is once, at 2026-10-25T00:30:00Z"];
    assert_eq!(told("30 2 * * *", "2026-10"), once);
    let both = texts(&parse("30 2,14 * * *", "Europe/Zurich").runs(october));
    assert_eq!((both.len(), of_day(&both, "2026-10-25")), (63, vec!["00:30:00Z", "01:30:00Z", "13:30:00Z"]));
    let twice = ["2026-10-25 02:30:00 exists twice: runs at 2026-10-25T00:30:00Z and 2026-10-25T01:30:00Z"];
    assert_eq!(told("30 2,14 * * *", "2026-10"), twice);
    assert_eq!(parse("*/15 * * * *", "Europe/Zurich").runs(october).len(), 744 * 4);
    assert_eq!(told("*/15 * * * *", "2026-10").len(), 4);
}

#[test]
fn nothing_is_told_of_runs_that_no_change_of_the_clock_touches() {
    for (text, month) in
        [("30 3 * * *", "2026-03"), ("0 17 * * *", "2026-10"), ("30 2 * * *", "2026-07"), ("rate(1 hour)", "2026-10")]
    {
        assert!(told(text, month).is_empty(), "{text} in {month}");
    }
}

#[test]
fn what_comes_every_hour_comes_every_hour() {
    for (month, hours) in [("2026-03", 744), ("2026-10", 744), ("2026-02", 672)] {
        for zone in ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "UTC"] {
            let found = parse("0 * * * *", zone).runs(period(month));
            let gaps = found.windows(2).filter(|two| two[1] - two[0] != 3_600_000_000).count();
            // On Lord Howe Island the clock changes by half an hour, in the first weekend of April and of October.
            match zone {
                "Australia/Lord_Howe" if month == "2026-10" => assert_eq!(gaps, 1, "{zone} {month}"),
                _ => assert_eq!((found.len(), gaps), (hours, 0), "{zone} {month}"),
            }
        }
    }
}

#[test]
fn whole_days_are_what_a_search_finds() {
    for zone in ["UTC", "Europe/Zurich", "America/Havana", "Australia/Lord_Howe", "Asia/Kolkata", "America/New_York"] {
        for text in ["30 2 * * *", "0 0 * * *", "*/20 0-3 * * *", "15 1,2 * * SUN", "0 12 L * *", "59 59 23 * * *"] {
            let schedule = parse(text, zone);
            for month in ["2026-03", "2026-04", "2026-10", "2026-11", "2024-02"] {
                let runs = schedule.runs(period(month));
                assert_eq!(texts(&runs), texts(&one_by_one(&schedule, period(month))), "{text} {zone} {month}");
            }
        }
    }
}

#[test]
fn a_day_that_a_zone_left_out_has_no_runs() {
    // Samoa had no 2011-12-30.
    let runs = texts(&parse("0 12 * * *", "Pacific/Apia").runs(period("2011-12")));
    assert!(runs.contains(&"2011-12-29T22:00:00Z".to_owned()), "{runs:?}");
    assert_eq!(runs.iter().filter(|run| run.starts_with("2011-12-3")).count(), 2, "{runs:?}");
}

#[test]
fn schedules_have_words() {
    for (text, words) in [
        ("0 17 * * *", "Every day at 17:00 in Europe/Zurich"),
        ("*/5 * * * *", "Every 5 minutes in Europe/Zurich"),
        ("0 9 * * MON", "At 09:00, on Monday in Europe/Zurich"),
        ("rate(5 minutes)", "Every 5 minutes"),
        ("rate(1 hour)", "Every hour"),
    ] {
        assert_eq!(parse(text, "Europe/Zurich").words(), words);
    }
}

#[test]
fn mistakes_tell_field_column_and_what_to_write() {
    for (text, field, column, message, hint) in [
        ("", None, None, "nothing given, expected five fields", "`0 17 * * *` (every day at 17:00)"),
        ("0 17 * *", None, None, "four fields given", "minute, hour"),
        ("0 17 * *", None, None, "four fields given", "`*` for every: `0 17 * * *`"),
        ("0 17 * * * * * *", None, None, "eight fields given", "seconds may stand before"),
        ("0 25 * * *", Some("hour"), Some(3), "`25` is not an hour: 0 to 23", ""),
        ("0 24 * * *", Some("hour"), Some(3), "`24` is not an hour", "midnight is hour 0"),
        ("0 17,18,99 * * *", Some("hour"), Some(9), "`99` is not an hour", ""),
        ("0 17-9 * * *", Some("hour"), Some(3), "goes backwards", "`17-23,0-9`"),
        ("0 17,,18 * * *", Some("hour"), Some(6), "an empty entry", "comma"),
        ("60 * * * *", Some("minute"), Some(1), "`60` is not a minute: 0 to 59", "`*`"),
        ("  0,60 * * * *", Some("minute"), Some(5), "`60` is not a minute", ""),
        ("*/0 * * * *", Some("minute"), Some(1), "not a step", "at least 1"),
        ("*/60 * * * *", Some("minute"), Some(1), "a step of 60", "write `0`"),
        ("*/90 * * * *", Some("minute"), Some(1), "a step of 90", "write `0`"),
        ("*/ * * * *", Some("minute"), Some(1), "not a step", "`*/5`"),
        ("0/15 * * * *", Some("minute"), Some(1), "not a step", "`0-59/15`"),
        ("? * * * *", Some("minute"), Some(1), "not a minute", "write `*`"),
        ("0 0 32 * *", Some("day of month"), Some(5), "`32` is not a day of a month: 1 to 31", ""),
        ("0 0 0 * *", Some("day of month"), Some(5), "1 to 31", ""),
        ("0 0 * 13 *", Some("month"), Some(7), "`13` is not a month: 1 to 12 or JAN to DEC", ""),
        ("0 0 * JNA *", Some("month"), Some(7), "is not a month", "did you mean `JAN`?"),
        ("0 0 * TUE *", Some("month"), Some(7), "is not a month", "another field"),
        ("0 17 * MON *", Some("month"), Some(8), "is not a month", "another field"),
        ("0 0 * * 8", Some("day of week"), Some(9), "0 to 7 or SUN to SAT", ""),
        ("0 0 * * MNO", Some("day of week"), Some(9), "is not a day of the week", "did you mean `MON`?"),
        ("0 0 * * MONDAY", Some("day of week"), Some(9), "is not a day of the week", "did you mean `MON`?"),
        ("0 0 * * TUE,MONDAY", Some("day of week"), Some(13), "MONDAY", "did you mean `MON`?"),
        ("0 0 * * MON1", Some("day of week"), Some(9), "a name or a number", "`MON`"),
        ("0 0 * * MON#6", Some("day of week"), Some(9), "weeks of a month", "MON#2"),
        ("0 MON * * *", Some("hour"), Some(3), "is not an hour", "another field"),
        ("30-10 * * * *", Some("minute"), Some(1), "goes backwards", "`30-59,0-10`"),
        ("1-2-3 * * * *", Some("minute"), Some(1), "not a range", ""),
        ("1,,2 * * * *", Some("minute"), Some(3), "an empty entry", "comma"),
        ("1, * * * *", Some("minute"), Some(3), "an empty entry", "comma"),
        ("0 17 * * ? *", Some("month"), Some(10), "not a month", "`?`"),
        ("0 17 25 * * *", Some("hour"), Some(6), "not an hour", "the first is seconds"),
        ("0 0 30 2 *", None, None, "never comes", "February"),
        ("@dayly", None, Some(1), "not the name of a schedule", "did you mean `@daily`?"),
        ("@reboot", None, Some(1), "not the name of a schedule", "@daily"),
        ("@midnight", None, Some(1), "not the name", "@daily"),
        ("cron(0 17 * * *)", None, None, "five fields in cron(…), expected six", "six fields"),
        ("cron(0 17 * * ?)", None, None, "five fields in cron(…), expected six", "six fields"),
        ("cron(0 17 * * * *)", Some("day of month"), Some(11), "`*` as day of month", "`?` in exactly one"),
        ("cron(0 25 * * ? *)", Some("hour"), Some(8), "`25` is not an hour", ""),
        ("cron(0 9 ? * 0 *)", Some("day of week"), Some(14), "1 to 7", ""),
        ("rate(5 minuets)", None, Some(6), "not a unit of time", "did you mean `minute`?"),
        ("rate(0 minutes)", None, Some(6), "no time", "5 minutes"),
        ("rate()", None, Some(6), "not a span of time", "5 minutes"),
        ("ünsinn", None, None, "one field given", ""),
        ("0 ü * * *", Some("hour"), Some(3), "is not an hour", ""),
    ] {
        let error = Schedule::parse(text, "UTC").unwrap_err();
        assert_eq!((error.field, error.column), (field, column), "`{text}`: {error}");
        assert!(error.to_string().starts_with("schedule `"), "{error}");
        assert!(error.to_string().contains(message), "`{text}`: {error}");
        assert!(error.hint.clone().unwrap_or_default().contains(hint), "`{text}`: {error} {:?}", error.hint);
    }
}

#[test]
fn unknown_zones_get_the_nearest() {
    for (zone, hint) in [
        ("Europe/Zürich", "did you mean `Europe/Zurich`?"),
        ("Zurich", "did you mean `Europe/Zurich`?"),
        ("zurich", "did you mean `Europe/Zurich`?"),
        ("Mars", ""),
        ("Amerika/New_York", "did you mean `America/New_York`?"),
        ("+01:00", "IANA"),
        ("", "IANA"),
    ] {
        let error = Schedule::parse("0 17 * * *", zone).unwrap_err();
        assert_eq!(error.field, Some("time zone"));
        assert!(error.hint.clone().unwrap_or_default().contains(hint), "{zone}: {error} {:?}", error.hint);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in ".{0,40}", zone in ".{0,12}") {
        let _ = Schedule::parse(&text, &zone);
        let _ = Schedule::parse(&text, "UTC");
    }

    #[test]
    fn no_text_of_the_alphabet_of_cron_panics(text in "(cron\\()?([0-9*/,LW#?+@A-Z-]{1,6} ){4,7}\\)?") {
        if let Ok(schedule) = Schedule::parse(&text, "Europe/Zurich") {
            let month: Period = "2026-03".parse().unwrap();
            let runs = schedule.runs(month);
            prop_assert!(runs.is_sorted());
            prop_assert!(runs.iter().all(|at_us| (month.start_us()..month.end_us()).contains(at_us)));
            schedule.words();
            schedule.clock_changes(month);
        }
    }

    #[test]
    fn no_nearly_right_text_panics(
        words in prop::collection::vec("[0-9*/,?#LWA-Za-z-]{1,6}", 1..8),
        wrap in 0_usize..4,
    ) {
        let inner = words.join(" ");
        let text = [inner.clone(), format!("cron({inner})"), format!("rate({inner})"), format!("@{inner}")][wrap].clone();
        match Schedule::parse(&text, "Europe/Zurich") {
            Err(error) => prop_assert!(!error.message.is_empty()),
            Ok(schedule) => prop_assert!(schedule.next(0, 3).is_sorted()),
        }
    }

    #[test]
    fn runs_of_a_month_are_what_comes_next_one_by_one(
        minute in 0..60_u32, hours in prop::collection::btree_set(0..24_u32, 1..4), weekday in 0..8_u32,
        zone in prop::sample::select(vec!["Europe/Zurich", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
        month in 1..13_u32,
    ) {
        let hours: Vec<String> = hours.iter().map(ToString::to_string).collect();
        let day = if weekday == 7 { "*".to_owned() } else { weekday.to_string() };
        let schedule = parse(&format!("{minute} {} * * {day}", hours.join(",")), zone);
        let period = Period::new(2026, month).unwrap();
        let runs = schedule.runs(period);
        let next = schedule.next(period.start_us() - 1, runs.len() + 1);
        prop_assert_eq!(&runs[..], &next[..runs.len()]);
        prop_assert!(next[runs.len()] >= period.end_us());
    }
}
