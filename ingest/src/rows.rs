//! Usage records on their way from a format to a file: one column after the other, in batches.
//!
//! Rows go straight from the line that was read into columns: a text that occurs often is kept once a batch, and a column
//! that no row of a batch has is left out of it.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array, DictionaryArray, FixedSizeBinaryArray,
    Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt16Array, new_null_array,
};
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{Field, Schema, UInt16Type};
use datafusion::arrow::error::ArrowError;
use foldhash::fast::RandomState;

use crate::table::{ASSUMED, ColumnVisitor, DAY_US, LOGGED, QUANTITY_TYPE, RowFacts, Table, UsageRow};

/// Most rows of a batch.
pub(crate) const BATCH_ROWS: usize = 32 * 1024;
/// A batch is closed when its texts have so many bytes.
const BATCH_TEXT_BYTES: usize = 16 << 20;
/// Length of a record key in bytes.
pub(crate) const KEY_BYTES: usize = 16;
/// How many different texts a batch's column may have before we look whether most of them are different.
const DICTIONARY_TRIAL: usize = 4096;

/// Rows of one usage table, not yet a batch. The upload's id is not known before its last byte, so it is added at
/// the commit.
#[derive(Debug)]
pub struct UsageRows {
    table: Table,
    times: Vec<i64>,
    keys: Vec<u8>,
    time_sources: Texts,
    columns: Vec<(&'static str, Column)>,
    text_bytes: usize,
}

/// One column of the rows that wait.
#[derive(Debug)]
enum Column {
    Text(Texts),
    Integer(Numbers<i64>),
    Flag(Numbers<bool>),
    Decimal(Numbers<i128>),
    Time(Numbers<i64>),
}

impl UsageRows {
    /// None yet, of a table.
    pub fn new(table: Table) -> Self {
        Self {
            table,
            times: Vec::new(),
            keys: Vec::new(),
            time_sources: Texts::default(),
            columns: Vec::new(),
            text_bytes: 0,
        }
    }

    /// Adds a row.
    pub fn push<R: UsageRow>(&mut self, facts: RowFacts, row: &R) {
        debug_assert_eq!(R::TABLE, self.table);
        let at = self.times.len();
        self.times.push(facts.time_us);
        self.keys.extend_from_slice(&facts.key.0);
        self.time_sources.push(at, if facts.logged { LOGGED } else { ASSUMED });
        row.visit(&mut Pusher { rows: self, at, next: 0 });
    }

    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether they are enough for a batch.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= BATCH_ROWS || self.text_bytes >= BATCH_TEXT_BYTES
    }

    /// The rows as a batch, leaving none: the time, the columns that any row has, `time_source` and `record_key`.
    /// Texts may be dictionaries.
    ///
    /// # Errors
    /// Never for rows of these types; Arrow's own checks are passed on.
    pub fn take_batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let count = self.times.len();
        self.text_bytes = 0;
        let times = TimestampMicrosecondArray::from(std::mem::take(&mut self.times)).with_timezone("UTC");
        let mut arrays: Vec<(&str, ArrayRef)> = vec![(self.table.time_column(), Arc::new(times))];
        for (name, column) in &mut self.columns {
            let array = match column {
                Column::Text(texts) => texts.take(count)?,
                Column::Integer(numbers) => numbers.take_integers(count),
                Column::Time(numbers) => numbers.take(count).map(|(values, valid)| {
                    Arc::new(TimestampMicrosecondArray::new(values.into(), valid).with_timezone("UTC")) as ArrayRef
                }),
                Column::Flag(numbers) => numbers.take(count).map(|(values, valid)| {
                    Arc::new(BooleanArray::new(values.into_iter().collect::<Vec<_>>().into(), valid)) as ArrayRef
                }),
                Column::Decimal(numbers) => numbers.take(count).map(|(values, valid)| {
                    let array = Decimal128Array::new(values.into(), valid);
                    Arc::new(array.with_data_type(QUANTITY_TYPE)) as ArrayRef
                }),
            };
            arrays.extend(array.map(|array| (*name, array)));
        }
        arrays.extend(self.time_sources.take(count)?.map(|array| ("time_source", array)));
        let keys = Buffer::from_vec(std::mem::take(&mut self.keys));
        let key_bytes = i32::try_from(KEY_BYTES).unwrap_or(i32::MAX);
        arrays.push(("record_key", Arc::new(FixedSizeBinaryArray::try_new(key_bytes, keys, None)?)));
        let fields = arrays.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), arrays.into_iter().map(|(_, array)| array).collect())
    }
}

