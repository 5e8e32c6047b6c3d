//! Described usage: words, windows, allowances, and what is refused.
use serde_json::{Value as Json, json};

use super::*;

const MADE: &str = r#"provider = "x"
service = "y"
[sources]
S = "s"
[[sku]]
id = "a"
table = "requests"
filter = "operation = 'a'"
unit = "request"
[[sku.price]]
to = 2025-06-15
per = "request"
tiers = [{ up_to = "10", price = "1" }, { price = "0.5" }]
source = "S"
mark = "seen"
[[sku.price]]
from = 2025-06-15
per = "request"
tiers = [{ up_to = "10", price = "2" }, { price = "0.25" }]
source = "S"
mark = "seen"
[[sku]]
id = "p"
table = "requests"
filter = "operation = 'p'"
unit = "request"
price = [{ price = "3", per = "10 request", package = "10 request", source = "S", mark = "seen" }]
[[sku]]
id = "m"
table = "requests"
filter = "operation = 'm'"
unit = "request"
price = [{ price = "1", per = "request", minimum_charge = "5", source = "S", mark = "seen" }]
[[sku]]
id = "v"
table = "requests"
filter = "operation = 'v'"
unit = "request"
price = [{ model = "volume", per = "request", tiers = [{ up_to = "10", price = "1" }, { price = "0.5" }], source = "S", mark = "seen" }]
[[sku]]
id = "h"
table = "metered"
unit = "instance-h"
meter_unit = "instance"
quantity = "quantity * held_us"
price = [
  { to = 2025-06-16, price = "1", per = "instance-h", source = "S", mark = "seen" },
  { from = 2025-06-16, price = "3", per = "instance-h", source = "S", mark = "seen" },
]
"#;

/// A daily allowance in a zone whose days change length.
const PACIFIC: &str = r#"provider = "x"
service = "pacific"
time_zone = "America/Los_Angeles"
[sources]
S = "s"
[[sku]]
id = "reads"
table = "requests"
unit = "request"
price = [{ price = "1", per = "request", source = "S", mark = "seen" }]
[[sku]]
id = "held"
table = "metered"
unit = "instance-month"
meter_unit = "instance"
quantity = "quantity * held_us"
price = [{ price = "743", per = "instance-month", source = "S", mark = "seen" }]
[[allowance]]
id = "daily"
skus = ["reads"]
quantity = "10"
unit = "request"
period = "day"
"#;

fn catalogue() -> Catalogue {
    let files = [("x/y", MADE), ("x/pacific", PACIFIC)];
    Catalogue::with_files(files.map(|(name, text)| (name.to_owned(), text.to_owned()))).unwrap()
}

fn estimated(request: Json) -> Estimate {
    let mut full = json!({"period": "2025-06", "provider": "aws", "region": "us-east-1"});
    for (key, value) in request.as_object().unwrap() {
        full[key] = value.clone();
    }
    let estimate = estimate(&catalogue(), EstimateRequest::from_json(&full.to_string()).unwrap()).unwrap();
    for charge in &estimate.charges {
        let credits: Exact = charge.allowances.iter().map(|share| &share.credit).sum();
        let free: Exact = charge.allowances.iter().map(|share| &share.quantity).sum();
        assert_eq!(free, charge.free_quantity, "{}", charge.id);
        let expected = &charge.list_cost - &charge.free_quantity * &charge.unit_price - credits + &charge.adjustment;
        assert_eq!(charge.billed_cost, expected, "{}", charge.id);
    }
    estimate
}

fn total(request: Json) -> String {
    estimated(request).total.to_string()
}

fn made(usage: Json) -> String {
    total(json!({"provider": "x", "usage": usage}))
}

fn error(request: Json) -> (String, Option<String>) {
    let mut full = json!({"period": "2025-06", "provider": "aws"});
    for (key, value) in request.as_object().unwrap() {
        full[key] = value.clone();
    }
    let result =
        EstimateRequest::from_json(&full.to_string()).and_then(|request| estimate(&catalogue(), request)).unwrap_err();
    (result.to_string(), result.hint())
}

