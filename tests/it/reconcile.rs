//! Synthetic bills made from known logs with known changes: each change is named, and the parts sum to the whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use paygrain_pricing::Exact;
use serde_json::Value;

use crate::harness::{Invocation, Random, Workplace, shared, text_log};

const ACCOUNT: &str = "123456789012";
const FLAGS: [&str; 6] = ["--account", ACCOUNT, "--region", "eu-west-1", "--resource", "f"];
const DURATION: &str = "aws.lambda.duration-x86";
const REQUESTS: &str = "aws.lambda.requests";
const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 1_790_812_800_000; // 2026-10-01T00:00:00Z
const CLASSES: [&str; 7] = ["allowance", "rounding", "missing_hours", "discount", "tax", "unpriced", "unexplained"];

fn exact(text: &str) -> Exact {
    Exact::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// List price of a unit.
fn price(sku: &str) -> Exact {
    exact(if sku == DURATION { "0.0000166667" } else { "0.0000002" })
}

/// One or two long invocations in every hour of the first days of October 2026: the free tier ends on the first.
fn invocations(seed: u64, days: i64) -> Vec<Invocation> {
    let mut random = Random(seed);
    let mut found = Vec::new();
    for hour in 0..24 * days {
        for _ in 0..=random.below(2) {
            let billed_ms = 600_000 + random.below(300_000);
            found.push(Invocation {
                request_id: format!("{:08x}-0000-4000-8000-{:012x}", random.next() >> 32, random.next() >> 16),
                // Started in the hour too.
                reported_ms: START_MS + hour * HOUR_MS + 1_200_000 + random.below(2_400_000) as i64,
                duration_centi_ms: 100 * billed_ms,
                billed_ms,
                memory_mb: 10_240,
            });
        }
    }
    found
}

/// Hours since the month began.
fn hour(invocation: &Invocation) -> i64 {
    (invocation.reported_ms - START_MS) / HOUR_MS
}

/// A line of a bill.
#[derive(Clone, Debug)]
struct Line {
    kind: &'static str,
    usage_type: String,
    sku: String,
    from: String,
    to: String,
    quantity: Option<Exact>,
    cost: Exact,
    list_cost: Option<Exact>,
}

impl Line {
    fn day(&self) -> &str {
        &self.from[..10]
    }

    fn is_paid(&self) -> bool {
        self.sku == DURATION && !self.cost.is_zero()
    }
}

fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(csv.as_bytes()).deserialize().map(|row| row.unwrap()).collect()
}

