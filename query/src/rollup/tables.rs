//! Rollups as tables of SQL: sums by hour, histograms of durations, starts and ends by second. They are worked out when they
//! are read, of the state of the lake that the session sees, and nothing is written.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray, UInt32Array,
};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use paygrain_ingest::Lake;
use paygrain_ingest::lake::UsageDataFile;
use paygrain_ingest::table::Table;
use paygrain_pricing::Catalogue;

use super::class::{Class, Sign, integer_columns, measure_columns, text_columns};
use super::seconds::{ClassHours, HOUR_S, SECOND_US};
use super::store::{Day, Rollups, Source, View};
use super::{Rollup, rounding_terms};
use crate::declared::Declared;
use crate::error::QueryError;
use crate::session::{Tables, empty_session};

/// Rows of a batch of seconds, about.
const ROWS_AT_ONCE: usize = 1 << 15;

/// A table made of rollups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RollupTable {
    /// Sums of invocations.
    Hourly,
    /// Sums of requests.
    HourlyRequests,
    /// Histograms of the durations of invocations.
    Durations,
    /// Starts and ends of invocations.
    Seconds,
}

/// What the sums of measures mean.
const SUMS: [(&str, &str); 8] = [
    ("duration_us", "Sum of their lengths, in microseconds; null where they have none."),
    ("billed_ms", "Sum of what the logs say was billed, in milliseconds; null where they do not say."),
    ("init_us", "Sum of their initialisations, in microseconds; null where they have none."),
    ("restore_us", "Sum of the times their snapshots were restored in, in microseconds; null where they have none."),
    ("cpu_us", "Sum of their CPU times, in microseconds; null where they have none."),
    ("request_bytes", "Sum of their request payloads, in bytes; null where the logs do not say."),
    ("response_bytes", "Sum of their response payloads, in bytes; null where the logs do not say."),
    ("units", "Sum of their units; null where they have none."),
];

/// Names of the sums of durations by each of the usual roundings, and what they mean.
const ROUNDED: [(&str, &str); super::ROUNDINGS.len()] = [
    ("duration_to_1ms_us", "Sum of `duration_us`, each rounded up to 1 ms."),
    ("duration_to_100ms_us", "Sum of `duration_us`, each rounded up to 100 ms."),
    ("duration_to_1s_us", "Sum of `duration_us`, each rounded up to 1 s."),
    ("duration_to_1min_us", "Sum of `duration_us`, each rounded up to 1 s and at least 1 minute."),
];

