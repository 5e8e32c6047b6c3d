//! Help, completions, output formats, exit codes.

use crate::harness::{Invocation, Workplace, text_log};

const COMMANDS: [&str; 17] = [
    "serve",
    "ingest",
    "lake",
    "bill",
    "close",
    "bills",
    "explain",
    "report",
    "compare",
    "what-if",
    "reconcile",
    "estimate",
    "export",
    "sql",
    "prices",
    "rejected",
    "completions",
];

#[test]
fn every_command_has_help_with_an_example() {
    let place = Workplace::new();
    for command in COMMANDS {
        let run = place.run(&[command, "--help"]);
        assert_eq!(run.code, Some(0));
        assert!(run.stdout.contains("paygrain") && run.stdout.contains("Example"), "{command}: {}", run.stdout);
    }
    let all = place.run(&["--help"]).stdout;
    for command in COMMANDS {
        assert!(all.contains(command), "{command}");
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let place = Workplace::new();
    let wrong: [&[&str]; 6] = [
        &["bil"],
        &["bill", "--period", "2019-13"],
        &["bill", "--by", "colour"],
        &["ingest"],
        &["ingest", "--format", "nonsense", "x"],
        &["explain", "nonsense"],
    ];
    for arguments in wrong {
        let run = place.run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("error:"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn formats_are_listed() {
    let place = Workplace::new();
    let run = place.run(&["ingest", "--format", "help"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let listed = place.json(&["ingest", "--format", "help", "--format", "json"]);
    let formats = listed["formats"].as_array().unwrap();
    assert!(formats.len() > 30, "{listed}");
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats.md")).unwrap();
    for format in formats {
        let name = format["name"].as_str().unwrap();
        assert!(run.stdout.contains(name), "{name}: {}", run.stdout);
        assert!(guide.contains(&format!("`{name}`")), "docs/formats.md does not tell of {name}");
    }
}

#[test]
fn estimate_answers_the_documented_shape() {
    let place = Workplace::new();
    let usage = r#"{"period":"2019-06","provider":"aws","region":"us-east-1","allowances":true,"usage":[
        {"service":"lambda","resource":"f","count":3000000,"duration_ms":1000,"memory_mb":512,"architecture":"x86_64"},
        {"service":"s3","storage_class":"STANDARD","gb_months":"100"},
        {"service":"s3","operation":"PUT","count":5000}]}"#;
    let file = place.file("usage.json", usage);
    let answer = place.json(&["estimate", file.to_str().unwrap(), "--format", "json"]);
    // Lambda 18.337 + 0.40, S3 100 × 0.023 and 5 × 0.005.
    assert_eq!(answer["total"], "21.062");
    assert_eq!(answer["currency"], "USD");
    for charge in answer["charges"].as_array().unwrap() {
        for key in [
            "sku",
            "description",
            "consumed_quantity",
            "consumed_unit",
            "pricing_quantity",
            "pricing_unit",
            "tier",
            "unit_price",
            "list_cost",
            "billed_cost",
        ] {
            assert!(!charge[key].is_null(), "{key}");
        }
    }
    let toml = place.file("usage.toml", "period = \"2019-06\"\nprovider = \"aws\"\nregion = \"us-east-1\"\n[[usage]]\nservice = \"s3\"\noperation = \"PUT\"\ncount = 5000\n");
    assert_eq!(place.json(&["estimate", toml.to_str().unwrap(), "--format", "json"])["total"], "0.025");
}

#[test]
fn sql_reads_and_never_writes() {
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&Invocation::many(40, 5)));
    place.ingest(&["--resource", "f"], &[&log]);
    let rows =
        place.json(&["sql", "--format", "json", "SELECT resource, count(*) AS n FROM invocations GROUP BY resource"]);
    assert_eq!(rows, serde_json::json!([{"resource": "f", "n": 5}]));
    assert_eq!(place.run(&["sql", "--format", "csv", "SELECT 1 AS a, '=x' AS b"]).stdout, "a,b\n1,'=x\n");
    assert_eq!(place.run(&["sql", "SHOW COLUMNS FROM invocations"]).code, Some(0));
    for attack in [
        "DROP TABLE invocations",
        "CREATE TABLE t AS SELECT 1",
        "INSERT INTO uploads SELECT * FROM uploads",
        "DELETE FROM invocations",
        "COPY invocations TO 'out.csv'",
        "SET datafusion.execution.batch_size = 1",
        "SELECT 1; SELECT 2",
        "SELECT * FROM 'a.log'",
    ] {
        let run = place.run(&["sql", attack]);
        assert_eq!(run.code, Some(1), "{attack}: {}", run.stdout);
    }
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 5);
}

#[test]
fn price_books_are_listed_shown_and_checked() {
    let place = Workplace::new();
    let list = place.json(&["prices", "list", "--format", "json"]);
    assert!(list["price_books"].as_array().unwrap().len() >= 51);
    let shown = place.run(&["prices", "show", "aws/lambda"]);
    assert!(
        shown.stdout.contains("0.0000166667") && shown.stdout.contains("aws.amazon.com/lambda/pricing"),
        "{}",
        shown.stdout
    );
    assert_eq!(place.run(&["prices", "check"]).code, Some(0));
    let missing = place.run(&["prices", "show", "lambda"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("aws/lambda"), "{}", missing.stderr);
    let bad = place.file("bad.toml", "provider = \"x\"\nservice = \"y\"\ncolour = 1\n[[sku]]\nid = \"a\"\ntable = \"requests\"\nunit = \"furlong\"\n");
    let run = place.run(&["prices", "check", bad.to_str().unwrap()]);
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.contains("colour") && run.stdout.contains("furlong"), "every problem at once: {}", run.stdout);
}

#[test]
fn an_own_price_book_replaces_the_shipped_one() {
    let place = Workplace::new();
    let book = "provider = \"aws\"\nservice = \"s3\"\ntitle = \"Ours\"\nversion = \"2026-01-01\"\n[sources]\nC = \"contract\"\n[[sku]]\nid = \"put\"\ntable = \"requests\"\nfilter = \"operation = 'PUT'\"\nunit = \"request\"\nprice = [{ price = \"1\", per = \"1_000 request\", source = \"C\", mark = \"seen\" }]\n";
    place.file("books/s3.toml", book);
    let usage = place.file(
        "u.json",
        r#"{"period":"2026-06","provider":"aws","usage":[{"service":"s3","operation":"PUT","count":5000}]}"#,
    );
    let answer = place.json(&["estimate", usage.to_str().unwrap(), "--price-books", "books", "--format", "json"]);
    assert_eq!(answer["total"], "5");
}

#[test]
fn completions_are_printed_for_every_shell() {
    let place = Workplace::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.run(&["completions", shell]).stdout.contains("paygrain"), "{shell}");
    }
}
