//! Usage of everybody else, invented: every envelope of every log.

use serde_json::{Value, json};

use super::family::{Family, base64, iso, joined, lines, shown};
use crate::harness::Random;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-0000000000aa";

pub fn families(random: &mut Random) -> Vec<Family> {
    vec![
        cloud_run(random),
        cloud_functions(random),
        gcs_usage(random),
        gcs_storage(random),
        app_insights(random),
        azure_metrics(random),
        storage_analytics(random),
        storage_diagnostics(random),
        workers(random),
        heroku(random),
        spans(random),
        measurements(random),
        opencost(random),
        cloud_events(random),
        mapped(random),
        whole("s3-inventory", "aws-s3-inventory.csv", example!("aws-s3-inventory.csv")),
        whole("trace-2019", "durations.d02.csv", example!("azure-trace-2019-durations.d02.csv")),
        whole("trace-2021", "trace.csv", example!("azure-trace-2021.csv")),
    ]
}

macro_rules! example {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/formats/tests/files/", $name))
    };
}
use example;

/// A file of whose rows only the place in the file tells equal ones apart: it comes as a whole.
fn whole(name: &'static str, file_name: &'static str, text: &'static str) -> Family {
    Family::new(name, vec![text], vec![("whole", |all: &[&str]| all.concat())]).file_name(file_name)
}

/// Something that happened: what most logs need to say of it.
#[derive(Clone)]
struct Event {
    at_ms: i64,
    id: String,
    duration_ms: u64,
    bytes: u64,
    ok: bool,
}

impl Event {
    fn many(random: &mut Random) -> Vec<Self> {
        random.many(|random| Event {
            at_ms: random.time_ms(),
            id: random.uuid(),
            duration_ms: random.below(30_000),
            bytes: random.below(1 << 30),
            ok: !random.one_in(4),
        })
    }

    fn status(&self) -> u16 {
        if self.ok { 200 } else { 503 }
    }
}

// Google Cloud

/// Log entries as `gcloud` prints them, as a sink writes them and as Pub/Sub carries them.
fn entries(entries: &[Value]) -> String {
    Value::from(entries).to_string()
}

fn sink(entries: &[Value]) -> String {
    joined(entries, "\n")
}

fn messages(entries: &[Value]) -> String {
    lines(entries.iter().map(|entry| {
        json!({"message": {"data": base64(entry.to_string().as_bytes()), "messageId": "1"}, "subscription": "s"})
            .to_string()
    }))
}

fn cloud_run(random: &mut Random) -> Family {
    let all = Event::many(random)
        .iter()
        .map(|one| {
            json!({
                "insertId": one.id, "logName": "projects/shop/logs/run.googleapis.com%2Frequests",
                "timestamp": iso(one.at_ms), "receiveTimestamp": iso(one.at_ms + 30_000), "severity": "INFO",
                "resource": {"type": "cloud_run_revision", "labels": {"service_name": "api",
                    "revision_name": "api-1", "location": "eu-west-1", "project_id": "shop"}},
                "labels": {"instanceId": "i1"},
                "httpRequest": {"requestMethod": "GET", "status": one.status(), "requestSize": "754",
                    "responseSize": one.bytes.to_string(), "latency": format!("{}.{:03}s", one.duration_ms / 1000, one.duration_ms % 1000)},
            })
        })
        .collect();
    Family::new("cloud-run", all, vec![("entries", entries), ("sink", sink), ("messages", messages)])
}

