//! Recorded requests of services that charge the time of instances, against bills worked by hand and estimates
use paygrain_ingest::record::Invocation;
use paygrain_pricing::rating::Allowances;
use paygrain_pricing::{Catalogue, EstimateRequest, Exact, estimate};

use crate::bill::{BillRequest, Dimension, RatedUsage};
use crate::testing::{batch, session};

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3_600 * SECOND_US;

fn us(time: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_micros()
}

async fn rated(rows: Vec<(i64, Invocation)>, month: &str) -> std::sync::Arc<RatedUsage> {
    let mut request = BillRequest::new(month.parse().unwrap());
    request.rating.allowances = Allowances::None;
    let session = session(vec![batch(rows)]);
    RatedUsage::of(&session, &Catalogue::embedded().unwrap(), &request).await.unwrap()
}

fn total(usage: &RatedUsage) -> Exact {
    usage.rated.charges.iter().map(|charge| &charge.billed_cost).sum()
}

fn exact(text: &str) -> Exact {
    Exact::parse(text).unwrap()
}

/// Quantity of a SKU over all charges.
fn quantity(usage: &RatedUsage, sku: &str) -> Exact {
    let own = usage.rated.charges.iter().filter(|charge| charge.sku == sku);
    own.map(|charge| &charge.consumed_quantity).sum()
}

/// A request to a replica of half a vCPU and 1 GiB.
fn served(resource: &str, seconds: i64) -> Invocation {
    Invocation {
        provider: "azure".into(),
        service: "container-apps".into(),
        resource: Some(resource.into()),
        duration_us: Some(seconds * SECOND_US),
        vcpu_milli: Some(500),
        memory_mb: Some(1024),
        ..Invocation::default()
    }
}

fn every(first: &str, count: i64, seconds: i64, row: &Invocation) -> Vec<(i64, Invocation)> {
    let first_us = us(first);
    (0..count).map(|number| (first_us + number * seconds * SECOND_US, row.clone())).collect()
}

#[tokio::test]
async fn recorded_requests_cost_what_is_worked_by_hand_and_what_an_estimate_says() {
    let mut rows = every("2025-06-02T00:00:00Z", 15, 240, &served("often", 2));
    rows.extend(every("2025-06-02T00:00:00Z", 6, 600, &served("seldom", 2)));
    rows.reverse(); // the order of the lake does not matter
    let usage = rated(rows, "2025-06").await;
    // often: 14 * 240 + 2 + 300 = 3,662 s; seldom: 6 * 302 = 1,812 s
    assert_eq!(quantity(&usage, "azure.container-apps.vcpu:active"), exact("2737"));
    assert_eq!(quantity(&usage, "azure.container-apps.memory"), exact("5474"));
    // 5,474 * (0.5 * 0.000024 + 0.000003) + 21 * 0.40 / 1,000,000
    assert_eq!(total(&usage), exact("0.0821184"));
    let request = EstimateRequest::from_json(
        r#"{"period": "2025-06", "provider": "azure", "allowances": false, "usage": [
            {"service": "container-apps", "table": "invocations", "resource": "often", "vcpu": "0.5", "memory_gb": 1,
             "duration_s": 2, "at": "2025-06-02T00:00:00", "count": 15, "every_s": 240},
            {"service": "container-apps", "table": "invocations", "resource": "seldom", "vcpu": "0.5", "memory_gb": 1,
             "duration_s": 2, "at": "2025-06-02T00:00:00", "count": 6, "every_s": 600}]}"#,
    );
    assert_eq!(total(&usage), estimate(&Catalogue::embedded().unwrap(), request.unwrap()).unwrap().total);
    assert!(usage.unpriced.is_empty(), "{:?}", usage.unpriced);
    assert_eq!(usage.record_count, 21);
    for charge in &usage.rated.charges {
        assert_eq!(charge.record_count, 21, "{}", charge.sku);
    }
    let by_resource = usage.group(&[Dimension::Resource], crate::Attribution::Time);
    assert_eq!(by_resource.iter().map(|group| &group.billed_cost).sum::<Exact>(), total(&usage));
    assert_eq!(by_resource.len(), 2);
}

