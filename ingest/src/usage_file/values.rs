//! The values of a column, gathered from the rows of several batches.

use std::collections::HashMap;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Decimal128Array, DictionaryArray,
    FixedSizeBinaryArray, StringArray,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType, UInt16Type};
use datafusion::parquet::errors::ParquetError;
use foldhash::fast::RandomState;

use super::Segment;
use crate::rows::KEY_BYTES;

/// Which rows of a column have a value.
pub(super) struct Present {
    pub(super) rows: usize,
    /// Not kept when all have.
    pub(super) bits: Option<BooleanBuffer>,
}

impl Present {
    pub(super) fn all(rows: usize) -> Self {
        Present { rows, bits: None }
    }

    pub(super) fn of(segments: &[Segment], name: &str, rows: usize) -> Self {
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

    pub(super) fn nulls(&self) -> usize {
        self.bits.as_ref().map_or(0, |bits| bits.len() - bits.count_set_bits())
    }

    /// How many of some rows have a value.
    pub(super) fn count(&self, from: usize, rows: usize) -> usize {
        self.bits.as_ref().map_or(rows, |bits| bits.slice(from, rows).count_set_bits())
    }
}

/// The values of a column that are there, in order.
pub(super) enum Values<'a> {
    /// Codes, and the texts they stand for.
    Texts(Vec<u32>, Vec<&'a [u8]>),
    /// Texts or other bytes, one after the other, with their lengths.
    Bytes(Vec<u8>, Vec<i64>),
    Integers(Vec<i64>),
    Flags(Vec<bool>),
    Decimals(Vec<i128>),
}

impl<'a> Values<'a> {
    pub(super) fn gather(segments: &'a [Segment], name: &str, data_type: &DataType) -> Result<Self, ParquetError> {
        let found = || segments.iter().filter_map(|segment| Some((segment.batch.column_by_name(name)?, &segment.rows)));
        Ok(match data_type {
            DataType::Utf8 if found().all(|(array, _)| array.as_any().is::<DictionaryArray<UInt16Type>>()) => {
                Self::dictionary(found()).unwrap_or(Values::Bytes(Vec::new(), Vec::new()))
            }
            DataType::Utf8 | DataType::Binary => Self::bytes(found())?,
            DataType::Int64 | DataType::Timestamp(..) => {
                let mut values = Vec::with_capacity(found().map(|(_, rows)| rows.len()).sum());
                for (array, rows) in found() {
                    let rows = valid(array, rows);
                    match array.data_type() {
                        DataType::Int32 => {
                            let numbers = array.as_primitive::<Int32Type>().values();
                            values.extend(rows.map(|row| i64::from(numbers[row])));
                        }
                        DataType::Int64 => {
                            let numbers = array.as_primitive::<Int64Type>().values();
                            values.extend(rows.map(|row| numbers[row]));
                        }
                        _ => {
                            let numbers = array.as_primitive::<TimestampMicrosecondType>().values();
                            values.extend(rows.map(|row| numbers[row]));
                        }
                    }
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
            let Some(array) = array.as_dictionary_opt::<UInt16Type>() else { continue };
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
            // Ids are mostly as long as each other.
            bytes.reserve(rows.len() * bytes.len().checked_div(lengths.len()).unwrap_or(KEY_BYTES));
            let mut push = |value: &[u8]| {
                bytes.extend_from_slice(value);
                lengths.push(value.len() as i64);
            };
            if let Some(texts) = array.as_string_opt::<i32>() {
                valid(array, rows).for_each(|row| push(texts.value(row).as_bytes()));
            } else if let Some(keys) = array.as_any().downcast_ref::<FixedSizeBinaryArray>() {
                valid(array, rows).for_each(|row| push(keys.value(row)));
            } else if let Some(texts) =
                array.as_dictionary_opt::<UInt16Type>().and_then(|array| array.downcast_dict::<StringArray>())
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
