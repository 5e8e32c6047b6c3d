//! Rollups from the rows of data files.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionContext;
use paygrain_ingest::table::{DAY_US, Table};
use paygrain_pricing::Catalogue;
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::table::ColumnKind;

use super::class::{Class, PROVIDER, SERVICE, integer_columns, measure_columns, text_columns};
use super::histogram::{CLASSES_MAX, Counting};
use super::seconds::SecondsCounting;
use super::{HOURS, Histograms, NeededTerm, Rollup, Terms, terms_of, usual_terms};
use crate::error::QueryError;
use crate::metering::pricing_table;

/// No cell yet.
const NONE: u32 = u32::MAX;
/// A large odd number that spreads bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The columns of a table that rollups are made of.
pub(crate) fn columns(table: Table) -> Vec<&'static str> {
    let mut columns = vec![table.time_column()];
    columns.extend(text_columns(table).iter().chain(integer_columns(table)).chain(measure_columns(table)));
    if table == Table::Invocations {
        columns.push("memory_used_mb");
    }
    columns
}

/// A rollup that is being summed.
pub(crate) struct Builder<'a> {
    table: Table,
    day: i32,
    catalogue: &'a Catalogue,
    session: &'a SessionContext,
    /// Texts and numbers by the ids that tuples are made of; 0 is null.
    texts: HashMap<Arc<str>, u32>,
    text_of: Vec<Option<Arc<str>>>,
    integers: HashMap<i64, u32>,
    integer_of: Vec<Option<i64>>,
    /// Classes by the hash of their tuple.
    by_hash: HashMap<u64, u32>,
    tuples: Vec<u32>,
    classes: Vec<Class>,
    /// Terms that the records of each class are summed for.
    needed: Vec<Terms>,
    has_value: Vec<Terms>,
    has_null: Vec<Terms>,
    overflown: Vec<Terms>,
    services: HashMap<(Arc<str>, Arc<str>), Terms>,
    terms: Vec<Summed>,
    cells: Vec<u32>,
    rollup: Rollup,
    durations: Counting,
    memory_used: Counting,
    executions: SecondsCounting,
}

/// A term and how it is worked out.
struct Summed {
    term: NeededTerm,
    expression: Arc<dyn PhysicalExpr>,
    schema: Arc<Schema>,
}

/// The ids of a column, by row.
enum Ids {
    Same(u32),
    Each(Vec<u32>),
}

impl Ids {
    fn at(&self, row: usize) -> u32 {
        match self {
            Self::Same(id) => *id,
            Self::Each(ids) => ids[row],
        }
    }
}

impl<'a> Builder<'a> {
    /// Nothing summed yet.
    pub fn new(table: Table, day: i32, catalogue: &'a Catalogue, session: &'a SessionContext) -> Self {
        Self {
            table,
            day,
            catalogue,
            session,
            texts: HashMap::new(),
            text_of: vec![None],
            integers: HashMap::new(),
            integer_of: vec![None],
            by_hash: HashMap::new(),
            tuples: Vec::new(),
            classes: Vec::new(),
            needed: Vec::new(),
            has_value: Vec::new(),
            has_null: Vec::new(),
            overflown: Vec::new(),
            services: HashMap::new(),
            terms: Vec::new(),
            cells: Vec::new(),
            rollup: Rollup { day, ..Rollup::default() },
            durations: Counting::default(),
            memory_used: Counting::default(),
            executions: SecondsCounting::default(),
        }
    }