#[tokio::test]
async fn an_instance_that_is_up_over_midnight_of_the_month_is_cut_there() {
    // Requests every 4 minutes keep one replica up from 22:00 of May 31st to 01:56 of June 1st, and 302 seconds more.
    let rows = || every("2025-05-31T22:00:00Z", 60, 240, &served("app", 2));
    let may = quantity(rated(rows(), "2025-05").await.as_ref(), "azure.container-apps.memory");
    let june = quantity(rated(rows(), "2025-06").await.as_ref(), "azure.container-apps.memory");
    assert_eq!(may, exact("7200"));
    assert_eq!(&may + &june, Exact::from(59 * 240 + 302));
    // A month that only the tail of May's last request reaches into: 302 seconds from 23:58:00 end at 00:03:02.
    let late = every("2025-05-31T23:58:00Z", 1, 1, &served("app", 2));
    let june = rated(late, "2025-06").await;
    assert_eq!(quantity(&june, "azure.container-apps.memory"), exact("182"));
    assert_eq!(june.record_count, 0);
}

#[tokio::test]
async fn how_far_back_an_instance_was_started_does_not_matter() {
    // Busy without a break since April: 11 requests at once, of which one replica takes 10. The second is only used
    // while the first is full, so what June is charged depends on who went where before.
    let mut rows = Vec::new();
    for number in 0..11 {
        let first = us("2025-05-25T00:00:00Z") + number * SECOND_US;
        rows.extend((0..900).map(|step| (first + step * HOUR_US / 4, served("app", 1000 + number * 20))));
    }
    let may = rated(rows.clone(), "2025-05").await;
    let june = rated(rows.clone(), "2025-06").await;
    let parts = quantity(&may, "azure.container-apps.memory") + quantity(&june, "azure.container-apps.memory");
    let requests: Vec<(i64, i64)> = rows.iter().map(|(at, row)| (*at, at + row.duration_us.unwrap())).collect();
    let catalogue = Catalogue::embedded().unwrap();
    let book = catalogue.books().iter().find(|book| book.name == "azure/container-apps").unwrap();
    let whole = paygrain_pricing::activity::intervals(book.activities[0].timing, Some(10), &requests);
    let whole_us: i64 = whole.iter().map(|interval| interval.end_us - interval.start_us).sum();
    assert_eq!(parts * Exact::from(SECOND_US), Exact::from(whole_us));
}

#[tokio::test]
async fn records_that_lack_a_size_are_unpriced_and_told() {
    let row = Invocation { vcpu_milli: None, ..served("app", 2) };
    let usage = rated(every("2025-06-02T00:00:00Z", 3, 60, &row), "2025-06").await;
    assert_eq!(quantity(&usage, "azure.container-apps.memory"), exact("422"));
    let [unpriced] = &usage.unpriced[..] else { panic!("{:?}", usage.unpriced) };
    assert_eq!((unpriced.record_count, unpriced.usage.as_str()), (3, "replicas"));
    assert!(unpriced.reason.contains("vcpu_milli"), "{}", unpriced.reason);
}

#[tokio::test]
async fn other_records_of_a_service_with_an_activity_are_counted_as_before() {
    let flex = |duration_us| Invocation {
        provider: "azure".into(),
        service: "functions".into(),
        capacity: Some("flex".into()),
        memory_mb: Some(2048),
        duration_us,
        ..Invocation::default()
    };
    let at = us("2025-06-02T00:00:00Z");
    let rows = vec![(at, flex(Some(200_000))), (at + SECOND_US / 10, flex(Some(1_250_000))), (at, flex(None))];
    let usage = rated(rows, "2025-06").await;
    // from 0.0 s to 1.35 s: 1.4 s of 2 GiB
    assert_eq!(quantity(&usage, "azure.functions.flex-active"), exact("2.8"));
    assert_eq!(quantity(&usage, "azure.functions.flex-invocations"), exact("3"));
    assert!(usage.unpriced.is_empty(), "{:?}", usage.unpriced);
}