fn export(place: &Workplace, charge_period: &str) -> String {
    let run = place.run(&["export", "focus", "--period", "2026-10", "--charge-period", charge_period]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stdout
}

/// The bill that our rating gives for some logs, as lines of a Cost and Usage Report.
fn bill_of(logs: &[Invocation], charge_period: &str) -> Vec<Line> {
    let place = Workplace::new();
    place.ingest(&FLAGS, &[&place.file("all.log", text_log(logs))]);
    let line = |row: BTreeMap<String, String>| Line {
        kind: "Usage",
        usage_type: format!("EUW1-{}", if row["SkuId"] == DURATION { "Lambda-GB-Second" } else { "Request" }),
        sku: row["SkuId"].clone(),
        from: row["ChargePeriodStart"].clone(),
        to: row["ChargePeriodEnd"].clone(),
        quantity: Some(exact(&row["ConsumedQuantity"])),
        cost: exact(&row["BilledCost"]),
        list_cost: None,
    };
    rows(&export(&place, charge_period)).into_iter().map(line).collect()
}

/// The lines as a file.
fn cur(lines: &[Line]) -> String {
    let mut csv = "identity/LineItemId,identity/TimeInterval,bill/PayerAccountId,bill/BillingPeriodStartDate,bill/BillingPeriodEndDate,\
        lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/UsageEndDate,lineItem/ProductCode,\
        lineItem/UsageType,lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedCost,product/ProductName,pricing/unit,\
        pricing/publicOnDemandCost\n".to_owned();
    for (number, line) in lines.iter().enumerate() {
        let Line { kind, usage_type, from, to, .. } = line;
        let text = |number: &Option<Exact>| number.as_ref().map(Exact::to_string).unwrap_or_default();
        let lambda = line.sku.starts_with("aws.lambda");
        let (code, name) =
            if lambda { ("AWSLambda", "AWS Lambda") } else { ("AmazonEC2", "Amazon Elastic Compute Cloud") };
        let unit = if line.sku == DURATION { "Lambda-GB-Second" } else { "Requests" };
        writeln!(
            csv,
            "line{number},{from}/{to},999999999999,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,{ACCOUNT},{kind},{from},{to},{code},\
             {usage_type},{},USD,{},{name},{unit},{}",
            text(&line.quantity),
            line.cost,
            text(&line.list_cost)
        )
        .unwrap();
    }
    csv
}

/// A lake with logs and a bill.
fn place(logs: &[Invocation], lines: &[Line]) -> Workplace {
    let place = Workplace::new();
    if !logs.is_empty() {
        place.ingest(&FLAGS, &[&place.file("f.log", text_log(logs))]);
    }
    if !lines.is_empty() {
        let uploads = place.ingest(&[], &[&place.file("bill.csv", cur(lines))]);
        assert_eq!(uploads[0]["accepted"], lines.len());
        assert_eq!(uploads[0]["format"], "aws-cur");
    }
    place
}

fn reconcile(place: &Workplace, arguments: &[&str]) -> Value {
    let answer = place.json(&[&["reconcile", "--period", "2026-10", "--format", "json"], arguments].concat());
    sums_are_exact(&answer);
    answer
}

fn amount(value: &Value) -> Exact {
    exact(value.as_str().unwrap_or_else(|| panic!("{value}")))
}

/// The parts of every row sum to its difference, and the rows to the total.
fn sums_are_exact(answer: &Value) {
    let rows = answer["rows"].as_array().unwrap();
    for total in answer["totals"].as_array().unwrap() {
        let of_currency = || rows.iter().filter(|row| row["currency"] == total["currency"]);
        for column in ["rated_cost", "billed_cost", "difference"] {
            assert_eq!(
                of_currency().map(|row| amount(&row[column])).sum::<Exact>(),
                amount(&total[column]),
                "{column}"
            );
        }
        for class in CLASSES {
            let sum: Exact = of_currency().map(|row| amount(&row["parts"][class])).sum();
            assert_eq!(sum, amount(&total["parts"][class]), "{class}");
        }
    }
    for row in rows.iter().chain(answer["totals"].as_array().unwrap()) {
        let parts: Exact = CLASSES.iter().map(|class| amount(&row["parts"][class])).sum();
        assert_eq!(parts, amount(&row["difference"]), "{row}");
        assert_eq!(amount(&row["billed_cost"]) - amount(&row["rated_cost"]), amount(&row["difference"]), "{row}");
    }
}

/// The parts that are not zero.
fn parts(of: &Value) -> Vec<(String, Exact)> {
    let parts = CLASSES.iter().map(|class| ((*class).to_owned(), amount(&of["parts"][class])));
    parts.filter(|(_, part)| !part.is_zero()).collect()
}

fn row<'a>(answer: &'a Value, name: &str) -> &'a Value {
    answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == name)
        .unwrap_or_else(|| panic!("{name}: {answer}"))
}

fn named(parts: &[(&str, Exact)]) -> Vec<(String, Exact)> {
    parts.iter().map(|(name, part)| ((*name).to_owned(), part.clone())).collect()
}

/// Lines without a free tier; what that adds.
fn without_free_tier(lines: &mut [Line]) -> Exact {
    let mut added = Exact::zero();
    for line in lines.iter_mut().filter(|line| line.cost.is_zero()) {
        line.cost = line.quantity.as_ref().unwrap() * &price(&line.sku);
        added += &line.cost;
    }
    added
}

