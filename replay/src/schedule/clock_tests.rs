//! Schedules: what they name, what changes of the clock do to them, and what is said of mistakes
use proptest::prelude::*;

use super::*;

fn schedule(text: &str, zone: &str) -> Schedule {
    Schedule::parse(text, zone).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn period(month: &str) -> Period {
    month.parse().unwrap()
}

fn runs(text: &str, zone: &str, month: &str) -> Vec<String> {
    schedule(text, zone).runs(period(month)).into_iter().map(utc_text).collect()
}

fn of_day<'r>(runs: &'r [String], day: &str) -> Vec<&'r str> {
    runs.iter().filter_map(|run| run.strip_prefix(day)?.strip_prefix('T')).collect()
}

#[test]
fn one_time_of_day_comes_once_however_the_clock_changes() {
    // In Zurich the clock goes from 02:00 to 03:00 at 01:00 UTC on 2026-03-29.
    let march = runs("30 2 * * *", "Europe/Zurich", "2026-03");
    assert_eq!(march.len(), 31);
    assert_eq!(of_day(&march, "2026-03-28"), ["01:30:00Z"]);
    assert_eq!(of_day(&march, "2026-03-29"), ["01:00:00Z"], "moved to the first instant after the gap");
    assert_eq!(of_day(&march, "2026-03-30"), ["00:30:00Z"]);
    // And from 03:00 back to 02:00 at 01:00 UTC on 2026-10-25: 02:30 is at 00:30 and at 01:30 UTC.
    let october = runs("30 2 * * *", "Europe/Zurich", "2026-10");
    assert_eq!(october.len(), 31);
    assert_eq!(of_day(&october, "2026-10-25"), ["00:30:00Z"], "once, at the earlier");
    assert_eq!(of_day(&october, "2026-10-26"), ["01:30:00Z"]);
}

#[test]
fn several_times_of_day_are_skipped_and_come_twice() {
    let march = runs("30 2,14 * * *", "Europe/Zurich", "2026-03");
    assert_eq!(of_day(&march, "2026-03-29"), ["12:30:00Z"]);
    let october = runs("30 2,14 * * *", "Europe/Zurich", "2026-10");
    assert_eq!(of_day(&october, "2026-10-25"), ["00:30:00Z", "01:30:00Z", "13:30:00Z"]);
}

#[test]
fn what_comes_every_hour_comes_every_hour() {
    for (month, hours) in [("2026-03", 744), ("2026-10", 744), ("2026-02", 672)] {
        for zone in ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "UTC"] {
            let found = schedule("0 * * * *", zone).runs(period(month));
            let gaps = found.windows(2).filter(|two| two[1] - two[0] != 3_600_000_000).count();
            // On Lord Howe Island the clock changes by half an hour, in the first weekend of April and of October.
            match zone {
                "Australia/Lord_Howe" if month == "2026-10" => assert_eq!(gaps, 1, "{zone} {month}"),
                _ => assert_eq!((found.len(), gaps), (hours, 0), "{zone} {month}"),
            }
        }
    }
    assert_eq!(schedule("*/15 * * * *", "Europe/Zurich").runs(period("2026-10")).len(), 31 * 96);
    assert_eq!(schedule("* * * * * *", "Europe/Zurich").runs(period("2026-03")).len(), 31 * 86_400);
}

#[test]
fn runs_that_the_clock_touches_are_told() {
    let told = |text: &str, month: &str| {
        let changes = schedule(text, "Europe/Zurich").clock_changes(period(month));
        changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        told("30 2 * * *", "2026-03"),
        ["2026-03-29 02:30:00 does not exist: the run is at 2026-03-29T01:00:00Z"]
    );
    assert_eq!(
        told("30 2 * * *", "2026-10"),
        ["2026-10-25 02:30:00 exists twice: the run is once, at 2026-10-25T00:30:00Z"]
    );
    assert_eq!(told("30 2,14 * * *", "2026-03"), ["2026-03-29 02:30:00 does not exist: no run"]);
    assert_eq!(
        told("30 2,14 * * *", "2026-10"),
        ["2026-10-25 02:30:00 exists twice: runs at 2026-10-25T00:30:00Z and 2026-10-25T01:30:00Z"]
    );
    assert!(told("0 17 * * *", "2026-10").is_empty());
    assert!(told("30 2 * * *", "2026-07").is_empty());
    assert!(told("rate(1 hour)", "2026-10").is_empty());
}

#[test]
fn a_period_is_one_of_utc() {
    // Midnight in Zurich on 1 October is in September.
    let october = runs("0 0 * * *", "Europe/Zurich", "2026-10");
    assert_eq!(october.len(), 31);
    assert_eq!(october.first().map(String::as_str), Some("2026-10-01T22:00:00Z"));
    assert_eq!(october.last().map(String::as_str), Some("2026-10-31T23:00:00Z"));
}

