//! Requests that share instances: from a file of any shape, through the lake, to the bill and down to the requests.

use serde_json::json;

use crate::harness::Workplace;

const MAPPING: &str = r#"
table = "invocations"
[time]
column = "start"
[columns]
provider = { value = "gcp" }
service = { value = "cloud-run" }
account = { value = "p" }
region = { value = "us-central1" }
resource = "service"
instance = "instance"
duration_us = { column = "latency", unit = "ms" }
memory_mb = { value = "512" }
vcpu_milli = { value = "1000" }
concurrency = { value = "80" }
"#;

/// Three requests on one instance, two of which overlap, and one on another at the same time.
const LOG: &str = "\
start,service,instance,latency
2025-06-02T16:00:00.000Z,api,a,300
2025-06-02T16:00:00.200Z,api,a,350
2025-06-02T16:00:30.000Z,api,a,50
2025-06-02T16:00:00.000Z,api,b,90
";

#[test]
fn a_log_of_requests_is_billed_by_the_time_of_its_instances() {
    let place = Workplace::new();
    let (log, mapping) = (place.file("requests.csv", LOG), place.file("mapping.toml", MAPPING));
    let uploads = place.ingest(&["--mapping", mapping.to_str().unwrap()], &[&log]);
    assert_eq!((&uploads[0]["accepted"], &uploads[0]["rejected"]), (&json!(4), &json!(0)));
    let bill = place.json(&["bill", "--period", "2025-06", "--allowances", "none", "--format", "json"]);
    let quantity = |sku: &str| {
        let charges = bill["charges"].as_array().unwrap();
        let found = charges.iter().find(|charge| charge["sku"] == sku).unwrap();
        (found["consumed_quantity"].clone(), found["id"].as_str().unwrap().to_owned())
    };
    // a: 0 to 550 ms, charged as 600, and 50 ms as 100; b: 90 ms as 100. 0.8 s x (0.000024 + 0.5 x 0.0000025)
    // + 4 x 0.0000004
    let (seconds, id) = quantity("gcp.cloud-run.vcpu-active-instance");
    assert_eq!(seconds, "0.8");
    assert_eq!(quantity("gcp.cloud-run.memory-active-instance").0, "0.4");
    assert_eq!(bill["total"], "0.0000218");
    assert_eq!(bill["unpriced"], json!([]));
    let explained = place.json(&["explain", &id, "--allowances", "none", "--format", "json"]);
    assert_eq!(explained["records"]["total"], 4);
    assert_eq!(explained["records"]["rows"][2][3], "a");
    let steps = explained["steps"].to_string();
    assert!(steps.contains("activity request-based makes the time of instances"), "{steps}");
}

/// The same requests as Cloud Run writes them: a log entry a line.
fn log_entries() -> Vec<serde_json::Value> {
    let entry = |row: &str| {
        let [start, service, instance, latency] = row.split(',').collect::<Vec<_>>()[..] else { panic!("{row}") };
        json!({
            "insertId": format!("{instance}{latency}"),
            "logName": "projects/p/logs/run.googleapis.com%2Frequests",
            "timestamp": start,
            "severity": "INFO",
            "resource": {"type": "cloud_run_revision", "labels": {
                "project_id": "p", "location": "us-central1", "service_name": service, "revision_name": "api-1",
            }},
            "labels": {"instanceId": instance},
            "httpRequest": {"status": 200, "requestSize": "10", "latency": format!("0.{latency:0>3}s")},
        })
    };
    LOG.lines().skip(1).map(entry).collect()
}

#[test]
fn cloud_run_logs_are_billed_by_the_time_of_their_instances_in_every_envelope() {
    let place = Workplace::new();
    let entries = log_entries();
    let lines: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    let other = json!({"logName": "projects/p/logs/run.googleapis.com%2Fstdout", "resource": {"type": "cloud_run_revision",
        "labels": {}}, "textPayload": "hello", "timestamp": "2025-06-02T16:00:00Z"});
    let sink = place.file("16:00:00_16:59:59_S0.json", format!("\n{other}\n{lines}"));
    let defaults =
        place.file("defaults.toml", "[resources.api]\nmemory_mb = 512\nvcpu_milli = 1000\nconcurrency = 80\n");
    let with = ["--defaults", defaults.to_str().unwrap()];
    let first = place.ingest(&with, &[&sink]);
    assert_eq!((&first[0]["format"], &first[0]["accepted"]), (&json!("gcp-cloud-run"), &json!(4)));
    assert_eq!((&first[0]["rejected"], &first[0]["warnings"]), (&json!(0), &json!([])));
    let bill = place.json(&["bill", "--period", "2025-06", "--allowances", "none", "--format", "json"]);
    assert_eq!((&bill["total"], &bill["unpriced"]), (&json!("0.0000218"), &json!([])));
    // `gcloud logging read` gives an array, Pub/Sub one entry a message.
    let array = place.file("read.json", serde_json::to_string_pretty(&entries).unwrap());
    let message = |entry: &serde_json::Value| {
        use base64::Engine;
        let data = base64::engine::general_purpose::STANDARD.encode(entry.to_string());
        format!("{}\n", json!({"message": {"data": data, "messageId": "1"}}))
    };
    let messages = place.file("pubsub.ndjson", entries.iter().map(message).collect::<String>());
    for again in place.ingest(&with, &[&array, &messages]) {
        assert_eq!((&again["accepted"], &again["duplicate"], &again["rejected"]), (&json!(0), &json!(4), &json!(0)));
    }
}

#[test]
fn without_size_and_concurrency_cloud_run_asks_for_them() {
    let place = Workplace::new();
    let mut entries = log_entries();
    entries[1]["httpRequest"]["latency"] = json!("1,5s");
    entries[2].as_object_mut().unwrap().remove("insertId");
    let log = place.file("log.json", serde_json::to_string(&entries).unwrap());
    let upload = place.ingest(&[], &[&log])[0].clone();
    assert_eq!((&upload["accepted"], &upload["rejected"]), (&json!(2), &json!(2)));
    let warnings = upload["warnings"].to_string();
    assert!(warnings.contains("declare `memory_mb` and `vcpu_milli` for api"), "{warnings}");
    assert!(warnings.contains("declare `concurrency`"), "{warnings}");
    let bill = place.json(&["bill", "--period", "2025-06", "--format", "json"]);
    let unpriced = bill["unpriced"].to_string();
    assert!(unpriced.contains("not given: memory_mb, vcpu_milli"), "{unpriced}");
}
