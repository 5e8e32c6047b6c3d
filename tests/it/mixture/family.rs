//! What is delivered: the records of one format, and every envelope that they can come in.

use crate::harness::Random;

/// 2026-10-05T00:00:00Z, in milliseconds since 1970: all usage is in the three days behind it.
pub const FIRST_MS: i64 = 1_791_158_400_000;
const DAYS: u64 = 3;

/// Writes the records of some numbers as one file.
type Write = Box<dyn Fn(&[usize]) -> String>;

/// Records of one format.
pub struct Family {
    pub name: &'static str,
    /// What the names of its files end with: some say what the content does not.
    pub file_name: &'static str,
    /// How many records there are.
    pub count: usize,
    /// All ways to write them; each gives the same records.
    pub envelopes: Vec<(&'static str, Write)>,
    /// A row that is refused, for those whose files can be added to at their end.
    pub broken: Option<&'static str>,
}

/// An envelope of some records, by its name.
type Envelope<R> = (&'static str, fn(&[R]) -> String);

impl Family {
    pub fn new<R: Clone + 'static>(name: &'static str, records: Vec<R>, envelopes: Vec<Envelope<R>>) -> Self {
        let count = records.len();
        let write = |write: fn(&[R]) -> String| -> Write {
            let records = records.clone();
            Box::new(move |numbers| write(&numbers.iter().map(|number| records[*number].clone()).collect::<Vec<_>>()))
        };
        let envelopes = envelopes.into_iter().map(|(name, each)| (name, write(each))).collect();
        Self { name, file_name: "usage", count, envelopes, broken: None }
    }

    pub fn broken(self, row: &'static str) -> Self {
        Self { broken: Some(row), ..self }
    }

    pub fn file_name(self, file_name: &'static str) -> Self {
        Self { file_name, ..self }
    }

    /// Some records in one envelope.
    pub fn file(&self, envelope: usize, numbers: &[usize]) -> String {
        (self.envelopes[envelope].1)(numbers)
    }
}

impl Random {
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub fn word(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len() as u64) as usize]
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for place in (1..values.len()).rev() {
            values.swap(place, self.below(place as u64 + 1) as usize);
        }
    }

    /// So many hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            text += &format!("{:016x}", self.next());
        }
        text.truncate(digits);
        text
    }

    pub fn uuid(&mut self) -> String {
        let parts = [8, 4, 3, 3, 12].map(|digits| self.hex(digits));
        format!("{}-{}-4{}-8{}-{}", parts[0], parts[1], parts[2], parts[3], parts[4])
    }

    /// A time in milliseconds since 1970.
    pub fn time_ms(&mut self) -> i64 {
        FIRST_MS + self.below(DAYS * 86_400_000) as i64
    }

    /// As many records as a family has.
    pub fn many<R>(&mut self, mut make: impl FnMut(&mut Self) -> R) -> Vec<R> {
        let count = self.between(6, 24);
        (0..count).map(|_| make(self)).collect()
    }
}

/// A time as `format` says it.
pub fn shown(time_ms: i64, format: &str) -> String {
    chrono::DateTime::from_timestamp_millis(time_ms).unwrap().format(format).to_string()
}

/// `2026-10-05T17:00:01.234Z`.
pub fn iso(time_ms: i64) -> String {
    shown(time_ms, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

/// Lines of text.
pub fn lines(rows: impl IntoIterator<Item = String>) -> String {
    rows.into_iter().map(|row| row + "\n").collect()
}

/// JSON objects separated by something.
pub fn joined(rows: &[serde_json::Value], separator: &str) -> String {
    rows.iter().map(serde_json::Value::to_string).collect::<Vec<_>>().join(separator)
}

/// Text as streams carry it: compressed, in base64.
pub fn base64_gzip(text: &str) -> String {
    base64(&crate::harness::gzip(text.as_bytes()))
}

pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
