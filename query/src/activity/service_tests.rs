//! Recorded requests of each service with an activity, against bills worked by hand and estimates of the same requests
use std::collections::BTreeMap;

use paygrain_ingest::record::{Invocation, Request};
use paygrain_pricing::{Allowances, Catalogue, EstimateRequest, Exact, estimate};

use crate::bill::{Attribution, BillRequest, Dimension, RatedUsage};
use crate::explain::Explanation;
use crate::testing::{batch, session};

const SECOND_US: i64 = 1_000_000;

fn us(time: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_micros()
}

fn exact(text: &str) -> Exact {
    Exact::parse(text).unwrap()
}

/// The bill of a month without allowances but those of a plan.
async fn rated(
    invocations: &[(i64, Invocation)],
    requests: &[(i64, Request)],
    month: &str,
) -> std::sync::Arc<RatedUsage> {
    let session = session(vec![batch(invocations.to_vec()), batch(requests.to_vec())]);
    RatedUsage::of(&session, &Catalogue::embedded().unwrap(), &request(month)).await.unwrap()
}

fn request(month: &str) -> BillRequest {
    let mut request = BillRequest::new(month.parse().unwrap());
    request.rating.allowances = Allowances::None;
    request
}

/// Quantity, cost and records of each SKU.
fn charges(usage: &RatedUsage) -> BTreeMap<String, (Exact, Exact, u64)> {
    let mut sums: BTreeMap<String, (Exact, Exact, u64)> = BTreeMap::new();
    for charge in &usage.rated.charges {
        let sum = sums.entry(charge.sku.clone()).or_default();
        sum.0 += &charge.consumed_quantity;
        sum.1 += &charge.billed_cost;
        sum.2 += charge.record_count;
    }
    sums
}

fn quantity(usage: &RatedUsage, sku: &str) -> Exact {
    charges(usage).get(sku).map(|(quantity, ..)| quantity.clone()).unwrap_or_default()
}

/// A Cloud Run request of one vCPU and 512 MiB.
fn run(resource: &str, duration_ms: i64) -> Invocation {
    Invocation {
        provider: "gcp".into(),
        service: "cloud-run".into(),
        account: Some("p".into()),
        region: Some("us-central1".into()),
        resource: Some(resource.into()),
        duration_us: Some(duration_ms * 1_000),
        memory_mb: Some(512),
        vcpu_milli: Some(1_000),
        concurrency: Some(80),
        ..Invocation::default()
    }
}

#[tokio::test]
async fn requests_at_once_share_an_instance() {
    // api: 0 to 300 ms, 100 to 250 ms, 290 to 640 ms: one busy interval of 640 ms, charged as 700. Then 50 ms: 100.
    // web: alone for 1,050 ms: 1,100. 1.9 s x 1 vCPU x 0.000024 + 1.9 s x 0.5 GiB x 0.0000025 + 5 x 0.0000004.
    let nine = us("2025-06-02T16:00:00Z");
    let late = us("2025-06-02T16:59:59.500Z");
    let rows = vec![
        (nine, run("api", 300)),
        (nine + 100_000, run("api", 150)),
        (nine + 290_000, run("api", 350)),
        (nine + 30 * SECOND_US, run("api", 50)),
        (late, run("web", 1_050)),
    ];
    let usage = rated(&rows, &[], "2025-06").await;
    let found = charges(&usage);
    assert_eq!(found["gcp.cloud-run.vcpu-active-instance"], (exact("1.9"), exact("0.0000456"), 5));
    assert_eq!(found["gcp.cloud-run.memory-active-instance"], (exact("0.95"), exact("0.000002375"), 5));
    assert_eq!(found["gcp.cloud-run.requests"], (exact("5"), exact("0.000002"), 5));
    assert_eq!(found.len(), 3);
    assert!(usage.unpriced.is_empty(), "{:?}", usage.unpriced);
    assert_eq!(usage.record_count, 5);
    // The interval that crosses the hour is cut there, to the microsecond.
    let hours: Vec<_> = usage.rows.iter().filter(|row| usage.scope(row).resource.as_deref() == Some("web")).collect();
    let sku = Catalogue::embedded().unwrap().find_sku("gcp.cloud-run.vcpu-active-instance").unwrap();
    let parts: Vec<_> = hours.iter().filter(|row| row.sku == sku).map(|row| row.quantity.exact().to_string()).collect();
    assert_eq!(parts, ["0.5", "0.6"]);
    let groups = usage.group(&[Dimension::Resource, Dimension::Day], Attribution::Time);
    let sum: Exact = groups.iter().map(|group| &group.billed_cost).sum();
    assert_eq!(sum, exact("0.000049975"));
    let web = groups.iter().find(|group| group.key[0] == "web").unwrap();
    assert_eq!((web.key[1].as_str(), &web.billed_cost), ("2025-06-02", &exact("0.000028175")));
}

