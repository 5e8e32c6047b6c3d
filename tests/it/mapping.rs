//! Files of any shape, by a declared mapping.

use crate::harness::{Workplace, gzip};

const GUIDE: &str = include_str!("../../docs/mappings.md");

/// The first fence of a language in the guide.
fn fence(language: &str) -> &'static str {
    let (_, rest) = GUIDE.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

fn place() -> Workplace {
    let place = Workplace::new();
    place.file("cluster.toml", fence("toml"));
    place.file("cluster-usage.csv", fence("csv"));
    place
}

fn total(place: &Workplace) -> String {
    place.json(&["bill", "--period", "2025-06", "--format", "json"])["total"].as_str().unwrap().to_owned()
}

fn ingest(place: &Workplace, mapping: &str, file: &str) -> serde_json::Value {
    place.json(&["ingest", "--mapping", mapping, file, "--format", "json"])["uploads"][0].clone()
}

#[test]
fn the_guide_holds() {
    let place = place();
    let upload = ingest(&place, "cluster.toml", "cluster-usage.csv");
    assert_eq!((&upload["accepted"], &upload["format"]), (&2.into(), &"mapped".into()));
    // Midnight in Berlin is 22:00 UTC of May: 2.5 ACU for 4 h and 0.5 ACU for 18 h are June's, 19 ACU-h at 0.12.
    assert_eq!(total(&place), "2.28");
    let may = place.json(&["bill", "--period", "2025-05", "--format", "json"]);
    assert_eq!(may["total"], "0.6");
    // Again, and in another envelope: nothing new.
    assert_eq!(ingest(&place, "cluster.toml", "cluster-usage.csv")["already_loaded"], true);
    place.file("again.csv.gz", gzip(format!("\u{feff}{}", fence("csv").replace('\n', "\r\n")).as_bytes()));
    let again = ingest(&place, "cluster.toml", "again.csv.gz");
    assert_eq!((&again["accepted"], &again["duplicate"]), (&0.into(), &2.into()));
    assert_eq!(total(&place), "2.28");
    let bill = place.json(&["bill", "--period", "2025-06", "--by", "day", "--format", "json"]);
    assert_eq!(bill["groups"].as_array().unwrap().len(), 1);
    let explained = place.json(&["explain", bill["charges"][0]["id"].as_str().unwrap(), "--format", "json"]);
    assert_eq!(explained["records"]["total"], 2);
    assert!(explained["steps"].to_string().contains("2 usage records match"), "{}", explained["steps"]);
}

#[test]
fn a_record_of_which_a_part_is_not_counted_is_told() {
    let place = Workplace::new();
    place.file(
        "lambda.toml",
        "table = 'invocations'\n[time]\ncolumn = 'at'\n[columns]\nprovider = { value = 'aws' }\n\
         service = { value = 'lambda' }\nregion = { value = 'us-east-1' }\nresource = 'name'\n\
         architecture = 'cpu'\nruntime = 'runtime'\nmemory_mb = 'memory'\n\
         duration_us = { column = 'took', unit = 'ms' }\n",
    );
    let rows = [
        "at,name,cpu,runtime,memory,took",
        "2025-06-01T00:00:00Z,whole,arm64,java21,1024,1000",
        "2025-06-01T00:00:01Z,size,arm64,java21,,1000",
        "2025-06-01T00:00:02Z,size,x86_64,java21,,1000",
        "2025-06-01T00:00:03Z,word,arm65,java21,1024,1000",
        "2025-06-01T00:00:04Z,plain,,,1024,1000",
    ];
    place.file("lambda.csv", rows.join("\n"));
    ingest(&place, "lambda.toml", "lambda.csv");
    let bill = place.json(&["bill", "--period", "2025-06", "--format", "json"]);
    let told: Vec<String> = bill["unpriced"]
        .as_array()
        .unwrap()
        .iter()
        .map(|usage| format!("{} {}: {}", usage["record_count"], usage["usage"], usage["reason"]).replace('"', ""))
        .collect();
    assert_eq!(
        told,
        [
            "1 part: duration-arm: not given: memory_mb",
            "1 part: duration-x86: `architecture` is `arm65`, did you mean `arm64`?",
            "1 part: duration-x86: not given: memory_mb",
        ]
    );
    let counted = |sku: &str| {
        let charges = bill["charges"].as_array().unwrap();
        charges.iter().find(|charge| charge["sku"] == sku).unwrap()["consumed_quantity"].clone()
    };
    assert_eq!(counted("aws.lambda.requests"), "5");
    assert_eq!((counted("aws.lambda.duration-arm"), counted("aws.lambda.duration-x86")), ("1".into(), "1".into()));
}

