//! Expressions: grammar, units, nulls, SQL.
use std::collections::BTreeMap;

use super::*;

fn value(text: &str, row: &[(&str, Value)]) -> Value {
    let row: BTreeMap<&str, Value> = row.iter().cloned().collect();
    let expression = Expression::parse(text, Table::Invocations).unwrap_or_else(|error| panic!("{text}: {error}"));
    expression.evaluate(&|column| row.get(column).cloned().unwrap_or(Value::Null))
}

fn number(number: i128) -> Value {
    Value::Number(Exact::from_integer(number))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn values_follow_sql() {
    let row = [
        ("duration_us", number(1)),
        ("memory_mb", number(512)),
        ("vcpu_milli", number(500)),
        ("architecture", text("arm64")),
    ];
    for (expression, expected) in [
        ("ceil_to(duration_us, 100ms)", number(100_000)),
        ("ceil_div(duration_us, 100ms)", number(1)),
        ("floor_to(memory_mb, 100MiB)", number(500)),
        ("ceil_to(duration_us, 100ms) * memory_mb", number(51_200_000)),
        ("memory_mb <= 1GiB", Value::Bool(true)),
        ("vcpu_milli < 1", Value::Bool(true)),
        ("greatest(init_us, duration_us)", number(1)),
        ("least(init_us, restore_us)", Value::Null),
        ("coalesce(init_us, 0) + duration_us", number(1)),
        ("init_us + duration_us", Value::Null),
        ("architecture = 'arm64' and init_us is null", Value::Bool(true)),
        ("os = 'linux' or architecture = 'arm64'", Value::Bool(true)),
        ("os = 'linux' and architecture = 'arm64'", Value::Null),
        ("os = 'linux' and architecture = 'x86_64'", Value::Bool(false)),
        ("not os = 'linux'", Value::Null),
        ("os in ('linux', 'windows')", Value::Null),
        ("not architecture in ('x86_64')", Value::Bool(true)),
        ("if(os = 'linux', 1, architecture = 'arm64', 2, 3)", number(2)),
        ("if(os is not null, duration_us, 30min)", number(1_800_000_000)),
        ("-duration_us + 3us", number(2)),
        ("1 + 2 * 3 - 4", number(3)),
    ] {
        assert_eq!(value(expression, &row), expected, "{expression}");
    }
}

#[test]
fn huge_numbers_stay_exact() {
    let row = [("duration_us", number(i128::MAX)), ("memory_mb", number(i128::MAX))];
    let expected = Exact::from_integer(i128::MAX) * Exact::from_integer(i128::MAX);
    assert_eq!(value("duration_us * memory_mb", &row), Value::Number(expected));
}

#[test]
fn what_has_no_meaning_is_refused() {
    for (expression, message) in [
        ("duration_us + memory_mb", "units differ"),
        ("duration_us = 'x'", "units differ"),
        ("ceil_to(duration_us, 0ms)", "not a literal above 0"),
        ("ceil_to(duration_us, init_us)", "not a literal above 0"),
        ("colour = 'red'", "no column `colour`"),
        ("duration_us / 2", "division is not allowed"),
        ("duration_us * architecture", "is not a number"),
        ("not duration_us", "is not a condition"),
        ("sqrt(duration_us)", "no function `sqrt`"),
        ("1.5", "a number with a point"),
        ("5furlong", "unknown unit `furlong`"),
        ("if(os = 'x', 1)", "`if` with 2 arguments"),
        ("memory_mb > 1KiB", "not an integer"),
        ("(1", "expected `)`"),
        ("1 2", "unexpected"),
        ("'open", "without closing quote"),
        ("", "unexpected end"),
        ("and", "unexpected `and`"),
        ("1 = 2 ; drop", "unexpected character"),
    ] {
        let error = Expression::parse(expression, Table::Invocations).unwrap_err().to_string();
        assert!(error.contains(message), "{expression}: {error}");
    }
    for expression in ["(".repeat(5_000), format!("1{}", " + 1".repeat(900)), "-".repeat(3_000), "1".repeat(70)] {
        assert!(Expression::parse(&expression, Table::Invocations).is_err());
    }
}

#[test]
fn sql_is_integer_arithmetic_over_quoted_columns() {
    for (expression, sql) in [
        (
            "ceil_to(duration_us, 100ms) * memory_mb",
            r#"(CAST(((CAST("duration_us" AS BIGINT) + 100000 - 1) / 100000 * 100000) AS DECIMAL(38,0)) * "memory_mb")"#,
        ),
        ("coalesce(billed_us, duration_us)", r#"coalesce(("billed_ms" * 1000), "duration_us")"#),
        ("if(os = 'it', 1, 2)", r#"(CASE WHEN ("os" = 'it') THEN 1 ELSE 2 END)"#),
        ("os is not null and not os in ('a', 'b')", r#"(("os" IS NOT NULL) AND (NOT ("os" IN ('a', 'b'))))"#),
        ("coalesce(null, 1)", "coalesce(NULL, 1)"),
        ("memory_mb * vcpu_milli * calls", r#"((CAST("memory_mb" AS DECIMAL(38,0)) * "vcpu_milli") * "calls")"#),
    ] {
        assert_eq!(Expression::parse(expression, Table::Invocations).unwrap().to_sql(), sql);
    }
    let metered = Expression::parse("ceil_div(quantity, 60)", Table::Metered).unwrap();
    assert_eq!(
        metered.to_sql(),
        r#"CAST(("quantity" + (60 - "quantity" % 60) % 60) / 60 AS DECIMAL(38,0))"#,
        "a decimal is rounded by remainders, never by a decimal quotient"
    );
}

#[test]
fn columns_are_listed_once() {
    let expression = Expression::parse("if(os = 'x', duration_us, init_us + duration_us)", Table::Invocations).unwrap();
    assert_eq!(expression.columns().into_iter().collect::<Vec<_>>(), ["duration_us", "init_us", "os"]);
}

#[test]
fn what_can_leave_the_integers_of_the_engine_is_refused() {
    // Over requests: up to 10^18 bytes each way, 10^18 units.
    for (expression, message) in [
        ("request_bytes + response_bytes", None),
        ("request_bytes * response_bytes", None),
        ("request_bytes * 99", None),
        ("request_bytes * response_bytes * 99", None),
        ("request_bytes * response_bytes * 100", Some("a number of 39 digits is possible, beyond the 38 digits")),
        ("request_bytes * response_bytes * units", Some("a number of 55 digits")),
        ("9_223_372_036_854_775_807 * units", None),
        ("9_223_372_036_854_775_808 * units", Some("beyond a 64-bit integer")),
        ("8_223_372_036_854_775_807 + units", None),
        ("8_223_372_036_854_775_808 + units", Some("a number of 19 digits is possible, beyond a 64-bit integer")),
        ("units - 9_223_372_036_854_775_807 - 1", Some("beyond a 64-bit integer")),
        ("units + units + units + units + units + units + units + units + units", None),
        ("units + units + units + units + units + units + units + units + units + units", Some("beyond a 64-bit")),
        ("ceil_to(units, 8_000_000_000_000_000_000)", None),
        ("ceil_to(units, 9_000_000_000_000_000_000)", Some("beyond a 64-bit integer")),
        ("ceil_div(request_bytes * 999_999_999_999_999, 7B)", None),
        ("ceil_div(request_bytes * 1_000_000_000_000_000, 7B)", Some("a number of 34 digits")),
        ("ceil_div(request_bytes - 5B, 7B)", Some("`ceil_div` of what can be below 0")),
        ("ceil_to(greatest(request_bytes - 5B, 0), 7B)", None),
        ("ceil_to(greatest(request_bytes - 5B, response_bytes), 7B)", Some("below 0")),
        ("ceil_to(coalesce(request_bytes - 5B, 0), 7B)", Some("below 0")),
        ("ceil_to(least(request_bytes, 5B) * 9_000_000_000_000_000_000, 7B)", None),
        ("if(units + 8_300_000_000_000_000_000 > 1, 1, 2) = 1", Some("beyond a 64-bit integer")),
        ("units in (1, 99_999_999_999_999_999_999)", Some("beyond a 64-bit integer")),
        ("least(units, 5) * request_bytes * response_bytes", None),
        ("greatest(units, 5) * request_bytes * response_bytes", Some("a number of 55 digits")),
    ] {
        let found = Expression::parse(expression, Table::Requests).err().map(|error| error.to_string());
        match (message, &found) {
            (None, None) => {}
            (Some(message), Some(found)) if found.contains(message) => {}
            _ => panic!("{expression}: {found:?}"),
        }
    }
    let of_any_size = Expression::parse("quantity * memory_mb * held_us * size_mb * vcpu_milli", Table::Metered);
    assert!(of_any_size.is_ok(), "rows of other tables are metered with numbers of any size");
}
