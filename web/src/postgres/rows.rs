//! Rows of an answer on their way to the client.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion_postgres::arrow_pg::datatypes::field_into_pg_type;
use datafusion_postgres::arrow_pg::encoder::encode_value;
use datafusion_postgres::pgwire::api::Type;
use datafusion_postgres::pgwire::api::portal::Format;
use datafusion_postgres::pgwire::api::results::{DataRowEncoder, FieldInfo, QueryResponse};
use datafusion_postgres::pgwire::error::PgWireResult;
use datafusion_postgres::pgwire::messages::data::DataRow;
use futures::StreamExt;
use paygrain_query::{QueryError, SqlStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::failure::{Failure, code};
use super::locked;
use super::numeric::{is_numeric, numeric};

/// What is told beside answers, when the next one has been sent.
pub(super) type Notices = Arc<Mutex<Vec<Failure>>>;

/// How a column is sent.
pub(super) fn wire_type(field: &Arc<Field>) -> PgWireResult<Type> {
    if is_numeric(field.data_type()) { Ok(Type::NUMERIC) } else { field_into_pg_type(field) }
}

/// The columns of an answer in the formats asked for.
///
/// # Errors
/// For a type that has no form on the wire, and for formats that do not go with the columns.
pub(super) fn columns(schema: &Schema, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
    if let Format::Individual(formats) = format
        && formats.len() != schema.fields().len()
    {
        let problem =
            format!("{} formats were asked for, and there are {} columns", formats.len(), schema.fields().len());
        return Err(Failure::new(code::PROTOCOL_VIOLATION, problem).into());
    }
    let column = |(place, field): (usize, &Arc<Field>)| {
        let kind = wire_type(field).map_err(|_| {
            let problem = format!("column `{}` is a {}, which cannot be sent", field.name(), field.data_type());
            Failure::new(code::FEATURE_NOT_SUPPORTED, problem).with_hint("convert it, for example with `::text`")
        })?;
        Ok(FieldInfo::new(field.name().clone(), None, None, kind, format.format_for(place)))
    };
    schema.fields().iter().enumerate().map(column).collect()
}

/// An answer whose rows are taken all at once, or in parts as those of a cursor. Its process ends when it does, when
/// nobody has this any more, or at the deadline, whether or not anyone takes rows.
#[derive(Clone)]
pub(super) struct Answer {
    schema: SchemaRef,
    rows: Arc<tokio::sync::Mutex<Rows>>,
}

impl Answer {
    pub(super) fn of(stream: SqlStream, deadline: Instant, timeout: Duration, notices: Notices) -> Self {
        let schema = stream.schema();
        let (sender, batches) = mpsc::channel(1);
        tokio::spawn(pass_on(stream, sender, deadline, timeout, notices));
        Self { schema, rows: Arc::new(tokio::sync::Mutex::new(Rows { batches, batch: None })) }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; without a count all that are left.
    pub(super) fn fetch(&self, count: Option<usize>, format: &Format) -> PgWireResult<QueryResponse> {
        let columns = Arc::new(columns(&self.schema, format)?);
        let begin = (self.rows.clone(), DataRowEncoder::new(columns.clone()), columns.clone());
        let rows = futures::stream::unfold(begin, |(rows, mut encoder, columns)| async move {
            let row = rows.lock().await.next(&mut encoder, &columns).await?;
            Some((row, (rows, encoder, columns)))
        });
        Ok(QueryResponse::new(columns, rows.take(count.unwrap_or(usize::MAX))))
    }
}

/// What has come of an answer, and where in it we are.
struct Rows {
    batches: mpsc::Receiver<Result<RecordBatch, Failure>>,
    batch: Option<(RecordBatch, usize)>,
}

impl Rows {
    async fn next(&mut self, encoder: &mut DataRowEncoder, columns: &[FieldInfo]) -> Option<PgWireResult<DataRow>> {
        loop {
            if let Some((batch, row)) = &mut self.batch
                && *row < batch.num_rows()
            {
                let encoded = encode(encoder, batch, *row, columns);
                *row += 1;
                return Some(encoded);
            }
            match self.batches.recv().await? {
                Ok(batch) => self.batch = Some((batch, 0)),
                Err(failure) => return Some(Err(failure.into())),
            }
        }
    }
}

async fn pass_on(
    mut stream: SqlStream,
    sender: mpsc::Sender<Result<RecordBatch, Failure>>,
    deadline: Instant,
    timeout: Duration,
    notices: Notices,
) {
    let failure = loop {
        let place = match timeout_at(deadline, sender.reserve()).await {
            Ok(Ok(place)) => place,
            // Nobody reads any more.
            Ok(Err(_)) => return,
            Err(_) => break Failure::from(QueryError::SqlTimeout { limit: timeout }),
        };
        let next = tokio::select! {
            next = stream.next() => next,
            () = sender.closed() => return,
        };
        match next {
            Ok(Some(batch)) => place.send(Ok(batch)),
            Ok(None) => {
                if let Some(end) = stream.end().filter(|end| end.truncated) {
                    let shown = paygrain_pricing::grouped(&end.row_count.to_string());
                    let problem = format!("the answer is cut off after {shown} rows, which is the limit");
                    let notice = Failure::new(code::TOO_LARGE, problem).with_hint("ask for an aggregate, or for parts");
                    locked(&notices).push(notice);
                }
                return;
            }
            Err(error) => break Failure::from(error),
        }
    };
    // First the process, then the words: whoever does not read may never take them.
    drop(stream);
    let _ = sender.send(Err(failure)).await;
}

fn encode(
    encoder: &mut DataRowEncoder,
    batch: &RecordBatch,
    row: usize,
    columns: &[FieldInfo],
) -> PgWireResult<DataRow> {
    for (place, column) in columns.iter().enumerate() {
        let array = batch.column(place);
        if is_numeric(array.data_type()) {
            let value = numeric(array, row);
            let options = column.format_options();
            encoder.encode_field_with_type_and_format(&value, column.datatype(), column.format(), options)?;
        } else {
            encode_value(encoder, array, row, batch.schema_ref().field(place), column)?;
        }
    }
    Ok(encoder.take_row())
}
