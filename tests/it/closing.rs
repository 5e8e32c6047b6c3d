//! Closed periods: bills that never change, corrections that sum, and rating an issued bill again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::harness::{Invocation, Random, Run, Workplace, scaled, text_log};

const FLAGS: [&str; 6] = ["--account", "123456789012", "--region", "us-east-1", "--resource", "f"];
const MONTH: &str = "2026-10";
/// Every number of a charge that adds up.
const AMOUNTS: [&str; 8] = [
    "consumed_quantity",
    "free_quantity",
    "pricing_quantity",
    "list_cost",
    "contracted_cost",
    "billed_cost",
    "effective_cost",
    "adjustment",
];

/// A place with some usage of October 2026.
fn place(seed: u64, count: usize) -> Workplace {
    let place = Workplace::new();
    add_usage(&place, seed, count);
    place
}

fn add_usage(place: &Workplace, seed: u64, count: usize) {
    let log = place.file(&format!("{seed}.log"), text_log(&Invocation::many(seed, count)));
    place.ingest(&FLAGS, &[&log]);
}

fn close(place: &Workplace, more: &[&str]) -> Value {
    place.json(&[&["close", "--period", MONTH, "--format", "json"], more].concat())
}

/// A stored bill, in every format.
fn stored(place: &Workplace, revision: &str) -> [String; 3] {
    ["json", "csv", "table"].map(|format| {
        let run = place.run(&["bill", "--period", MONTH, "--revision", revision, "--format", format]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.stdout
    })
}

fn verify(place: &Workplace, revision: &str) -> Run {
    place.run(&["bill", "--period", MONTH, "--revision", revision, "--verify"])
}

/// Lines or charges, summed by id, in units of 1e-30; those that come to nothing left out.
fn sums(lines: &[Value]) -> BTreeMap<String, Vec<i128>> {
    let mut sums: BTreeMap<String, Vec<i128>> = BTreeMap::new();
    for line in lines {
        let sum = sums.entry(line["id"].as_str().unwrap().to_owned()).or_insert_with(|| vec![0; AMOUNTS.len() + 1]);
        for (place, name) in AMOUNTS.iter().enumerate() {
            sum[place] += scaled(line[name].as_str().unwrap());
        }
        sum[AMOUNTS.len()] += i128::from(line["record_count"].as_i64().unwrap());
    }
    sums.retain(|_, sum| sum.iter().any(|value| *value != 0));
    sums
}

/// The lines up to a revision.
fn lines(place: &Workplace, revision: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(&stored(place, revision)[0]).unwrap();
    document["charges"].as_array().unwrap().clone()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The same lake in a place of its own.
fn copied(place: &Workplace) -> Workplace {
    let other = Workplace::new();
    copy(&place.path("paygrain-lake"), &other.path("paygrain-lake"));
    other
}

#[test]
fn late_usage_leaves_the_bill_as_it_was_and_becomes_corrections() {
    let place = place(60, 80);
    let open = place.bill(MONTH);
    assert_eq!(open["closed"], serde_json::json!([]));
    let first = close(&place, &[]);
    assert_eq!(first["outcome"], "issued");
    assert_eq!(first["bill"]["id"], "2026-10-r1");
    let issued = stored(&place, "1");
    assert_eq!(sums(&lines(&place, "1")), sums(open["charges"].as_array().unwrap()));
    assert_eq!(close(&place, &[])["outcome"], "nothing_to_correct");

    add_usage(&place, 61, 40);
    assert_eq!(stored(&place, "1"), issued, "late usage changes no issued bill");
    let run = place.run(&["bill", "--period", MONTH, "--format", "json"]);
    let current: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(run.stderr.contains("2026-10 is closed at revision 1") && run.stderr.contains("pending"), "{}", run.stderr);
    let closed = &current["closed"][0];
    assert_eq!(closed["bill"]["id"], "2026-10-r1");
    assert_eq!(closed["current_total"], current["total"]);
    assert_eq!(closed["pending_corrections"], 2);

    let planned = close(&place, &["--dry-run"]);
    assert_eq!(planned["outcome"], "would_issue");
    assert_eq!(place.json(&["bills", "--format", "json"])["bills"].as_array().unwrap().len(), 1);
    let second = close(&place, &[]);
    assert_eq!(second["outcome"], "issued");
    assert_eq!(second["lines"], planned["lines"]);
    assert!(second["lines"].as_array().unwrap().iter().all(|line| line["charge_class"] == "Correction"));
    assert_eq!(sums(&lines(&place, "2")), sums(current["charges"].as_array().unwrap()));
    assert_eq!(second["bill"]["total"], current["total"]);
    let again = place.run(&["close", "--period", MONTH]);
    assert_eq!(again.code, Some(0));
    assert!(again.stdout.starts_with("Nothing to correct"), "{}", again.stdout);

    assert_eq!(stored(&place, "1"), issued);
    for revision in ["1", "2"] {
        let run = verify(&place, revision);
        assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    }
    let settled = place.run(&["bill", "--period", MONTH]);
    assert!(settled.stderr.contains("revision 2") && settled.stderr.contains("is the same"), "{}", settled.stderr);
    let counted = "SELECT count(*) FROM charges AS c JOIN bills AS b ON b.id = c.bill_id AND b.revision = c.revision";
    assert_eq!(place.count(counted), 4);
    assert_eq!(place.count("SELECT count(*) FROM charges WHERE charge_class = 'Correction'"), 2);
}

#[test]
fn any_history_sums_to_the_bill_of_the_whole() {
    for seed in 0..2 {
        let mut random = Random(seed);
        let place = Workplace::new();
        let mut issued = Vec::new();
        for part in 0..4 {
            add_usage(&place, 70 + seed * 10 + part, 1 + random.below(60) as usize);
            let flags: &[&str] =
                if random.below(2) == 0 { &["--allowances", "none"] } else { &["--allowances", "all"] };
            let closing = close(&place, flags);
            assert_eq!(closing["outcome"], "issued", "seed {seed}, part {part}");
            let revision = closing["bill"]["revision"].to_string();
            let bill = place.json(&[&["bill", "--period", MONTH, "--format", "json"], flags].concat());
            let expected = sums(bill["charges"].as_array().unwrap());
            assert_eq!(sums(&lines(&place, &revision)), expected, "seed {seed}, part {part}");
            issued.push((revision.clone(), stored(&place, &revision)));
        }
        for (revision, bytes) in issued {
            assert_eq!(stored(&place, &revision), bytes, "seed {seed}");
            let run = verify(&place, &revision);
            assert_eq!(run.code, Some(0), "seed {seed}: {}{}", run.stdout, run.stderr);
        }
    }
}

#[test]
fn a_corrected_price_reverses_the_charge_and_makes_a_new_one() {
    let place = place(62, 50);
    close(&place, &["--allowances", "none"]);
    let issued = stored(&place, "1");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("pricing/price_books/aws/lambda.toml");
    let book = std::fs::read_to_string(shipped).unwrap();
    assert!(book.contains("\"0.0000166667\""));
    place.file("books/lambda.toml", book.replace("\"0.0000166667\"", "\"0.0000200000\""));

    let books = ["--price-books", "books"];
    let closing = close(&place, &books);
    let corrections: Vec<_> = closing["lines"].as_array().unwrap().iter().collect();
    assert_eq!(corrections.len(), 2, "the allowances stay as they were: {closing}");
    assert_eq!(corrections[0]["id"], corrections[1]["id"]);
    let prices = corrections.iter().map(|line| line["unit_price"].as_str().unwrap());
    assert_eq!(prices.collect::<Vec<_>>(), ["0.0000166667", "0.00002"]);
    let quantity = |index: usize| scaled(corrections[index]["consumed_quantity"].as_str().unwrap());
    assert!(quantity(0) < 0 && quantity(0) == -quantity(1));
    let options = ["bill", "--period", MONTH, "--allowances", "none", "--format", "json"];
    let fresh = place.json(&[&options[..], &books].concat());
    assert_eq!(sums(&lines(&place, "2")), sums(fresh["charges"].as_array().unwrap()));
    assert_eq!(close(&place, &books)["outcome"], "nothing_to_correct");

    // Neither bill needs the books that it was rated with to be anywhere but in the lake.
    std::fs::remove_dir_all(place.path("books")).unwrap();
    for revision in ["1", "2"] {
        let run = verify(&place, revision);
        assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    }
    assert_eq!(stored(&place, "1"), issued);
    // The shipped books again: back to where it was.
    assert_eq!(close(&place, &[])["outcome"], "issued");
    assert_eq!(sums(&lines(&place, "3")), sums(&lines(&place, "1")));
}

#[test]
fn what_cannot_be_closed_or_shown_is_told() {
    let place = Workplace::new();
    let nothing = place.run(&["close", "--period", MONTH]);
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.stderr.contains("there is no usage in 2026-10"), "{}", nothing.stderr);
    assert!(!place.path("paygrain-lake").exists(), "looking makes no lake");
    assert_eq!(place.json(&["bills", "--format", "json"]), serde_json::json!({ "bills": [] }));

    add_usage(&place, 63, 5);
    let failing: [(&[&str], i32, &str); 7] = [
        (&["close", "--period", "2026-09"], 1, "there is no usage in 2026-09"),
        (&["close", "--period", "October"], 2, "such as 2019-06"),
        (&["close"], 2, "--period"),
        (&["bill", "--period", MONTH, "--revision", "1"], 1, "2026-10 was never closed"),
        (&["bill", "--period", MONTH, "--revision", "1", "--verify"], 1, "2026-10 was never closed"),
        (&["bill", "--period", MONTH, "--revision", "1", "--by", "day"], 2, "cannot be used with"),
        (&["bill", "--period", MONTH, "--verify"], 2, "--revision"),
    ];
    for (arguments, code, words) in failing {
        let run = place.run(arguments);
        assert_eq!(run.code, Some(code), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    close(&place, &["--provider", "aws"]);
    let failing: [(&[&str], &str); 3] = [
        (&["bill", "--period", MONTH, "--revision", "1"], "2026-10 was never closed"),
        (&["bill", "--period", MONTH, "--revision", "2", "--provider", "aws"], "no revision 2; the latest is 1"),
        (&["close", "--period", MONTH], "closed for aws, so it cannot also be closed for all providers together"),
    ];
    for (arguments, words) in failing {
        let run = place.run(arguments);
        assert_eq!(run.code, Some(1), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(words) && run.stderr.contains("hint:"), "{arguments:?}: {}", run.stderr);
    }
    let bill = place.bill(MONTH);
    assert_eq!(bill["closed"][0]["bill"]["id"], "2026-10-aws-r1");
}

#[test]
fn a_change_of_what_is_stored_is_found() {
    let ours = place(64, 20);
    close(&ours, &[]);
    assert_eq!(verify(&ours, "1").code, Some(0));
    let theirs = place(65, 20);
    close(&theirs, &[]);

    // The lines, or the whole bill, of another lake under the same id.
    for (tables, words) in
        [(&["charges"][..], "table charges, 2026-10-r1 line "), (&["bills", "charges"], "consumed_quantity")]
    {
        let place = copied(&ours);
        for table in tables {
            let target = place.path("paygrain-lake").join(table);
            std::fs::remove_dir_all(&target).unwrap();
            copy(&theirs.path("paygrain-lake").join(table), &target);
        }
        let run = verify(&place, "1");
        assert_eq!(run.code, Some(1), "{tables:?}: {}", run.stdout);
        assert!(run.stdout.contains(words), "{tables:?}: {}", run.stdout);
        assert!(run.stderr.contains("is not what its records give"), "{}", run.stderr);
    }
    // What a bill was rated from is gone.
    for (part, words) in [("price_books", "is not stored"), ("invocations", "cannot be read as it was at version")] {
        let place = copied(&ours);
        std::fs::remove_dir_all(place.path("paygrain-lake").join(part)).unwrap();
        let run = verify(&place, "1");
        assert_eq!(run.code, Some(1), "{part}: {}", run.stdout);
        assert!(run.stderr.contains(words) && run.stderr.contains("hint:"), "{part}: {}", run.stderr);
        assert_eq!(stored(&place, "1"), stored(&ours, "1"), "the bill itself is still there");
    }
}

#[test]
fn a_bill_without_its_lines_is_completed() {
    // As a crash between the two commits leaves it.
    let place = place(66, 20);
    close(&place, &[]);
    let charges = place.path("paygrain-lake/charges");
    let before = place.path("charges of revision 1");
    copy(&charges, &before);
    add_usage(&place, 67, 20);
    let second = close(&place, &[]);
    let count = || place.count("SELECT count(*) FROM charges");
    let whole = count();
    for state in [None, Some(&before)] {
        std::fs::remove_dir_all(&charges).unwrap();
        if let Some(state) = state {
            copy(state, &charges);
        }
        assert!(count() < whole);
        assert_eq!(close(&place, &[])["outcome"], "nothing_to_correct");
        assert_eq!(count(), whole);
        let run = verify(&place, "2");
        assert_eq!(run.code, Some(0), "{}", run.stdout);
    }
    assert_eq!(place.json(&["bills", "--format", "json"])["bills"][1], second["bill"]);
}

#[test]
fn kills_leave_a_bill_issued_or_not() {
    let origin = place(68, 60);
    let undisturbed = copied(&origin);
    let begun = Instant::now();
    let expected = close(&undisturbed, &[]);
    let usual = begun.elapsed();
    let mut random = Random(11);
    let (mut killed, mut issued) = (0, 0);
    for _ in 0..60 {
        if killed == 15 {
            break;
        }
        let place = copied(&origin);
        let mut child =
            place.command(&["close", "--period", MONTH]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Nearly all of the time goes by before the first commit.
        std::thread::sleep(Duration::from_micros(random.below(usual.as_micros() as u64)));
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().code().is_none());
        let bills = place.json(&["bills", "--format", "json"])["bills"].as_array().unwrap().len();
        let shown = place.run(&["bill", "--period", MONTH, "--revision", "1"]);
        assert_eq!(shown.code, Some(if bills == 1 { 0 } else { 1 }), "{}", shown.stderr);
        issued += bills;
        let again = close(&place, &[]);
        assert_eq!(again["outcome"], if bills == 1 { "nothing_to_correct" } else { "issued" });
        assert_eq!(again["bill"]["total"], expected["bill"]["total"]);
        assert_eq!(place.count("SELECT count(*) FROM bills"), 1);
        assert_eq!(place.count("SELECT count(*) FROM charges"), 2);
        assert_eq!(verify(&place, "1").code, Some(0));
    }
    assert_eq!(killed, 15, "the closings ended before they could be killed; {issued} were issued");
}

#[test]
fn of_closings_at_once_one_wins() {
    let place = place(69, 30);
    for round in 0..2_u64 {
        let children: Vec<_> = (0..4)
            .map(|_| {
                place
                    .command(&["close", "--period", MONTH, "--format", "json"])
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut outcomes = Vec::new();
        for child in children {
            let run = Run::of(child.wait_with_output().unwrap());
            assert_eq!(run.code, Some(0), "{}", run.stderr);
            let closing: Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(closing["bill"]["revision"], round + 1);
            outcomes.push(closing["outcome"].as_str().unwrap().to_owned());
        }
        outcomes.sort();
        assert_eq!(outcomes, ["issued", "nothing_to_correct", "nothing_to_correct", "nothing_to_correct"]);
        add_usage(&place, 90 + round, 10);
    }
    assert_eq!(place.count("SELECT count(*) FROM bills"), 2);
    assert_eq!(place.count("SELECT count(*) FROM charges"), 4);
    assert_eq!(place.count("SELECT count(*) - count(DISTINCT sha256) FROM price_books"), 0);
    assert_eq!(verify(&place, "2").code, Some(0));
}

#[test]
fn no_version_of_the_lake_is_cleaned_away() {
    let place = place(80, 5);
    close(&place, &[]);
    // Enough commits for a checkpoint that could stand for the logs before it, all of them long ago, and one today.
    let all = Invocation::many(81, 26);
    let files: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(index, event)| place.file(&format!("late{index}.log"), text_log(std::slice::from_ref(event))))
        .collect();
    let files: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    let (today, long_ago) = files.split_last().unwrap();
    place.ingest(&FLAGS, long_ago);
    let log = place.path("paygrain-lake/invocations/_delta_log");
    let entries = || std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert!(entries().iter().any(|path| path.to_str().unwrap().contains("checkpoint")), "{:?}", entries());
    let time = SystemTime::now() - Duration::from_secs(400 * 86_400);
    for path in entries().iter().filter(|path| path.is_file()) {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    place.ingest(&FLAGS, &[today]);
    let run = verify(&place, "1");
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
}