    /// Sums the rows of a batch; `false` when they are no rows that can be summed: they are not of this day, or there
    /// are too many classes.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<bool, QueryError> {
        let Some(times) = batch.column_by_name(self.table.time_column()) else { return Ok(false) };
        let times = cast(times, &DataType::Int64)?;
        let times = times.as_primitive::<Int64Type>();
        let classes = self.classes_of(batch)?;
        if self.classes.len() >= CLASSES_MAX {
            return Ok(false);
        }
        self.cells.resize(self.classes.len() * HOURS, NONE);
        let start = i64::from(self.day) * DAY_US;
        let mut cells = Vec::with_capacity(classes.len());
        for (row, class) in classes.iter().enumerate() {
            let within = times.value(row) - start;
            if times.is_null(row) || !(0..DAY_US).contains(&within) {
                return Ok(false);
            }
            let hour = usize::try_from(within / HOUR_US).unwrap_or(0);
            let cell = &mut self.cells[*class as usize * HOURS + hour];
            if *cell == NONE {
                *cell = u32::try_from(self.rollup.counts.len()).unwrap_or(NONE);
                self.rollup.cell_classes.push(*class);
                self.rollup.hours.push(u8::try_from(hour).unwrap_or(0));
                self.rollup.counts.push(0);
            }
            self.rollup.counts[*cell as usize] += 1;
            cells.push(*cell);
        }
        for term in 0..self.terms.len() {
            self.sum(batch, term, &classes, &cells)?;
        }
        if self.table == Table::Invocations {
            count(batch, "duration_us", &classes, &mut self.durations, |us| us.div_ceil(1000))?;
            count(batch, "memory_used_mb", &classes, &mut self.memory_used, |mb| mb)?;
            let lengths = [whole(batch, "duration_us")?, whole(batch, "init_us")?];
            for (row, class) in classes.iter().enumerate() {
                let start_us = times.value(row) - start;
                let length = |column: &Option<Int64Array>| {
                    column.as_ref().filter(|column| column.is_valid(row)).map_or(0, |column| column.value(row))
                };
                let end_us = lengths.iter().map(length).fold(start_us, i64::saturating_add);
                self.executions.add(*class, start_us, end_us);
            }
        }
        Ok(true)
    }

    /// The rollup of everything that was added, of these files.
    pub fn finish(mut self, files: BTreeSet<String>) -> Rollup {
        let cells = self.rollup.counts.len();
        self.rollup.sums.iter_mut().for_each(|sums| sums.resize(cells, 0));
        for class in 0..self.classes.len() {
            let (value, null) = (self.has_value[class], self.has_null[class]);
            self.rollup.known.push(self.needed[class] & !(value & null) & !self.overflown[class]);
            self.rollup.absent.push(null & !value);
        }
        let services = self
            .services
            .iter()
            .map(|((provider, service), terms)| (provider.as_ref().to_owned(), service.as_ref().to_owned(), *terms));
        self.rollup.services = services.collect();
        self.rollup.services.sort();
        self.rollup.terms = self.terms.into_iter().map(|summed| summed.term.sql).collect();
        self.rollup.classes = self.classes;
        let (durations, memory_used) = (self.durations.finish(), self.memory_used.finish());
        self.rollup.histograms = Histograms { durations, memory_used }.into();
        let (seconds, last_end_us) = self.executions.finish();
        self.rollup.last_end_us = last_end_us;
        self.rollup.seconds = seconds.all.into();
        self.rollup.class_seconds = seconds.classes.into();
        self.rollup.files = files;
        self.rollup.sorted()
    }

    /// The class of each row.
    fn classes_of(&mut self, batch: &RecordBatch) -> Result<Vec<u32>, QueryError> {
        let rows = batch.num_rows();
        let mut columns = Vec::new();
        for name in text_columns(self.table) {
            columns.push(self.text_ids(batch.column_by_name(name))?);
        }
        for name in integer_columns(self.table) {
            columns.push(self.integer_ids(batch.column_by_name(name))?);
        }
        columns.push(signs(self.table, batch)?);
        let mut hashes = vec![0_u64; rows];
        for column in &columns {
            // What is the same for all rows may be another in the next batch.
            match column {
                Ids::Same(id) => hashes.iter_mut().for_each(|hash| *hash = mixed(*hash, *id)),
                Ids::Each(ids) => hashes.iter_mut().zip(ids).for_each(|(hash, id)| *hash = mixed(*hash, *id)),
            }
        }
        let width = columns.len();
        let mut classes = Vec::with_capacity(rows);
        for (row, hash) in hashes.into_iter().enumerate() {
            let mut hash = hash;
            let class = loop {
                match self.by_hash.get(&hash) {
                    Some(class) => {
                        let at = *class as usize * width;
                        let tuple = &self.tuples[at..at + width];
                        if tuple.iter().zip(&columns).all(|(id, column)| *id == column.at(row)) {
                            break *class;
                        }
                        hash = hash.wrapping_add(SPREAD);
                    }
                    None => break self.new_class(hash, &columns, row)?,
                }
            };
            classes.push(class);
        }
        Ok(classes)
    }

    fn new_class(&mut self, hash: u64, columns: &[Ids], row: usize) -> Result<u32, QueryError> {
        let number = u32::try_from(self.classes.len()).unwrap_or(NONE);
        let ids: Vec<u32> = columns.iter().map(|column| column.at(row)).collect();
        let texts = text_columns(self.table).len();
        let integers = texts + integer_columns(self.table).len();
        let class = Class {
            texts: ids[..texts].iter().map(|id| self.text_of[*id as usize].clone()).collect(),
            integers: ids[texts..integers].iter().map(|id| self.integer_of[*id as usize]).collect(),
            signs: ids[integers],
        };
        let nothing = || Arc::<str>::from("");
        let service = [PROVIDER, SERVICE].map(|place| class.texts[place].clone().unwrap_or_else(nothing));
        let needed = self.needed_terms(service)?;
        self.by_hash.insert(hash, number);
        self.tuples.extend(ids);
        self.classes.push(class);
        self.needed.push(needed);
        self.has_value.push(0);
        self.has_null.push(0);
        self.overflown.push(0);
        Ok(number)
    }

    /// The terms that the records of a service are summed for: those of its rules, and what is measured.
    fn needed_terms(&mut self, [provider, service]: [Arc<str>; 2]) -> Result<Terms, QueryError> {
        let key = (provider, service);
        if let Some(known) = self.services.get(&key) {
            return Ok(*known);
        }
        let mut needed = 0;
        let of_rules = terms_of(self.catalogue, self.table, &key.0, &key.1);
        for term in usual_terms(self.table).into_iter().chain(of_rules) {
            let place = match self.terms.iter().position(|known| known.term.sql == term.sql) {
                Some(place) => place,
                None => {
                    if self.terms.len() >= Terms::BITS as usize {
                        continue;
                    }
                    self.terms.push(self.summed(term)?);
                    self.rollup.sums.push(Vec::new());
                    self.terms.len() - 1
                }
            };
            needed |= 1 << place;
        }
        self.services.insert(key, needed);
        Ok(needed)
    }

    /// Prepares a term.
    fn summed(&self, term: NeededTerm) -> Result<Summed, QueryError> {
        let fields = term.columns.iter().map(|column| {
            let name = if column == "billed_us" { "billed_ms" } else { column };
            let known = pricing_table(self.table).column(column).map(|column| column.kind);
            let kind = match known {
                Some(ColumnKind::Text) => DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
                _ => DataType::Int64,
            };
            Field::new(name, kind, true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let known = Arc::new(DFSchema::try_from(schema.clone())?);
        let logical = self.session.parse_sql_expr(&term.sql, &known)?;
        let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(known.clone()).build());
        let logical = simplifier.simplify(simplifier.coerce(logical, &known)?)?;
        let expression = self.session.create_physical_expr(logical, &known)?;
        Ok(Summed { term, expression, schema })
    }

    /// Sums one term of the rows of the classes that need it.
    fn sum(&mut self, batch: &RecordBatch, term: usize, classes: &[u32], cells: &[u32]) -> Result<(), QueryError> {
        let bit: Terms = 1 << term;
        if !classes.iter().any(|class| self.needed[*class as usize] & bit != 0) {
            return Ok(());
        }
        let summed = &self.terms[term];
        let columns = summed.schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
            Some(column) => Ok(cast(column, field.data_type())?),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        });
        let input = RecordBatch::try_new(summed.schema.clone(), columns.collect::<Result<_, QueryError>>()?)?;
        let values = summed.expression.evaluate(&input)?.into_array(batch.num_rows())?;
        let sums = &mut self.rollup.sums[term];
        sums.resize(self.rollup.counts.len(), 0);
        let Some(values) = whole_numbers(&values)? else {
            classes.iter().for_each(|class| self.overflown[*class as usize] |= bit);
            return Ok(());
        };
        for (row, (class, cell)) in classes.iter().zip(cells).enumerate() {
            let class = *class as usize;
            if self.needed[class] & bit == 0 {
                continue;
            }
            if values.is_null(row) {
                self.has_null[class] |= bit;
                continue;
            }
            self.has_value[class] |= bit;
            match sums[*cell as usize].checked_add(values.value(row)) {
                Some(sum) => sums[*cell as usize] = sum,
                None => self.overflown[class] |= bit,
            }
        }
        Ok(())
    }

    fn text_ids(&mut self, column: Option<&ArrayRef>) -> Result<Ids, QueryError> {
        let Some(column) = column else { return Ok(Ids::Same(0)) };
        let kind = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
        let column = cast(column, &kind)?;
        let column = column.as_dictionary::<Int32Type>();
        let values = column.values().as_string::<i32>();
        let mut ids = Vec::with_capacity(values.len());
        for value in 0..values.len() {
            if values.is_null(value) {
                ids.push(0);
                continue;
            }
            let text = values.value(value);
            ids.push(match self.texts.get(text) {
                Some(id) => *id,
                None => {
                    let (text, id) = (Arc::<str>::from(text), u32::try_from(self.text_of.len()).unwrap_or(0));
                    self.text_of.push(Some(text.clone()));
                    self.texts.insert(text, id);
                    id
                }
            });
        }
        let keys = column.keys();
        if let ([id], 0) = (&ids[..], keys.null_count()) {
            return Ok(Ids::Same(*id));
        }
        let id = |row: usize| if keys.is_null(row) { 0 } else { ids[usize::try_from(keys.value(row)).unwrap_or(0)] };
        Ok(Ids::Each((0..column.len()).map(id).collect()))
    }

    fn integer_ids(&mut self, column: Option<&ArrayRef>) -> Result<Ids, QueryError> {
        let Some(column) = column.filter(|column| column.null_count() < column.len()) else { return Ok(Ids::Same(0)) };
        let column = cast(column, &DataType::Int64)?;
        let column = column.as_primitive::<Int64Type>();
        let ids = column.iter().map(|value| {
            let Some(value) = value else { return 0 };
            let next = u32::try_from(self.integer_of.len()).unwrap_or(0);
            let id = *self.integers.entry(value).or_insert(next);
            if id == next {
                self.integer_of.push(Some(value));
            }
            id
        });
        Ok(Ids::Each(ids.collect()))
    }
}

