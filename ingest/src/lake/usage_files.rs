//! The data files of one commit: rows by day, in bounded memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{DataType, Schema};
use deltalake::kernel::Add;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use serde_json::{Map, Value};

use super::date_text;
use crate::error::IngestError;
use crate::rows::{day_of, times_of};
use crate::table::Table;
use crate::upload::Staged;
use crate::usage_file::{Extent, FinishedFile, Segment, UsageFile};

/// Rows that are gathered before they are written: a day has at most so many in a row group.
const WINDOW_ROWS: usize = 512 * 1024;
/// Size at which a file is closed and the next of its day begun, in bytes.
pub(super) const UPLOAD_FILE_BYTES: usize = 48 << 20;
/// What the files of all days may hold in memory, in bytes: above it the largest is closed.
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// Writes the files of one commit.
pub(super) struct UsageFiles {
    table: Table,
    upload_id: String,
    store: Arc<dyn ObjectStore>,
    /// The columns that the files have.
    schema: Arc<Schema>,
    window: Vec<Segment>,
    window_rows: usize,
    open: BTreeMap<i32, UsageFile>,
    added: Vec<Add>,
}

impl UsageFiles {
    pub(super) fn new(table: Table, upload_id: &str, store: Arc<dyn ObjectStore>, staged: &Staged) -> Self {
        let whole = table.schema();
        let kept = |name: &str| name == "upload_id" || staged.columns.contains(name);
        let fields = whole.fields().iter().filter(|field| kept(field.name())).cloned();
        UsageFiles {
            table,
            upload_id: upload_id.to_owned(),
            store,
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            window: Vec::new(),
            window_rows: 0,
            open: BTreeMap::new(),
            added: Vec::new(),
        }
    }

    /// Adds the rows of a batch that are no duplicates, from the row `from` of the upload on.
    pub(super) async fn add(
        &mut self,
        batch: RecordBatch,
        duplicates: &BooleanBuffer,
        from: usize,
    ) -> Result<(), IngestError> {
        let fresh = |row: &u32| !duplicates.value(from + *row as usize);
        let rows: Vec<u32> = (0..u32::try_from(batch.num_rows()).unwrap_or(u32::MAX)).filter(fresh).collect();
        self.window_rows += rows.len();
        self.window.push(Segment { batch, rows });
        if self.window_rows >= WINDOW_ROWS { self.write_window().await } else { Ok(()) }
    }

    /// Writes every file, and gives what to commit.
    pub(super) async fn finish(mut self) -> Result<Vec<Add>, IngestError> {
        self.write_window().await?;
        while let Some((day, file)) = self.open.pop_first() {
            self.close(day, file).await?;
        }
        Ok(self.added)
    }

    async fn write_window(&mut self) -> Result<(), IngestError> {
        let mut days: BTreeMap<i32, Vec<Segment>> = BTreeMap::new();
        for segment in std::mem::take(&mut self.window) {
            let mut by_day: HashMap<i32, Vec<u32>> = HashMap::new();
            let times = times_of(&segment.batch);
            // Neighbours are nearly always of one day.
            for neighbours in segment.rows.chunk_by(|a, b| day_of(times[*a as usize]) == day_of(times[*b as usize])) {
                by_day.entry(day_of(times[neighbours[0] as usize])).or_default().extend_from_slice(neighbours);
            }
            for (day, rows) in by_day {
                days.entry(day).or_default().push(Segment { batch: segment.batch.clone(), rows });
            }
        }
        self.window_rows = 0;
        for (day, segments) in days {
            let mut file = match self.open.remove(&day) {
                Some(file) => file,
                None => {
                    let constant = Some(("upload_id".to_owned(), self.upload_id.clone()));
                    UsageFile::new(self.schema.clone(), constant).map_err(broken)?
                }
            };
            file.add(&segments).map_err(broken)?;
            if file.bytes() >= UPLOAD_FILE_BYTES {
                self.close(day, file).await?;
            } else {
                self.open.insert(day, file);
            }
        }
        while self.open.values().map(UsageFile::bytes).sum::<usize>() > MEMORY_BYTES_MAX {
            let Some(day) = self.open.iter().max_by_key(|(_, file)| file.bytes()).map(|(day, _)| *day) else { break };
            if let Some(file) = self.open.remove(&day) {
                self.close(day, file).await?;
            }
        }
        Ok(())
    }

    async fn close(&mut self, day: i32, file: UsageFile) -> Result<(), IngestError> {
        let finished = file.finish().map_err(broken)?;
        let date = date_text(day);
        let path = format!("date={date}/part-{}.zstd.parquet", uuid::Uuid::new_v4());
        let add = Add {
            path: path.clone(),
            partition_values: [("date".to_owned(), Some(date))].into(),
            size: i64::try_from(finished.bytes).unwrap_or(i64::MAX),
            modification_time: Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(self.statistics(&finished)),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        };
        let payload: PutPayload = finished.parts.into_iter().collect();
        self.store.put(&Path::from(path), payload).await.map_err(broken)?;
        self.added.push(add);
        Ok(())
    }

    /// Statistics for the log of the table, by which queries skip files.
    fn statistics(&self, file: &FinishedFile) -> String {
        let (mut least, mut largest, mut nulls) = (Map::new(), Map::new(), Map::new());
        let known: HashMap<&str, _> = file.columns.iter().map(|(name, facts)| (name.as_str(), facts)).collect();
        for field in self.table.schema().fields().iter().filter(|field| field.name() != "date") {
            let facts = known.get(field.name().as_str());
            nulls.insert(field.name().clone(), facts.map_or(file.rows, |facts| facts.nulls).into());
            let Some(extent) = facts.and_then(|facts| facts.extent.as_ref()) else { continue };
            let (low, high) = match extent {
                Extent::Text(low, high) => (low.as_str().into(), high.as_str().into()),
                Extent::Integer(low, high) if matches!(field.data_type(), DataType::Timestamp(..)) => {
                    let Some(times) = time_text(*low).zip(time_text(*high)) else { continue };
                    times
                }
                Extent::Integer(low, high) => ((*low).into(), (*high).into()),
            };
            least.insert(field.name().clone(), low);
            largest.insert(field.name().clone(), high);
        }
        serde_json::json!({ "numRecords": file.rows, "minValues": least, "maxValues": largest, "nullCount": nulls })
            .to_string()
    }
}

fn time_text(time_us: i64) -> Option<Value> {
    let time = DateTime::<Utc>::from_timestamp_micros(time_us)?;
    Some(time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string().into())
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> IngestError {
    IngestError::Storage { doing: "written".into(), source: Box::new(error) }
}