fn cloud_functions(random: &mut Random) -> Family {
    fn text(one: &Event) -> String {
        format!("Function execution took {} ms, finished with status code: {}", one.duration_ms, one.status())
    }
    fn entry(one: &Event) -> Value {
        json!({
            "textPayload": text(one), "insertId": one.id, "timestamp": iso(one.at_ms), "severity": "DEBUG",
            "resource": {"type": "cloud_function", "labels": {"function_name": "f", "region": "eu-west-1",
                "project_id": "123456789012"}},
            "labels": {"execution_id": &one.id[..8]},
            "logName": "projects/123456789012/logs/cloudfunctions.googleapis.com%2Fcloud-functions",
        })
    }
    fn all_entries(all: &[Event]) -> Vec<Value> {
        all.iter().map(entry).collect()
    }
    Family::new(
        "cloud-functions",
        Event::many(random),
        vec![
            ("text", |all| {
                lines(all.iter().map(|one| {
                    format!("D  f  {}  {}  {}", &one.id[..8], shown(one.at_ms, "%Y-%m-%d %H:%M:%S%.3f"), text(one))
                }))
            }),
            ("entries", |all| entries(&all_entries(all))),
            ("sink", |all| sink(&all_entries(all))),
            ("messages", |all| messages(&all_entries(all))),
        ],
    )
}

fn gcs_usage(random: &mut Random) -> Family {
    Family::new(
        "gcs-usage",
        Event::many(random),
        vec![("table", |all| {
            let row = |one: &Event| {
                format!(
                    "\"{}\",\"203.0.113.9\",\"1\",\"\",\"GET\",\"/files/a.jpg\",\"{}\",\"0\",\"{}\",\"5000\",\"files.example.com\",\"\",\"curl, \"\"8\"\"\",\"{}\",\"GET_Object\",\"files\",\"aä.jpg\"",
                    one.at_ms * 1000 + 1,
                    one.status(),
                    one.bytes,
                    one.id
                )
            };
            let names = "\"time_micros\",\"c_ip\",\"c_ip_type\",\"c_ip_region\",\"cs_method\",\"cs_uri\",\"sc_status\",\"cs_bytes\",\"sc_bytes\",\"time_taken_micros\",\"cs_host\",\"cs_referer\",\"cs_user_agent\",\"s_request_id\",\"cs_operation\",\"cs_bucket\",\"cs_object\"";
            // These files end without a line end.
            format!("{names}\n{}", lines(all.iter().map(row)).trim_end())
        })],
    )
    .broken("\n\"1791219601000001\",\"203.0.113.9\",\"1\"")
}

fn gcs_storage(random: &mut Random) -> Family {
    let buckets = (0..random.between(3, 9)).map(|number| (format!("bucket-{number}"), random.below(1 << 50))).collect();
    Family::new(
        "gcs-storage",
        buckets,
        vec![("table", |all: &[(String, u64)]| {
            let row = |(bucket, byte_hours): &(String, u64)| format!("\"{bucket}\",\"{byte_hours}\"");
            format!("\"bucket\",\"storage_byte_hours\"\n{}", lines(all.iter().map(row)))
        })],
    )
    .file_name("usage_storage_2026_10_05_07_00_00_0a1b2c_v0.csv")
}

// Azure

fn app_insights(random: &mut Random) -> Family {
    fn properties(one: &Event) -> Value {
        json!({"Category": "Host.Results", "InvocationId": one.id, "HostInstanceId": "h1", "HttpMethod": "POST",
            "FunctionExecutionTimeMs": format!("{}.2345", one.duration_ms), "FullName": "Functions.checkout"})
    }
    /// Some are samples of several executions.
    fn items(one: &Event) -> u64 {
        1 + one.bytes % 3
    }
    fn record(one: &Event) -> Value {
        json!({"time": iso(one.at_ms), "resourceId": format!("/SUBSCRIPTIONS/{}/RESOURCEGROUPS/SHOP/PROVIDERS/MICROSOFT.INSIGHTS/COMPONENTS/SHOP", SUBSCRIPTION.to_uppercase()),
            "Type": "AppRequests", "AppRoleName": "shop", "OperationId": one.id, "Id": one.id, "Name": "checkout",
            "Success": one.ok, "ResultCode": one.status().to_string(), "DurationMs": one.duration_ms + 1,
            "ItemCount": items(one), "Properties": properties(one)})
    }
    Family::new(
        "app-insights",
        Event::many(random),
        vec![
            ("Event Hub", |all| json!({"records": all.iter().map(record).collect::<Vec<_>>()}).to_string()),
            ("lines", |all| lines(all.iter().map(|one| record(one).to_string()))),
        ],
    )
}