#[tokio::test]
async fn the_records_behind_instance_time_are_the_requests() {
    let nine = us("2025-06-02T16:00:00Z");
    let mut rows: Vec<_> = (0..7).map(|n| (nine + n * 50_000, run("api", 80))).collect();
    // Charged by themselves, in no activity.
    rows.push((nine, Invocation { concurrency: None, ..run("api", 80) }));
    rows.push((nine, Invocation { account: Some("other".into()), ..run("api", 80) }));
    let session = session(vec![batch(rows)]);
    let catalogue = Catalogue::embedded().unwrap();
    let request = request("2025-06");
    let usage = RatedUsage::of(&session, &catalogue, &request).await.unwrap();
    let charge = usage
        .rated
        .charges
        .iter()
        .position(|charge| {
            charge.sku == "gcp.cloud-run.vcpu-active-instance" && charge.scope.account.as_deref() == Some("p")
        })
        .unwrap();
    // 0 to 380 ms, in steps of 100.
    assert_eq!(usage.rated.charges[charge].consumed_quantity, exact("0.4"));
    let found = Explanation::of(&session, &catalogue, &usage, charge, &request, 2, 3).await.unwrap();
    assert_eq!((found.records.total, found.records.rows.len()), (7, 3));
    assert_eq!(found.records.columns, ["started_at", "resource", "request_id", "instance", "occupied_us"]);
    assert_eq!(found.records.rows[0][0].as_deref().map(|time| &time[..22]), Some("2025-06-02T16:00:00.10"));
    assert_eq!(found.records.rows[0][4].as_deref(), Some("80000"));
    let step = found.steps.iter().find(|step| step.contains("activity request-based")).unwrap();
    assert!(step.contains("rounded up to steps of 0.1 s") && step.contains("derived"), "{step}");
    assert_eq!(found.by_resource.len(), 1);
    assert_eq!(found.by_resource[0].consumed_quantity, exact("0.4"));
}

fn app_engine(start: &str, minutes: i64) -> (i64, Invocation) {
    let row = Invocation {
        provider: "gcp".into(),
        service: "app-engine".into(),
        account: Some("p".into()),
        resource: Some("default".into()),
        variant: Some("F2".into()),
        duration_us: Some(minutes * 60 * SECOND_US),
        ..Invocation::default()
    };
    (us(start), row)
}

#[tokio::test]
async fn an_instance_that_is_up_over_the_end_of_the_month_is_charged_in_both() {
    // Pacific time: June ends at 07:00 UTC. Up from 06:50 to 07:05 + 15 min: 10 minutes of June, 20 of July. The request
    // of 07:10 runs to 07:12 and moves the end to 07:27: 27 of July. An F2 counts twice.
    let rows = [app_engine("2025-07-01T06:50:00Z", 15), app_engine("2025-07-01T07:10:00Z", 2)];
    let (june, july) = (rated(&rows, &[], "2025-06").await, rated(&rows, &[], "2025-07").await);
    let sku = "gcp.app-engine.frontend-hours";
    assert_eq!(quantity(&june, sku), Exact::ratio(20, 60).unwrap());
    assert_eq!(quantity(&july, sku), Exact::ratio(54, 60).unwrap());
    assert_eq!((charges(&june)[sku].2, charges(&july)[sku].2), (1, 1), "a record counts in the month it starts in");
    // August has nothing of it, though July is looked back to.
    assert!(rated(&rows, &[], "2025-08").await.rated.charges.is_empty());
    // 28 free instance hours a day, by the provider's days.
    let request = BillRequest::new("2025-06".parse().unwrap());
    let session = session(vec![batch(rows.to_vec())]);
    let usage = RatedUsage::of(&session, &Catalogue::embedded().unwrap(), &request).await.unwrap();
    assert!(usage.rated.charges.iter().all(|charge| charge.billed_cost.is_zero() && !charge.free_quantity.is_zero()));
}

