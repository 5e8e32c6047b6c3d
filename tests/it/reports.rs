//! Reports through the command line and the API, on the samples and against the bill.

use serde_json::Value;

use crate::harness::Workplace;
use crate::server::Server;

const NAMES: [&str; 12] = [
    "cost",
    "top-resources",
    "movers",
    "unit-economics",
    "durations",
    "cold-starts",
    "right-sizing",
    "concurrency",
    "errors",
    "allowance",
    "forecast",
    "anomalies",
];

/// A workplace with the samples of the repository.
fn with_samples() -> Workplace {
    let place = Workplace::new();
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let defaults = samples.join("defaults.toml");
    let names = [
        "nightly-report.log",
        "resize-image.json",
        "photos-access.log",
        "web-api.ndjson.gz",
        "election-results.log.gz",
    ];
    let files: Vec<_> = names.iter().map(|name| samples.join(name)).collect();
    let files: Vec<&std::path::Path> = files.iter().map(std::path::PathBuf::as_path).collect();
    place.ingest(&["--defaults", defaults.to_str().unwrap()], &files);
    place
}

fn report(place: &Workplace, name: &str, arguments: &[&str]) -> Value {
    place.json(&[&["report", name, "--format", "json"], arguments].concat())
}

fn rows(answer: &Value) -> &Vec<Value> {
    answer["rows"].as_array().unwrap()
}

/// A decimal text in units of 1e-34: exact, unless it is a number without end, which is printed with as many digits.
fn units(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 34, "{text}");
    format!("{whole}{fraction:0<34}").parse().unwrap()
}

/// Whether the amounts of rows sum to a whole, but for the last printed digit of each that has no end.
fn sums_to(rows: &[Value], key: &str, whole: i128) -> bool {
    let sum: i128 = rows.iter().map(|row| units(row[key].as_str().unwrap())).sum();
    let endless = rows.iter().filter(|row| row[key].as_str().unwrap().split('.').nth(1).map_or(0, str::len) == 34);
    (sum - whole).unsigned_abs() <= endless.count() as u128
}

fn row<'a>(answer: &'a Value, key: &str, value: &str) -> &'a Value {
    rows(answer).iter().find(|row| row[key] == value).unwrap_or_else(|| panic!("no {key} {value}: {answer}"))
}

#[test]
fn an_empty_lake_has_reports_without_rows() {
    let place = Workplace::new();
    for name in NAMES {
        let answer = report(&place, name, &[]);
        assert_eq!((answer["report"].as_str(), rows(&answer).len()), (Some(name), 0));
        assert_eq!((&answer["period"], &answer["from"]), (&Value::Null, &Value::Null), "{name}");
        let month = report(&place, name, &["--period", "2026-10"]);
        assert_eq!((month["period"].as_str(), rows(&month).len()), (Some("2026-10"), 0), "{name}");
        let table = place.run(&["report", name]);
        assert_eq!(table.code, Some(0), "{name}: {}", table.stderr);
    }
    let listed = place.json(&["report", "--format", "json"]);
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|info| info["name"].as_str().unwrap()).collect();
    assert_eq!(names, NAMES);
}