/// Gives as much of the first free line as fits free to a line of the third day instead; how much, and its value.
fn move_free_tier(lines: &mut Vec<Line>) -> (Exact, Exact) {
    let free = lines.iter().position(|line| line.sku == DURATION && line.cost.is_zero()).unwrap();
    let paid = lines.iter().position(|line| line.is_paid() && line.day() == "2026-10-03").unwrap();
    let quantity = lines[free].quantity.clone().unwrap().min(lines[paid].quantity.clone().unwrap());
    let value = &quantity * &price(DURATION);
    for (place, sign) in [(free, exact("1")), (paid, exact("-1"))] {
        let part = &value * &sign;
        let rest = lines[place].quantity.as_ref().unwrap() - &quantity;
        match place == free {
            true => {
                lines.push(Line { quantity: Some(quantity.clone()), cost: part, ..lines[place].clone() });
                lines[place].quantity = Some(rest);
            }
            false => {
                lines.push(Line { quantity: Some(quantity.clone()), cost: Exact::zero(), ..lines[place].clone() });
                lines[place].quantity = Some(rest);
                lines[place].cost += part;
            }
        }
    }
    lines.retain(|line| line.quantity.as_ref().is_none_or(Exact::is_positive));
    (quantity, value)
}

fn in_cents(lines: &mut [Line]) -> Exact {
    let mut added = Exact::zero();
    for line in lines {
        let rounded = exact(&line.cost.round_half_up(2));
        added += &rounded - &line.cost;
        line.cost = rounded;
    }
    added
}

/// A discount of 10 % on every line, as lines of its own.
fn with_discount_lines(lines: &mut Vec<Line>, places: u32) -> Exact {
    let mut added = Exact::zero();
    for line in lines.clone().iter().filter(|line| line.is_paid()) {
        let cost = exact(&(&line.cost * &exact("-0.1")).round_half_up(places));
        added += &cost;
        lines.push(Line { kind: "EdpDiscount", quantity: None, cost, ..line.clone() });
    }
    added
}

/// Another line of the month.
fn other(kind: &'static str, usage_type: &str, cost: &str) -> Line {
    Line {
        kind,
        usage_type: usage_type.into(),
        sku: String::new(),
        from: "2026-10-02T00:00:00Z".into(),
        to: "2026-10-03T00:00:00Z".into(),
        quantity: Some(exact("24")),
        cost: exact(cost),
        list_cost: None,
    }
}

/// Makes the quantity of a paid line of the day larger without a reason; what that adds.
fn change_quantity(lines: &mut [Line], day: &str, factor: &str) -> Exact {
    let line = lines.iter_mut().find(|line| line.is_paid() && line.day() == day).unwrap();
    let before = line.cost.clone();
    line.quantity = Some(line.quantity.as_ref().unwrap() * &exact(factor));
    line.cost = &line.cost * &exact(factor);
    &line.cost - before
}

/// The logs without some hours of a day; the quantity that is missing, and the records.
fn without_hours(logs: &[Invocation], hours: std::ops::Range<i64>) -> (Vec<Invocation>, Exact, u64) {
    let (gone, left): (Vec<_>, Vec<_>) = logs.iter().cloned().partition(|one| hours.contains(&hour(one)));
    let mb_ms: u64 = gone.iter().map(|one| one.billed_ms * one.memory_mb).sum();
    (left, Exact::from(mb_ms) * Exact::ratio(1, 1_024_000).unwrap(), gone.len() as u64)
}

