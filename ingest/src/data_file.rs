//! One data file of a table, read as it stands, also after a later version has replaced it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::parquet::arrow::ParquetRecordBatchStreamBuilder;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::parquet::arrow::async_reader::{AsyncFileReader, MetadataSuffixFetch};
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use deltalake::{DeltaTable, ObjectStore, Path};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{GetOptions, GetRange, ObjectStoreExt};

/// A Parquet file in the store of a table.
#[derive(Clone)]
pub(crate) struct DataFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

impl DataFile {
    /// Opens a file of a table.
    pub(crate) async fn open(delta: &DeltaTable, path: Path) -> Result<ParquetRecordBatchStreamBuilder<Self>> {
        let file = Self { store: delta.log_store().object_store(None), path };
        ParquetRecordBatchStreamBuilder::new(file).await
    }

    /// The same where what stands at the end of the file is known.
    pub(crate) fn open_with(
        delta: &DeltaTable,
        path: Path,
        metadata: ArrowReaderMetadata,
    ) -> ParquetRecordBatchStreamBuilder<Self> {
        let file = Self { store: delta.log_store().object_store(None), path };
        ParquetRecordBatchStreamBuilder::new_with_metadata(file, metadata)
    }
}

fn failed(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for DataFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { self.store.get_range(&self.path, range).await.map_err(failed) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(failed) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            reader.load_via_suffix_and_finish(self).await.map(Arc::new)
        }
        .boxed()
    }
}

impl MetadataSuffixFetch for &mut DataFile {
    fn fetch_suffix(&mut self, suffix: usize) -> BoxFuture<'_, Result<Bytes>> {
        let options = GetOptions { range: Some(GetRange::Suffix(suffix as u64)), ..Default::default() };
        async move {
            let found = self.store.get_opts(&self.path, options).await.map_err(failed)?;
            found.bytes().await.map_err(failed)
        }
        .boxed()
    }
}