#[test]
fn the_example_of_2019_costs_what_was_published() {
    let estimate = estimated(json!({"period": "2019-06", "allowances": true, "usage": [
        {"service": "lambda", "resource": "f", "count": 3_000_000, "duration_ms": 1000, "memory_mb": 512, "architecture": "x86_64"},
        {"service": "s3", "storage_class": "STANDARD", "gb_months": "100"},
        {"service": "s3", "operation": "PUT", "count": 5000}]}));
    let amounts: Vec<_> =
        estimate.charges.iter().map(|charge| (charge.id.as_str(), charge.billed_cost.to_string())).collect();
    assert_eq!(
        amounts,
        [
            ("2019-06/aws.lambda.requests/-~us-east-1/tier-1", "0.4".to_owned()),
            ("2019-06/aws.lambda.duration-x86/-~us-east-1/tier-1", "18.337".to_owned()),
            ("2019-06/aws.s3.storage-standard/-~us-east-1/tier-1", "2.3".to_owned()),
            ("2019-06/aws.s3.requests-put:STANDARD/-/tier-1", "0.025".to_owned()),
        ]
    );
    assert_eq!((estimate.rounded_total.as_str(), estimate.sum_of_rounded_charges.as_str()), ("21.06", "21.07"));
    assert!(estimate.unpriced.is_empty());
    let duration = &estimate.charges[1];
    assert_eq!((duration.published_price.as_str(), duration.published_per.as_str()), ("0.00001667", "GiB-s"));
    assert_eq!((duration.free_quantity.to_string(), duration.record_count), ("400000".to_owned(), 3_000_000));
    assert!(duration.source_address.starts_with("https://aws.amazon.com/lambda/pricing"));
    assert!(duration.meter.contains("100ms"), "{}", duration.meter);
    assert_eq!((duration.price_book.as_str(), duration.mark.as_str()), ("aws/lambda", "seen"));
}

#[test]
fn quantities_are_rounded_per_record_before_they_are_summed() {
    let bytes = |count: u32, size: u32| {
        total(
            json!({"usage": [{"service": "firehose", "operation": "PutRecord", "count": count, "request_bytes": size}]}),
        )
    };
    assert_eq!(bytes(3, 1), (Exact::parse(&bytes(1, 3)).unwrap() * Exact::from(3)).to_string());
}

#[test]
fn both_architectures_share_one_allowance() {
    let row = |architecture: &str| json!({"service": "lambda", "count": 1, "duration_s": 300_000, "memory_mb": 1024, "architecture": architecture});
    let estimate = estimated(json!({"usage": [row("x86_64"), row("arm64")]}));
    let free: Exact = estimate.charges.iter().filter(|c| c.sku.contains("duration")).map(|c| &c.free_quantity).sum();
    assert_eq!(free, 400_000);
}

#[test]
fn a_level_is_charged_at_its_maximum_per_wall_clock_hour() {
    let usage = json!([{"service": "cosmos-db", "meter": "rus", "quantity": 1000, "from": "2025-06-03T09:30:00", "to": "2025-06-03T10:45:00"}]);
    assert_eq!(total(json!({"provider": "azure", "allowances": false, "usage": usage})), "0.16");
}

#[test]
fn a_daily_allowance_does_not_carry_over() {
    let reads = |count: u32, days: u32| {
        total(
            json!({"provider": "gcp", "usage": [{"service": "firestore", "operation": "read", "count": count, "days": days}]}),
        )
    };
    assert_eq!(reads(50_000, 30), "0");
    assert_eq!(reads(1_500_000, 1), "0.87");
    let hours = |days: &[&str]| {
        let rows: Vec<Json> = days
            .iter()
            .map(
                |day| json!({"service": "app-engine", "meter": "instance", "variant": "F1", "quantity": 20, "at": day}),
            )
            .collect();
        total(json!({"provider": "gcp", "usage": rows}))
    };
    assert_eq!(hours(&["2025-06-01", "2025-06-02"]), "0");
    assert_eq!(hours(&["2025-06-01", "2025-06-01"]), "0.6");
}