#[test]
fn each_change_of_a_bill_is_named() {
    for (seed, charge_period) in [(1, "day"), (2, "hour")] {
        let logs = invocations(seed, 4);
        let bill = bill_of(&logs, charge_period);
        let total_of = |logs: &[Invocation], lines: &[Line]| {
            let answer = reconcile(&place(logs, lines), &[]);
            parts(&answer["totals"][0])
        };
        assert_eq!(total_of(&logs, &bill), [], "{charge_period}: the bill that the rating gives");

        let mut lines = bill.clone();
        let added = without_free_tier(&mut lines);
        assert_eq!(total_of(&logs, &lines), named(&[("allowance", added)]), "{charge_period}: no free tier");

        let mut lines = bill.clone();
        let (free, value) = move_free_tier(&mut lines);
        let place_of_both = place(&logs, &lines);
        let days = reconcile(&place_of_both, &["--by", "day", "--sku", DURATION]);
        let of_day = |day: &str| {
            let row = days["rows"].as_array().unwrap().iter().find(|row| row["day"] == day).unwrap();
            parts(row)
        };
        let what = format!("{charge_period}: {free} free on another day");
        assert_eq!(parts(&days["totals"][0]), [], "{what}");
        assert_eq!(of_day("2026-10-01"), named(&[("allowance", value.clone())]), "{what}");
        assert_eq!(of_day("2026-10-03"), named(&[("allowance", -value)]), "{what}");

        let mut lines = bill.clone();
        let added = in_cents(&mut lines);
        assert_eq!(total_of(&logs, &lines), named(&[("rounding", added)]), "{charge_period}: cents");

        let mut lines = bill.clone();
        let added = with_discount_lines(&mut lines, 10);
        assert_eq!(total_of(&logs, &lines), named(&[("discount", added)]), "{charge_period}: lines of a discount");

        let mut lines = bill.clone();
        let mut added = Exact::zero();
        for line in &mut lines {
            line.list_cost = Some(line.cost.clone());
            line.cost = &line.cost * &exact("0.9");
            added += &line.cost - line.list_cost.as_ref().unwrap();
        }
        assert_eq!(total_of(&logs, &lines), named(&[("discount", added)]), "{charge_period}: a price below the list");

        let mut lines = bill.clone();
        lines.push(Line {
            from: "2026-10-01T00:00:00Z".into(),
            to: "2026-11-01T00:00:00Z".into(),
            ..other("Tax", "", "12.34")
        });
        assert_eq!(total_of(&logs, &lines), named(&[("tax", exact("12.34"))]), "{charge_period}: tax");

        let mut lines = bill.clone();
        lines.push(other("Usage", "EUW1-BoxUsage:m5.large", "3.21"));
        lines.push(Line {
            usage_type: "EUW1-Lambda-New-Thing".into(),
            sku: "aws.lambda.new".into(),
            ..other("Usage", "", "0.4")
        });
        assert_eq!(total_of(&logs, &lines), named(&[("unpriced", exact("3.61"))]), "{charge_period}: unknown usage");

        for factor in ["1.1", "0.9"] {
            let mut lines = bill.clone();
            let added = change_quantity(&mut lines, "2026-10-03", factor);
            assert_eq!(
                total_of(&logs, &lines),
                named(&[("unexplained", added)]),
                "{charge_period}: a quantity × {factor}"
            );
        }

        let mut lines = bill.clone();
        let line = lines.iter_mut().find(|line| line.is_paid()).unwrap();
        line.cost += exact("0.5");
        assert_eq!(total_of(&logs, &lines), named(&[("unexplained", exact("0.5"))]), "{charge_period}: another price");

        let (left, missing, records) = without_hours(&logs, 60..63);
        let answer = reconcile(&place(&left, &bill), &[]);
        let value = &missing * &price(DURATION);
        assert_eq!(parts(row(&answer, DURATION)), named(&[("missing_hours", value)]), "{charge_period}: three hours");
        assert_eq!(row(&answer, DURATION)["hours_missing"], 3);
        // Requests never leave the free tier: it takes in what is missing too.
        let value = Exact::from(records) * price(REQUESTS);
        assert_eq!(parts(row(&answer, REQUESTS)), named(&[("allowance", -&value), ("missing_hours", value)]));

        let (left, missing, _) = without_hours(&logs, 72..96);
        let answer = reconcile(&place(&left, &bill), &[]);
        let value = &missing * &price(DURATION);
        assert_eq!(parts(row(&answer, DURATION)), named(&[("missing_hours", value)]), "{charge_period}: a whole day");
    }
}

