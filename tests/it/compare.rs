//! The same executions elsewhere: compared with the bill, with sums worked by hand, and through every face.

use paygrain_query::{COMPARE_PARAMETERS, RECORDED_PARAMETERS};
use paygrain_replay::JOB_WORDS;
use serde_json::Value;

use crate::harness::{Invocation, Workplace, text_log};
use crate::server::Server;

/// Digits of an amount that are looked at.
const PLACES: usize = 28;

/// A decimal text in units of 10^-28; what is beyond is cut off.
fn units(value: &Value) -> i128 {
    let text = value.as_str().unwrap();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = &fraction[..fraction.len().min(PLACES)];
    format!("{whole}{fraction:0<PLACES$}").parse().unwrap()
}

fn deployment<'a>(comparison: &'a Value, name: &str) -> &'a Value {
    let all = comparison["deployments"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name} is not there"))
}

fn with_invocations(count: usize) -> Workplace {
    let place = Workplace::new();
    let log = place.file("function.log", text_log(&Invocation::many(77, count)));
    place.ingest(&["--account", "123456789012", "--region", "us-east-1", "--resource", "f"], &[&log]);
    place
}

#[test]
fn where_it_was_recorded_it_costs_what_is_billed() {
    let place = with_invocations(400);
    let flags = ["--on", "aws", "--kind", "faas", "--allowances", "none", "--format", "json"];
    let comparison = place.json(&[&["compare"][..], &flags, &["--start-ms", "0"]].concat());
    let lambda = deployment(&comparison, "aws-lambda-x86");
    let period = comparison["workload"]["period"].as_str().unwrap();
    let bill = place.json(&["bill", "--period", period, "--allowances", "none", "--format", "json"]);
    let charged = |sku: &str| -> i128 {
        let charges = bill["charges"].as_array().unwrap().iter().filter(|charge| charge["sku"] == sku);
        charges.map(|charge| units(&charge["billed_cost"])).sum()
    };
    assert_eq!(units(&lambda["parts"]["requests"]), charged("aws.lambda.requests"));
    // No execution of the log has an initialisation, and none is assumed.
    assert_eq!(units(&lambda["parts"]["compute"]), charged("aws.lambda.duration-x86"));
    assert!(charged("aws.lambda.duration-x86") > 0);
    assert_eq!(comparison["workload"]["run_count"], place.count("SELECT count(*) FROM invocations"));
}

#[test]
fn every_deployment_is_shown_with_parts_that_add_up_or_a_reason() {
    let place = with_invocations(60);
    let listed = place.json(&["compare", "--list", "--format", "json"]);
    let comparison = place.json(&["compare", "--format", "json"]);
    let all = comparison["deployments"].as_array().unwrap();
    assert_eq!(all.len(), listed.as_array().unwrap().len());
    for kind in ["faas", "container", "vm", "paas", "physical"] {
        assert!(all.iter().any(|one| one["kind"] == kind), "{kind}");
    }
    for one in all {
        let name = one["name"].as_str().unwrap();
        let parts: i128 = one["parts"].as_object().unwrap().values().map(units).sum();
        if one["feasible"] == true {
            assert!((parts - units(&one["monthly_cost"])).abs() <= 6, "{name}");
        } else {
            assert_eq!(one["monthly_cost"], Value::Null, "{name}");
            assert!(one["reasons"].as_array().unwrap().iter().any(|reason| reason["blocks"] == true), "{name}");
        }
    }
    // Feasible ones by cost, then the others.
    let costs: Vec<Option<i128>> =
        all.iter().map(|one| Some(&one["monthly_cost"]).filter(|cost| !cost.is_null()).map(units)).collect();
    let feasible: Vec<i128> = costs.iter().map_while(|cost| *cost).collect();
    assert!(feasible.is_sorted() && costs[feasible.len()..].iter().all(Option::is_none));
    assert!(comparison["break_even"]["intervals"].as_array().is_some_and(|intervals| !intervals.is_empty()));
}