#[tokio::test]
async fn time_that_cannot_be_counted_is_told() {
    let at = us("2025-06-02T16:00:00Z");
    let rows = [
        (at, Invocation { vcpu_milli: None, ..run("api", 80) }),
        (at, Invocation { variant: None, ..app_engine("2025-06-02T16:00:00Z", 1).1 }),
    ];
    let usage = rated(&rows, &[], "2025-06").await;
    let told: Vec<_> =
        usage.unpriced.iter().map(|one| format!("{}: {} ({})", one.usage, one.reason, one.record_count)).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|one| one.contains("vcpu_milli") && one.ends_with("(1)")), "{told:?}");
    assert!(told.iter().any(|one| one.contains("no SKU takes it (1)")), "{told:?}");
    assert_eq!(quantity(&usage, "gcp.cloud-run.memory-active-instance"), exact("0.05"));
}

#[tokio::test]
async fn a_durable_object_is_one_instance_however_many_requests_it_has() {
    let at = us("2025-06-02T16:00:00Z");
    let request = |object: &str, duration_ms: Option<i64>| Request {
        provider: "cloudflare".into(),
        service: "workers".into(),
        resource: Some(object.into()),
        operation: Some("do-request".into()),
        duration_us: duration_ms.map(|ms| ms * 1_000),
        ..Request::default()
    };
    // a: 0 to 900 ms with three at once; b: 100 ms; a request that does not say how long counts as a request alone.
    let rows = [
        (at, request("a", Some(500))),
        (at + 100_000, request("a", Some(800))),
        (at + 200_000, request("a", Some(100))),
        (at + 200_000, request("b", Some(100))),
        (at + 300_000, request("b", None)),
    ];
    let usage = rated(&[], &rows, "2025-06").await;
    assert_eq!(quantity(&usage, "cloudflare.workers.durable-object-duration"), exact("0.128"));
    assert_eq!(charges(&usage)["cloudflare.workers.durable-object-duration"].2, 4);
    assert_eq!(quantity(&usage, "cloudflare.workers.durable-object-requests"), exact("5"));
}

#[tokio::test]
async fn instances_that_the_log_names_are_kept_apart() {
    let at = us("2025-06-02T16:00:00Z");
    let on = |instance: &str| Invocation { instance: Some(instance.into()), ..run("api", 1_000) };
    let named = [(at, on("a")), (at, on("b")), (at + 500_000, on("a"))];
    assert_eq!(
        quantity(rated(&named, &[], "2025-06").await.as_ref(), "gcp.cloud-run.vcpu-active-instance"),
        exact("2.5")
    );
    let unnamed = named.map(|(at, row)| (at, Invocation { instance: None, ..row }));
    assert_eq!(
        quantity(rated(&unnamed, &[], "2025-06").await.as_ref(), "gcp.cloud-run.vcpu-active-instance"),
        exact("1.5")
    );
    let two_at_once = unnamed.clone().map(|(at, row)| (at, Invocation { concurrency: Some(2), ..row }));
    assert_eq!(
        quantity(rated(&two_at_once, &[], "2025-06").await.as_ref(), "gcp.cloud-run.vcpu-active-instance"),
        exact("2")
    );
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit) as i64
    }
}

/// Requests of several services over a few hours of June, and the same as the usage of an estimate.
fn random_requests(seed: u64) -> (Vec<(i64, Invocation)>, String) {
    let mut random = Random(seed);
    let mut rows = Vec::new();
    let mut described = Vec::new();
    for _ in 0..60 {
        let (provider, service, capacity, variant) = [
            ("gcp", "cloud-run", None, None),
            ("gcp", "app-engine", None, Some("F1")),
            ("azure", "functions", Some("flex"), None),
            ("azure", "container-apps", None, None),
            ("aws", "app-runner", None, None),
        ][random.below(5) as usize];
        let start_us = us("2025-06-10T08:00:00Z") + random.below(7_200_000) * 1_000;
        let duration_ms = random.below(40_000);
        let resource = ["a", "b"][random.below(2) as usize];
        let memory_mb = [512, 2_048][random.below(2) as usize];
        let concurrency = (service == "cloud-run" || random.below(3) == 0).then(|| 2 + random.below(4));
        let row = Invocation {
            provider: provider.into(),
            service: service.into(),
            region: Some("us-east-1".into()),
            resource: Some(resource.into()),
            capacity: capacity.map(str::to_owned),
            variant: variant.map(str::to_owned),
            duration_us: Some(duration_ms * 1_000),
            memory_mb: Some(memory_mb),
            vcpu_milli: Some(500),
            concurrency,
            ..Invocation::default()
        };
        rows.push((start_us, row));
        let at = chrono::DateTime::from_timestamp_micros(start_us).unwrap().format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let optional =
            |name: &str, value: Option<String>| value.map_or(String::new(), |v| format!(", \"{name}\": {v}"));
        described.push(format!(
            "{{\"provider\": \"{provider}\", \"service\": \"{service}\", \"resource\": \"{resource}\", \"at\": \"{at}\", \
             \"duration_ms\": {duration_ms}, \"memory_mb\": {memory_mb}, \"vcpu_milli\": 500{}{}{}}}",
            optional("capacity", capacity.map(|text| format!("\"{text}\""))),
            optional("variant", variant.map(|text| format!("\"{text}\""))),
            optional("concurrency", concurrency.map(|number| number.to_string())),
        ));
    }
    let usage = described.join(", ");
    let text =
        format!("{{\"period\": \"2025-06\", \"region\": \"us-east-1\", \"allowances\": false, \"usage\": [{usage}]}}");
    (rows, text)
}