/// A batch of [`UsageRows::take_batch`] with every column of its table, in the table's types.
///
/// # Errors
/// As [`UsageRows::take_batch`].
pub fn complete_batch(batch: &RecordBatch, table: Table, upload_id: &str) -> Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for field in schema.fields() {
        columns.push(match (batch.column_by_name(field.name()), field.name().as_str()) {
            (Some(found), _) => cast(found, field.data_type())?,
            (None, "date") => Arc::new(Date32Array::from_iter_values(times_of(batch).iter().map(|time| day_of(*time)))),
            (None, "upload_id") => {
                Arc::new(StringArray::from_iter_values(std::iter::repeat_n(upload_id, batch.num_rows())))
            }
            (None, _) => new_null_array(field.data_type(), batch.num_rows()),
        });
    }
    RecordBatch::try_new(schema, columns)
}

/// The times of a batch: its first column.
pub(crate) fn times_of(batch: &RecordBatch) -> &[i64] {
    batch.column(0).as_any().downcast_ref::<TimestampMicrosecondArray>().map_or(&[], |times| times.values())
}

/// The UTC day of a time, as days since 1970.
pub(crate) fn day_of(time_us: i64) -> i32 {
    i32::try_from(time_us.div_euclid(DAY_US)).unwrap_or(i32::MAX)
}

/// Puts the columns of one row where they belong; the order is the same for every row.
struct Pusher<'a> {
    rows: &'a mut UsageRows,
    at: usize,
    next: usize,
}

impl Pusher<'_> {
    #[inline]
    fn column(&mut self, name: &'static str, new: fn() -> Column) -> &mut Column {
        let place = self.next;
        self.next += 1;
        if place == self.rows.columns.len() {
            self.rows.columns.push((name, new()));
        }
        &mut self.rows.columns[place].1
    }
}

impl ColumnVisitor for Pusher<'_> {
    #[inline]
    fn text(&mut self, name: &'static str, value: Option<&str>) {
        let at = self.at;
        let column = self.column(name, || Column::Text(Texts::default()));
        if let (Column::Text(texts), Some(value)) = (column, value) {
            texts.push(at, value);
            self.rows.text_bytes += value.len();
        }
    }

    #[inline]
    fn integer(&mut self, name: &'static str, value: Option<i64>) {
        let at = self.at;
        let column = self.column(name, || Column::Integer(Numbers::default()));
        if let (Column::Integer(numbers), Some(value)) = (column, value) {
            numbers.push(at, value);
        }
    }

    #[inline]
    fn flag(&mut self, name: &'static str, value: Option<bool>) {
        let at = self.at;
        let column = self.column(name, || Column::Flag(Numbers::default()));
        if let (Column::Flag(numbers), Some(value)) = (column, value) {
            numbers.push(at, value);
        }
    }

    #[inline]
    fn decimal(&mut self, name: &'static str, value: Option<i128>) {
        let at = self.at;
        let column = self.column(name, || Column::Decimal(Numbers::default()));
        if let (Column::Decimal(numbers), Some(value)) = (column, value) {
            numbers.push(at, value);
        }
    }

    fn time(&mut self, name: &'static str, value: Option<i64>) {
        let at = self.at;
        let column = self.column(name, || Column::Time(Numbers::default()));
        if let (Column::Time(numbers), Some(value)) = (column, value) {
            numbers.push(at, value);
        }
    }
}

/// Values of which some may be missing. Rows without one are caught up with when the next value comes.
#[derive(Debug, Default)]
struct Numbers<N> {
    values: Vec<N>,
    /// Which are there; not kept as long as all are.
    valid: Option<BooleanBufferBuilder>,
}

impl<N: Copy + Default> Numbers<N> {
    #[inline]
    fn push(&mut self, at: usize, value: N) {
        if self.values.len() < at {
            self.fill(at);
        }
        self.values.push(value);
        if let Some(valid) = &mut self.valid {
            valid.append(true);
        }
    }

    /// Makes the rows before `at` that have no value missing.
    fn fill(&mut self, at: usize) {
        let length = self.values.len();
        if length >= at {
            return;
        }
        let valid = self.valid.get_or_insert_with(|| {
            let mut valid = BooleanBufferBuilder::new(BATCH_ROWS);
            valid.append_n(length, true);
            valid
        });
        valid.append_n(at - length, false);
        self.values.resize(at, N::default());
    }

    /// The values of so many rows and which of them are there; nothing when none is.
    fn take(&mut self, rows: usize) -> Option<(Vec<N>, Option<NullBuffer>)> {
        if self.values.is_empty() {
            return None;
        }
        self.fill(rows);
        let valid = self.valid.take().map(|mut valid| NullBuffer::new(valid.finish()));
        let next = Vec::with_capacity(self.values.len());
        Some((std::mem::replace(&mut self.values, next), valid))
    }
}

impl Numbers<i64> {
    /// The values of so many rows; in half the space when they are small, as nearly all are.
    fn take_integers(&mut self, rows: usize) -> Option<ArrayRef> {
        if self.values.iter().fold(true, |small, value| small & i32::try_from(*value).is_ok()) {
            if self.values.is_empty() {
                return None;
            }
            self.fill(rows);
            let small = Int32Array::from_iter_values(self.values.iter().filter_map(|value| i32::try_from(*value).ok()));
            self.values.clear();
            let (_, values, _) = small.into_parts();
            let valid = self.valid.take().map(|mut valid| NullBuffer::new(valid.finish()));
            return Some(Arc::new(Int32Array::new(values, valid)));
        }
        let (values, valid) = self.take(rows)?;
        Some(Arc::new(Int64Array::new(values.into(), valid)))
    }
}