#[test]
fn hours_missing_while_usage_is_free_let_the_free_tier_last_longer() {
    let logs = invocations(9, 3);
    let bill = bill_of(&logs, "hour");
    let (left, missing, _) = without_hours(&logs, 2..5);
    let place = place(&left, &bill);
    let value = &missing * &price(DURATION);
    assert_eq!(parts(row(&reconcile(&place, &[]), DURATION)), named(&[("missing_hours", value)]));
}

#[test]
fn changes_that_come_together_are_told_apart() {
    for seed in 0..8 {
        let mut random = Random(seed);
        let charge_period = ["day", "hour"][random.below(2) as usize];
        let logs = invocations(1000 + seed, 4);
        let mut lines = bill_of(&logs, charge_period);
        let mut chosen = || random.below(2) == 1;
        let (free, cents, discount, tax, unknown, quantity, hours) =
            (chosen(), chosen(), chosen(), chosen(), chosen(), chosen(), chosen());
        let mut expected: BTreeMap<&str, Exact> = BTreeMap::new();
        if free {
            without_free_tier(&mut lines);
            expected.insert("allowance", exact("400000") * price(DURATION));
        }
        if quantity {
            expected.insert("unexplained", change_quantity(&mut lines, "2026-10-04", "1.2"));
        }
        if cents {
            let mut of_duration: Vec<Line> = lines.iter().filter(|line| line.sku == DURATION).cloned().collect();
            expected.insert("rounding", in_cents(&mut of_duration));
            in_cents(&mut lines);
        }
        if discount {
            expected.insert("discount", with_discount_lines(&mut lines, if cents { 2 } else { 10 }));
        }
        if tax {
            lines.push(other("Tax", "", "4.56"));
        }
        if unknown {
            lines.push(other("Usage", "EUW1-BoxUsage:m5.large", "0.07"));
        }
        let mut left = logs.clone();
        if hours {
            let first = 48 + random.below(20) as i64; // of the third day
            let missing;
            (left, missing, _) = without_hours(&logs, first..first + 3);
            expected.insert("missing_hours", missing * price(DURATION));
        }
        let place = place(&left, &lines);
        let what = format!("seed {seed}, {charge_period}: {expected:?}");
        let answer = reconcile(&place, &[]);
        let found: BTreeMap<String, Exact> = parts(row(&answer, DURATION)).into_iter().collect();
        expected.retain(|_, part| !part.is_zero());
        let expected = expected.into_iter().map(|(class, part)| (class.to_owned(), part)).collect();
        assert_eq!(found, expected, "{what}");
        assert_eq!(amount(&row(&answer, REQUESTS)["parts"]["unexplained"]), Exact::zero(), "{what}");
        let total = &answer["totals"][0]["parts"];
        assert_eq!(amount(&total["tax"]), if tax { exact("4.56") } else { Exact::zero() }, "{what}");
        assert_eq!(amount(&total["unpriced"]), if unknown { exact("0.07") } else { Exact::zero() }, "{what}");
        for by in ["day", "sku,day"] {
            assert_eq!(reconcile(&place, &["--by", by])["totals"], answer["totals"], "{what}");
        }
    }
}

