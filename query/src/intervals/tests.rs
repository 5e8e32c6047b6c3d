//! Rows of `storage` and `metered` in a session, against worked amounts and against estimates of the same usage
use paygrain_ingest::record::{MeteredQuantity, StoredBytes};
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::{Catalogue, EstimateRequest, Exact, Period, estimate};

use crate::bill::{BillRequest, Dimension, RatedUsage};
use crate::testing::{batch, session};

const DAY_US: i64 = 86_400_000_000;
fn us(time: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_micros()
}

async fn rated(
    storage: Vec<(i64, StoredBytes)>,
    metered: Vec<(i64, MeteredQuantity)>,
    month: &str,
) -> std::sync::Arc<RatedUsage> {
    let request = BillRequest::new(month.parse().unwrap());
    let session = session(vec![batch(storage), batch(metered)]);
    RatedUsage::of(&session, &Catalogue::embedded().unwrap(), &request).await.unwrap()
}

fn total(usage: &RatedUsage) -> Exact {
    usage.rated.charges.iter().map(|charge| &charge.billed_cost).sum()
}

fn estimated(text: &str) -> Exact {
    estimate(&Catalogue::embedded().unwrap(), EstimateRequest::from_json(text).unwrap()).unwrap().total
}

fn stored(gib: i64, days: i64) -> StoredBytes {
    StoredBytes {
        provider: "aws".into(),
        service: "s3".into(),
        region: Some("us-east-1".into()),
        resource: Some("photos".into()),
        storage_class: Some("STANDARD".into()),
        bytes: Some(gib << 30),
        held_us: Some(days * DAY_US),
        ..StoredBytes::default()
    }
}

fn quantity(provider: &str, service: &str, meter: &str, whole: i128, unit: Option<&str>) -> MeteredQuantity {
    MeteredQuantity {
        provider: provider.into(),
        service: service.into(),
        region: Some("us-east-1".into()),
        resource: Some("r".into()),
        meter: Some(meter.into()),
        quantity: Some(whole * 10_i128.pow(MeteredQuantity::SCALE.into())),
        unit: unit.map(str::to_owned),
        ..MeteredQuantity::default()
    }
}

#[tokio::test]
async fn stored_bytes_are_averaged_over_the_month() {
    // The worked example of the S3 usage report: 100 GiB for 15 days and 100 TiB for 16 are 52,900 GiB-months of March.
    let march = us("2025-03-01T00:00:00Z");
    let rows = vec![(march, stored(100, 15)), (march + 15 * DAY_US, stored(100 * 1024, 16))];
    let usage = rated(rows, Vec::new(), "2025-03").await;
    assert_eq!(total(&usage), Exact::parse("1215").unwrap());
    assert!(usage.unpriced.is_empty());
    let by_day = usage.group(&[Dimension::Day], crate::Attribution::Time);
    assert_eq!(by_day.len(), 31, "every day bears its part");
    assert_eq!(by_day.iter().map(|group| &group.billed_cost).sum::<Exact>(), total(&usage));
}

#[tokio::test]
async fn an_interval_over_midnight_of_the_month_is_cut_and_sums_to_the_whole() {
    let rows = || vec![(us("2025-03-30T12:00:00Z"), stored(744, 4))];
    // 1.5 days of March (31 days) and 2.5 of April (30 days)
    let march = rated(rows(), Vec::new(), "2025-03").await;
    let april = rated(rows(), Vec::new(), "2025-04").await;
    assert_eq!(march.slice_quantities.iter().sum::<Exact>(), Exact::parse("36").unwrap());
    let rest = Exact::from(744) * Exact::ratio(60, 720).unwrap();
    assert_eq!(april.slice_quantities.iter().sum::<Exact>(), rest);
    assert_eq!((march.record_count, april.record_count), (1, 0));
}