#[test]
fn the_command_line_and_the_api_give_the_same_report() {
    let place = with_samples();
    let mut server = Server::start(&place, &[]);
    let (status, listed) = server.get("/api/v1/reports");
    assert_eq!(status, 200, "{listed}");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed, place.json(&["report", "--format", "json"]));
    for (number, name) in NAMES.into_iter().enumerate() {
        let info = &listed[number];
        assert_eq!(info["name"], name);
        let answer = report(&place, name, &["--period", "2026-10", "--provider", "aws"]);
        let (status, body) = server.get(&format!("/api/v1/reports/{name}?period=2026-10&provider=aws"));
        assert_eq!(status, 200, "{name}: {body}");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), answer, "{name}");
        assert_eq!(answer["estimate"], info["estimate"]);
        let columns: Vec<_> = answer["columns"].as_array().unwrap().iter().map(|one| one["name"].as_str()).collect();
        for row in rows(&answer) {
            let row = row.as_object().unwrap();
            assert_eq!(row.len(), columns.len(), "{name}: {row:?}");
            assert!(columns.iter().all(|column| row.contains_key(column.unwrap())), "{name}: {row:?}");
        }
        // Anomalies need weeks of history, which the samples have of one job that hardly costs anything.
        assert_eq!(rows(&answer).is_empty(), name == "anomalies", "{name}");
        // Every parameter is an option of the command line, which the report knows.
        let help = place.run(&["report", "--help"]).stdout;
        for parameter in info["parameters"].as_array().unwrap() {
            let option = format!("--{}", parameter["name"].as_str().unwrap().replace('_', "-"));
            assert!(help.contains(&option), "{name}: {option}");
        }
        let csv = place.run(&["report", name, "--period", "2026-10", "--format", "csv"]).stdout;
        let header: Vec<_> = csv.lines().next().unwrap().split(',').map(Some).collect();
        assert_eq!(header, columns, "{name}");
        assert_eq!(csv.lines().count(), 1 + rows(&answer).len(), "{name}");
        let table = place.run(&["report", name, "--period", "2026-10"]);
        assert!(table.stdout.contains("2026-10") && table.code == Some(0), "{name}: {}", table.stdout);
    }
    for (path, told) in [
        ("/api/v1/reports/profits", "there is no report `profits`; there are cost, top-resources"),
        ("/api/v1/reports/cost?perod=2026-10", "there is no parameter of the report `perod`; there are period"),
        ("/api/v1/reports/cost?period=October", "`period` is `October`, expected a month"),
        ("/api/v1/reports/cost?by=colour", "there is no dimension `colour`"),
        ("/api/v1/reports/durations?filter=sku%3Dx", "filter of usage records by"),
        ("/api/v1/reports/forecast?by=day", "dimension of a forecast"),
        ("/api/v1/reports/movers?against=2026-09&against_from=2026-09-01", "either `against` or"),
    ] {
        let (status, body) = server.get(path);
        assert_eq!(status, 400, "{path}: {body}");
        assert!(body.contains(told), "{path}: {body}");
    }
    server.kill();
    for arguments in
        [&["report", "profits"][..], &["report", "durations", "--by", "day"], &["report", "cost", "--limit", "x"]]
    {
        let run = place.run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("error:"), "{}", run.stderr);
    }
}

#[test]
fn cost_sums_to_the_bill_by_any_dimensions() {
    let place = with_samples();
    for allowances in ["all", "none"] {
        let bill = place.json(&["bill", "--period", "2026-10", "--allowances", allowances, "--format", "json"]);
        let (billed, list) = (units(bill["total"].as_str().unwrap()), units(bill["list_total"].as_str().unwrap()));
        assert!(billed > 0);
        let mut dimensions =
            vec!["day,service,resource", "provider", "service", "account", "region", "resource", "sku", "month", "day"];
        if allowances == "all" {
            dimensions.extend([
                "hour",
                "status",
                "cold_start",
                "memory_mb",
                "architecture",
                "operation",
                "status,resource,day",
            ]);
        }
        for by in dimensions {
            let answer = report(&place, "cost", &["--period", "2026-10", "--by", by, "--allowances", allowances]);
            assert!(sums_to(rows(&answer), "billed_cost", billed), "{by}: {answer}");
            assert!(sums_to(rows(&answer), "list_cost", list), "{by}: {answer}");
            assert_eq!(units(answer["summary"]["billed_cost"].as_str().unwrap()), billed, "{by}");
        }
        // Days of a range, and values of a filter, are parts of it.
        let parts = |arguments: &[&str]| {
            let answer = report(&place, "cost", &[arguments, &["--allowances", allowances]].concat());
            units(answer["summary"]["billed_cost"].as_str().unwrap())
        };
        let first = parts(&["--from", "2026-10-01", "--to", "2026-10-10"]);
        assert!((first + parts(&["--from", "2026-10-11"]) - billed).abs() <= 2);
        let photos = parts(&["--period", "2026-10", "--resource", "example-photos"]);
        let lambda = parts(&["--period", "2026-10", "--filter", "service=lambda"]);
        assert!(photos > 0 && (photos + lambda - billed).abs() <= 2);
        let filters = ["service=s3", "service=lambda", "service=data-transfer"].map(|one| ["--filter", one]);
        assert_eq!(parts(&[&["--period", "2026-10"][..], filters.as_flattened()].concat()), billed);
        let months = parts(&["--from", "2026-09-01", "--to", "2026-10-31"]);
        assert_eq!(months, billed + parts(&["--period", "2026-09"]));
    }
}

