//! Parquet files of usage records.
//!
//! The records are in columns already, with their texts as dictionaries, so the columns are encoded here as they are: low
//! cardinality as indices, numbers as differences, ids one after the other. The library writes pages, statistics and the
//! rest of the file. Columns that no record of an upload has are left out of its files; readers take them as null.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Decimal128Array, DictionaryArray,
    FixedSizeBinaryArray, RecordBatch, StringArray,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema, TimestampMicrosecondType, UInt32Type};
use datafusion::parquet::arrow::ArrowSchemaConverter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::column::page::{CompressedPage, Page, PageWriter};
use datafusion::parquet::column::writer::ColumnCloseResult;
use datafusion::parquet::data_type::ByteArray;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::ColumnChunkMetaData;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::file::statistics::{Statistics, ValueStatistics};
use datafusion::parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use datafusion::parquet::schema::types::ColumnDescPtr;
use foldhash::fast::RandomState;

use encoding::{delta_binary_packed, levels, run, runs, width_of};

mod encoding;

/// Most rows of a page: readers decompress a page as a whole.
const PAGE_ROWS: usize = 32 * 1024;
/// Numbers are a dictionary when the first of them have few different ones.
const NUMBERS_TRIAL: usize = 2048;
/// Most different numbers of a dictionary.
const NUMBERS_DISTINCT_MAX: usize = 4096;
/// Longest text in statistics, in bytes.
const STATISTICS_TEXT_MAX: usize = 64;
/// Compression level: higher ones cost much and bring little for columns encoded like this.
const ZSTD_LEVEL: i32 = 1;

/// Rows of a batch.
pub(crate) struct Segment {
    /// Which batch.
    pub(crate) batch: RecordBatch,
    /// Which of its rows, ascending.
    pub(crate) rows: Vec<u32>,
}

/// The least and the largest value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Extent {
    /// Of whole numbers and times.
    Integer(i64, i64),
    /// Of texts.
    Text(String, String),
}

/// What is known of a column of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnFacts {
    /// Rows without a value.
    pub(crate) nulls: u64,
    /// Least and largest value, where they say something.
    pub(crate) extent: Option<Extent>,
    /// Whether some row group had values and no extent.
    unbounded: bool,
}

/// A file that is being written, in memory.
pub(crate) struct DataFile {
    schema: Arc<Schema>,
    constant: Option<(String, String)>,
    writer: SerializedFileWriter<Vec<u8>>,
    written: Vec<Bytes>,
    bytes: usize,
    rows: u64,
    facts: Vec<ColumnFacts>,
    compressor: zstd::bulk::Compressor<'static>,
}

/// A finished file.
pub(crate) struct FinishedFile {
    /// Its bytes.
    pub(crate) parts: Vec<Bytes>,
    /// How many they are.
    pub(crate) bytes: usize,
    /// Rows.
    pub(crate) rows: u64,
    /// Its columns.
    pub(crate) columns: Vec<(String, ColumnFacts)>,
}

impl DataFile {
    /// A file of these columns; one of them may have the same text in every row.
    pub(crate) fn new(schema: Arc<Schema>, constant: Option<(String, String)>) -> Result<Self, ParquetError> {
        let parquet = ArrowSchemaConverter::new().convert(&schema)?;
        let properties = WriterProperties::builder().set_created_by("paygrain".to_owned()).build();
        let writer = SerializedFileWriter::new(Vec::new(), parquet.root_schema_ptr(), Arc::new(properties))?;
        let facts = vec![ColumnFacts::default(); schema.fields().len()];
        let compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        Ok(Self { schema, constant, writer, written: Vec::new(), bytes: 0, rows: 0, facts, compressor })
    }

    /// Adds a row group.
    pub(crate) fn add(&mut self, segments: &[Segment]) -> Result<(), ParquetError> {
        let rows: usize = segments.iter().map(|segment| segment.rows.len()).sum();
        if rows == 0 {
            return Ok(());
        }
        let descriptors = self.writer.schema_descr().columns().to_vec();
        let mut group = self.writer.next_row_group()?;
        for ((field, descriptor), facts) in self.schema.fields().iter().zip(descriptors).zip(&mut self.facts) {
            let name = field.name().as_str();
            let (values, present) = match &self.constant {
                Some((constant, text)) if constant == name => {
                    (Values::Texts(vec![0; rows], vec![text.as_bytes()]), Present::all(rows))
                }
                _ => (Values::gather(segments, name, field.data_type())?, Present::of(segments, name, rows)),
            };
            let mut chunk = Chunk::new(descriptor, &mut self.compressor, present);
            let extent = chunk.write(values)?;
            facts.nulls += chunk.nulls();
            facts.take(extent, chunk.nulls() == rows as u64);
            let (bytes, close) = chunk.close()?;
            group.append_column(&bytes, close)?;
        }
        group.close()?;
        self.rows += rows as u64;
        self.writer.flush()?;
        let written = Bytes::from(std::mem::take(self.writer.inner_mut()));
        self.bytes += written.len();
        self.written.push(written);
        Ok(())
    }

