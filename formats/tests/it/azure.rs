//! Azure Functions: requests of Application Insights in every envelope, metrics of Azure Monitor.

use crate::lines::{Collected, parse, parse_with, real};
use paygrain_formats::Defaults;
use paygrain_formats::format;
use paygrain_formats::record::{EventTime, MeteredQuantity, Usage};

const INSIGHTS: &str = "azure-app-insights";
const METRICS: &str = "azure-metrics";

/// The rows of `metered` of a file with no others.
pub fn metered(log: &Collected) -> Vec<&MeteredQuantity> {
    log.records
        .iter()
        .map(|record| match &record.usage {
            Usage::MeteredQuantity(row) => &**row,
            other => panic!("not a metered quantity: {other:?}"),
        })
        .collect()
}

/// The sum of a meter, in units of 10⁻¹⁸.
pub fn sum(log: &Collected, meter: &str) -> i128 {
    let rows = metered(log);
    rows.iter().filter(|row| row.meter.as_deref() == Some(meter)).filter_map(|row| row.quantity).sum()
}

/// One whole, as a quantity counts.
pub const ONE: i128 = 10_i128.pow(18);

/// A file of ours: its format is found by its content, and it is read.
pub fn example(name: &str, format: &str) -> Collected {
    let path = format!("{}/tests/files/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(format::detect(&bytes).unwrap().0.name(), format, "{name}");
    parse_with(format, &mut bytes.as_slice(), &Defaults::default())
}

/// One execution.
fn request(id: &str, more: &str, properties: &str) -> String {
    format!(
        r#"{{"time":"2026-10-05T17:00:01.2345678Z","Type":"AppRequests","AppRoleName":"shop","Id":"r1","Name":"checkout","Success":true,"ResultCode":"200","DurationMs":120.5551{more},"Properties":{{"Category":"Host.Results","InvocationId":"{id}"{properties}}}}}"#
    )
}

#[test]
fn the_real_request_has_its_known_values() {
    let Some(log) = real("azure", "app_requests_eventhub_newrelic.json", INSIGHTS) else { return };
    assert_eq!(log.rejected, []);
    let row = log.invocations()[0].clone();
    // The execution of 4.7239 ms, not the request of 9.1593 ms around it.
    assert_eq!((log.records.len(), row.duration_us), (1, Some(4_724)));
    assert_eq!(row.resource.as_deref(), Some("functionAppName goes here/fn"));
    assert_eq!(
        (row.account.as_deref(), row.trigger.as_deref(), row.status.as_deref()),
        (Some("sub"), Some("http"), Some("success"))
    );
    assert_eq!(log.key()[0].0, EventTime::Logged(1_619_736_074_123_000));
}

#[test]
fn the_example_of_requests_has_its_totals() {
    let log = example("azure-app-insights.json", INSIGHTS);
    assert_eq!((log.records.len(), log.rejected.len()), (6, 1));
    assert_eq!(log.rejected[0].line, Some(7));
    assert!(log.rejected[0].reason.starts_with("the time is `yesterday`"), "{:?}", log.rejected);
    let durations: Vec<_> = log.invocations().iter().filter_map(|row| row.duration_us).collect();
    assert_eq!(durations, [101_235, 25_000, 2_000_001, 2_000_001, 2_000_001, 2_000_001]);
    let status: Vec<_> = log.invocations().iter().map(|row| (row.status.clone(), row.error_type.clone())).collect();
    assert_eq!(status[1], (Some("error".into()), Some("500".into())));
    for begins in
        ["1 rows are samples that stand for 4 executions", "1 requests are no function", "the log does not say"]
    {
        assert!(log.warnings.iter().any(|warning| warning.starts_with(begins)), "{begins}: {:?}", log.warnings);
    }
    let mut keys = log.key();
    keys.dedup();
    assert_eq!(keys.len(), 6);
}

#[test]
fn a_request_is_the_same_in_the_csv() {
    let json = example("azure-app-insights.json", INSIGHTS);
    let csv = example("azure-app-insights.csv", INSIGHTS);
    assert_eq!(csv.rejected.len(), 1, "{:?}", csv.rejected);
    assert_eq!((csv.rejected[0].line, csv.records.len()), (Some(5), 5));
    assert!(csv.key().iter().all(|key| json.key().contains(key)));
    let marked =
        parse(INSIGHTS, &format!("\u{feff}{}", std::fs::read_to_string(path("azure-app-insights.csv")).unwrap()));
    assert_eq!(marked.records, csv.records);
}

fn path(name: &str) -> String {
    format!("{}/tests/files/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The same sampled request in every envelope.
fn insights_envelopes() -> Vec<(&'static str, String)> {
    let id = "11111111-0000-0000-0000-000000000001";
    let time = "\"FunctionExecutionTimeMs\":\"101.2345\"";
    let one = request(id, ",\"ItemCount\":2", &format!(",{time}"));
    let dynamic = format!(r#"{{"Category":"Host.Results","InvocationId":"{id}",{time}}}"#);
    let dimensions = dynamic.replace('"', "\\\"");
    let row = |success: &str, properties: &str| {
        format!(r#"["2026-10-05T17:00:01.2345678Z","r1","checkout",{success},"200",120.5551,2,{properties},"shop"]"#)
    };
    let columns = |names: [&str; 9]| {
        let columns: Vec<String> = names.iter().map(|name| format!(r#"{{"name":"{name}","type":"x"}}"#)).collect();
        columns.join(",")
    };
    let new = columns([
        "TimeGenerated",
        "Id",
        "Name",
        "Success",
        "ResultCode",
        "DurationMs",
        "ItemCount",
        "Properties",
        "AppRoleName",
    ]);
    let old = columns([
        "timestamp",
        "id",
        "name",
        "success",
        "resultCode",
        "duration",
        "itemCount",
        "customDimensions",
        "cloud_RoleName",
    ]);
    vec![
        ("records", format!(r#"{{"records":[{one}]}}"#)),
        ("records, with a byte order mark", format!("\u{feff}{{\"records\": [\n{one}\n]}}\n")),
        ("lines", format!("{one}\n")),
        ("array", format!("[{one}]")),
        (
            "workspace query",
            format!(
                r#"{{"tables":[{{"name":"PrimaryResult","columns":[{new}],"rows":[{}]}}]}}"#,
                row("true", &dynamic)
            ),
        ),
        (
            "workspace query, text",
            format!(
                r#"{{"tables":[{{"name":"PrimaryResult","columns":[{new}],"rows":[{}]}}]}}"#,
                row("true", &format!("\"{dimensions}\""))
            ),
        ),
        (
            "classic query",
            format!(
                r#"{{"tables":[{{"name":"PrimaryResult","columns":[{old}],"rows":[{}]}}]}}"#,
                row("\"True\"", &format!("\"{dimensions}\""))
            ),
        ),
        (
            "az, flat",
            format!(
                r#"[{{"TimeGenerated":"2026-10-05T17:00:01.2345678Z","Id":"r1","Name":"checkout","Success":"True","ResultCode":"200","DurationMs":"120.5551","ItemCount":"2","Properties":"{dimensions}","AppRoleName":"shop","TableName":"PrimaryResult"}}]"#
            ),
        ),
        (
            "portal",
            format!(
                "TimeGenerated [UTC],Id,Name,Success,ResultCode,DurationMs,ItemCount,Properties,AppRoleName\n\"10/5/2026, 5:00:01.234 PM\",r1,checkout,true,200,120.5551,2,\"{}\",shop\n",
                dynamic.replace('"', "\"\"")
            ),
        ),
    ]
}

#[test]
fn a_request_has_one_key_in_every_envelope() {
    let envelopes = insights_envelopes();
    let first = parse(INSIGHTS, &envelopes[0].1);
    assert_eq!(first.records.len(), 2);
    for (name, text) in &envelopes {
        let (detected, _) = format::detect(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(detected.name(), INSIGHTS, "{name}");
        let log = parse(INSIGHTS, text);
        assert_eq!(log.rejected, [], "{name}");
        assert_eq!(log.records, first.records, "{name}");
    }
}

#[test]
fn bad_requests_cost_themselves_alone() {
    let good = [request("a", "", ""), request("b", "", "")];
    for (bad, expected) in [
        (request("c", ",\"ItemCount\":0", ""), "`itemCount` is `0`"),
        (request("c", ",\"ItemCount\":10001", ""), "1 to 10000"),
        (request("c", ",\"ItemCount\":1.5", ""), "`itemCount` is `1.5`"),
        (request("c", "", ",\"FunctionExecutionTimeMs\":\"4,7\""), "`FunctionExecutionTimeMs` is `4,7`"),
        (request("c", "", ",\"FunctionExecutionTimeMs\":\"-4\""), "no negative number"),
        (request("c", "", ",\"FunctionExecutionTimeMs\":\"1e30\""), "which is too large"),
        (request("c", "", "").replace("2026-10-05", "2026-10-35"), "the time is"),
        (
            request("c", "", "").replace("\"Properties\":{", "\"Properties\":\"x\",\"x\":{"),
            "`properties` is no JSON object",
        ),
        (request("c", "", "").replace("InvocationId", "x").replace("\"Id\":\"r1\",", ""), "there is no `InvocationId`"),
        ("{\"a\":1}".to_owned(), "not a request"),
        (request("c", "", "")[..90].to_owned(), "not valid JSON"),
    ] {
        for (text, line) in [
            (format!("{}\n{bad}\n{}\n", good[0], good[1]), 2),
            (format!("{{\"records\":[{},\n{bad},\n{}]}}", good[0], good[1]), 2),
        ] {
            let log = parse(INSIGHTS, &text);
            assert_eq!(log.rejected.len(), 1, "{text}: {:?}", log.rejected);
            assert!(log.rejected[0].reason.contains(expected), "{bad}: {}", log.rejected[0].reason);
            assert_eq!(log.rejected[0].line, Some(line), "{bad}");
            assert_eq!(log.records.len(), 2, "{text}");
        }
    }
    let local = "timestamp [Local Time],id,itemCount,duration,customDimensions\n";
    let mut sink = Collected::default();
    let defaults = Defaults::default();
    let origin = format::Origin { name: "", defaults: &defaults };
    let error = format::by_name(INSIGHTS).unwrap().parse(&mut local.as_bytes(), &origin, &mut sink).unwrap_err();
    assert!(error.to_string().contains("set the portal to UTC"), "{error}");
}

#[test]
fn a_truncated_page_of_requests_is_one_rejected_row() {
    let page = format!("{{\"records\":[{},\n{}]}}", request("a", "", ""), request("b", "", ""));
    let log = parse(INSIGHTS, &page[..page.len() - 30]);
    assert_eq!((log.records.len(), log.rejected.len()), (1, 1));
    assert_eq!(log.rejected[0].line, Some(2));
    assert!(log.rejected[0].reason.contains("ends in the middle"), "{:?}", log.rejected);
}

#[test]
fn metrics_among_the_records_are_passed_over() {
    let metric = r#"{"time":"2026-10-05T17:00:00Z","resourceId":"/X","metricName":"FunctionExecutionCount","timeGrain":"PT1M","total":1}"#;
    let log = parse(INSIGHTS, &format!("{{\"records\":[{metric},{}]}}", request("a", "", "")));
    assert_eq!((log.records.len(), log.rejected.len()), (1, 0));
}

#[test]
fn what_is_declared_fills_what_the_log_lacks() {
    let defaults = Defaults::from_toml(
        "d",
        "memory_mb = 256\n[resources.\"shop/checkout\"]\nmemory_mb = 512\ncapacity = \"flex\"",
    )
    .unwrap();
    let log = parse_with(INSIGHTS, &mut request("a", "", "").as_bytes(), &defaults);
    assert_eq!((log.invocations()[0].memory_mb, log.invocations()[0].capacity.as_deref()), (Some(512), Some("flex")));
    assert_eq!(log.warnings, Vec::<String>::new());
}

#[test]
fn the_example_of_metrics_has_its_totals() {
    let log = example("azure-metrics.json", METRICS);
    assert_eq!(sum(&log, "execution-units"), 1_152_000 * ONE);
    // The minute of 7 stands there twice: the lake drops the second. Another value of it is no second minute.
    assert_eq!(sum(&log, "execution-count"), 24 * ONE);
    assert_eq!((log.rejected.len(), log.rejected[0].line), (1, Some(5)));
    assert!(log.rejected[0].reason.contains("another value for the same interval"), "{:?}", log.rejected);
    let mut keys = log.key();
    keys.dedup();
    assert_eq!((log.records.len(), keys.len()), (5, 4));
    let rows = metered(&log);
    assert_eq!((rows[0].unit.as_deref(), rows[0].resource.as_deref()), (Some("MiB-ms"), Some("shop")));
    assert_eq!(rows[0].account.as_deref(), Some("00000000-0000-0000-0000-000000000001"));
    assert_eq!(rows[2].resource.as_deref(), Some("shop/slots/staging"));
    assert!(log.warnings.iter().any(|warning| warning.contains("billed twice")), "{:?}", log.warnings);
    assert!(
        log.warnings.iter().any(|warning| warning.ends_with("passed over: MemoryWorkingSet")),
        "{:?}",
        log.warnings
    );
}

#[test]
fn a_minute_is_the_same_from_az() {
    let az = |interval: &str, dimension: &str| {
        format!(
            r#"{{"cost":1,"interval":"{interval}","namespace":"Microsoft.Web/sites","resourceregion":"westeurope","timespan":"2026-10-05T17:00:00Z/2026-10-05T17:02:00Z","value":[{{"id":"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shop/providers/Microsoft.Web/sites/Shop/providers/Microsoft.Insights/metrics/FunctionExecutionUnits","name":{{"localizedValue":"Function Execution Units","value":"FunctionExecutionUnits"}},"timeseries":[{{"metadatavalues":[{dimension}],"data":[{{"timeStamp":"2026-10-05T17:00:00Z","total":128000.0}},{{"timeStamp":"2026-10-05T17:01:00Z","total":0.0}},{{"timeStamp":"2026-10-05T17:02:00Z"}},{{"timeStamp":"2026-10-05T17:03:00Z","total":-1}}]}}],"unit":"Count"}}]}}"#
        )
    };
    let records = example("azure-metrics.json", METRICS);
    for interval in ["PT1M", "0:01:00"] {
        let text = az(interval, "");
        assert_eq!(format::detect(text.as_bytes()).unwrap().0.name(), METRICS);
        let log = parse(METRICS, &text);
        assert_eq!((log.records.len(), log.rejected.len()), (1, 1), "{:?}", log.rejected);
        assert!(log.rejected[0].reason.starts_with("`total` is `-1`"));
        assert_eq!(log.key()[0], records.key()[0]);
        assert_eq!(metered(&log)[0].region.as_deref(), Some("westeurope"));
    }
    let hour = parse(METRICS, &az("PT1H", ""));
    let instance = parse(METRICS, &az("PT1M", r#"{"name":{"value":"Instance"},"value":"i1"}"#));
    assert_ne!(hour.key()[0].1, records.key()[0].1);
    assert_ne!(instance.key()[0].1, records.key()[0].1);
}