#[tokio::test]
async fn levels_count_by_their_maximum_and_instances_by_their_minimum() {
    // Cosmos: 3,000 RU/s from 09:30 to 10:45 are two hours, however it is split.
    let at = us("2025-06-02T09:30:00Z");
    let cosmos = |minutes: i64, whole| MeteredQuantity {
        held_us: Some(minutes * 60_000_000),
        ..quantity("azure", "cosmos-db", "rus", whole, None)
    };
    let whole = rated(Vec::new(), vec![(at, cosmos(75, 3000))], "2025-06").await;
    let split =
        vec![(at, cosmos(20, 3000)), (at + 1_200_000_000, cosmos(10, 400)), (at + 1_800_000_000, cosmos(45, 3000))];
    let split = rated(Vec::new(), split, "2025-06").await;
    assert!(total(&whole).is_positive() || !whole.rated.charges.is_empty(), "{:?}", whole.unpriced);
    assert_eq!(total(&whole), total(&split));
    let request = |from: &str, to: &str| {
        format!(
            r#"{{"period": "2025-06", "provider": "azure", "region": "us-east-1", "allowances": true, "usage":
            [{{"service": "cosmos-db", "resource": "r", "meter": "rus", "quantity": 3000, "from": "{from}", "to": "{to}"}}]}}"#
        )
    };
    assert_eq!(total(&whole), estimated(&request("2025-06-02T09:30:00", "2025-06-02T10:45:00")));
    // EC2: 20 seconds are billed as a minute.
    let instance = |seconds: i64| MeteredQuantity {
        variant: Some("t3.medium".into()),
        held_us: Some(seconds * 1_000_000),
        ..quantity("aws", "ec2", "instance", 1, None)
    };
    let short = rated(Vec::new(), vec![(at, instance(20))], "2025-06").await;
    let minute = rated(Vec::new(), vec![(at, instance(60))], "2025-06").await;
    assert!(total(&short).is_positive());
    assert_eq!(total(&short), total(&minute));
}

#[tokio::test]
async fn a_quantity_is_converted_or_left_unpriced() {
    let at = us("2025-06-02T00:00:00Z");
    let acu = |whole, unit| {
        let mut row = quantity("aws", "aurora-serverless", "acu", whole, unit);
        row.variant = Some("v2".into());
        vec![(at, row)]
    };
    let hours = rated(Vec::new(), acu(2, Some("ACU-h")), "2025-06").await;
    let seconds = rated(Vec::new(), acu(7_200, Some("ACU-s")), "2025-06").await;
    assert_eq!(total(&hours), Exact::parse("0.24").unwrap());
    assert_eq!(total(&hours), total(&seconds));
    for (unit, reason) in [("GiB-s", "not the one the SKU counts"), ("ACU-hourz", "not known")] {
        let usage = rated(Vec::new(), acu(2, Some(unit)), "2025-06").await;
        assert!(total(&usage).is_zero());
        assert!(usage.unpriced[0].reason.contains(reason), "{unit}: {:?}", usage.unpriced);
    }
    let unknown = vec![(at, quantity("aws", "nothing", "x", 1, None))];
    let usage = rated(Vec::new(), unknown, "2025-06").await;
    assert_eq!(usage.unpriced[0].reason, "there is no price book for the service");
}

#[tokio::test]
async fn random_levels_cost_what_their_estimate_costs() {
    let mut state = 11_u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let period: Period = "2025-06".parse().unwrap();
    for _ in 0..20 {
        let (mut rows, mut described) = (Vec::new(), Vec::new());
        for resource in 0..3 {
            let mut at = period.start_us() + below(100) as i64 * HOUR_US + below(3_600) as i64 * 1_000_000;
            for _ in 0..4 {
                let (gib, hours) = (1 + below(5_000) as i64, 1 + below(90) as i64);
                let row = StoredBytes {
                    resource: Some(format!("b{resource}")),
                    held_us: Some(hours * HOUR_US),
                    ..stored(gib, 0)
                };
                let time = |us| chrono::DateTime::from_timestamp_micros(us).unwrap().format("%Y-%m-%dT%H:%M:%S");
                described.push(format!(
                    r#"{{"service": "s3", "resource": "b{resource}", "storage_class": "STANDARD", "gib": {gib}, "from": "{}", "to": "{}"}}"#,
                    time(at),
                    time(at + hours * HOUR_US)
                ));
                rows.push((at, row));
                at += hours * HOUR_US + below(3_600) as i64 * 1_000_000;
            }
        }
        let text = format!(
            r#"{{"period": "2025-06", "provider": "aws", "region": "us-east-1", "allowances": true, "usage": [{}]}}"#,
            described.join(",")
        );
        assert_eq!(total(rated(rows, Vec::new(), "2025-06").await.as_ref()), estimated(&text));
    }
}