impl RollupTable {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hourly, Self::HourlyRequests, Self::Durations, Self::Seconds];

    /// Its name in queries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hourly => "rollup_hourly",
            Self::HourlyRequests => "rollup_hourly_requests",
            Self::Durations => "rollup_durations",
            Self::Seconds => "rollup_seconds",
        }
    }

    /// What one row is.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Hourly => {
                "Invocations of one hour that have everything in common but times and sizes, summed; several rows can be alike."
            }
            Self::HourlyRequests => {
                "Requests of one hour that have everything in common but times and sizes, summed; several rows can be alike."
            }
            Self::Durations => {
                "How many invocations of one UTC day that have everything in common took how many milliseconds; several rows can be alike."
            }
            Self::Seconds => {
                "How many executions that have everything in common start and end in one second, initialisation included; several rows can be alike."
            }
        }
    }

    /// The table that it is made from.
    pub const fn of(self) -> Table {
        match self {
            Self::HourlyRequests => Table::Requests,
            _ => Table::Invocations,
        }
    }

    /// What a column means, with its unit.
    pub fn column_description(self, column: &str) -> Option<&'static str> {
        let own = match (self, column) {
            (Self::Seconds, "date") => "UTC day on which the executions start; a condition on it reads less.",
            (Self::Seconds, "second_at") => "Start of the second, UTC.",
            (Self::Seconds, "starts") => "Executions that start in it and take any time.",
            (Self::Seconds, "ends") => {
                "Those whose last moment is in it: one that ends on the full second ends in the second before."
            }
            (_, "date") => "UTC day of the records; a condition on it reads less.",
            (_, "hour_at") => "Start of the hour, UTC.",
            (_, "duration_ms") => "Length of the handler phase in whole milliseconds, rounded up.",
            (_, "record_count") => "How many records.",
            _ => {
                let has_sums = matches!(self, Self::Hourly | Self::HourlyRequests);
                let mut sums = SUMS.iter().chain(&ROUNDED).filter(|_| has_sums);
                let own = sums.find(|(name, _)| *name == column).map(|(_, text)| *text);
                return own.or_else(|| self.of().column_description(column));
            }
        };
        Some(own)
    }

    /// Its columns.
    pub fn schema(self) -> SchemaRef {
        let usage = self.of().schema();
        let like = |name: &str, column: &str| {
            let kind = usage.field_with_name(column).map_or(DataType::Int64, |field| field.data_type().clone());
            Field::new(name, kind, true)
        };
        let number = |name: &str| Field::new(name, DataType::Int64, true);
        let mut fields = vec![Field::new("date", DataType::Date32, false)];
        match self {
            Self::Hourly | Self::HourlyRequests => fields.push(like("hour_at", self.of().time_column())),
            Self::Seconds => fields.push(like("second_at", self.of().time_column())),
            Self::Durations => {}
        }
        let common = text_columns(self.of()).iter().chain(integer_columns(self.of()));
        fields.extend(common.filter(|column| **column != "upload_id").map(|column| like(column, column)));
        match self {
            Self::Hourly | Self::HourlyRequests => {
                fields.push(number("record_count"));
                fields.extend(measure_columns(self.of()).iter().map(|column| number(column)));
                if self == Self::Hourly {
                    fields.extend(ROUNDED.map(|(name, _)| number(name)));
                }
            }
            Self::Durations => fields.extend(["duration_ms", "record_count"].map(number)),
            Self::Seconds => fields.extend(["starts", "ends"].map(number)),
        }
        Arc::new(Schema::new(fields))
    }
}

/// Registers the tables with a session.
pub(crate) fn register(session: &SessionContext, lake: &Lake, tables: &Tables) -> Result<(), QueryError> {
    let rollups = Arc::new(Rollups::default());
    for table in RollupTable::ALL {
        let provider = Provider {
            table,
            schema: table.schema(),
            lake: lake.clone(),
            delta: tables.found.get(&table.of()).cloned(),
            declared: tables.declared.clone(),
            rollups: rollups.clone(),
        };
        session.register_table(table.name(), Arc::new(provider))?;
    }
    Ok(())
}