#[test]
fn a_cron_job_is_worked_by_hand() {
    let place = Workplace::new();
    let job = [
        "what-if",
        "cron",
        "--schedule",
        "0 17 * * *",
        "--timezone",
        "Europe/Zurich",
        "--duration",
        "300ms",
        "--memory",
        "512MB",
        "--period",
        "2026-10",
    ];
    let with = |more: &[&'static str]| [&job[..], more].concat();
    let found = place.json(&with(&["--allowances", "none", "--sizing", "fixed", "--format", "json"]));
    assert_eq!(found["schedule"]["words"], "Every day at 17:00 in Europe/Zurich");
    assert_eq!(found["schedule"]["next_runs"].as_array().unwrap().len(), 5);
    assert_eq!(found["workload"]["run_count"], 31);
    // Kept up for 744 hours at 0.0104, with whatever disk and address it has beside.
    let micro = deployment(&found, "aws-ec2-t3.micro");
    let compute = units(&micro["parts"]["compute"]) + units(&micro["parts"]["idle"]);
    assert!((compute - 77_376 * 10_i128.pow(24)).abs() <= 1, "{}", micro["parts"]);
    // A minute at least for each of 31 tasks of a quarter vCPU and 512 MB: 31 x 60 / 3600 x (0.04048 + 2 x 0.004445) / 4
    let task = deployment(&found, "aws-fargate-x86-0.25vcpu");
    let expected = 31 * 60 * 4_937 * 10_i128.pow(23) / 4 / 3600;
    assert!((units(&task["parts"]["compute"]) - expected).abs() <= 1, "{}", task["parts"]);
    // The scheduler that starts it, a million times for 1.00
    assert_eq!(units(&task["parts"]["extras"]), 31 * 10_i128.pow(22));
    let free = place.json(&with(&["--on", "aws", "--kind", "faas", "--format", "json"]));
    assert_eq!(units(&deployment(&free, "aws-lambda-x86")["monthly_cost"]), 0);
    let table = place.run(&with(&["--limit", "3"]));
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    assert!(
        table.stdout.contains("Next runs:") && table.stdout.contains("31 executions of 512 MB"),
        "{}",
        table.stdout
    );
    let csv = place.run(&with(&["--limit", "3", "--format", "csv"])).stdout;
    assert!(csv.starts_with("deployment,kind,monthly_cost,compute,idle,"), "{csv}");
    assert_eq!(csv.lines().count(), 4);
}

#[test]
fn what_cannot_be_is_told_with_what_was_expected() {
    let place = Workplace::new();
    let job = |schedule: &str, duration: &str, memory: &str, more: &[&str]| {
        let flags = ["what-if", "cron", "--schedule", schedule, "--duration", duration, "--memory", memory];
        place.run(&[&flags[..], more].concat())
    };
    for (run, words) in [
        (job("0 25 * * *", "1s", "512", &[]), "column 3 (hour): `25` is not an hour: 0 to 23"),
        (job("0 17 * * *", "1s", "512", &["--timezone", "Europe/Zurch"]), "did you mean `Europe/Zurich`?"),
        (job("0 17 * * *", "soon", "512", &[]), "`duration` is `soon`"),
        (job("0 17 * * *", "1s", "-5", &[]), "memory"),
        (job("0 17 * * *", "1s", "512", &["--deployment", "aws-lamda-x86"]), "did you mean `aws-lambda-x86`?"),
        (job("0 17 * * *", "1s", "512", &["--kind", "boat"]), "there is no kind of deployment `boat`"),
        (job("0 17 * * *", "1s", "512", &["--target-percent", "0"]), "`target_percent` is 0: expected 1 to 100"),
        (job("0 17 * * *", "1s", "512", &["--sizing", "tiny"]), "`sizing` is `tiny`"),
    ] {
        assert_eq!(run.code, Some(2), "{words}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    let empty = place.run(&["compare"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(1), ""));
    assert!(empty.stderr.contains("no recorded executions") && empty.stderr.contains("hint:"), "{}", empty.stderr);
    // Too long for functions, not for a machine.
    let long = job("0 3 * * *", "20min", "512", &["--format", "json"]);
    let long: Value = serde_json::from_str(&long.stdout).unwrap();
    let lambda = deployment(&long, "aws-lambda-x86");
    assert_eq!(
        (&lambda["feasible"], &lambda["reasons"][0]["code"]),
        (&Value::Bool(false), &Value::from("longest-run"))
    );
    assert_eq!(deployment(&long, "aws-ec2-t3.micro")["feasible"], true);
}

#[test]
fn sizes_of_memory_are_a_band_from_one_and_a_fit_from_two() {
    let place = with_invocations(300);
    let found = place.json(&["what-if", "memory", "--deployment", "aws-lambda-x86", "--format", "json"]);
    let sizes = place.count("SELECT count(DISTINCT memory_mb) FROM invocations");
    assert_eq!(found["is_fitted"], sizes > 1);
    assert_eq!(found["observations"].as_array().unwrap().len() as i64, sizes);
    for choice in ["cheapest", "fastest", "balanced"] {
        assert!(!found[choice].as_array().unwrap().is_empty(), "{choice}");
    }
    assert!(found["rows"].as_array().unwrap().len() >= 14);
    let fixed = place.run(&["what-if", "memory", "--deployment", "aws-ec2-t3.micro"]);
    assert_eq!(fixed.code, Some(1));
    assert!(fixed.stderr.contains("cannot be chosen"), "{}", fixed.stderr);
}

#[test]
fn the_api_says_the_same_as_the_command_line() {
    let place = with_invocations(60);
    let server = Server::start(&place, &[]);
    let (status, body) = server.get("/api/v1/compare?kind=faas,paas&on=aws,gcp&allowances=none");
    assert_eq!(status, 200, "{body}");
    let told: Value = serde_json::from_str(&body).unwrap();
    let flags = ["compare", "--kind", "faas,paas", "--on", "aws,gcp", "--allowances", "none", "--format", "json"];
    let printed = place.json(&flags);
    for key in ["workload", "assumptions", "deployments", "verdict", "break_even", "assumed"] {
        assert_eq!(told[key], printed[key], "{key}");
    }
    let (status, body) = server.get("/api/v1/compare?kind=boat");
    assert_eq!(status, 400, "{body}");
    let (status, body) = server.get("/api/v1/what-if/cron?schedule=0+17+*+*+*&duration=300ms&memory=512&kind=faas");
    assert_eq!(status, 200, "{body}");
    let (status, page) = server.get("/compare?kind=faas");
    assert_eq!(status, 200);
    assert!(page.contains("AWS Lambda"), "{page}");
}

#[test]
fn what_a_log_does_not_say_is_told_by_every_face() {
    let place = Workplace::new();
    place.file(
        "lambda.toml",
        "table = 'invocations'\n[time]\ncolumn = 'at'\n[columns]\nprovider = { value = 'aws' }\n\
         service = { value = 'lambda' }\nregion = { value = 'us-east-1' }\nresource = 'name'\n\
         memory_mb = 'memory'\nduration_us = { column = 'took', unit = 'ms' }\n",
    );
    let rows = ["at,name,memory,took", "2026-10-01T00:00:00Z,one,,1000", "2026-10-01T00:00:01Z,other,1024,1000"];
    place.file("lambda.csv", rows.join("\n"));
    assert_eq!(place.run(&["ingest", "--mapping", "lambda.toml", "lambda.csv"]).code, Some(0));
    let words = |all: u32| format!("the log does not say the memory of 1 of {all} functions: 512 MB are assumed");
    let memory = ["what-if", "memory", "--deployment", "aws-lambda-x86", "--resource", "one"];
    for (command, all) in [(&["compare", "--kind", "faas"][..], 2), (&memory, 1)] {
        let told = place.json(&[command, &["--format", "json"]].concat())["assumed"].clone();
        assert_eq!(told, Value::from(vec![words(all)]), "{command:?}");
        let table = place.run(command).stdout;
        assert!(table.contains(&words(all)), "{table}");
    }
    let server = Server::start(&place, &[]);
    let (_, body) = server.get("/api/v1/compare?kind=faas");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["assumed"], Value::from(vec![words(2)]));
    let job = ["what-if", "cron", "--schedule", "0 17 * * *", "--duration", "1s", "--memory", "512", "--kind", "faas"];
    let job = place.json(&[&job[..], &["--format", "json"]].concat());
    assert_eq!(job["assumed"], serde_json::json!([]), "a job says everything");
}

#[test]
fn every_parameter_is_an_option() {
    let place = Workplace::new();
    let compared = COMPARE_PARAMETERS.map(|parameter| parameter.name);
    for (command, names) in [
        (&["compare"][..], RECORDED_PARAMETERS.map(|parameter| parameter.name).to_vec()),
        (&["what-if", "cron"], JOB_WORDS.map(|(name, _)| name).to_vec()),
    ] {
        let help = place.run(&[command, &["--help"]].concat()).stdout;
        for name in names.iter().chain(&compared) {
            let option = format!("--{}", name.replace('_', "-"));
            assert!(help.split_whitespace().any(|word| word == option), "{command:?}: {option}");
        }
    }
}

#[test]
fn an_extra_that_no_deployment_has_is_refused() {
    let place = Workplace::new();
    for (asked, told) in [
        (["--with", "load-balancr"], "did you mean `load-balancer`?"),
        (["--without", "xyz"], "there are api-gateway, "),
    ] {
        let job = ["what-if", "cron", "--schedule", "0 17 * * *", "--duration", "1s", "--memory", "512"];
        let run = place.run(&[&job[..], &asked].concat());
        assert_eq!(run.code, Some(2), "{asked:?}");
        assert!(run.stderr.contains(&format!("there is no extra `{}`", asked[1])), "{}", run.stderr);
        assert!(run.stderr.contains(told), "{}", run.stderr);
    }
}
