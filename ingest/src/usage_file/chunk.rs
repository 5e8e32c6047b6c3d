//! One column of one row group: its pages and what is known of them.

use std::collections::HashMap;

use bytes::Bytes;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::column::page::{CompressedPage, Page, PageWriter};
use datafusion::parquet::column::writer::ColumnCloseResult;
use datafusion::parquet::data_type::ByteArray;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::ColumnChunkMetaData;
use datafusion::parquet::file::statistics::{Statistics, ValueStatistics};
use datafusion::parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use datafusion::parquet::schema::types::ColumnDescPtr;
use foldhash::fast::RandomState;

use super::encoding::{delta_binary_packed, levels, run, runs, width_of};
use super::values::{Present, Values};
use super::{Extent, ZSTD_LEVEL};

/// Most rows of a page: readers decompress a page as a whole.
const PAGE_ROWS: usize = 32 * 1024;
/// Numbers are a dictionary when the first of them have few different ones.
const NUMBERS_TRIAL: usize = 2048;
/// Most different numbers of a dictionary.
const NUMBERS_DISTINCT_MAX: usize = 4096;
/// Longest text in statistics, in bytes.
const STATISTICS_TEXT_MAX: usize = 64;

/// One column of one row group.
pub(super) struct Chunk<'a> {
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
    pub(super) fn new(
        descriptor: ColumnDescPtr,
        compressor: &'a mut zstd::bulk::Compressor<'static>,
        present: Present,
    ) -> Self {
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

    pub(super) fn nulls(&self) -> u64 {
        self.present.nulls() as u64
    }

    /// Writes all pages; the extent of the values where it is known.
    pub(super) fn write(&mut self, values: Values<'_>) -> Result<Option<Extent>, ParquetError> {
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
        let (mut values_from, mut page_bytes) = (0, 0);
        for from in (0..self.present.rows).step_by(PAGE_ROWS) {
            let rows = PAGE_ROWS.min(self.present.rows - from);
            let values = self.present.count(from, rows);
            let mut page = Vec::with_capacity(page_bytes);
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
            page_bytes = page.len() + page.len() / 8;
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

    pub(super) fn close(self) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
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