    /// Bytes written so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) -> Result<FinishedFile, ParquetError> {
        self.writer.finish()?;
        let rest = Bytes::from(std::mem::take(self.writer.inner_mut()));
        self.bytes += rest.len();
        self.written.push(rest);
        let names = self.schema.fields().iter().map(|field| field.name().clone());
        let columns = names.zip(self.facts).collect();
        Ok(FinishedFile { parts: self.written, bytes: self.bytes, rows: self.rows, columns })
    }
}

impl ColumnFacts {
    fn take(&mut self, extent: Option<Extent>, empty: bool) {
        if empty || self.unbounded {
            return;
        }
        self.extent = match (self.extent.take(), extent) {
            (None, extent) => extent,
            (Some(Extent::Integer(low, high)), Some(Extent::Integer(other_low, other_high))) => {
                Some(Extent::Integer(low.min(other_low), high.max(other_high)))
            }
            (Some(Extent::Text(low, high)), Some(Extent::Text(other_low, other_high))) => {
                Some(Extent::Text(low.min(other_low), high.max(other_high)))
            }
            _ => None,
        };
        self.unbounded = self.extent.is_none();
    }
}

/// Which rows of a column have a value.
struct Present {
    rows: usize,
    /// Not kept when all have.
    bits: Option<BooleanBuffer>,
}

impl Present {
    fn all(rows: usize) -> Self {
        Present { rows, bits: None }
    }

    fn of(segments: &[Segment], name: &str, rows: usize) -> Self {
        let column = |segment: &Segment| segment.batch.column_by_name(name).cloned();
        if segments.iter().all(|segment| column(segment).is_some_and(|array| array.null_count() == 0)) {
            return Self::all(rows);
        }
        let mut bits = BooleanBufferBuilder::new(rows);
        for segment in segments {
            match column(segment) {
                None => bits.append_n(segment.rows.len(), false),
                Some(array) => match array.nulls() {
                    None => bits.append_n(segment.rows.len(), true),
                    Some(nulls) => segment.rows.iter().for_each(|row| bits.append(nulls.is_valid(*row as usize))),
                },
            }
        }
        Present { rows, bits: Some(bits.finish()) }
    }

    fn nulls(&self) -> usize {
        self.bits.as_ref().map_or(0, |bits| bits.len() - bits.count_set_bits())
    }

    /// How many of some rows have a value.
    fn count(&self, from: usize, rows: usize) -> usize {
        self.bits.as_ref().map_or(rows, |bits| bits.slice(from, rows).count_set_bits())
    }
}

/// The values of a column that are there, in order.
enum Values<'a> {
    /// Codes, and the texts they stand for.
    Texts(Vec<u32>, Vec<&'a [u8]>),
    /// Texts or other bytes, one after the other, with their lengths.
    Bytes(Vec<u8>, Vec<i64>),
    Integers(Vec<i64>),
    Flags(Vec<bool>),
    Decimals(Vec<i128>),
}

impl<'a> Values<'a> {
    fn gather(segments: &'a [Segment], name: &str, data_type: &DataType) -> Result<Self, ParquetError> {
        let found = || segments.iter().filter_map(|segment| Some((segment.batch.column_by_name(name)?, &segment.rows)));
        Ok(match data_type {
            DataType::Utf8 if found().all(|(array, _)| array.as_any().is::<DictionaryArray<UInt32Type>>()) => {
                Self::dictionary(found()).unwrap_or(Values::Bytes(Vec::new(), Vec::new()))
            }
            DataType::Utf8 | DataType::Binary => Self::bytes(found())?,
            DataType::Int64 | DataType::Timestamp(..) => {
                let mut values = Vec::with_capacity(found().map(|(_, rows)| rows.len()).sum());
                for (array, rows) in found() {
                    let numbers: &[i64] = match array.data_type() {
                        DataType::Int64 => array.as_primitive::<Int64Type>().values(),
                        _ => array.as_primitive::<TimestampMicrosecondType>().values(),
                    };
                    values.extend(valid(array, rows).map(|row| numbers[row]));
                }
                Values::Integers(values)
            }
            DataType::Boolean => Values::Flags(of_type(found(), BooleanArray::value)?),
            DataType::Decimal128(..) => Values::Decimals(of_type(found(), Decimal128Array::value)?),
            other => return Err(ParquetError::General(format!("no column of type {other}"))),
        })
    }

