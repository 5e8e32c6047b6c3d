//! Rollups as tables of SQL say what the records say, of whatever days, and nothing is written

use std::sync::Arc;

use paygrain_ingest::lake::{Declaration, DeclarationScope};
use paygrain_ingest::table::Table;
use paygrain_ingest::{Defaults, Lake};
use paygrain_pricing::Catalogue;

use super::{Random, upload, walk};
use crate::documentation;
use crate::engine::Engine;
use crate::rollup::tables::RollupTable;
use crate::session::session_with;
use crate::sql::SqlAnswer;

/// The same question to records and to rollups.
const QUESTIONS: [[&str; 2]; 8] = [
    [
        "SELECT date, date_trunc('hour', started_at), provider, account, status, memory_mb, count(*), sum(duration_us), sum(init_us), sum(billed_ms), sum(ceil_to(duration_us, 100000)), sum(greatest(ceil_to(duration_us, 1000000), 60000000)) FROM invocations GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6",
        "SELECT date, hour_at, provider, account, status, memory_mb, sum(record_count), sum(duration_us), sum(init_us), sum(billed_ms), sum(duration_to_100ms_us), sum(duration_to_1min_us) FROM rollup_hourly GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6",
    ],
    [
        "SELECT resource, count(*) FROM invocations WHERE date > DATE '2026-10-02' AND resource <> 'f1' GROUP BY 1 ORDER BY 1",
        "SELECT resource, sum(record_count) FROM rollup_hourly WHERE date > DATE '2026-10-02' AND resource <> 'f1' GROUP BY 1 ORDER BY 1",
    ],
    [
        "SELECT date, at_hour, service, region, operation, count(*), sum(request_bytes), sum(units) FROM (SELECT *, date_trunc('hour', at) AS at_hour FROM requests) GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
        "SELECT date, hour_at, service, region, operation, sum(record_count), sum(request_bytes), sum(units) FROM rollup_hourly_requests GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
    ],
    [
        "SELECT date, resource, (duration_us + 999) / 1000, count(*) FROM invocations WHERE duration_us IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        "SELECT date, resource, duration_ms, sum(record_count) FROM rollup_durations GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    ],
    [
        "SELECT date_trunc('second', started_at), account, count(*) FROM invocations WHERE duration_us + coalesce(init_us, 0) > 0 GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT second_at, account, sum(starts) FROM rollup_seconds WHERE starts > 0 GROUP BY 1, 2 ORDER BY 1, 2",
    ],
    [
        "SELECT (CAST(started_at AS BIGINT) + duration_us + coalesce(init_us, 0) - 1) / 1000000, count(*) FROM invocations WHERE duration_us + coalesce(init_us, 0) > 0 AND date = DATE '2026-10-02' GROUP BY 1 ORDER BY 1",
        "SELECT CAST(second_at AS BIGINT) / 1000000, sum(ends) FROM rollup_seconds WHERE ends > 0 AND date = DATE '2026-10-02' GROUP BY 1 ORDER BY 1",
    ],
    ["SELECT count(*) > 0 FROM invocations", "SELECT count(*) > 0 FROM rollup_seconds"],
    [
        "SELECT count(*) FROM invocations WHERE date < DATE '2020-01-01'",
        "SELECT count(*) FROM rollup_durations WHERE date < DATE '2020-01-01'",
    ],
];

async fn agree(lake: &Lake) {
    let session = session_with(lake, Arc::default(), 2).await.unwrap();
    for [records, rollups] in QUESTIONS {
        let expected = SqlAnswer::of(&session, records).await.unwrap().text_rows().unwrap();
        assert!(!expected.is_empty(), "{records}");
        assert_eq!(SqlAnswer::of(&session, rollups).await.unwrap().text_rows().unwrap(), expected, "{rollups}");
    }
}

#[tokio::test]
async fn tables_of_rollups_say_what_the_records_say() {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
    let session = session_with(&lake, Arc::default(), 2).await.unwrap();
    for table in RollupTable::ALL {
        let found = SqlAnswer::of(&session, &format!("SELECT * FROM {}", table.name())).await.unwrap();
        assert_eq!(found.row_count(), 0);
    }
    let mut random = Random(4);
    upload(&lake, Table::Invocations, &super::executions::records(&mut random, 150, 0)).await;
    let catalogue = Catalogue::embedded().unwrap();
    upload(&lake, Table::Requests, &super::records(&catalogue, Table::Requests, &mut random, 200, 0)).await;
    agree(&lake).await;
    assert_eq!(walk(&place.path().join("rollups")), 0);
    // With files for some of the data, and something declared.
    Engine::new(lake.clone(), catalogue).roll_up(&|_, _, _| {}).await.unwrap();
    let files = walk(&place.path().join("rollups"));
    upload(&lake, Table::Invocations, &super::executions::records(&mut random, 50, 1000)).await;
    let values = Defaults { account: Some("declared".into()), memory_mb: Some(1024), ..Defaults::default() };
    let scope = DeclarationScope { resource: Some("f1".into()), ..DeclarationScope::default() };
    lake.declare(&[Declaration { scope, values, overrides: true, declared_at_us: 7 }]).await.unwrap();
    agree(&lake).await;
    assert_eq!(walk(&place.path().join("rollups")), files);
}

#[test]
fn every_column_is_described() {
    for table in documentation::tables() {
        for column in &table.columns {
            assert!(!column.description.is_empty(), "{}.{}", table.name, column.name);
        }
    }
}