#[tokio::test]
async fn the_bill_of_a_log_is_the_estimate_of_its_requests() {
    let catalogue = Catalogue::embedded().unwrap();
    for seed in 0..6 {
        let (rows, text) = random_requests(seed);
        let usage = rated(&rows, &[], "2025-06").await;
        let estimated = estimate(&catalogue, EstimateRequest::from_json(&text).unwrap()).unwrap();
        let mut expected: BTreeMap<String, (Exact, Exact, u64)> = BTreeMap::new();
        for charge in &estimated.charges {
            let sum = expected.entry(charge.sku.clone()).or_default();
            sum.0 += &charge.consumed_quantity;
            sum.1 += &charge.billed_cost;
            sum.2 += charge.record_count;
        }
        assert_eq!(charges(&usage), expected, "seed {seed}");
        assert!(expected.len() >= 8, "{expected:?}");
        assert!(usage.unpriced.is_empty() && estimated.unpriced.is_empty());
    }
}

#[tokio::test]
async fn months_sum_to_all_of_the_time() {
    // Requests every 20 minutes or so over the end of June (07:00 UTC of July 1st in Pacific time), some hours long.
    let mut random = Random(11);
    let rows: Vec<_> = (0..500)
        .map(|n| {
            let (mut start, mut row) = app_engine("2025-06-27T00:00:00Z", 0);
            start += n * 1_200 * SECOND_US + random.below(1_800) * SECOND_US;
            row.duration_us = Some((if random.below(50) == 0 { 7_200 } else { random.below(300) }) * SECOND_US);
            row.concurrency = Some(1);
            (start, row)
        })
        .collect();
    let sku = "gcp.app-engine.frontend-hours";
    let (june, july) = (rated(&rows, &[], "2025-06").await, rated(&rows, &[], "2025-07").await);
    // The same a fortnight later is all in July.
    let later: Vec<_> = rows.iter().map(|(at, row)| (at + 14 * 86_400 * SECOND_US, row.clone())).collect();
    let whole = quantity(rated(&later, &[], "2025-07").await.as_ref(), sku);
    assert_eq!(quantity(&june, sku) + quantity(&july, sku), whole);
    assert!(!quantity(&june, sku).is_zero() && !quantity(&july, sku).is_zero());
}

#[tokio::test]
async fn every_service_of_an_activity_is_metered_by_it() {
    // The same 380 ms of requests that overlap, of a second-generation function: 400 ms, not 7 x 100.
    let at = us("2025-06-02T16:00:00Z");
    let function = Invocation { service: "functions-gen2".into(), ..run("f", 80) };
    let rows: Vec<_> = (0..7).map(|n| (at + n * 50_000, function.clone())).collect();
    let usage = rated(&rows, &[], "2025-06").await;
    assert_eq!(quantity(&usage, "gcp.cloud-run.vcpu-active-instance"), exact("0.4"));
    assert_eq!(quantity(&usage, "gcp.cloud-run.vcpu-active"), Exact::zero());
    assert!(usage.unpriced.is_empty(), "{:?}", usage.unpriced);
    let row = usage.rows.iter().find(|row| !row.quantity.exact().is_zero()).unwrap();
    assert_eq!(usage.service(row), "functions-gen2");
}
