//! Writers that meet, and uploads that were cut off long ago.

use super::*;
use crate::record::{EventTime, Invocation, Record, RecordKey, Usage};
use crate::table::DAY_US;
use crate::upload::{land_records, stage_records};

fn invocation(key: u8, time: EventTime) -> Record {
    let row = Invocation { provider: "aws".into(), service: "lambda".into(), ..Invocation::default() };
    Record { time, key: RecordKey([key; 16]), usage: Usage::Invocation(Box::new(row)) }
}

fn place() -> (tempfile::TempDir, Lake) {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
    (place, lake)
}

async fn keys(lake: &Lake) -> usize {
    let table = lake.table(Table::Invocations).await.unwrap().unwrap();
    lake.select(&table, "SELECT record_key FROM t").await.unwrap().iter().map(RecordBatch::num_rows).sum()
}

/// Its time unknown, a record stands under the day of the upload, which is not that of the same record with its time:
/// two writers that share no day must see each other all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_with_and_without_its_time_from_two_writers_at_once_is_one() {
    let (_place, lake) = place();
    land_records(&lake, "first", vec![invocation(255, EventTime::Logged(9 * DAY_US))]).await.unwrap();
    for key in 0..20 {
        let timed = land_records(&lake, "timed", vec![invocation(key, EventTime::Logged(i64::from(key) * DAY_US))]);
        let untimed = land_records(&lake, "untimed", vec![invocation(key, EventTime::Assumed)]);
        let (timed, untimed) = tokio::join!(timed, untimed);
        let (timed, untimed) = (timed.unwrap(), untimed.unwrap());
        assert_eq!(timed.accepted + untimed.accepted, 1, "key {key}: {timed:?} {untimed:?}");
        assert_eq!(keys(&lake).await, usize::from(key) + 2);
    }
}

#[tokio::test]
async fn an_upload_that_was_cut_off_many_commits_ago_is_still_known() {
    let (_place, lake) = place();
    let records = vec![invocation(1, EventTime::Logged(1)), invocation(2, EventTime::Logged(2))];
    let (row, staged) = stage_records(records);
    lake.append_usage(Table::Invocations, &row, &[Table::Invocations], &staged[0].1).await.unwrap();
    for other in 0..=RECOVERY_COMMITS_MAX {
        let nothing = || Ok(std::iter::empty());
        lake.append_once(Table::Invocations, &format!("other:{other}"), nothing).await.unwrap();
    }
    assert!(lake.upload(&row.id).await.unwrap().is_none());
    let again = lake.append_all(&row, &staged).await.unwrap();
    assert_eq!((again.already_loaded, again.accepted, again.duplicate), (true, 2, 0));
    let ledger = lake.upload(&row.id).await.unwrap().unwrap();
    assert_eq!((ledger.read, ledger.accepted, ledger.duplicate, ledger.rejected), (2, 2, 0, 0));
}

/// Every answer looks at every table: a log to which nothing came is not read again, and whatever comes is seen at once.
#[tokio::test]
async fn what_others_write_and_clear_away_is_seen() {
    let (place, ours) = place();
    let theirs = Lake::open(place.path().to_str().unwrap()).unwrap();
    let log = place.path().join("invocations/_delta_log");
    for key in 0..40 {
        land_records(&theirs, "theirs", vec![invocation(key, EventTime::Logged(i64::from(key)))]).await.unwrap();
        assert_eq!(keys(&ours).await, usize::from(key) + 1);
        let version = ours.table(Table::Invocations).await.unwrap().unwrap().version().unwrap();
        let next = log.join(format!("{:020}.json", version + 1));
        assert!(log.join(format!("{version:020}.json")).exists() && !next.exists());
        let opened = ours.opened.lock().await.get(&Table::Invocations).cloned().unwrap();
        assert!(opened.is_latest(&log, LogFacts::of(&log).unwrap()), "nothing has come since");
    }
    // The table as it was is not the latest where its next version is there, whatever the clock says, nor where something
    // else has changed.
    let opened = ours.opened.lock().await.get(&Table::Invocations).cloned().unwrap();
    let earlier = theirs.table_at(Table::Invocations, opened.delta.version().unwrap() - 1).await.unwrap();
    assert!(!Opened { delta: earlier, ..opened.clone() }.is_latest(&log, opened.log));
    std::fs::File::open(&log).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert!(!opened.is_latest(&log, LogFacts::of(&log).unwrap()));
    // Removed and made again, it is another table.
    std::fs::remove_dir_all(place.path().join("invocations")).unwrap();
    assert!(ours.table(Table::Invocations).await.unwrap().is_none());
}