#[test]
fn a_free_quantity_does_not_move_the_tier_boundary() {
    let estimate = estimated(
        json!({"usage": [{"service": "data-transfer", "operation": "internet-out", "response_gib": 10_340}]}),
    );
    let quantities: Vec<String> = estimate.charges.iter().map(|charge| charge.pricing_quantity.to_string()).collect();
    assert_eq!(quantities, ["10140", "100"]);
    assert_eq!(estimate.charges[1].tier_from, 10_240);
}

#[test]
fn storage_access_to_the_internet_is_transferred_out_too() {
    let row = |source: Json| {
        let usage = json!([{"service": "s3", "operation": "GET", "source": source, "count": 200, "response_gib": 1}]);
        estimated(json!({"allowances": false, "usage": usage}))
            .charges
            .iter()
            .map(|charge| charge.sku.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(row(json!("internet")), ["aws.data-transfer.internet-out", "aws.s3.requests-get:STANDARD"]);
    assert_eq!(row(json!("aws")), ["aws.s3.requests-get:STANDARD"]);
    assert_eq!(row(Json::Null), ["aws.s3.requests-get:STANDARD"]);
}

#[test]
fn the_rule_is_that_of_the_day_of_use() {
    let lambda = |period: &str| {
        let usage = json!([{"service": "lambda", "count": 1_000_000, "duration_ms": 1, "memory_mb": 1024}]);
        total(json!({"period": period, "allowances": false, "usage": usage}))
    };
    assert_eq!((lambda("2019-06").as_str(), lambda("2025-06").as_str()), ("1.867", "0.2166667"));
    let machine = |day: &str, seconds: u32| {
        let usage = json!([{"service": "ec2", "meter": "instance", "variant": "t3.medium", "quantity": 1, "seconds": seconds, "at": day}]);
        estimated(json!({"period": "2017-10", "usage": usage})).total
    };
    let hour = Exact::parse("0.0416").unwrap();
    assert_eq!(machine("2017-10-01", 90), hour);
    assert_eq!(machine("2017-10-03", 90), &hour * Exact::ratio(90, 3600).unwrap());
    assert_eq!(machine("2017-10-03", 5), &hour * Exact::ratio(60, 3600).unwrap());
}

#[test]
fn a_monthly_cap_is_a_last_tier_without_price() {
    let dyno = |days: u32| {
        let usage =
            json!([{"service": "dynos", "meter": "dyno", "variant": "basic", "quantity": 1, "held_days": days}]);
        total(json!({"provider": "heroku", "period": "2025-07", "usage": usage}))
    };
    assert_eq!((dyno(30).as_str(), dyno(31).as_str(), dyno(15).as_str()), ("7", "7", "3.5"));
}

#[test]
fn credits_grants_and_hourly_capacity() {
    let functions = json!([{"service": "functions", "count": 10_000_000, "duration_ms": 240, "memory_mb": 256},
                           {"service": "functions", "operation": "egress", "response_gib": 100}]);
    assert_eq!(total(json!({"provider": "gcp", "region": "us-central1", "usage": functions})), "25.475");
    let container = json!([{"service": "container-apps", "meter": "active", "quantity": 1, "vcpu": "0.5", "memory_gb": 1, "hours": 730}]);
    assert_eq!(total(json!({"provider": "azure", "region": null, "usage": container})), "34.02");
    let level = |meter: &str| json!({"service": "dynamodb", "meter": meter, "quantity": 114, "hours": 720});
    let table = json!([level("wcu"), level("rcu"), {"service": "dynamodb", "gb_months": 27}]);
    assert_eq!(total(json!({"usage": table})), "50.4824");
}

#[test]
fn the_position_runs_on_over_a_price_change() {
    let usage = json!([{"service": "y", "operation": "a", "count": 8, "at": "2025-06-14"},
                       {"service": "y", "operation": "a", "count": 6, "at": "2025-06-15"}]);
    let estimate = estimated(json!({"provider": "x", "usage": usage}));
    assert_eq!(estimate.total, 8 + 2 * 2 + 1);
    let ids: Vec<&str> = estimate.charges.iter().map(|charge| charge.id.as_str()).collect();
    assert_eq!(
        ids,
        ["2025-06/x.y.a/-/tier-1", "2025-06/x.y.a/-/tier-1@2025-06-15", "2025-06/x.y.a/-/tier-2@2025-06-15"]
    );
}

#[test]
fn what_is_held_over_a_price_change_is_cut_there() {
    // 30 days from the 1st: 15 at 1 an hour, 15 at 3
    let held = |word: &str, value: Json| {
        let mut row = json!({"service": "y", "meter": "h", "quantity": 1});
        row[word] = value;
        made(json!([row]))
    };
    assert_eq!(held("hours", json!(720)), (360 + 3 * 360).to_string());
    assert_eq!(held("hours", json!(370)), (360 + 3 * 10).to_string());
    let interval = json!([{"service": "y", "meter": "h", "quantity": 1, "from": "2025-06-15T18:00:00", "to": "2025-06-16T06:00:00"}]);
    assert_eq!(made(interval), (6 + 3 * 6).to_string());
}

#[test]
fn days_and_months_are_those_of_the_providers_zone() {
    let pacific = |period: &str, usage: Json| total(json!({"provider": "x", "period": period, "usage": usage}));
    let reads = |at: &str, count: u32| json!({"service": "pacific", "count": count, "at": at});
    // 06:59Z is still the day before in Los Angeles, whose quota is another
    let two_days = json!([reads("2025-06-03T06:59:00Z", 12), reads("2025-06-03T07:00:00Z", 12)]);
    assert_eq!(pacific("2025-06", two_days), "4");
    let one_day = json!([reads("2025-06-03T23:30:00", 12), reads("2025-06-03T08:00:00Z", 12)]);
    assert_eq!(pacific("2025-06", one_day), "14", "a time without an offset is the zone's");
    // March has 743 hours there, November 721; every day has a quota of its own
    let held = |hours: u32| json!([{"service": "pacific", "meter": "m", "quantity": 1, "hours": hours}]);
    assert_eq!(pacific("2025-03", held(743)), "743");
    for period in ["2025-03", "2025-11"] {
        let days = json!([{"service": "pacific", "count": 12, "days": 30}]);
        assert_eq!(pacific(period, days), "60", "{period}");
    }
    let outside = json!({"provider": "x", "period": "2025-06", "usage": [reads("2025-07-01T07:00:00Z", 1)]});
    assert!(error(outside).0.contains("outside the period 2025-06 (America/Los_Angeles)"));
    let inside = json!([reads("2025-07-01T06:59:59Z", 11)]);
    assert_eq!(pacific("2025-06", inside), "1");
}

#[test]
fn packages_minimum_and_volume_belong_to_no_slice() {
    let one = |operation: &str, count: u32| json!({"service": "y", "operation": operation, "count": count});
    for (usage, expected) in [
        (json!([one("p", 11)]), "6"),
        (json!([one("p", 10)]), "3"),
        (json!([one("p", 0)]), "0"),
        (json!([one("m", 2)]), "5"),
        (json!([one("m", 7)]), "7"),
        (json!([one("m", 2), one("m", 5)]), "7"),
        (json!([one("v", 10)]), "10"),
        (json!([one("v", 7), one("v", 5)]), "6"),
    ] {
        assert_eq!(made(usage.clone()), expected, "{usage}");
    }
    let estimate = estimated(json!({"provider": "x", "usage": [one("p", 11)]}));
    assert_eq!((estimate.charges[0].pricing_quantity.clone(), estimate.charges.len()), (Exact::from(20), 1));
    assert_eq!(estimate.charges[0].adjustment.to_string(), "2.7");
}

#[test]
fn twelve_month_allowances_need_the_day_the_account_was_opened() {
    let storage = |opened: Json| {
        let usage = json!([{"service": "s3", "gb_months": 6}]);
        total(json!({"account_opened": opened, "usage": usage}))
    };
    assert_eq!(storage(json!("2024-07-31")), "0.023");
    assert_eq!(storage(json!("2024-06-30")), "0.138");
    assert_eq!(storage(Json::Null), "0.138");
    // Accounts opened from 2025-07-15 on get other credits.
    let later = |opened: &str| {
        let usage = json!([{"service": "s3", "gb_months": 6}]);
        total(json!({"period": "2025-10", "account_opened": opened, "usage": usage}))
    };
    assert_eq!((later("2025-07-14").as_str(), later("2025-07-15").as_str()), ("0.023", "0.138"));
}

#[test]
fn unpriced_usage_is_reported() {
    for (usage, reason) in [
        (json!([{"service": "sqs", "operation": "x", "variant": "platinum"}]), "no SKU of aws/sqs counts such a row"),
        (json!([{"service": "s3", "storage_class": "STANDART", "gb_months": 1}]), "did you mean `STANDARD`?"),
        (json!([{"service": "lambda", "duration_ms": 5}]), "the row does not give memory_mb"),
    ] {
        let unpriced = estimated(json!({"usage": usage})).unpriced;
        assert!(unpriced.len() == 1 && unpriced[0].reason.contains(reason), "{unpriced:?}");
    }
    let old = estimated(json!({"period": "2010-01", "usage": [{"service": "s3", "gb_months": 6}]}));
    assert_eq!(old.unpriced[0].reason, "no price on 2010-01-01 in us-east-1");
    assert_eq!(old.unpriced[0].quantity, Some(Exact::from(6)));
}

#[test]
fn mistakes_name_the_row_and_the_nearest_word() {
    let ok = json!({"service": "lambda", "duration_ms": 1, "memory_mb": 128});
    let second = |key: &str, value: Json| {
        let mut row = ok.clone();
        row[key] = value;
        error(json!({"usage": [ok.clone(), row]}))
    };
    let (message, hint) = second("memory", json!(1));
    assert_eq!(message, "usage row 1: `memory` is not a word of the usage table invocations");
    assert!(hint.unwrap().starts_with("did you mean `memory_"));
    for (key, value, expected) in [
        ("count", json!(-1), "`count` is -1, below 0"),
        ("count", json!("many"), "`count`: `many` is not a decimal number"),
        ("count", json!("1e99"), "exponent"),
        ("count", json!("1e31"), "beyond 10^30"),
        ("duration_us", json!(5), "`duration_us` is given twice"),
        ("at", json!("2025-07-01"), "outside the period 2025-06"),
        ("at", json!("yesterday"), "expected a day or a time in UTC"),
        ("days", json!(32), "a whole number from 1 to 31"),
        ("days", json!("0.5"), "a whole number from 1 to 31"),
        ("from", json!("2025-06-02"), "`from` and `to` go together"),
        ("table", json!("clouds"), "no usage table `clouds`"),
        ("unit", json!("h"), "`unit` is not a word"),
    ] {
        let (message, _) = second(key, value);
        assert!(message.starts_with("usage row 1: ") && message.contains(expected), "{message}");
    }
    for (request, message, hint) in [
        (
            json!({"usage": [{"service": "lamda"}]}),
            "usage row 0: no price book for aws/lamda",
            "did you mean `lambda`?",
        ),
        (
            json!({"provider": "awz", "usage": [{"service": "lambda"}]}),
            "no price book is of the provider `awz`",
            "`aws`",
        ),
        (json!({"usage": [{"service": "sevenofnine"}]}), "no price book for aws/sevenofnine", "services: api-gateway,"),
        (
            json!({"usage": [{"service": "ec2", "meter": "instance", "quantity": 1, "unit": "instanse-h"}]}),
            "unknown unit `instanse`",
            "did you mean `instance`?",
        ),
    ] {
        let (found, found_hint) = error(request);
        assert!(
            found.contains(message) && found_hint.as_ref().is_some_and(|text| text.contains(hint)),
            "{found} {found_hint:?}"
        );
    }
    for (request, expected) in [
        (json!({"usage": [{"duration_ms": 1.5}]}), "a number with a point outside quotes is not exact"),
        (json!({"usage": [], "peroid": "2025-06"}), "unknown field `peroid`"),
        (json!({"usage": [], "period": "June"}), "such as 2019-06"),
        (json!({"usage": [], "allowances": "some"}), "true, false or a list"),
        (json!({"usage": [{"operation": "x"}]}), "`service` is missing"),
        (json!({"provider": null, "usage": [{"service": "x"}]}), "`provider` is missing"),
        (
            json!({"provider": "azure", "usage": [{"service": "functions", "meter": "execution-units", "quantity": 5, "unit": "request"}]}),
            "dimension",
        ),
        (
            json!({"provider": "azure", "usage": [{"service": "cosmos-db", "meter": "rus", "quantity": 5, "hours": "1e20"}]}),
            "held beyond 366 days",
        ),
    ] {
        let (message, _) = error(request);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn huge_described_usage_stays_exact() {
    let usage = json!([{"service": "lambda", "count": "1e30", "duration_s": "1e30", "memory_mb": 1024}]);
    let estimate = estimated(json!({"period": "2019-06", "allowances": false, "usage": usage}));
    let expected = Exact::parse("2e23").unwrap()
        + Exact::parse("1e30").unwrap() * Exact::parse("1e30").unwrap() * Exact::parse("0.00001667").unwrap();
    assert_eq!(estimate.total, expected);
    assert_eq!(estimate.charges[0].record_count, u64::MAX);
}

#[test]
fn toml_requests_read_like_json() {
    let request = EstimateRequest::from_toml(
        "period = \"2025-06\"\nprovider = \"x\"\naccount_opened = 2025-01-01\nallowances = [\"a\"]\n\
         [[usage]]\nservice = \"y\"\noperation = \"a\"\ncount = 8\nat = 2025-06-14\n\
         [[usage]]\nservice = \"y\"\noperation = \"a\"\ncount = \"6\"\nat = 2025-06-15T12:00:00Z\n",
    )
    .unwrap();
    assert_eq!(estimate(&catalogue(), request).unwrap().total, 13);
    assert!(EstimateRequest::from_toml("period = \"2025-06\"\nusage = [{ count = 1.5 }]").is_err());
}

#[test]
fn a_word_that_no_price_knows_leaves_no_part_of_a_row_out_unseen() {
    let lambda = json!({"service": "lambda", "count": 1_000_000, "duration_ms": 100, "memory_mb": 1024});
    let get = json!({"service": "s3", "operation": "GET", "source": "internet", "count": 1000, "response_gib": 1});
    for (row, column, word, expected) in [
        (
            &lambda,
            "architecture",
            "arm65",
            Some("aws.lambda.duration-x86 does not count the row: `architecture` is `arm65`, did you mean `arm64`?"),
        ),
        (&lambda, "architecture", "riscv", Some("`architecture` is `riscv`, known are arm64, x86_64")),
        (&lambda, "capacity", "provisoned", Some("did you mean `provisioned`?")),
        (
            &get,
            "storage_class",
            "STANDART",
            Some(
                "aws.s3.requests-get:STANDARD does not count the row: `storage_class` is `STANDART`, did you mean `STANDARD`?",
            ),
        ),
        // words that filters leave open
        (&lambda, "runtime", "java21", None),
        (&lambda, "architecture", "arm64", None),
        (&get, "source", "aws", None),
    ] {
        let mut row = row.clone();
        row[column] = json!(word);
        let unpriced = estimated(json!({"allowances": false, "usage": [row]})).unpriced;
        match expected {
            Some(expected) => {
                assert!(unpriced.len() == 1 && unpriced[0].reason.contains(expected), "{word}: {unpriced:?}")
            }
            None => assert_eq!(unpriced, [], "{word}"),
        }
    }
}
