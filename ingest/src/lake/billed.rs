//! Lines of the providers' own bills: a later delivery of an export replaces the earlier one in one commit.
//!
//! A delivery is a set of whole files of the table, one partition for each export and part, so replacing is removing
//! files. The transaction `export:<id>` lets only one of two writers of an export win at a time.

use std::collections::BTreeSet;

use deltalake::DeltaTable;
use deltalake::kernel::{Action, Transaction};
use deltalake::writer::{DeltaWriter, RecordBatchWriter};

use super::{
    ATTEMPTS_MAX, Appended, FILE_BYTES_TARGET, Lake, UploadRow, commit, lost_a_race, transaction_version,
    upload_transaction,
};
use crate::duplicates::KnownRecords;
use crate::error::IngestError;
use crate::table::Table;
use crate::upload::{Staged, with_upload_id};

/// The files that a delivery replaces, and how many lines are in them.
struct Replaced {
    removals: Vec<Action>,
    lines: u64,
}

impl Lake {
    /// Commits the staged lines of an upload, in the place of what was delivered of the same exports before.
    pub(crate) async fn append_billed(
        &self,
        upload: &UploadRow,
        tables: &[Table],
        staged: &Staged,
    ) -> Result<Appended, IngestError> {
        let table = Table::Billed;
        let application = upload_transaction(&upload.id);
        let failed = |error| self.storage_error(format!("written (table `{}`)", table.name()), error);
        let mut delta = self.table_or_create(table).await?;
        for _ in 0..ATTEMPTS_MAX {
            delta.update_incremental(None).await.map_err(failed)?;
            if transaction_version(&delta, &application).await.map_err(failed)?.is_some() {
                return self.landed_before(&delta, &upload.id).await;
            }
            let replaced = replaced(&delta, staged);
            let mut known = self.known_lines(&delta, staged).await?;
            let mut writer =
                RecordBatchWriter::for_table(&delta).map_err(failed)?.with_target_file_size(FILE_BYTES_TARGET);
            let mut appended = Appended { replaced: replaced.lines, ..Appended::default() };
            for batch in staged.rows.batches()? {
                let batch = batch?;
                let fresh = known.keep_fresh(&batch, table, self.events_of(table))?;
                appended.accepted += fresh.num_rows() as u64;
                appended.duplicate += (batch.num_rows() - fresh.num_rows()) as u64;
                if fresh.num_rows() > 0 {
                    writer.write(with_upload_id(&fresh, table, &upload.id)?).await.map_err(failed)?;
                }
            }
            if appended.accepted == 0 && replaced.removals.is_empty() {
                return Ok(appended);
            }
            let mut actions = replaced.removals;
            actions.extend(writer.flush().await.map_err(failed)?.into_iter().map(Action::Add));
            let mut transactions = vec![Transaction::new(&application, 1)];
            for export in staged.exports.keys() {
                let name = format!("export:{export}");
                let version = transaction_version(&delta, &name).await.map_err(failed)?;
                transactions.push(Transaction::new(&name, version.unwrap_or(0) + 1));
            }
            match commit(&delta, table, actions, transactions, Some(&appended.note(upload, tables))).await {
                Ok(()) => return Ok(appended),
                Err(error) if lost_a_race(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(IngestError::Contention { table: table.name(), attempts: ATTEMPTS_MAX })
    }

    /// Lines already there of exports whose deliveries add to each other.
    async fn known_lines(&self, delta: &DeltaTable, staged: &Staged) -> Result<KnownRecords, IngestError> {
        let mut known = KnownRecords::new(false);
        let adding: Vec<_> =
            staged.exports.iter().filter(|(_, adds)| **adds).map(|(export, _)| format!("'{export}'")).collect();
        if delta.version() == Some(0) || adding.is_empty() {
            return Ok(known);
        }
        let time = Table::Billed.time_column();
        let sql = format!("SELECT record_key, {time}, time_source FROM t WHERE export_id IN ({})", adding.join(", "));
        for batch in self.select(delta, &sql).await? {
            known.add(&batch)?;
        }
        Ok(known)
    }
}

/// A delivery in one file replaces all of the earlier one; a part of a delivery replaces that part, and a delivery that
/// was one file.
fn replaced(delta: &DeltaTable, staged: &Staged) -> Replaced {
    let mut replaced = Replaced { removals: Vec::new(), lines: 0 };
    let Ok(snapshot) = delta.snapshot() else { return replaced };
    let exports: BTreeSet<&str> =
        staged.exports.iter().filter(|(_, adds)| !**adds).map(|(export, _)| export.as_str()).collect();
    for file in snapshot.log_data() {
        let values = file.partition_values_map();
        let value = |name: &str| values.get(name).and_then(Option::as_deref);
        let same_export = value("export_id").is_some_and(|export| exports.contains(export));
        let part = value("part").and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
        if same_export && (staged.part == 0 || part == 0 || part == staged.part) {
            replaced.lines += file.num_records().unwrap_or(0) as u64;
            replaced.removals.push(Action::Remove(file.remove_action(true)));
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BilledLine, EventTime, Export, Invocation, Record, RecordKey, Usage};
    use crate::upload::{UploadResult, land_records};

    fn line(period: i64, line_id: &str, cost: &str) -> Record {
        let export =
            Export { kind: "aws-cur".into(), account: "1".into(), period_from_us: period, ..Export::default() };
        let line = BilledLine {
            provider: "aws".into(),
            export,
            billed_cost: Some(cost.into()),
            line_id: Some(line_id.into()),
            ..BilledLine::default()
        };
        let time = EventTime::Logged(period);
        Record { time, key: RecordKey::of(&[Some(line_id)]), usage: Usage::BilledLine(Box::new(line)) }
    }

    fn with(mut record: Record, change: impl Fn(&mut Export)) -> Record {
        if let Usage::BilledLine(line) = &mut record.usage {
            change(&mut line.export);
        }
        record
    }

    async fn costs(lake: &Lake) -> Vec<String> {
        let Some(table) = lake.table(Table::Billed).await.unwrap() else { return Vec::new() };
        let batches = lake.select(&table, "SELECT billed_cost FROM t ORDER BY billed_cost").await.unwrap();
        let cell = |batch, row| super::super::text_cell(batch, "billed_cost", row).unwrap();
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| cell(batch, row)).collect::<Vec<_>>()).collect()
    }

    fn counts(result: &UploadResult) -> (u64, u64, u64, bool) {
        (result.accepted, result.duplicate, result.replaced, result.already_loaded)
    }

    fn place() -> (tempfile::TempDir, Lake) {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
        (place, lake)
    }

    #[tokio::test]
    async fn a_later_delivery_of_a_period_replaces_the_earlier_one() {
        let (_place, lake) = place();
        let first = vec![line(1, "a", "1"), line(1, "b", "2"), line(2, "a", "30"), line(1, "a", "1")];
        let result = land_records(&lake, "not-final.csv", first.clone()).await.unwrap();
        assert_eq!(counts(&result), (3, 1, 0, false), "the same line twice in one delivery is one");
        let result = land_records(&lake, "final.csv", vec![line(1, "a", "4")]).await.unwrap();
        assert_eq!(counts(&result), (1, 0, 2, false));
        assert_eq!(costs(&lake).await, ["30", "4"], "another period stays");
        let again = land_records(&lake, "not-final.csv", first).await.unwrap();
        assert_eq!(counts(&again), (0, 4, 0, true), "what was delivered before does not come back");
        assert_eq!(costs(&lake).await, ["30", "4"]);
    }

    #[tokio::test]
    async fn parts_of_a_delivery_stand_beside_each_other() {
        let (_place, lake) = place();
        for (name, cost, expected) in [
            ("cost-00001.csv.gz", "1", vec!["1"]),
            ("cost-00002.csv.gz", "2", vec!["1", "2"]),
            ("cost-00001.csv.gz", "3", vec!["2", "3"]),
            ("whole.csv", "4", vec!["4"]),
            ("cost-00002.csv.gz", "5", vec!["5"]),
        ] {
            land_records(&lake, name, vec![line(1, "a", cost)]).await.unwrap();
            assert_eq!(costs(&lake).await, expected, "{name}");
        }
    }

    #[tokio::test]
    async fn days_replace_days_and_adding_exports_add() {
        let (_place, lake) = place();
        let on = |day: i32, cost: &str| with(line(1, "a", cost), |export| export.day = Some(day));
        land_records(&lake, "1-2.csv", vec![on(1, "1"), on(2, "2")]).await.unwrap();
        land_records(&lake, "2-3.csv", vec![on(2, "20"), on(3, "30")]).await.unwrap();
        assert_eq!(costs(&lake).await, ["1", "20", "30"]);

        let adding = |id: &str, cost: &str| {
            with(line(1, id, cost), |export| {
                export.adds = true;
                export.kind = "oci-cost".into();
            })
        };
        land_records(&lake, "a.csv", vec![adding("x", "5"), adding("y", "6")]).await.unwrap();
        let result = land_records(&lake, "b.csv", vec![adding("y", "6"), adding("z", "7")]).await.unwrap();
        assert_eq!(counts(&result), (1, 1, 0, false));
        assert_eq!(costs(&lake).await, ["1", "20", "30", "5", "6", "7"]);
    }

    #[tokio::test]
    async fn an_upload_of_two_tables_that_was_cut_off_is_completed() {
        let (_place, lake) = place();
        let run = Invocation { provider: "aws".into(), service: "lambda".into(), ..Invocation::default() };
        let time = EventTime::Logged(1);
        let invocation = Record { time, key: RecordKey([1; 16]), usage: Usage::Invocation(Box::new(run)) };
        let records = vec![invocation, line(1, "a", "1")];

        // The state after a crash between the two commits.
        let (row, staged) = crate::upload::stage_records(records.clone());
        let pending = crate::pending::Pending::write(&lake, &row, &staged).unwrap();
        let tables: Vec<Table> = staged.iter().map(|(table, _)| *table).collect();
        lake.append_usage(Table::Invocations, &row, &tables, &staged[0].1).await.unwrap();
        drop(pending);
        assert!(costs(&lake).await.is_empty());
        lake.recover().await.unwrap();
        assert_eq!(costs(&lake).await, ["1"]);
        let ledger = lake.upload(&row.id).await.unwrap().unwrap();
        assert_eq!((ledger.read, ledger.accepted, ledger.duplicate), (2, 2, 0));
        lake.recover().await.unwrap();
        assert_eq!(costs(&lake).await, ["1"]);
        assert!(crate::pending::Pending::all(&lake).unwrap().is_empty());

        // The same in one go leaves nothing behind either.
        let result = land_records(&lake, "again.log", records).await.unwrap();
        assert_eq!(counts(&result), (1, 1, 1, false));
        assert!(crate::pending::Pending::all(&lake).unwrap().is_empty());
    }
}