#[test]
fn our_own_export_is_the_bill_that_the_rating_gives() {
    let place = Workplace::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let files = ["election-results.log.gz", "web-api.ndjson.gz", "nightly-report.log", "photos-access.log"];
    let files: Vec<_> = files.iter().map(|name| folder.join(name)).collect();
    let paths: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    let defaults = folder.join("defaults.toml");
    place.ingest(&["--defaults", defaults.to_str().unwrap(), "--account", ACCOUNT], &paths);
    let focus = export(&place, "day");
    place.ingest(&[], &[&place.file("focus.csv", &focus)]);
    let answer = reconcile(&place, &[]);
    let total = &answer["totals"][0];
    let bill = place.json(&["bill", "--period", "2026-10", "--format", "json"]);
    assert_eq!(total["rated_cost"], bill["total"]);
    for class in ["allowance", "missing_hours", "discount", "tax", "unpriced", "unexplained"] {
        assert_eq!(total["parts"][class], "0", "{class}: {answer}");
    }
    assert!(answer["rows"].as_array().unwrap().iter().all(|row| row["is_sku"] == true));
    assert!(answer["rows"].as_array().unwrap().len() > 5);
    let puts = row(&answer, "aws.s3.requests-put:STANDARD");
    assert_eq!(puts["printed_quantity"], puts["rated_quantity"]);
    assert_eq!(puts["printed_unit"], "Requests", "the unit of that quantity, not that of the price");

    // One cost that is not what it was, among all of them.
    let mut reader = csv::Reader::from_reader(focus.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|known| known == name).unwrap();
    let (billed, sku) = (column("BilledCost"), column("SkuId"));
    let mut changed = csv::Writer::from_writer(Vec::new());
    changed.write_record(&header).unwrap();
    let mut name = None;
    for record in reader.records() {
        let mut cells: Vec<String> = record.unwrap().iter().map(str::to_owned).collect();
        if name.is_none() && exact(&cells[billed]) > exact("0.1") {
            cells[billed] = (exact(&cells[billed]) + exact("0.25")).to_string();
            name = Some(cells[sku].clone());
        }
        changed.write_record(&cells).unwrap();
    }
    place.ingest(&[], &[&place.file("changed.csv", changed.into_inner().unwrap())]);
    let answer = reconcile(&place, &[]);
    let parts: BTreeMap<_, _> = parts(row(&answer, &name.unwrap())).into_iter().collect();
    // Numbers in FOCUS are cut at so many digits.
    assert_eq!(parts["unexplained"].round_half_up(20), "0.25000000000000000000", "{parts:?}");
}

#[test]
fn one_view_of_a_bill_is_compared_and_the_others_are_named() {
    let logs = invocations(5, 3);
    let bill = bill_of(&logs, "day");
    let place = place(&logs, &bill);
    let focus = export(&place, "day").replace(&format!("aws/{ACCOUNT}"), "999999999999");
    place.ingest(&[], &[&place.file("focus.csv", focus)]);
    for (arguments, view) in [(&[][..], "aws-cur"), (&["--view", "focus"], "focus")] {
        let answer = reconcile(&place, arguments);
        let views = answer["views"].as_array().unwrap();
        assert_eq!(views.len(), 2);
        for one in views {
            assert_eq!(one["compared"], one["view"] == view, "{answer}");
        }
        assert_eq!(answer["totals"][0]["parts"]["unexplained"], "0");
        assert_eq!(answer["totals"][0]["billed_cost"], reconcile(&place, &[])["totals"][0]["rated_cost"]);
    }
    let run = place.run(&["reconcile", "--period", "2026-10", "--view", "azure-actual"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("there are aws-cur, focus"), "{}", run.stderr);
    let answer = reconcile(&place, &["--account", "none"]);
    assert_eq!((&answer["rows"], &answer["totals"]), (&serde_json::json!([]), &serde_json::json!([])));
}

#[test]
fn another_currency_is_never_added() {
    let logs = invocations(6, 3);
    let bill = bill_of(&logs, "day");
    let place = Workplace::new();
    place.ingest(&FLAGS, &[&place.file("f.log", text_log(&logs))]);
    place.ingest(&[], &[&place.file("bill.csv", cur(&bill).replace(",USD,", ",EUR,"))]);
    let answer = reconcile(&place, &[]);
    assert_eq!(answer["totals"], serde_json::json!([]));
    let reasons: Vec<_> =
        answer["not_compared"].as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["the bill is in another currency than the rating", "the bill is in EUR"]);
}