#[test]
fn json_lines_keep_their_digits_and_reach_into_objects() {
    let place = Workplace::new();
    place.file(
        "requests.toml",
        "table = 'invocations'\n[time]\ncolumn = 'at'\nformat = 'unix_ms'\n[key]\ncolumns = ['id']\n[columns]\n\
         provider = { value = 'aws' }\nservice = { value = 'lambda' }\nregion = { value = 'us-east-1' }\n\
         resource = 'function.name'\nrequest_id = 'id'\nduration_us = { column = 'took', unit = 's' }\n\
         memory_mb = { column = 'function.memory', unit = 'GB' }\n",
    );
    let lines = [
        r#"{"id": "a", "at": 1748800000000, "took": 0.1000010, "function": {"name": "f", "memory": 0.5}}"#,
        r#"{"id": "b", "at": 1748800000000, "took": 1e-1, "function": {"name": "f", "memory": 1}}"#,
        r#"{"id": "c", "at": 1748800000000, "took": 0.10000001, "function": {"name": "f", "memory": 1}}"#,
        r#"{"id": "d", "at": 1748800000000, "took": -1, "function": {"name": "f", "memory": 1}}"#,
        r#"{"id": "e", "at": 1748800000000, "took": [1], "function": {"name": "f", "memory": 1}}"#,
        r#"{"id": "f", "at": 1e300, "took": 1}"#,
        r#"{"id": "g", "took": 1}"#,
        r"[1, 2]",
        r#"{"id": "a", "at": 1748800000000, "took": 0.1000010, "function": {"name": "f", "memory": 0.5}}"#,
    ];
    place.file("a.ndjson", lines.join("\n"));
    let upload = ingest(&place, "requests.toml", "a.ndjson");
    assert_eq!((&upload["accepted"], &upload["duplicate"], &upload["rejected"]), (&2.into(), &1.into(), &6.into()));
    let rejected = place.json(&["sql", "--format", "json", "SELECT line, reason FROM rejected_rows ORDER BY line"]);
    for (row, (line, words)) in rejected.as_array().unwrap().iter().zip([
        (3, "`took` is `0.10000001`, which is not a whole number in the unit of `duration_us`"),
        (4, "expected no negative number"),
        (5, "`took` is an object or a list"),
        (6, "`at` is `1e300`, which is too large"),
        (7, "`at` is empty, expected a time"),
        (8, "expected a JSON object"),
    ]) {
        assert_eq!(row["line"], line);
        assert!(row["reason"].as_str().unwrap().contains(words), "{row}");
    }
    assert_eq!(place.count("SELECT sum(duration_us) AS n FROM invocations"), 200_001);
    assert_eq!(place.count("SELECT sum(memory_mb) AS n FROM invocations"), 1_536);
}

#[test]
fn bad_tables_are_refused_and_bad_rows_kept() {
    let place = place();
    let header = "Cluster;Von;Bis;Mittlere ACU\n";
    let good = "orders;01.06.2025 00:00;01.06.2025 06:00;2,5\n";
    // Whole files: nothing lands.
    for (text, words) in [
        ("Cluster;Von;Bis\norders;a;b\n", "there is no column `Mittlere ACU`; there are `Cluster`, `Von`, `Bis`"),
        ("Cluster;Von;Bis;Mittlere ACU;Von\n", "the column `Von` is there 2 times"),
    ] {
        let file = place.file("bad.csv", text);
        let run = place.run(&["ingest", "--mapping", "cluster.toml", file.to_str().unwrap()]);
        assert_eq!(run.code, Some(1), "{text}");
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    let unclosed = format!("{header}\"{}", "x".repeat(17 << 20));
    let file = place.file("unclosed.csv", unclosed);
    let run = place.run(&["ingest", "--mapping", "cluster.toml", file.to_str().unwrap()]);
    assert!(run.code == Some(1) && run.stderr.contains("a quote that is never closed"), "{}", run.stderr);
    let columns: String = (0..100_000).map(|n| format!("c{n};")).collect();
    let file = place.file("wide.csv", columns);
    let run = place.run(&["ingest", "--mapping", "cluster.toml", file.to_str().unwrap()]);
    assert!(run.code == Some(1) && run.stderr.contains("more than 10000"), "{}", run.stderr);
    // Single rows: the good one lands.
    let rows = [
        "orders;01.06.2025 00:00;01.06.2025 06:00\n",
        "orders;01.06.2025 00:00;01.06.2025 06:00;2.5\n",
        "orders;01.06.2025 00:00;01.06.2025 06:00;NaN\n",
        "orders;01.06.2025 06:00;01.06.2025 00:00;1\n",
        "orders;2025-06-01;01.06.2025 00:00;1\n",
        "orders;26.10.2025 02:30;26.10.2025 05:00;1\n",
        good,
        "orders;01.06.2025 00:00;01.06.2025 06:00;123456789012345678901\n",
    ];
    place.file("mixed.csv", format!("{header}{}", rows.concat()));
    let upload = ingest(&place, "cluster.toml", "mixed.csv");
    assert_eq!((&upload["accepted"], &upload["rejected"], &upload["read"]), (&1.into(), &7.into(), &8.into()));
    let reasons: Vec<String> = upload["first_rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {}", row["line"], row["reason"].as_str().unwrap()))
        .collect();
    for (reason, words) in reasons.iter().zip([
        "2 the row has 3 columns, the header has 4",
        "3 `Mittlere ACU` is `2?5`",
        "4 `Mittlere ACU` is `NaN`, expected a decimal number",
        "5 the row ends before it begins",
        "6 `Von` is `2025-06-01`, expected a time like `%d.%m.%Y %H:%M`",
    ]) {
        assert!(reason.starts_with(words), "{reason} | {words}");
    }
    assert_eq!(place.count("SELECT count(*) AS n FROM metered"), 1);
    // A header alone is a file without rows; equal rows are two, and stay two.
    place.file("header.csv", header);
    assert_eq!(ingest(&place, "cluster.toml", "header.csv")["read"], 0);
    let twice = format!("{header}{good}{good}");
    place.file("twice.csv", &twice);
    let upload = ingest(&place, "cluster.toml", "twice.csv");
    assert_eq!((&upload["accepted"], &upload["duplicate"]), (&1.into(), &1.into()));
    assert_eq!(place.count("SELECT count(*) AS n FROM metered"), 2);
    // A mapping with a mistake, and none at all.
    place.file("wrong.toml", fence("toml").replace("\"metered\"", "\"meterd\""));
    let run = place.run(&["ingest", "--mapping", "wrong.toml", "cluster-usage.csv"]);
    assert!(run.code == Some(1) && run.stderr.contains("no usage table `meterd`"), "{}", run.stderr);
}

