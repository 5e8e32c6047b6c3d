//! Executions under way: rollups give what a sweep over all records gives, whatever arrives late, is declared, put together
//! or lost meanwhile

use std::fmt::Write;

use paygrain_ingest::Defaults;
use paygrain_ingest::Lake;
use paygrain_ingest::lake::{Compaction, Declaration, DeclarationScope};
use paygrain_ingest::table::Table;
use paygrain_pricing::{Catalogue, RatingOptions};
use serde_json::json;

use super::{FIRST_DAY, PERIOD, Random, damage, upload, walk};
use crate::bill::{Attribution, Dimension};
use crate::engine::Engine;
use crate::report::Days;
use crate::report::parameters::Selection;
use crate::report::source::Records;

/// Executions of a few functions that are close together around midnights, some of them days long.
pub(super) fn records(random: &mut Random, count: u64, first: u64) -> String {
    let mut text = String::new();
    for number in first..first + count {
        // In fifths of a second around the midnight that begins the second, the third or the last day of the month.
        let midnight = FIRST_DAY + *random.of(&[1, 1, 2, 30]) * 86_400;
        let around = *random.of(&[100, 3_000, 200_000]);
        let at_us = (midnight * 5 + random.below(around) - around / 2) * 200_000;
        let longest = *random.of(&[8, 8, 50, 5_000, 30_000, 900_000]);
        let duration_us = random.below(longest) * 200_000;
        let init_us = (random.below(5) == 0).then(|| random.below(10) * 200_000);
        let row = json!({
            "at": at_us, "request_id": number.to_string(), "provider": random.of(&["aws", "aws", "gcp"]),
            "service": "lambda", "resource": format!("f{}", random.below(4)), "account": random.of(&["1", "2"]),
            "status": random.of(&["success", "success", "error"]), "memory_mb": random.of(&[128, 512]),
            "duration_us": duration_us, "init_us": init_us,
        });
        writeln!(text, "{row}").unwrap();
    }
    text
}

/// A provider, and values of dimensions.
pub(super) type Filter = (Option<&'static str>, Vec<(Dimension, &'static str)>);

pub(super) fn selection_of(days: Days, provider: Option<&str>, only: &[(Dimension, &str)]) -> Selection {
    Selection {
        days: Some(days),
        provider: provider.map(str::to_owned),
        by: Vec::new(),
        only: only.iter().map(|(dimension, value)| (*dimension, (*value).to_owned())).collect(),
        limit: None,
        rating: RatingOptions::default(),
        attribution: Attribution::Time,
    }
}

/// For some days and filters, what rollups and records say is the same. Gives how many questions rollups answered.
async fn agree(engine: &Engine) -> usize {
    let whole = Days::of(PERIOD.parse().unwrap());
    let second = Days { from: whole.from.succ_opt().unwrap(), to: whole.from.succ_opt().unwrap(), period: None };
    let filters: [Filter; 7] = [
        (None, vec![]),
        (Some("gcp"), vec![]),
        (None, vec![(Dimension::Resource, "f1")]),
        (None, vec![(Dimension::Resource, "f1"), (Dimension::Resource, "f2"), (Dimension::Status, "error")]),
        (Some("aws"), vec![(Dimension::Architecture, "arm64"), (Dimension::Account, "1")]),
        (None, vec![(Dimension::Memory, "512")]),
        (None, vec![(Dimension::Resource, "nobody")]),
    ];
    let mut answered = 0;
    for days in [whole, second] {
        let selection = selection_of(days, None, &[]);
        let records = Records::of(Table::Invocations, engine.catalogue(), &selection, days).unwrap();
        let expected = records.swept_executions(&engine.session().await.unwrap()).await.unwrap();
        let day = |date: chrono::NaiveDate| date.to_epoch_days();
        let peaks = engine.hourly_peaks(day(days.from)..=day(days.to)).await.unwrap().unwrap();
        assert_eq!(peaks.len() as i64, days.count() * 24);
        for (hour, peak) in peaks {
            assert_eq!(peak, expected.hours.get(&(hour * 3_600_000_000)).map_or(0, |load| load.peak), "{hour}");
        }
        for (provider, only) in &filters {
            let selection = selection_of(days, *provider, only);
            let records = Records::of(Table::Invocations, engine.catalogue(), &selection, days).unwrap();
            let session = engine.session().await.unwrap();
            let expected = records.swept_executions(&session).await.unwrap();
            let found = records.counted_executions(&session).await.unwrap();
            answered += usize::from(found.is_some());
            let found = found.unwrap();
            assert_eq!(found, expected, "{provider:?} {only:?} {days:?}");
            // An architecture is declared later.
            let may_be_none = only.iter().any(|(_, value)| ["nobody", "arm64"].contains(value));
            assert!(may_be_none || found.peak.is_some_and(|(peak, _)| peak > 2), "{provider:?} {only:?} {days:?}");
        }
    }
    answered
}

#[tokio::test]
async fn rollups_give_the_executions_that_the_records_give() {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
    let engine = Engine::new(lake.clone(), Catalogue::embedded().unwrap());
    let mut random = Random(3);
    // More uploads than rollups of a day are kept, each with records of every day.
    for (round, count) in [400, 30, 1, 50, 2, 2, 2, 2, 2, 2, 2].into_iter().enumerate() {
        upload(&lake, Table::Invocations, &records(&mut random, count, 10_000 * round as u64)).await;
        if round % 2 == 0 {
            agree(&engine).await;
        }
    }
    assert_eq!(agree(&engine).await, 14);
    for (account, resource) in [("declared", None), ("1", Some("f2"))] {
        let values =
            Defaults { account: Some(account.into()), architecture: Some("arm64".into()), ..Defaults::default() };
        let scope = DeclarationScope { resource: resource.map(str::to_owned), ..DeclarationScope::default() };
        let overrides = resource.is_some();
        lake.declare(&[Declaration { scope, values, overrides, declared_at_us: 7 }]).await.unwrap();
        agree(&engine).await;
    }
    lake.compact(Table::Invocations, Compaction::Full).await.unwrap();
    agree(&engine).await;
    let another = || Engine::new(lake.clone(), Catalogue::embedded().unwrap());
    agree(&another()).await;
    let files = walk(&place.path().join("rollups"));
    damage(&place.path().join("rollups"));
    agree(&another()).await;
    assert_eq!(walk(&place.path().join("rollups")), files);
    std::fs::remove_dir_all(place.path().join("rollups")).unwrap();
    agree(&another()).await;
}
