//! A session over rows made in a test, without a lake
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use paygrain_ingest::record::RecordKey;
use paygrain_ingest::rows::{UsageRows, complete_batch};
use paygrain_ingest::table::{RowFacts, Table, UsageRow};

/// The rows as a batch of their table.
pub(crate) fn batch<R: UsageRow>(rows: Vec<(i64, R)>) -> (Table, RecordBatch) {
    let mut staged = UsageRows::new(R::TABLE);
    for (index, (time_us, row)) in rows.into_iter().enumerate() {
        let key = RecordKey::of(&[Some(&index.to_string())]);
        staged.push(RowFacts { time_us, logged: true, key }, &row);
    }
    (R::TABLE, complete_batch(&staged.take_batch().unwrap(), R::TABLE, "u").unwrap())
}

/// A session with these rows in their tables, and every other table empty.
pub(crate) fn session(batches: Vec<(Table, RecordBatch)>) -> SessionContext {
    let session = SessionContext::new();
    for table in Table::ALL {
        let rows = batches.iter().filter(|(of, _)| *of == table).map(|(_, batch)| batch.clone()).collect();
        let memory = MemTable::try_new(table.schema(), vec![rows]).unwrap();
        session.register_table(table.name(), Arc::new(memory)).unwrap();
    }
    session
}