fn azure_metrics(random: &mut Random) -> Family {
    let all = random.many(|random| {
        // Whole minutes: two of one minute would be one measurement.
        let minute = random.time_ms() / 60_000;
        let site = random.hex(6).to_uppercase();
        json!({"count": 1, "total": random.between(1, 1 << 30), "minimum": 1, "maximum": 1, "average": 1,
            "resourceId": format!("/SUBSCRIPTIONS/{}/RESOURCEGROUPS/SHOP/PROVIDERS/MICROSOFT.WEB/SITES/{site}", SUBSCRIPTION.to_uppercase()),
            "time": shown(minute * 60_000, "%Y-%m-%dT%H:%M:%S.0000000Z"),
            "metricName": *random.pick(&["FunctionExecutionUnits", "FunctionExecutionCount"]), "timeGrain": "PT1M"})
    });
    Family::new(
        "azure-metrics",
        all,
        vec![
            ("Event Hub", |all| json!({"records": all}).to_string()),
            ("lines", |all| lines(all.iter().map(Value::to_string))),
        ],
    )
}

fn storage_analytics(random: &mut Random) -> Family {
    Family::new(
        "storage-analytics",
        Event::many(random),
        vec![("lines", |all| {
            lines(all.iter().map(|one| {
                format!(
                    "1.0;{};GetBlob;AnonymousSuccess;{};{};10;anonymous;;examplestore;blob;\"https://examplestore.blob.core.windows.net/thumb&amp;nails/lake.jpg?timeout=30000\";\"/examplestore/thumb&amp;nails/lake.jpg\";{};0;203.0.113.9:40001;2019-12-12;252;0;265;{};0;;;\"\"0x8CE1B6EA95033D5\"\";Monday, 05-Oct-26 16:00:00 GMT;;\"Agent/1.0 (X11; \"x&quot;; Linux)\";;\"client-1\"",
                    shown(one.at_ms, "%Y-%m-%dT%H:%M:%S%.3f4567Z"),
                    one.status(),
                    one.duration_ms,
                    one.id,
                    one.bytes
                )
            }))
        })],
    )
    .broken("1.0;2026-10-05T17:00:02.1234567Z;PutBlob;Succ\n")
}

fn storage_diagnostics(random: &mut Random) -> Family {
    fn record(one: &Event) -> Value {
        json!({"time": shown(one.at_ms, "%Y-%m-%dT%H:%M:%S%.3f4567Z"),
            "resourceId": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/examplestore/blobServices/default"),
            "category": "StorageRead", "operationName": "GetBlob", "statusCode": one.status(), "statusText": "Success",
            "durationMs": one.duration_ms, "callerIpAddress": "203.0.113.9:40001", "correlationId": one.id,
            "location": "westeurope",
            "properties": {"accountName": "examplestore", "serviceType": "blob", "operationCount": 0,
                "requestBodySize": 0, "responseBodySize": one.bytes, "accessTier": "Hot"}})
    }
    Family::new(
        "storage-diagnostics",
        Event::many(random),
        vec![
            ("lines", |all| lines(all.iter().map(|one| record(one).to_string()))),
            ("lines the other way round", |all| lines(all.iter().rev().map(|one| record(one).to_string()))),
        ],
    )
}

// Cloudflare, Heroku

