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