#[test]
fn without_a_bill_and_without_logs() {
    let logs = invocations(7, 3);
    let no_bill = place(&logs, &[]);
    let answer = reconcile(&no_bill, &[]);
    assert_eq!(answer["totals"], serde_json::json!([]));
    assert_eq!(answer["not_compared"][0]["reason"], "there is no bill of the provider for the month");
    assert!(amount(&answer["not_compared"][0]["rated_cost"]).is_positive());
    let text = no_bill.run(&["reconcile", "--period", "2026-10"]);
    assert!(text.code == Some(0) && text.stdout.contains("There is no bill of the month"), "{}", text.stdout);
    let run = no_bill.run(&["reconcile"]);
    assert!(run.code == Some(1) && run.stderr.contains("has no bill of a provider"), "{}", run.stderr);

    let bill = bill_of(&logs, "day");
    let no_logs = place(&[], &bill);
    let answer = reconcile(&no_logs, &[]);
    let billed: Exact = bill.iter().map(|line| &line.cost).sum();
    assert_eq!(parts(&answer["totals"][0]), named(&[("missing_hours", billed)]));
    let empty = Workplace::new();
    assert_eq!(reconcile(&empty, &[])["rows"], serde_json::json!([]));
}

#[test]
fn an_answer_is_for_people_and_for_spreadsheets() {
    let logs = invocations(8, 3);
    let mut lines = bill_of(&logs, "day");
    without_free_tier(&mut lines);
    lines.push(other("Tax", "", "1"));
    let place = place(&logs, &lines);
    let text = place.run(&["reconcile"]).stdout;
    for part in [
        "Reconciliation of 2026-10",
        "allowance 6.67 USD, tax 1.00 USD; nothing is unexplained.",
        "Compared: aws-cur of aws 999999999999",
        DURATION,
        "Lambda-GB-Second",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let csv = place.run(&["reconcile", "--by", "sku,day", "--format", "csv"]).stdout;
    let rows = rows(&csv);
    assert!(rows.iter().any(|row| row["day"] == "2026-10-02" && row["sku"] == DURATION));
    let sum: Exact = rows.iter().map(|row| exact(&row["allowance"])).sum();
    assert_eq!(sum.round_half_up(2), "6.67");
    let only = reconcile(&place, &["--sku", DURATION, "--by", "day"]);
    assert_eq!(only["rows"].as_array().unwrap().len(), 3);
    let run = place.run(&["reconcile", "--by", "colour"]);
    assert!(run.code != Some(0) && run.stderr.contains("sku, day"), "{}", run.stderr);
}

#[test]
fn bills_of_others_are_taken_apart_to_the_last_digit() {
    for (file, period, provider) in [
        ("formats/aws-cur/koku_2023-06-01.csv", "2023-06", "aws"),
        ("formats/azure/EA_ActualCost_Small.csv", "", "azure"),
        ("formats/gcp/koku_billing_export_2022-08-01_5.csv", "", "gcp"),
        ("formats/focus/focus_sample_v1.0_every_third_row.csv", "", ""),
    ] {
        let Some(path) = shared(file) else { continue };
        let place = Workplace::new();
        place.ingest(&["--account", ACCOUNT], &[&path]);
        let mut arguments = vec!["reconcile", "--format", "json"];
        if !period.is_empty() {
            arguments.extend(["--period", period]);
        }
        let answer = place.json(&arguments);
        sums_are_exact(&answer);
        let rows = answer["rows"].as_array().unwrap();
        assert!(
            !rows.is_empty() && rows.iter().all(|row| provider.is_empty() || row["provider"] == provider),
            "{file}"
        );
    }
}
