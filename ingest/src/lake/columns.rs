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
}