    /// The dictionaries of several batches as one; nothing when there is no value.
    fn dictionary(found: impl Iterator<Item = (&'a ArrayRef, &'a Vec<u32>)>) -> Option<Self> {
        const UNSEEN: u32 = u32::MAX;
        let mut texts: Vec<&[u8]> = Vec::new();
        let mut known: HashMap<&[u8], u32, RandomState> = HashMap::default();
        let mut codes = Vec::new();
        for (array, rows) in found {
            let Some(array) = array.as_dictionary_opt::<UInt32Type>() else { continue };
            let Some(values) = array.values().as_string_opt::<i32>() else { continue };
            let keys = array.keys().values();
            let mut here = vec![UNSEEN; values.len()];
            codes.reserve(rows.len());
            codes.extend(valid(array, rows).map(|row| {
                let code = &mut here[keys[row] as usize];
                if *code == UNSEEN {
                    let text = values.value(keys[row] as usize).as_bytes();
                    *code = *known.entry(text).or_insert_with(|| {
                        texts.push(text);
                        u32::try_from(texts.len() - 1).unwrap_or(UNSEEN)
                    });
                }
                *code
            }));
        }
        (!codes.is_empty()).then_some(Values::Texts(codes, texts))
    }

    fn bytes(found: impl Iterator<Item = (&'a ArrayRef, &'a Vec<u32>)>) -> Result<Self, ParquetError> {
        let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
        for (array, rows) in found {
            lengths.reserve(rows.len());
            let mut push = |value: &[u8]| {
                bytes.extend_from_slice(value);
                lengths.push(value.len() as i64);
            };
            if let Some(texts) = array.as_string_opt::<i32>() {
                valid(array, rows).for_each(|row| push(texts.value(row).as_bytes()));
            } else if let Some(keys) = array.as_any().downcast_ref::<FixedSizeBinaryArray>() {
                valid(array, rows).for_each(|row| push(keys.value(row)));
            } else if let Some(texts) =
                array.as_dictionary_opt::<UInt32Type>().and_then(|array| array.downcast_dict::<StringArray>())
            {
                let keys = texts.keys().values();
                valid(array, rows).for_each(|row| push(texts.values().value(keys[row] as usize).as_bytes()));
            } else {
                return Err(ParquetError::General(format!("no texts in a column of type {}", array.data_type())));
            }
        }
        Ok(Values::Bytes(bytes, lengths))
    }
}

/// The rows that have a value, of those asked for.
fn valid<'a>(array: &'a dyn Array, rows: &'a [u32]) -> impl Iterator<Item = usize> + 'a {
    let nulls = array.nulls();
    rows.iter().map(|row| *row as usize).filter(move |row| nulls.is_none_or(|nulls| nulls.is_valid(*row)))
}

fn of_type<'a, A: Array + 'static, V>(
    found: impl Iterator<Item = (&'a ArrayRef, &'a Vec<u32>)>,
    value: impl Fn(&A, usize) -> V,
) -> Result<Vec<V>, ParquetError> {
    let mut values = Vec::new();
    for (array, rows) in found {
        let typed = array.as_any().downcast_ref::<A>();
        let typed = typed.ok_or_else(|| ParquetError::General(format!("unexpected type {}", array.data_type())))?;
        values.extend(valid(array, rows).map(|row| value(typed, row)));
    }
    Ok(values)
}

/// One column of one row group.
struct Chunk<'a> {
    descriptor: ColumnDescPtr,
    compressor: &'a mut zstd::bulk::Compressor<'static>,
    present: Present,
    out: TrackedWrite<Vec<u8>>,
    /// Decided with the first page.
    compressed: Option<bool>,
    uncompressed_bytes: usize,
    dictionary_at: Option<i64>,
    data_at: Option<i64>,
    encodings: Vec<Encoding>,
    statistics: Option<Statistics>,
}