fn workers(random: &mut Random) -> Family {
    fn record(one: &Event) -> Value {
        json!({"EventTimestampMs": one.at_ms, "EventType": "fetch", "Outcome": if one.ok { "ok" } else { "exception" },
            "Event": {"RayID": one.id.replace('-', "")[..16], "Request": {"URL": "https://shop.example.com/", "Method": "GET"},
                "Response": {"Status": one.status()}},
            "ScriptName": "shop", "Exceptions": [], "Logs": [], "CPUTimeMs": one.duration_ms / 10, "WallTimeMs": one.duration_ms})
    }
    Family::new(
        "workers",
        Event::many(random),
        vec![("lines", |all| lines(all.iter().map(|one| record(one).to_string())))],
    )
    .broken("{\"EventTimestampMs\":1791219601001,\"EventType\":\"fetch\",\"Even\n")
}

fn heroku(random: &mut Random) -> Family {
    fn text(one: &Event) -> String {
        format!(
            "at=info method=GET path=\"/list?a=1&status=500\" host=shop.example.com request_id={} fwd=\"203.0.113.9, 10.0.0.1\" dyno=web.1 connect=1ms service={}ms status={} bytes={} protocol=https",
            one.id,
            one.duration_ms,
            one.status(),
            one.bytes
        )
    }
    fn time(one: &Event) -> String {
        shown(one.at_ms, "%Y-%m-%dT%H:%M:%S%.6f+00:00")
    }
    Family::new(
        "heroku",
        Event::many(random),
        vec![
            ("command line", |all| lines(all.iter().map(|one| format!("{} heroku[router]: {}", time(one), text(one))))),
            ("drain", |all| {
                let frame = |one: &Event| {
                    let frame = format!("<158>1 {} host heroku router - {}\n", time(one), text(one));
                    format!("{} {frame}", frame.len())
                };
                all.iter().map(frame).collect()
            }),
        ],
    )
}

// OpenTelemetry, OpenCost

fn resource() -> Value {
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    json!({"attributes": [attribute("service.name", "shop"), attribute("cloud.provider", "aws"),
        attribute("cloud.account.id", "123456789012"), attribute("cloud.region", "eu-west-1"),
        attribute("faas.name", "checkout"), {"key": "faas.max_memory", "value": {"intValue": "536870912"}}]})
}

fn spans(random: &mut Random) -> Family {
    fn span(one: &Event) -> Value {
        json!({"traceId": one.id.replace('-', ""), "spanId": one.id.replace('-', "")[16..], "name": "checkout", "kind": 2,
            "startTimeUnixNano": (one.at_ms * 1_000_000).to_string(),
            "endTimeUnixNano": ((one.at_ms + one.duration_ms as i64) * 1_000_000 + 1).to_string(),
            "attributes": [{"key": "faas.invocation_id", "value": {"stringValue": one.id}},
                {"key": "faas.trigger", "value": {"stringValue": "http"}}],
            "status": {"code": if one.ok { 0 } else { 2 }}})
    }
    fn export(some: &[Event]) -> String {
        json!({"resourceSpans": [{"resource": resource(), "scopeSpans": [{"scope": {"name": "lambda"},
            "spans": some.iter().map(span).collect::<Vec<_>>()}]}]})
        .to_string()
    }
    Family::new(
        "spans",
        Event::many(random),
        vec![("one export", export), ("lines", |all| lines(all.chunks(3).map(export)))],
    )
}

/// What was counted between two times: sums that begin anew each time.
fn measurements(random: &mut Random) -> Family {
    fn point(one: &Event) -> Value {
        json!({"asInt": (one.bytes + 1).to_string(), "startTimeUnixNano": (one.at_ms * 1_000_000).to_string(),
            "timeUnixNano": ((one.at_ms + 60_000) * 1_000_000).to_string(),
            "attributes": [{"key": "faas.instance", "value": {"stringValue": one.id}}]})
    }
    fn export(some: &[Event]) -> String {
        json!({"resourceMetrics": [{"resource": resource(), "scopeMetrics": [{"scope": {"name": "faas", "version": "1"},
            "metrics": [{"name": "faas.net_io", "unit": "By", "sum": {"aggregationTemporality": 1, "isMonotonic": true,
                "dataPoints": some.iter().map(point).collect::<Vec<_>>()}}]}]}]})
        .to_string()
    }
    Family::new(
        "measurements",
        Event::many(random),
        vec![("one export", export), ("lines", |all| lines(all.chunks(3).map(export)))],
    )
}