/// Texts of a column: as a dictionary, or one after the other when most are different.
#[derive(Debug, Default)]
struct Texts {
    /// Of a dictionary: which text each row has.
    places: Numbers<u16>,
    /// Otherwise: where the text of each row ends.
    row_ends: Numbers<u32>,
    /// Whether texts follow one another, each row's own.
    plain: bool,
    /// The texts, and where they end.
    bytes: String,
    ends: Vec<u32>,
    codes: HashMap<Box<str>, u16, RandomState>,
    last: (usize, usize, u16),
}

impl Texts {
    #[inline]
    fn push(&mut self, at: usize, text: &str) {
        if self.plain {
            self.push_plain(at, text);
            return;
        }
        // Neighbours are often equal.
        let (begin, end, code) = self.last;
        if !self.ends.is_empty() && self.bytes.as_bytes()[begin..end] == *text.as_bytes() {
            self.places.push(at, code);
            return;
        }
        let code = match self.codes.get(text) {
            Some(code) => *code,
            None => {
                let mostly_different =
                    self.ends.len() >= DICTIONARY_TRIAL && self.ends.len() * 2 > self.places.values.len();
                let Some(code) = u16::try_from(self.ends.len()).ok().filter(|_| !mostly_different) else {
                    self.become_plain();
                    self.push_plain(at, text);
                    return;
                };
                self.bytes.push_str(text);
                self.ends.push(offset(self.bytes.len()));
                self.codes.insert(text.into(), code);
                code
            }
        };
        let begin = code.checked_sub(1).map_or(0, |before| self.ends[usize::from(before)]);
        self.last = (begin as usize, self.ends[usize::from(code)] as usize, code);
        self.places.push(at, code);
    }

    fn push_plain(&mut self, at: usize, text: &str) {
        let before = offset(self.bytes.len());
        let from = self.row_ends.values.len();
        self.row_ends.fill(at);
        self.row_ends.values[from..].fill(before);
        self.bytes.push_str(text);
        self.row_ends.push(at, offset(self.bytes.len()));
    }

    fn become_plain(&mut self) {
        let mut bytes = String::with_capacity(self.bytes.len() * 8);
        for (row, code) in self.places.values.iter().enumerate() {
            if self.places.valid.as_ref().is_none_or(|valid| valid.get_bit(row)) {
                let code = usize::from(*code);
                let begin = code.checked_sub(1).map_or(0, |before| self.ends[before]);
                bytes.push_str(&self.bytes[begin as usize..self.ends[code] as usize]);
            }
            self.row_ends.values.push(offset(bytes.len()));
        }
        self.row_ends.valid = self.places.valid.take();
        self.places.values = Vec::new();
        self.bytes = bytes;
        self.ends = Vec::new();
        self.codes = HashMap::default();
        self.last = (0, 0, 0);
        self.plain = true;
    }

    /// The texts of so many rows; nothing when none has one.
    fn take(&mut self, rows: usize) -> Result<Option<ArrayRef>, ArrowError> {
        if self.plain {
            let before = self.row_ends.values.len();
            let Some((ends, valid)) = self.row_ends.take(rows) else { return Ok(None) };
            let end = offset(self.bytes.len());
            let ends = ends.iter().enumerate().map(|(row, row_end)| if row < before { *row_end } else { end });
            let signed = |end: u32| i32::try_from(end).unwrap_or(i32::MAX);
            let offsets: Vec<i32> = std::iter::once(0).chain(ends.map(signed)).collect();
            let next = String::with_capacity(self.bytes.len());
            let bytes = Buffer::from_vec(std::mem::replace(&mut self.bytes, next).into_bytes());
            return Ok(Some(Arc::new(StringArray::try_new(OffsetBuffer::new(offsets.into()), bytes, valid)?)));
        }
        let Some((codes, valid)) = self.places.take(rows) else { return Ok(None) };
        let keys = UInt16Array::new(codes.into(), valid);
        let values = self.ends.iter().scan(0, |begin, end| {
            let text = &self.bytes[*begin as usize..*end as usize];
            *begin = *end;
            Some(text)
        });
        let values: ArrayRef = Arc::new(StringArray::from_iter_values(values));
        self.bytes.clear();
        self.ends.clear();
        self.codes.clear();
        self.last = (0, 0, 0);
        Ok(Some(Arc::new(DictionaryArray::<UInt16Type>::try_new(keys, values)?)))
    }
}

/// A place in the texts of a batch, which is far smaller than 4 GiB.
fn offset(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