#[inline]
fn mixed(hash: u64, id: u32) -> u64 {
    (hash.rotate_left(23) ^ u64::from(id)).wrapping_mul(SPREAD)
}

/// For each row, whether each measure is absent, 0 or above.
fn signs(table: Table, batch: &RecordBatch) -> Result<Ids, QueryError> {
    let mut signs = vec![0_u32; batch.num_rows()];
    for (place, name) in measure_columns(table).iter().enumerate() {
        let Some(column) = batch.column_by_name(name).filter(|column| column.null_count() < column.len()) else {
            continue;
        };
        let column = cast(column, &DataType::Int64)?;
        let column = column.as_primitive::<Int64Type>();
        let sign = |value: i64| if value > 0 { 2 } else { 1 };
        match column.null_count() {
            0 => signs.iter_mut().zip(column.values()).for_each(|(signs, value)| *signs |= sign(*value) << (2 * place)),
            _ => signs.iter_mut().zip(column).for_each(|(signs, value)| *signs |= value.map_or(0, sign) << (2 * place)),
        }
    }
    Ok(Ids::Each(signs))
}

/// As 64-bit integers; nothing where they are none.
fn whole_numbers(values: &ArrayRef) -> Result<Option<Int64Array>, QueryError> {
    match values.data_type() {
        DataType::Int64 => Ok(Some(values.as_primitive::<Int64Type>().clone())),
        DataType::Decimal128(_, 0) | DataType::Null => {
            let whole = cast(values, &DataType::Int64)?;
            // A number too large for 64 bits becomes null.
            let lost = whole.null_count() != values.logical_null_count();
            Ok((!lost).then(|| whole.as_primitive::<Int64Type>().clone()))
        }
        _ => Ok(None),
    }
}

/// A column of whole numbers, where any row has one.
fn whole(batch: &RecordBatch, name: &str) -> Result<Option<Int64Array>, QueryError> {
    let Some(column) = batch.column_by_name(name).filter(|column| column.null_count() < column.len()) else {
        return Ok(None);
    };
    Ok(Some(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone()))
}

/// Counts the values of a column.
fn count(
    batch: &RecordBatch,
    name: &str,
    classes: &[u32],
    counting: &mut Counting,
    value: impl Fn(u64) -> u64,
) -> Result<(), QueryError> {
    let Some(column) = whole(batch, name)? else { return Ok(()) };
    for (class, found) in classes.iter().zip(&column) {
        if let Some(found) = found.and_then(|found| u64::try_from(found).ok()) {
            counting.add(*class, value(found));
        }
    }
    Ok(())
}