impl<'a> Chunk<'a> {
    fn new(descriptor: ColumnDescPtr, compressor: &'a mut zstd::bulk::Compressor<'static>, present: Present) -> Self {
        Chunk {
            descriptor,
            compressor,
            present,
            out: TrackedWrite::new(Vec::new()),
            compressed: None,
            uncompressed_bytes: 0,
            dictionary_at: None,
            data_at: None,
            encodings: vec![Encoding::RLE],
            statistics: None,
        }
    }

    fn nulls(&self) -> u64 {
        self.present.nulls() as u64
    }

    /// Writes all pages; the extent of the values where it is known.
    fn write(&mut self, values: Values<'_>) -> Result<Option<Extent>, ParquetError> {
        match values {
            Values::Texts(codes, texts) => {
                let mut dictionary = Vec::new();
                for text in &texts {
                    dictionary.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                    dictionary.extend_from_slice(text);
                }
                self.write_dictionary(dictionary, &codes, texts.len())?;
                Ok(self.text_extent(&texts))
            }
            Values::Bytes(bytes, lengths) => {
                // Keys are hashes, which nothing makes smaller.
                if self.descriptor.name() == "record_key" {
                    self.compressed = Some(false);
                }
                let mut from = 0;
                self.pages(Encoding::DELTA_LENGTH_BYTE_ARRAY, |values, out| {
                    let lengths = &lengths[values];
                    delta_binary_packed(lengths, out);
                    let length: i64 = lengths.iter().sum();
                    let end = from + usize::try_from(length).unwrap_or_default();
                    out.extend_from_slice(&bytes[from..end]);
                    from = end;
                })?;
                self.statistics = Some(Statistics::ByteArray(self.value_statistics(None)));
                Ok(None)
            }
            Values::Integers(numbers) => {
                match few_numbers(&numbers) {
                    Some((codes, distinct)) => {
                        let dictionary: Vec<u8> = distinct.iter().flat_map(|number| number.to_le_bytes()).collect();
                        self.write_dictionary(dictionary, &codes, distinct.len())?;
                    }
                    None => self.pages(Encoding::DELTA_BINARY_PACKED, |values, out| {
                        delta_binary_packed(&numbers[values], out);
                    })?,
                }
                let extent = numbers.iter().fold(None, |extent: Option<(i64, i64)>, number| {
                    Some(extent.map_or((*number, *number), |(low, high)| (low.min(*number), high.max(*number))))
                });
                self.statistics = Some(Statistics::Int64(self.value_statistics(extent)));
                Ok(extent.map(|(low, high)| Extent::Integer(low, high)))
            }
            Values::Flags(flags) => {
                self.pages(Encoding::PLAIN, |values, out| {
                    for byte in flags[values].chunks(8) {
                        out.push(byte.iter().enumerate().fold(0, |all, (place, flag)| all | u8::from(*flag) << place));
                    }
                })?;
                self.statistics = Some(Statistics::Boolean(self.value_statistics(None)));
                Ok(None)
            }
            Values::Decimals(numbers) => {
                self.pages(Encoding::PLAIN, |values, out| {
                    numbers[values].iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
                })?;
                self.statistics = Some(Statistics::FixedLenByteArray(self.value_statistics(None)));
                Ok(None)
            }
        }
    }

    fn text_extent(&mut self, texts: &[&[u8]]) -> Option<Extent> {
        let short = |text: &&&[u8]| text.len() <= STATISTICS_TEXT_MAX;
        let (low, high) = (texts.iter().min().filter(short), texts.iter().max().filter(short));
        let extent = low.zip(high).map(|(low, high)| (*low, *high));
        let bytes = extent.map(|(low, high)| (ByteArray::from(low), ByteArray::from(high)));
        self.statistics = Some(Statistics::ByteArray(self.value_statistics(bytes)));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        extent.and_then(|(low, high)| Some(Extent::Text(text(low)?, text(high)?)))
    }

    fn value_statistics<T>(&self, extent: Option<(T, T)>) -> ValueStatistics<T> {
        let (low, high) = extent.map_or((None, None), |(low, high)| (Some(low), Some(high)));
        ValueStatistics::new(low, high, None, Some(self.nulls()), false)
    }

