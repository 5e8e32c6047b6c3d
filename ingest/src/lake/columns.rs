//! Columns that a table of an older lake lacks
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{StructField, StructType};
use deltalake::{DeltaTable, DeltaTableError};

use super::Lake;
use crate::error::IngestError;
use crate::table::Table;

impl Lake {
    /// The table with every column of [`Table::schema`]: what an earlier version of the program did not know is added,
    /// empty for the rows that are there. Nothing when another writer changed the table meanwhile: look again.
    pub(super) async fn with_every_column(
        &self,
        table: Table,
        found: DeltaTable,
    ) -> Result<Option<DeltaTable>, IngestError> {
        let failed = |error| self.storage_error(format!("written (table `{}`)", table.name()), error);
        let schema: StructType =
            table.schema().as_ref().try_into_kernel().map_err(|error| self.storage_error("written".into(), error))?;
        let known = found.snapshot().map_err(failed)?.schema();
        let missing: Vec<StructField> =
            schema.fields().filter(|field| known.field(field.name()).is_none()).cloned().collect();
        if missing.is_empty() {
            return Ok(Some(found));
        }
        match found.add_columns().with_fields(missing).await {
            Ok(complete) => Ok(Some(complete)),
            Err(
                DeltaTableError::VersionAlreadyExists(_)
                | DeltaTableError::Transaction {
                    source:
                        TransactionError::CommitConflict(_)
                        | TransactionError::MaxCommitAttempts(_)
                        | TransactionError::VersionAlreadyExists(_),
                },
            ) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use deltalake::DeltaTableBuilder;

    use super::*;
    use crate::upload::{IngestOptions, ingest_file};

    const REPORT: &str = "2026-10-01T10:00:00.000Z REPORT RequestId: 8f507cfc-8e5b-4c5d-9a46-1f2f3c4d5e6f\tDuration: 12.30 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\n";

    #[tokio::test]
    async fn a_table_of_an_older_lake_gets_the_columns_it_lacks() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
        let new = ["variant", "instance", "concurrency"];
        let schema: StructType = Table::Invocations.schema().as_ref().try_into_kernel().unwrap();
        let old = schema.fields().filter(|field| !new.contains(&field.name().as_str())).cloned();
        std::fs::create_dir_all(place.path().join("invocations")).unwrap();
        let created = DeltaTableBuilder::from_url(lake.url(Table::Invocations).unwrap()).unwrap().build().unwrap();
        created
            .create()
            .with_columns(old)
            .with_partition_columns(["date"])
            .with_configuration([(super::super::VERSION_PROPERTY, Some("1"))])
            .with_raise_if_key_not_exists(false)
            .await
            .unwrap();
        let columns = async || {
            let table = lake.table(Table::Invocations).await.unwrap().unwrap();
            let schema = table.snapshot().unwrap().schema();
            new.iter().filter(|name| schema.field(name).is_some()).count()
        };
        assert_eq!(columns().await, 0);
        let log = place.path().join("f.log");
        std::fs::File::create(&log).unwrap().write_all(REPORT.as_bytes()).unwrap();
        let result = ingest_file(&lake, "f.log", &log, &IngestOptions::default()).await.unwrap();
        assert_eq!((result.accepted, result.rejected), (1, 0));
        assert_eq!(columns().await, 3);
        // Again: nothing changes.
        assert!(ingest_file(&lake, "f.log", &log, &IngestOptions::default()).await.unwrap().already_loaded);
        assert_eq!(columns().await, 3);
    }

    #[tokio::test]
    async fn the_ledger_of_an_older_lake_is_read_and_goes_on_with_summaries() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
        let log = place.path().join("f.log");
        std::fs::write(&log, REPORT).unwrap();
        ingest_file(&lake, "f.log", &log, &IngestOptions::default()).await.unwrap();
        let row = lake.uploads().await.unwrap().remove(0);
        let summary = row.summary.clone().unwrap();
        assert_eq!((summary.services[0].rows, summary.undeclared.is_empty()), (1, false));

        // The same ledger as an earlier version wrote it.
        let table = lake.table(Table::Uploads).await.unwrap().unwrap();
        let rows = lake.select(&table, "SELECT * FROM t").await.unwrap().remove(0);
        let kept: Vec<usize> = (0..rows.num_columns() - 2).collect();
        let rows = rows.project(&kept).unwrap();
        let schema: StructType = rows.schema().as_ref().try_into_kernel().unwrap();
        std::fs::remove_dir_all(place.path().join("uploads")).unwrap();
        std::fs::create_dir_all(place.path().join("uploads")).unwrap();
        let created = DeltaTableBuilder::from_url(lake.url(Table::Uploads).unwrap()).unwrap().build().unwrap();
        let old = created
            .create()
            .with_columns(schema.fields().cloned())
            .with_configuration([(super::super::VERSION_PROPERTY, Some("1"))])
            .with_raise_if_key_not_exists(false)
            .await
            .unwrap();
        old.write(vec![rows]).await.unwrap();
        let read = lake.uploads().await.unwrap();
        assert_eq!((read.len(), &read[0].id, &read[0].summary), (1, &row.id, &None));
        assert_eq!(lake.upload(&row.id).await.unwrap().map(|row| row.accepted), Some(1));

        std::fs::write(&log, REPORT.replace("8f507cfc", "9f507cfc")).unwrap();
        let second = ingest_file(&lake, "g.log", &log, &IngestOptions::default()).await.unwrap();
        let found = lake.upload(&second.id).await.unwrap().unwrap();
        assert_eq!(found.summary, Some(second.summary));
        assert_eq!(lake.uploads().await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn an_upload_that_a_crash_cut_off_keeps_its_summary() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
        let log = place.path().join("f.log");
        std::fs::write(&log, REPORT).unwrap();
        let result = ingest_file(&lake, "f.log", &log, &IngestOptions::default()).await.unwrap();
        std::fs::remove_dir_all(place.path().join("uploads")).unwrap();
        assert!(lake.upload(&result.id).await.unwrap().is_none());
        lake.recover().await.unwrap();
        assert_eq!(lake.upload(&result.id).await.unwrap().unwrap().summary, Some(result.summary));
    }

    #[tokio::test]
    async fn a_cancelled_upload_leaves_nothing_behind() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::open(place.path().to_str().unwrap()).unwrap();
        let log = place.path().join("f.log");
        std::fs::write(&log, format!("{REPORT}REPORT RequestId: cut\n")).unwrap();
        let options = IngestOptions::default();
        options.progress.cancel();
        let error = ingest_file(&lake, "f.log", &log, &options).await.unwrap_err();
        assert!(matches!(error, IngestError::Cancelled), "{error}");
        assert!(lake.uploads().await.unwrap().is_empty());
        assert!(lake.table(Table::Invocations).await.unwrap().is_none());
        assert!(lake.table(Table::RejectedRows).await.unwrap().is_none());
        assert_eq!(ingest_file(&lake, "f.log", &log, &IngestOptions::default()).await.unwrap().accepted, 1);
    }
}