/// Reads a table.
struct Provider {
    table: RollupTable,
    schema: SchemaRef,
    lake: Lake,
    /// The state of the table it is made from; nothing where that was never written.
    delta: Option<DeltaTable>,
    declared: Declared,
    rollups: Arc<Rollups>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.table.name())
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        Ok(filters
            .iter()
            .map(|filter| match is_of_date(filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let view = self.view(state, filters).await?;
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        let count = state.config().target_partitions().clamp(1, view.days.len().max(1));
        let partition = |number: usize| {
            let days = view.days.iter().skip(number).step_by(count).cloned().collect();
            let (view, schema) = (view.clone(), schema.clone());
            Arc::new(Partition { table: self.table, schema, view, days }) as Arc<dyn PartitionStream>
        };
        let partitions = (0..count).map(partition).collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}

/// Whether a condition is about the day alone.
fn is_of_date(filter: &Expr) -> bool {
    let columns = filter.column_refs();
    !filter.is_volatile() && !columns.is_empty() && columns.iter().all(|column| column.name == "date")
}

impl Provider {
    /// The rollups of the days that filters let pass.
    async fn view(&self, state: &dyn Session, filters: &[Expr]) -> Result<Arc<View>, DataFusionError> {
        let failed = |error: QueryError| DataFusionError::External(Box::new(error));
        let cannot = || {
            DataFusionError::Execution(format!(
                "`{}` cannot say what is in `{}`, whose rows cannot be summed: query that table instead",
                self.table.name(),
                self.table.of().name()
            ))
        };
        let nothing = View { classes: Vec::new(), days: Vec::new(), declared: self.declared.columns() };
        let Some(delta) = &self.delta else { return Ok(Arc::new(nothing)) };
        let files = self.lake.usage_data_files(delta).map_err(|error| failed(error.into()))?.ok_or_else(cannot)?;
        let files = self.chosen(state, files, filters)?;
        let (Some(first), Some(last)) = (files.first(), files.last()) else { return Ok(Arc::new(nothing)) };
        let days = first.day..=last.day;
        // Of rules nothing is asked here, so rollups made for any price books will do.
        let catalogue =
            Catalogue::of_files(std::iter::empty()).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let source = Source {
            lake: &self.lake,
            table: self.table.of(),
            delta,
            files: &files,
            declared: &self.declared,
            catalogue: &catalogue,
            session: &empty_session(),
            keeps: false,
        };
        self.rollups.view_of_files(&source, days).await.map_err(failed)?.ok_or_else(cannot)
    }

    /// The data files of days that filters let pass.
    fn chosen(
        &self,
        state: &dyn Session,
        files: Vec<UsageDataFile>,
        filters: &[Expr],
    ) -> Result<Vec<UsageDataFile>, DataFusionError> {
        let Some(filter) = conjunction(filters.iter().filter(|filter| is_of_date(filter)).cloned()) else {
            return Ok(files);
        };
        let schema = Arc::new(Schema::new(vec![Field::new("date", DataType::Date32, false)]));
        let days = Date32Array::from_iter_values(files.iter().map(|file| file.day));
        let known = DFSchema::try_from(schema.clone())?;
        let filter = state.create_physical_expr(filter, &known)?;
        let batch = RecordBatch::try_new(schema, vec![Arc::new(days)])?;
        let passes = filter.evaluate(&batch)?.into_array(files.len())?;
        let passes = passes.as_any().downcast_ref::<BooleanArray>().cloned();
        let passes =
            passes.ok_or_else(|| DataFusionError::Plan("a condition on `date` is neither true nor false".into()))?;
        let chosen = files.into_iter().enumerate().filter(|(row, _)| passes.is_valid(*row) && passes.value(*row));
        Ok(chosen.map(|(_, file)| file).collect())
    }
}

/// Some days of a table.
struct Partition {
    table: RollupTable,
    schema: SchemaRef,
    view: Arc<View>,
    days: Vec<Arc<Day>>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {} parts", self.table.name(), self.days.len())
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (table, schema, view) = (self.table, self.schema.clone(), self.view.clone());
        let rows = self.days.clone().into_iter().flat_map(move |day| {
            let (schema, view) = (schema.clone(), view.clone());
            rows_of(table, &day).map(move |rows| rows?.batch(table, &schema, &view, &day))
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter(rows)))
    }
}

/// Rows of a day, in columns.
#[derive(Default)]
struct Rows {
    /// Classes of the rollup.
    classes: Vec<u32>,
    /// Hours or seconds, microseconds since 1970.
    times_us: Vec<i64>,
    /// The numbers that tables have.
    numbers: Vec<(&'static str, Vec<Option<i64>>)>,
}

/// The rows of a day, some at a time.
fn rows_of(table: RollupTable, day: &Day) -> Box<dyn Iterator<Item = Result<Rows, DataFusionError>> + Send> {
    let rows = match table {
        RollupTable::Hourly | RollupTable::HourlyRequests => hourly(table, day),
        RollupTable::Durations => durations(day),
        RollupTable::Seconds => match day.rollup.class_seconds() {
            Some(hours) => return Box::new(seconds(&day.rollup, hours.clone()).map(Ok)),
            None => Err(gone()),
        },
    };
    Box::new(std::iter::once(rows))
}

#[expect(clippy::cast_possible_wrap, reason = "counts of records are far smaller")]
const fn signed(count: u64) -> Option<i64> {
    Some(count as i64)
}

fn gone() -> DataFusionError {
    DataFusionError::Execution("a rollup has gone while it was read: run the query again".into())
}

fn hourly(table: RollupTable, day: &Day) -> Result<Rows, DataFusionError> {
    let rollup = &day.rollup;
    let mut numbers = vec![("record_count", rollup.counts.iter().map(|count| signed(*count)).collect())];
    let measures = measure_columns(table.of()).iter().map(|column| (*column, *column, format!("\"{column}\"")));
    let rounded = ROUNDED.iter().zip(rounding_terms()).map(|((name, _), sql)| (*name, "duration_us", sql));
    let rounded = rounded.filter(|_| table == RollupTable::Hourly);
    for (name, column, sql) in measures.chain(rounded) {
        let place = rollup.place_of(&sql);
        let sums = rollup.cell_classes.iter().enumerate().map(|(cell, class)| {
            let class = *class as usize;
            if rollup.classes[class].sign(table.of(), column) == Some(Sign::Absent) {
                return Ok(None);
            }
            match place.filter(|place| rollup.knows(class, 1 << place)) {
                Some(place) => Ok(Some(rollup.sum(place, cell))),
                None => Err(DataFusionError::Execution(format!("the sum of `{name}` is too large for 64 bits"))),
            }
        });
        numbers.push((name, sums.collect::<Result<_, _>>()?));
    }
    let times_us = (0..rollup.hours.len()).map(|cell| rollup.hour_us(cell)).collect();
    Ok(Rows { classes: rollup.cell_classes.clone(), times_us, numbers })
}

fn durations(day: &Day) -> Result<Rows, DataFusionError> {
    let mut rows = Rows { numbers: vec![("duration_ms", Vec::new()), ("record_count", Vec::new())], ..Rows::default() };
    for (class, value, count) in day.rollup.histograms().ok_or_else(gone)?.durations.entries() {
        rows.classes.push(class);
        rows.numbers[0].1.push(signed(value));
        rows.numbers[1].1.push(signed(count));
    }
    Ok(rows)
}

fn seconds(rollup: &Rollup, hours: ClassHours) -> impl Iterator<Item = Rows> + Send + use<> {
    let (start_us, mut classes) = (rollup.start_us(), 0..rollup.classes.len());
    std::iter::from_fn(move || {
        let mut rows = Rows { numbers: vec![("starts", Vec::new()), ("ends", Vec::new())], ..Rows::default() };
        while rows.classes.len() < ROWS_AT_ONCE
            && let Some(class) = classes.next()
        {
            for hour in hours.of_class(class).read() {
                for second in hour.seconds {
                    rows.classes.push(u32::try_from(class).unwrap_or(u32::MAX));
                    rows.times_us.push(start_us + (hour.hour * HOUR_S + i64::from(second.second)) * SECOND_US);
                    rows.numbers[0].1.push(signed(second.starts));
                    rows.numbers[1].1.push(signed(second.ends));
                }
            }
        }
        (!rows.classes.is_empty()).then_some(rows)
    })
}

impl Rows {
    /// As a batch with the columns of a schema.
    fn batch(
        self,
        table: RollupTable,
        schema: &SchemaRef,
        view: &View,
        day: &Day,
    ) -> Result<RecordBatch, DataFusionError> {
        let count = self.classes.len();
        let rows = UInt32Array::from(self.classes);
        let classes: Vec<&Class> = day.numbers.iter().map(|number| view.classes[*number as usize].as_ref()).collect();
        let mut numbers = self.numbers;
        let columns = schema.fields().iter().map(|field| {
            let name = field.name().as_str();
            let column: ArrayRef = if name == "date" {
                Arc::new(Date32Array::from(vec![day.rollup.day; count]))
            } else if name.ends_with("_at") {
                Arc::new(Int64Array::from(self.times_us.clone()))
            } else if let Some((_, own)) = numbers.iter_mut().find(|(known, _)| *known == name) {
                Arc::new(Int64Array::from(std::mem::take(own)))
            } else if text_columns(table.of()).contains(&name) {
                let texts: StringArray = classes.iter().map(|class| class.text(table.of(), name)).collect();
                take(&texts, &rows, None)?
            } else {
                let integers: Int64Array = classes.iter().map(|class| class.integer(table.of(), name)).collect();
                take(&integers, &rows, None)?
            };
            Ok(cast(&column, field.data_type())?)
        });
        let columns = columns.collect::<Result<Vec<_>, DataFusionError>>()?;
        let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
    }
}
