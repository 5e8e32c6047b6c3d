//! While uploads land and files are put together, every answer is of one state of the lake: what its records say

use std::collections::BTreeSet;

use paygrain_ingest::Lake;
use paygrain_ingest::lake::Compaction;
use paygrain_ingest::table::Table;
use paygrain_pricing::Catalogue;
use tokio::sync::watch;

use super::executions::{records, selection_of};
use super::{PERIOD, Random, request, said, sorted, upload};
use crate::bill::RatedUsage;
use crate::engine::Engine;
use crate::report::Days;
use crate::report::source::Records;
use crate::session::{session_and_versions, session_at};

/// Asks everything of one state, and of the records of that state; the version of the table.
async fn ask(engine: &Engine) -> Option<u64> {
    let (rolled_up, versions) = session_and_versions(engine.lake(), Some(engine.kept())).await.unwrap();
    let rated = RatedUsage::of(&rolled_up, engine.catalogue(), &request()).await.unwrap();
    let days = Days::of(PERIOD.parse().unwrap());
    let selection = selection_of(days, None, &[]);
    let asked = Records::of(Table::Invocations, engine.catalogue(), &selection, days).unwrap();
    let durations = asked.durations(&rolled_up).await.unwrap();
    let executions = asked.counted_executions(&rolled_up).await.unwrap().expect("rollups say it");
    let outcomes = asked.outcomes(&rolled_up).await.unwrap();

    let recorded = session_at(engine.lake(), &versions).await.unwrap();
    let by_records = RatedUsage::of(&recorded, engine.catalogue(), &request()).await.unwrap();
    assert_eq!(said(&rated, &request()), said(&by_records, &request()), "{versions:?}");
    assert_eq!(sorted(durations), sorted(asked.duration_histogram(&recorded).await.unwrap()), "{versions:?}");
    assert_eq!(executions, asked.swept_executions(&recorded).await.unwrap(), "{versions:?}");
    assert_eq!(outcomes, asked.outcomes(&recorded).await.unwrap(), "{versions:?}");
    versions[Table::Invocations.name()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn every_answer_is_of_one_state() {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
    let mut random = Random(11);
    upload(&lake, Table::Invocations, &records(&mut random, 60, 0)).await;
    let (begun, _) = watch::channel(0_u32);
    let (uploading, compacting) = (lake.clone(), lake.clone());
    let (mut uploads_wait, mut compaction_waits) = (begun.subscribe(), begun.subscribe());
    // Each upload lands while a question is being answered.
    let uploads = tokio::spawn(async move {
        for round in 1..=12 {
            let _ = uploads_wait.changed().await;
            upload(&uploading, Table::Invocations, &records(&mut random, 40, 1000 * round)).await;
        }
    });
    let compaction = tokio::spawn(async move {
        for _ in 0..6 {
            let _ = compaction_waits.changed().await;
            // What another writer got ahead of is put together another time.
            let _ = compacting.compact(Table::Invocations, Compaction::Full).await;
        }
    });
    // One that keeps what it knows, and one in whose place there is another process for every question.
    let engine = Engine::new(lake.clone(), Catalogue::embedded().unwrap());
    let mut seen = BTreeSet::new();
    while !(uploads.is_finished() && compaction.is_finished()) {
        begun.send_modify(|count| *count += 1);
        let another = Engine::new(lake.clone(), Catalogue::embedded().unwrap());
        let (one, two) = futures::join!(ask(&engine), ask(&another));
        seen.extend([one, two]);
    }
    uploads.await.unwrap();
    compaction.await.unwrap();
    seen.insert(ask(&engine).await);
    assert!(seen.len() > 5, "{seen:?}");
}
