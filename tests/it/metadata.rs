//! What logs do not say, supplied after they were ingested: earlier rows are completed without a second upload.

use crate::harness::{Invocation, Workplace, text_log};

const FUNCTIONS: &str = r#"{"Functions":[{"FunctionName":"resize-image",
    "FunctionArn":"arn:aws:lambda:eu-west-1:123456789012:function:resize-image",
    "Runtime":"nodejs22.x","MemorySize":512,"Architectures":["arm64"],"PackageType":"Zip"}]}"#;

/// The whole bill, without what names the lake.
fn bill(place: &Workplace) -> serde_json::Value {
    let mut bill = place.bill("2026-10");
    bill.as_object_mut().unwrap().remove("lake");
    bill
}

#[test]
fn a_list_of_functions_completes_earlier_rows_as_if_it_had_been_there() {
    let log = text_log(&Invocation::many(3, 40));
    let known = Workplace::new();
    let (file, list) = (known.file("f.log", &log), known.file("functions.json", FUNCTIONS));
    known.ingest(&["--resource", "resize-image", "--defaults", list.to_str().unwrap()], &[&file]);

    let late = Workplace::new();
    let (file, list) = (late.file("f.log", &log), late.file("functions.json", FUNCTIONS));
    let uploads = late.ingest(&["--resource", "resize-image"], &[&file]);
    let advice = &uploads[0]["advice"];
    let lacking: Vec<_> = advice["undeclared"].as_array().unwrap().iter().map(|lack| &lack["column"]).collect();
    assert!(lacking.contains(&&"architecture".into()) && lacking.contains(&&"region".into()), "{advice}");
    let command = "paygrain lake set-metadata --provider aws --service lambda --resource resize-image";
    assert!(advice["commands"].to_string().contains(command), "{advice}");
    assert_ne!(bill(&late), bill(&known));

    late.json(&["lake", "set-metadata", "--format", "json", list.to_str().unwrap()]);
    assert_eq!(bill(&late), bill(&known), "the same bill to the last digit");
    assert_eq!(
        late.count("SELECT count(*) FROM invocations WHERE architecture = 'arm64' AND region = 'eu-west-1'"),
        40
    );
    let again = late.ingest(&["--resource", "resize-image"], &[&file]);
    assert_eq!(again[0]["already_loaded"], true);
}

#[test]
fn an_upload_without_a_function_gets_its_name() {
    let place = Workplace::new();
    let file = place.file("f.log", text_log(&Invocation::many(4, 10)));
    let uploads = place.ingest(&[], &[&file]);
    let id = uploads[0]["id"].as_str().unwrap();
    place.json(&["lake", "set-metadata", "--upload", &id[..8], "--name", "nightly", "--format", "json"]);
    place.json(&["lake", "set-metadata", "--resource", "nightly", "--architecture", "arm64", "--format", "json"]);
    assert_eq!(
        place.count("SELECT count(*) FROM invocations WHERE resource = 'nightly' AND architecture = 'arm64'"),
        10
    );
    let listed = place.json(&["lake", "metadata", "--format", "json"]);
    assert_eq!(listed["metadata"].as_array().unwrap().len(), 2);
}

#[test]
fn gaps_are_filled_and_only_an_override_wins_over_a_row() {
    let place = Workplace::new();
    let file = place.file("f.log", text_log(&Invocation::many(5, 10)));
    place.ingest(&["--resource", "f", "--region", "us-east-1"], &[&file]);
    let regions = || place.json(&["sql", "--format", "json", "SELECT DISTINCT region FROM invocations"]).to_string();
    place.json(&["lake", "set-metadata", "--resource", "f", "--region", "eu-west-1", "--format", "json"]);
    assert!(regions().contains("us-east-1"));
    place.json(&["lake", "set-metadata", "--resource", "f", "--region", "eu-west-1", "--override", "--format", "json"]);
    assert!(regions().contains("eu-west-1"));
    place.json(&["lake", "set-metadata", "--region", "ap-south-1", "--override", "--format", "json"]);
    assert!(regions().contains("eu-west-1"), "the narrower scope wins");
}

#[test]
fn issued_bills_stay_as_they_were() {
    let place = Workplace::new();
    let file = place.file("f.log", text_log(&Invocation::many(6, 10)));
    place.ingest(&["--resource", "f", "--region", "us-east-1"], &[&file]);
    place.json(&["close", "--period", "2026-10", "--format", "json"]);
    place.json(&["lake", "set-metadata", "--resource", "f", "--architecture", "arm64", "--format", "json"]);
    let run = place.run(&["bill", "--period", "2026-10", "--revision", "1", "--verify"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let second = place.json(&["close", "--period", "2026-10", "--format", "json"]);
    assert_eq!(second["outcome"], "issued", "the difference is a correction: {second}");
    let run = place.run(&["bill", "--period", "2026-10", "--revision", "2", "--verify"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Workplace::new();
    let file = place.file("f.log", text_log(&Invocation::many(7, 2)));
    place.ingest(&["--resource", "f"], &[&file]);
    let bad = place.file("bad.json", "{\"Buckets\": []}");
    for (arguments, words) in [
        (vec!["--resource", "f"], "there is nothing to set"),
        (vec!["--resource", "f", "--memory-mb", "0"], "`memory_mb` is `0`"),
        (vec!["--upload", "zzz", "--name", "g"], "there is no upload `zzz`"),
        (vec!["--name", "g"], "--upload"),
        (vec![bad.to_str().unwrap()], "no list of functions or services"),
        (vec!["nowhere.toml"], "cannot read `nowhere.toml`"),
    ] {
        let run = place.run(&[vec!["lake", "set-metadata"], arguments].concat());
        assert_ne!(run.code, Some(0), "{words}");
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert_eq!(place.json(&["lake", "metadata", "--format", "json"])["metadata"], serde_json::json!([]));
}