#[test]
fn numbers_up_to_the_bounds_are_billed_exactly_and_none_beyond_lands() {
    let place = Workplace::new();
    place.file(
        "m.toml",
        "table = 'invocations'\n[time]\ncolumn = 'at'\n[columns]\nprovider = { value = 'aws' }\n\
         service = { value = 'lambda' }\nregion = { value = 'us-east-1' }\nduration_us = 'd'\ninit_us = 'i'\n\
         memory_mb = 'm'\nbilled_ms = 'b'\n",
    );
    let line = |at: u32, d: &str, m: &str, b: &str| {
        format!("{{\"at\": \"2025-06-0{at}T00:00:00Z\", \"d\": {d}, \"i\": {d}, \"m\": {m}, \"b\": {b}}}\n")
    };
    let (time, memory) = ("1000000000000000", "1000000000");
    let good =
        [line(1, time, memory, "null"), line(2, "1", memory, time), line(3, "1", "1", "1"), line(4, "0", "0", "0")];
    let bad = [
        line(5, "1000000000000001", "1", "1"),
        line(5, "1", "1000000001", "1"),
        line(5, "1", "1", "1000000000000001"),
        line(5, "9223372036854775807", "9223372036854775807", "9223372036854775807"),
        line(5, "9223372036854775808", "1", "1"),
        line(5, "1e400", "1", "1"),
    ];
    place.file("a.ndjson", good.concat() + &bad.concat());
    let upload = ingest(&place, "m.toml", "a.ndjson");
    assert_eq!((&upload["accepted"], &upload["rejected"]), (&4.into(), &6.into()));
    assert!(upload["first_rejected"].to_string().contains("expected a number from 0 to 1000000000"), "{upload}");
    // In June 2025 INIT is not billed: 1e15 us and 1e15 ms at 1e9 MB, 1 ms at 1 MB, and nothing.
    let exact = |text: &str| paygrain_pricing::Exact::parse(text).unwrap();
    let gib_s = exact("1e15") * exact("1e9") + exact("1e18") * exact("1e9") + exact("1000");
    let gib_s = gib_s.checked_div(&exact("1024000000")).unwrap();
    let bill = place.json(&["bill", "--period", "2025-06", "--allowances", "none", "--format", "json"]);
    let duration: Vec<_> = bill["charges"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|charge| charge["sku"] == "aws.lambda.duration-x86")
        .collect();
    let consumed: paygrain_pricing::Exact =
        duration.iter().map(|charge| exact(charge["consumed_quantity"].as_str().unwrap())).sum();
    assert_eq!(gib_s, consumed);
    let tiers = exact("6e9") * exact("0.0000166667") + exact("9e9") * exact("0.000015");
    let expected = tiers + (gib_s - exact("15e9")) * exact("0.0000133334");
    let billed: paygrain_pricing::Exact =
        duration.iter().map(|charge| exact(charge["billed_cost"].as_str().unwrap())).sum();
    assert_eq!(expected, billed);
}