#[test]
fn each_form_names_its_instants() {
    for (text, month, count, first) in [
        ("0 17 * * *", "2026-10", 31, "2026-10-01T17:00:00Z"),
        ("0 9 * * MON-FRI", "2026-10", 22, "2026-10-01T09:00:00Z"),
        ("0 9 * * 1-5", "2026-10", 22, "2026-10-01T09:00:00Z"),
        ("0 0 L * *", "2026-02", 1, "2026-02-28T00:00:00Z"),
        ("0 0 * * MON#2", "2026-10", 1, "2026-10-12T00:00:00Z"),
        ("30 0 17 * * *", "2026-10", 31, "2026-10-01T17:00:30Z"),
        ("0 0 0 29 2 * 2028", "2028-02", 1, "2028-02-29T00:00:00Z"),
        ("@daily", "2026-10", 31, "2026-10-01T00:00:00Z"),
        ("@hourly", "2026-02", 672, "2026-02-01T00:00:00Z"),
        ("@monthly", "2026-10", 1, "2026-10-01T00:00:00Z"),
        ("  0   17 * * *  ", "2026-10", 31, "2026-10-01T17:00:00Z"),
        ("cron(0 17 * * ? *)", "2026-10", 31, "2026-10-01T17:00:00Z"),
        ("cron(0 9 ? * 2-6 *)", "2026-10", 22, "2026-10-01T09:00:00Z"),
        ("cron(0 9 ? * MON-FRI *)", "2026-10", 22, "2026-10-01T09:00:00Z"),
        ("cron(0/15 * * * ? *)", "2026-10", 2976, "2026-10-01T00:00:00Z"),
        ("cron(0 10 1 10 ? 2026)", "2026-10", 1, "2026-10-01T10:00:00Z"),
        ("rate(5 minutes)", "2026-10", 8928, "2026-10-01T00:00:00Z"),
        ("rate(1 hour)", "2026-10", 744, "2026-10-01T00:00:00Z"),
        ("rate(7 days)", "2026-10", 5, "2026-10-01T00:00:00Z"),
    ] {
        let found = runs(text, "UTC", month);
        assert_eq!((found.len(), found[0].as_str()), (count, first), "{text}");
    }
}

#[test]
fn next_runs_are_those_after_an_instant() {
    let after_us = period("2026-10").start_us();
    let daily: Vec<_> = schedule("0 17 * * *", "Europe/Zurich").next(after_us, 2).into_iter().map(utc_text).collect();
    assert_eq!(daily, ["2026-10-01T15:00:00Z", "2026-10-02T15:00:00Z"]);
    let rate: Vec<_> = schedule("rate(1 hour)", "UTC").next(after_us, 2).into_iter().map(utc_text).collect();
    assert_eq!(rate, ["2026-10-01T01:00:00Z", "2026-10-01T02:00:00Z"]);
    assert!(schedule("0 0 0 1 1 * 2020", "UTC").next(after_us, 3).is_empty());
}

#[test]
fn schedules_have_words() {
    for (text, words) in [
        ("0 17 * * *", "Every day at 17:00 in Europe/Zurich"),
        ("rate(5 minutes)", "Every 5 minutes"),
        ("rate(1 hour)", "Every hour"),
    ] {
        assert_eq!(schedule(text, "Europe/Zurich").words(), words);
    }
}

#[test]
fn a_mistake_is_told_with_field_column_and_what_to_write() {
    for (text, field, column, hint) in [
        ("0 25 * * *", Some("hour"), Some(3), ""),
        ("0 24 * * *", Some("hour"), Some(3), "midnight is hour 0"),
        ("60 17 * * *", Some("minute"), Some(1), "`*`"),
        ("0 17 32 * *", Some("day of month"), Some(6), ""),
        ("0 17 * 13 *", Some("month"), Some(8), ""),
        ("0 17 * JNA *", Some("month"), Some(8), "did you mean `JAN`?"),
        ("0 17 * * MONDAY", Some("day of week"), Some(10), "did you mean `MON`?"),
        ("0 17 * * 8", Some("day of week"), Some(10), ""),
        ("0 17,,18 * * *", Some("hour"), Some(6), "comma"),
        ("0 17,18,99 * * *", Some("hour"), Some(9), ""),
        ("0 17-9 * * *", Some("hour"), Some(3), "`17-23,0-9`"),
        ("*/0 * * * *", Some("minute"), Some(1), "at least 1"),
        ("*/90 * * * *", Some("minute"), Some(1), ""),
        ("0 17 * MON *", Some("month"), Some(8), "another field"),
        ("0 17 * *", None, None, "`0 17 * * *`"),
        ("", None, None, "every day at 17:00"),
        ("0 17 30 2 *", None, None, "February"),
        ("@dayly", None, Some(1), "did you mean `@daily`?"),
        ("@midnight", None, Some(1), "@daily"),
        ("cron(0 17 * * *)", None, None, "six fields"),
        ("cron(0 17 * * * *)", Some("day of month"), Some(11), "`?`"),
        ("cron(0 25 * * ? *)", Some("hour"), Some(8), ""),
        ("rate(5 minuets)", None, Some(6), "did you mean `minute`?"),
        ("rate(0 minutes)", None, Some(6), "5 minutes"),
        ("rate()", None, Some(6), "5 minutes"),
    ] {
        let error = Schedule::parse(text, "UTC").expect_err(text);
        assert_eq!((error.field, error.column), (field, column), "{text}: {error}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {:?}", error.hint);
        assert!(error.to_string().starts_with("schedule `"), "{error}");
    }
    for (zone, hint) in [("Europe/Zürich", "Europe/Zurich"), ("zurich", "Europe/Zurich"), ("Mars", "Europe/Zurich")] {
        let error = Schedule::parse("0 17 * * *", zone).unwrap_err();
        assert_eq!(error.field, Some("time zone"), "{error}");
        assert!(zone == "Mars" || error.hint.as_deref().unwrap_or_default().contains(hint), "{zone}: {:?}", error.hint);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}", zone in "\\PC{0,12}") {
        let _ = Schedule::parse(&text, &zone);
        let _ = Schedule::parse(&text, "UTC");
    }

    #[test]
    fn no_nearly_right_text_makes_it_panic(
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
        let schedule = schedule(&format!("{minute} {} * * {day}", hours.join(",")), zone);
        let period = Period::new(2026, month).unwrap();
        let runs = schedule.runs(period);
        let next = schedule.next(period.start_us() - 1, runs.len() + 1);
        prop_assert_eq!(&runs[..], &next[..runs.len()]);
        prop_assert!(next[runs.len()] >= period.end_us());
    }
}