#[test]
fn reports_of_the_samples_say_what_is_known_of_them() {
    let place = with_samples();
    let october = ["--period", "2026-10"];
    let top = report(&place, "top-resources", &october);
    let bill = place.json(&["bill", "--period", "2026-10", "--format", "json"]);
    assert_eq!(top["summary"]["billed_cost"], bill["total"]);
    assert_eq!(top["rows"].as_array().unwrap().last().unwrap()["running_share"], "1");

    let movers = report(&place, "movers", &[&october[..], &["--limit", "1000"]].concat());
    for effect in ["usage_change", "price_change", "reduction_change"] {
        assert!(movers["summary"][effect].is_string());
    }
    let september = place.json(&["bill", "--period", "2026-09", "--format", "json"]);
    let total = |bill: &Value| units(bill["total"].as_str().unwrap());
    assert!(sums_to(rows(&movers), "change", total(&bill) - total(&september)), "{movers}");
    assert_eq!(row(&movers, "resource", "example-photos")["state"], "new");

    // As samples/README.md has it: 2,087 of 2,250 are cold.
    let cold = report(&place, "cold-starts", &october);
    let web = row(&cold, "resource", "web-api");
    assert_eq!((web["invocation_count"].as_u64(), web["cold_count"].as_u64()), (Some(2250), Some(2087)));

    // 3,000 people in the same second.
    let concurrency = report(&place, "concurrency", &[&october[..], &["--resource", "election-results"]].concat());
    assert!(concurrency["summary"]["peak"].as_u64() >= Some(3000), "{}", concurrency["summary"]);
    assert_eq!(concurrency["summary"]["execution_count"], 4000);
    assert_eq!(row(&concurrency, "hour", "2026-10-04T20:00:00Z")["peak"], concurrency["summary"]["peak"]);

    // Percentiles against the records themselves.
    let durations = report(&place, "durations", &[&october[..], &["--resource", "web-api"]].concat());
    let web = &rows(&durations)[0];
    let sql =
        "SELECT (duration_us + 999) / 1000 AS ms FROM invocations WHERE resource = 'web-api' ORDER BY duration_us";
    let sorted = place.json(&["sql", "--format", "json", sql]);
    let sorted: Vec<i64> = sorted.as_array().unwrap().iter().map(|row| row["ms"].as_i64().unwrap()).collect();
    for (name, percent) in [("p50_ms", 50), ("p95_ms", 95), ("p99_ms", 99), ("max_ms", 100)] {
        assert_eq!(web[name].as_i64(), Some(sorted[(sorted.len() * percent).div_ceil(100) - 1]), "{name}");
    }

    // One timeout, in September.
    let errors = report(&place, "errors", &["--period", "2026-09"]);
    assert_eq!(row(&errors, "resource", "nightly-report")["failed_count"], 1);

    let economics = report(&place, "unit-economics", &[&october[..], &["--allowances", "none"]].concat());
    let requests = rows(&economics).iter().find(|row| row["basis"] == "aws.lambda.requests").unwrap();
    assert_eq!((&requests["unit"], &requests["billed_cost_per_unit"]), (&"1000000 request".into(), &"0.2".into()));

    // The free tier of the bill, and of the report.
    let allowances = report(&place, "allowance", &october);
    let free = row(&allowances, "allowance", "free-requests");
    let invocations = place.count("SELECT count(*) FROM invocations WHERE date >= DATE '2026-10-01'");
    assert_eq!(
        (free["granted"].as_str(), free["used"].as_str()),
        (Some("1000000"), Some(invocations.to_string().as_str()))
    );
    assert_eq!(free["given_per"], "month");

    // A month that is over is not forecast but told.
    let forecast = report(&place, "forecast", &[&october[..], &["--as-of", "2026-10-31"]].concat());
    assert_eq!(forecast["estimate"], true);
    for figure in ["billed_cost_to_date", "forecast_low", "forecast", "forecast_high"] {
        assert_eq!(forecast["summary"][figure], bill["total"], "{figure}");
    }
    let early = report(&place, "forecast", &[&october[..], &["--as-of", "2026-10-10"]].concat());
    let figure = |name: &str| units(early["summary"][name].as_str().unwrap());
    assert_eq!(early["summary"]["days_to_come"], 21);
    assert!(figure("forecast_low") <= figure("forecast") && figure("forecast") <= figure("forecast_high"));

    let sizes = report(&place, "right-sizing", &[&october[..], &["--allowances", "none"]].concat());
    for row in rows(&sizes) {
        let lower = row["advice"] == "lower";
        assert_eq!(row["proposed_mb"].is_i64(), lower, "{row}");
        assert_eq!(row["list_saving"].is_string(), lower, "{row}");
    }
}