fn opencost(random: &mut Random) -> Family {
    let all = random.many(|random| {
        let day = random.time_ms() / 86_400_000 * 86_400_000;
        let window =
            json!({"start": shown(day, "%Y-%m-%dT%H:%M:%SZ"), "end": shown(day + 86_400_000, "%Y-%m-%dT%H:%M:%SZ")});
        let name = format!("shop/{}", random.hex(8));
        json!({"name": name, "properties": {"cluster": "prod", "namespace": "shop"}, "window": window,
            "minutes": 1440, "cpuCoreHours": random.below(1000) as f64 / 8.0, "ramByteHours": random.below(1 << 40)})
    });
    Family::new(
        "opencost",
        all,
        vec![
            ("steps", |all| {
                let step = |some: &[Value]| {
                    Value::Object(
                        some.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one.clone())).collect(),
                    )
                };
                json!({"code": 200, "data": all.chunks(4).map(step).collect::<Vec<_>>()}).to_string()
            }),
            ("answers", |all| {
                let answer = |one: &Value| {
                    let name = one["name"].as_str().unwrap();
                    json!({"code": 200, "status": "success", "data": [{name: one}]}).to_string()
                };
                lines(all.iter().map(answer))
            }),
        ],
    )
}

// Anything else

fn cloud_events(random: &mut Random) -> Family {
    fn event(one: &Event) -> Value {
        json!({"specversion": "1.0", "type": "tokens", "source": "/gateway", "id": one.id, "time": iso(one.at_ms),
            "subject": "team", "data": {"value": one.bytes + 1, "unit": "token"}})
    }
    Family::new(
        "cloud-events",
        Event::many(random),
        vec![
            ("lines", |all| lines(all.iter().map(|one| event(one).to_string()))),
            ("batch", |all| Value::from(all.iter().map(event).collect::<Vec<_>>()).to_string()),
            ("carried", |all| {
                lines(all.iter().map(|one| {
                    let mut event = event(one);
                    let data = event["data"].take().to_string();
                    let object = event.as_object_mut().unwrap();
                    object.remove("data");
                    object.insert("data_base64".into(), base64(data.as_bytes()).into());
                    event.to_string()
                }))
            }),
        ],
    )
}

/// How [`mapped`] is read.
pub const MAPPING: &str = "\
table = 'metered'
[time]
column = 'from'
[end]
column = 'to'
[key]
columns = ['id']
[columns]
provider = { value = 'aws' }
service = { value = 'aurora-serverless' }
meter = { value = 'acu' }
variant = { value = 'v2' }
region = { value = 'eu-central-1' }
resource = 'cluster'
quantity = 'acu'
unit = { value = 'ACU' }
";

/// A file of somebody's own.
fn mapped(random: &mut Random) -> Family {
    fn cells(one: &Event) -> [(&'static str, String); 5] {
        [
            ("id", one.id.clone()),
            ("cluster", "orders".into()),
            ("from", iso(one.at_ms)),
            ("to", iso(one.at_ms + 3_600_000)),
            ("acu", format!("{}.5", one.duration_ms % 128)),
        ]
    }
    Family::new(
        MAPPED,
        Event::many(random),
        vec![
            ("table", |all| {
                let row = |one: &Event| cells(one).map(|(_, value)| value).join(";");
                format!("id;cluster;from;to;acu\n{}", lines(all.iter().map(row)))
            }),
            ("lines", |all| {
                let row = |one: &Event| {
                    let cells = cells(one).map(|(name, value)| (name.to_owned(), Value::from(value)));
                    Value::Object(cells.into_iter().collect()).to_string()
                };
                lines(all.iter().map(row))
            }),
        ],
    )
}

/// Name of the family that is read by [`MAPPING`].
pub const MAPPED: &str = "mapped";