    fn write_dictionary(&mut self, dictionary: Vec<u8>, codes: &[u32], distinct: usize) -> Result<(), ParquetError> {
        self.compressed = Some(true);
        self.dictionary_at = Some(self.place());
        self.encodings.push(Encoding::PLAIN);
        self.write_page(dictionary, |buf| Page::DictionaryPage {
            buf,
            num_values: u32::try_from(distinct).unwrap_or(u32::MAX),
            encoding: Encoding::PLAIN,
            is_sorted: false,
        })?;
        let width = width_of(distinct);
        self.pages(Encoding::RLE_DICTIONARY, |values, out| {
            out.push(width.to_le_bytes()[0]);
            runs(&codes[values], width, out);
        })
    }

    /// Writes the data pages, whose values `encode` writes.
    fn pages(
        &mut self,
        encoding: Encoding,
        mut encode: impl FnMut(std::ops::Range<usize>, &mut Vec<u8>),
    ) -> Result<(), ParquetError> {
        self.encodings.push(encoding);
        let mut values_from = 0;
        for from in (0..self.present.rows).step_by(PAGE_ROWS) {
            let rows = PAGE_ROWS.min(self.present.rows - from);
            let values = self.present.count(from, rows);
            let mut page = Vec::new();
            if self.descriptor.max_def_level() > 0 {
                let mut encoded = Vec::new();
                match &self.present.bits {
                    Some(bits) if values < rows && values > 0 => levels(bits.slice(from, rows).iter(), &mut encoded),
                    _ => run(u32::from(values > 0), rows, 1, &mut encoded),
                }
                page.extend_from_slice(&u32::try_from(encoded.len()).unwrap_or(u32::MAX).to_le_bytes());
                page.extend_from_slice(&encoded);
            }
            encode(values_from..values_from + values, &mut page);
            values_from += values;
            let place = self.place();
            self.data_at.get_or_insert(place);
            self.write_page(page, |buf| Page::DataPage {
                buf,
                num_values: u32::try_from(rows).unwrap_or(u32::MAX),
                encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            })?;
        }
        Ok(())
    }

    fn write_page(&mut self, page: Vec<u8>, of: impl FnOnce(Bytes) -> Page) -> Result<(), ParquetError> {
        let size = page.len();
        let stored = match self.compressed {
            Some(false) => page,
            Some(true) => self.compressor.compress(&page)?,
            None => {
                // Worth it only when it saves something.
                let smaller = self.compressor.compress(&page)?;
                let compressed = smaller.len() + smaller.len() / 16 < size;
                self.compressed = Some(compressed);
                if compressed { smaller } else { page }
            }
        };
        let page = CompressedPage::new(of(Bytes::from(stored)), size);
        let written = SerializedPageWriter::new(&mut self.out).write_page(page)?;
        self.uncompressed_bytes += written.uncompressed_size;
        Ok(())
    }

    fn place(&self) -> i64 {
        i64::try_from(self.out.bytes_written()).unwrap_or(i64::MAX)
    }

    fn close(self) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let compression = match self.compressed {
            Some(true) => Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?),
            _ => Compression::UNCOMPRESSED,
        };
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let size = self.out.bytes_written();
        let mut metadata = ColumnChunkMetaData::builder(self.descriptor)
            .set_encodings(self.encodings)
            .set_compression(compression)
            .set_num_values(signed(self.present.rows))
            .set_total_compressed_size(signed(size))
            .set_total_uncompressed_size(signed(self.uncompressed_bytes))
            .set_data_page_offset(self.data_at.unwrap_or_default())
            .set_dictionary_page_offset(self.dictionary_at);
        if let Some(statistics) = self.statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: size as u64,
            rows_written: self.present.rows as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((Bytes::from(self.out.into_inner()?), close))
    }
}

/// Numbers as codes and the numbers they stand for, if there are few.
fn few_numbers(numbers: &[i64]) -> Option<(Vec<u32>, Vec<i64>)> {
    let mut known: HashMap<i64, u32, RandomState> = HashMap::default();
    let mut codes = Vec::with_capacity(numbers.len());
    let mut distinct = Vec::new();
    let mut last = None;
    for (at, number) in numbers.iter().enumerate() {
        if let Some((same, code)) = last
            && same == *number
        {
            codes.push(code);
            continue;
        }
        let code = *known.entry(*number).or_insert_with(|| {
            distinct.push(*number);
            u32::try_from(distinct.len() - 1).unwrap_or(u32::MAX)
        });
        if distinct.len() > NUMBERS_DISTINCT_MAX || (at < NUMBERS_TRIAL && distinct.len() * 4 > NUMBERS_TRIAL) {
            return None;
        }
        codes.push(code);
        last = Some((*number, code));
    }
    Some((codes, distinct))
}
