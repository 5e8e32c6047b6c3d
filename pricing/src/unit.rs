//! Units of quantities: `[number] atom-atom`, such as `GiB-s`, `1_000_000 request` or `instance-month`
use std::fmt;

use thiserror::Error;

use crate::{
    exact::Exact,
    nearest::nearest,
    period::{DAY_US, HOUR_US, Period},
    zone::Zone,
};

/// Countable things: labels without conversion, which must match between a SKU, its price, tiers and allowances.
const COUNTABLES: &[&str] = &[
    "ACU",
    "DSU",
    "EPU",
    "GHz",
    "IOPS",
    "LCU",
    "RCU",
    "RRU",
    "RU",
    "RUps",
    "TU",
    "WCU",
    "WRU",
    "address",
    "app",
    "cache",
    "call",
    "cluster",
    "connection",
    "consumer",
    "dyno",
    "environment",
    "event",
    "execution",
    "face",
    "gateway",
    "image",
    "instance",
    "invocation",
    "job",
    "log",
    "lookup",
    "message",
    "metric",
    "million_B",
    "object",
    "operation",
    "plan",
    "query",
    "record",
    "request",
    "row",
    "rule",
    "shard",
    "statement",
    "stream",
    "tag",
    "task",
    "transaction",
    "transition",
    "unit",
    "user",
    "vCPU",
    "volume",
];

/// Physical dimensions a unit may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Dimensions {
    /// Exponent of time; the base unit is the microsecond.
    pub time: i32,
    /// Exponent of information; the base unit is the byte.
    pub information: i32,
    /// Exponent of energy; the base unit is the watt-hour.
    pub energy: i32,
}

impl Dimensions {
    /// The dimensions of a product.
    pub fn times(self, other: Self) -> Self {
        Self {
            time: self.time + other.time,
            information: self.information + other.information,
            energy: self.energy + other.energy,
        }
    }
}

impl fmt::Display for Dimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = [("time", self.time), ("information", self.information), ("energy", self.energy)]
            .iter()
            .filter(|(_, exponent)| *exponent != 0)
            .map(|(name, exponent)| if *exponent == 1 { (*name).to_owned() } else { format!("{name}^{exponent}") })
            .collect();
        f.write_str(if parts.is_empty() { "a count" } else { "" })?;
        f.write_str(&parts.join(" × "))
    }
}

/// A unit: a factor to base units (byte, microsecond, watt-hour), physical dimensions and countable labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    text: String,
    scale: Exact,
    /// How many `month` atoms: their length is known only in a billing period.
    months: i32,
    dimensions: Dimensions,
    labels: Vec<String>,
}

/// Why a text is not a unit, or one unit not convertible to another.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnitError {
    /// The text does not have the form of a unit.
    #[error(
        "`{0}` is not a unit: expected an optional number and atoms joined by hyphens, such as `1_000_000 request` or `GiB-s`"
    )]
    Malformed(String),
    /// An atom is not known.
    #[error("unknown unit `{atom}` in `{text}`")]
    Unknown {
        /// The atom.
        atom: String,
        /// The whole unit.
        text: String,
    },
    /// The physical dimensions differ.
    #[error("`{from}` has the dimension {from_dimensions}, `{to}` has {to_dimensions}")]
    Dimension {
        /// The unit to convert.
        from: String,
        /// What it measures.
        from_dimensions: String,
        /// The unit to convert to.
        to: String,
        /// What that measures.
        to_dimensions: String,
    },
    /// The countable things differ.
    #[error("`{from}` does not count the same things as `{to}`")]
    Label {
        /// The unit to convert.
        from: String,
        /// The unit to convert to.
        to: String,
    },
}

/// Atoms that are no labels.
const MEASURES: &[&str] = &[
    "us", "ms", "s", "min", "h", "day", "month", "B", "KB", "MB", "GB", "TB", "PB", "KiB", "MiB", "GiB", "TiB", "PiB",
    "Wh", "kWh",
];
/// Words people write for an atom.
const WORDS: &[(&str, &str)] = &[
    ("byte", "B"),
    ("hour", "h"),
    ("hr", "h"),
    ("microsecond", "us"),
    ("millisecond", "ms"),
    ("minute", "min"),
    ("second", "s"),
    ("sec", "s"),
];

impl UnitError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            UnitError::Unknown { atom, .. } => {
                let singular = atom.to_lowercase();
                let word =
                    WORDS.iter().find(|(word, _)| *word == singular.trim_end_matches('s')).map(|(_, atom)| *atom);
                let known = word.or_else(|| nearest(atom, MEASURES.iter().chain(COUNTABLES).copied()));
                Some(match known {
                    Some(known @ ("KB" | "MB" | "GB" | "TB" | "PB")) => {
                        let binary = format!("{}iB", &known[..1]);
                        format!("did you mean `{known}` (powers of 1,000) or `{binary}` (of 1,024)?")
                    }
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("units: {}, and countable things such as `request`", MEASURES.join(", ")),
                })
            }
            UnitError::Malformed(_) => Some("for example `1_000_000 request`, `GiB-s` or `instance-month`".to_owned()),
            UnitError::Dimension { .. } | UnitError::Label { .. } => None,
        }
    }
}

impl Unit {
    /// Reads a unit.
    ///
    /// # Errors
    /// When the text has another form, a number that is not above 0, or an atom that is not known.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let malformed = || UnitError::Malformed(text.chars().take(80).collect());
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '_' || c == '.')).unwrap_or(trimmed.len());
        let (number, atoms) = trimmed.split_at(split);
        let number = match number {
            "" => Exact::one(),
            number => Exact::parse(number).map_err(|_| malformed())?,
        };
        let atoms = atoms.trim();
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if trimmed.is_empty() || !number.is_positive() || !atoms.chars().all(allowed) || atoms.len() > 100 {
            return Err(malformed());
        }
        let mut unit = Self {
            text: trimmed.to_owned(),
            scale: number,
            months: 0,
            dimensions: Dimensions::default(),
            labels: Vec::new(),
        };
        for atom in atoms.split('-').filter(|atom| !atom.is_empty()) {
            unit.multiply_by_atom(atom)?;
        }
        unit.labels.sort();
        Ok(unit)
    }

    fn multiply_by_atom(&mut self, atom: &str) -> Result<(), UnitError> {
        let kilo = |power: u32| Exact::from(1000_u64.pow(power));
        let kibi = |power: u32| Exact::from(1024_u64.pow(power));
        let time = |us: i64| (Exact::from(us), Dimensions { time: 1, ..Dimensions::default() });
        let information = |bytes: Exact| (bytes, Dimensions { information: 1, ..Dimensions::default() });
        let energy = |watt_hours: i64| (Exact::from(watt_hours), Dimensions { energy: 1, ..Dimensions::default() });
        let (scale, dimensions) = match atom {
            "us" => time(1),
            "ms" => time(1_000),
            "s" => time(1_000_000),
            "min" => time(60_000_000),
            "h" => time(HOUR_US),
            "day" => time(DAY_US),
            "month" => {
                self.months += 1;
                time(1)
            }
            "B" => information(Exact::one()),
            "KB" => information(kilo(1)),
            "MB" => information(kilo(2)),
            "GB" => information(kilo(3)),
            "TB" => information(kilo(4)),
            "PB" => information(kilo(5)),
            "KiB" => information(kibi(1)),
            "MiB" => information(kibi(2)),
            "GiB" => information(kibi(3)),
            "TiB" => information(kibi(4)),
            "PiB" => information(kibi(5)),
            "Wh" => energy(1),
            "kWh" => energy(1_000),
            label if COUNTABLES.contains(&label) => {
                self.labels.push(label.to_owned());
                return Ok(());
            }
            _ => return Err(UnitError::Unknown { atom: atom.to_owned(), text: self.text.clone() }),
        };
        self.scale = &self.scale * scale;
        self.dimensions = self.dimensions.times(dimensions);
        Ok(())
    }

    /// The unit as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Base units (bytes, microseconds, watt-hours, pieces) in one of this unit, for a month of `month_us` microseconds.
    pub fn scale(&self, month_us: i64) -> Exact {
        (0..self.months).fold(self.scale.clone(), |scale, _| scale * Exact::from(month_us))
    }

    /// What a quantity in this unit is multiplied by to be in the unit `to`, for a month of `month_us` microseconds.
    ///
    /// # Errors
    /// When the physical dimensions differ, or when both have labels and these differ.
    pub fn factor(&self, to: &Unit, month_us: i64) -> Result<Exact, UnitError> {
        if self.dimensions != to.dimensions {
            return Err(UnitError::Dimension {
                from: self.text.clone(),
                from_dimensions: self.dimensions.to_string(),
                to: to.text.clone(),
                to_dimensions: to.dimensions.to_string(),
            });
        }
        let error = || UnitError::Label { from: self.text.clone(), to: to.text.clone() };
        if !self.labels.is_empty() && !to.labels.is_empty() && self.labels != to.labels {
            return Err(error());
        }
        self.scale(month_us).checked_div(&to.scale(month_us)).ok_or_else(error)
    }

    /// Whether two units of one book measure the same: equal dimensions and the same countable things.
    ///
    /// # Errors
    /// When either differs; a unit without a countable thing is not one of things.
    pub(crate) fn same_things(&self, to: &Unit) -> Result<(), UnitError> {
        self.factor(to, HOUR_US)?;
        match self.labels == to.labels {
            true => Ok(()),
            false => Err(UnitError::Label { from: self.text.clone(), to: to.text.clone() }),
        }
    }

    /// The countable things, sorted.
    pub(crate) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Factor to base units without months, number of months, dimensions.
    pub(crate) fn parts(&self) -> (&Exact, i32, Dimensions) {
        (&self.scale, self.months, self.dimensions)
    }

    /// A unit without label, from its parts; `text` says where it comes from.
    pub(crate) fn from_parts(text: String, scale: Exact, months: i32, dimensions: Dimensions) -> Self {
        Self { text, scale, months, dimensions, labels: Vec::new() }
    }

    /// Whether the unit counts things, such as requests, rather than time, bytes or energy.
    pub fn is_a_count(&self) -> bool {
        self.months == 0 && self.dimensions == Dimensions::default()
    }

    /// Whether the unit counts months.
    pub fn has_month(&self) -> bool {
        self.months > 0
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The length of one `month` in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonthLength {
    /// The hours of the billing month itself.
    Calendar,
    /// So many hours in every month.
    Hours(u32),
}

impl MonthLength {
    /// Reads `calendar`, `30d`, `31d`, `720h`, `730h` or `744h`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "calendar" => Some(Self::Calendar),
            "30d" | "720h" => Some(Self::Hours(720)),
            "730h" => Some(Self::Hours(730)),
            "31d" | "744h" => Some(Self::Hours(744)),
            _ => None,
        }
    }

    /// Microseconds of the month in a billing period; a calendar month is as long as its days in the zone are.
    pub fn us(self, period: Period, zone: Zone) -> i64 {
        match self {
            Self::Calendar => zone.end_us(period) - zone.start_us(period),
            Self::Hours(hours) => i64::from(hours) * HOUR_US,
        }
    }
}

/// A window of the clock within which a level's maximum is taken or an allowance is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {
    /// A wall-clock hour.
    Hour,
    /// A day of the billing zone.
    Day,
}

impl Window {
    /// Microseconds of the window.
    pub fn us(self) -> i64 {
        match self {
            Window::Hour => HOUR_US,
            Window::Day => DAY_US,
        }
    }

    /// Its name: `hour` or `day`.
    pub const fn name(self) -> &'static str {
        match self {
            Window::Hour => "hour",
            Window::Day => "day",
        }
    }

    /// Reads `hour`, `h` or `day`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "hour" | "h" => Some(Window::Hour),
            "day" => Some(Window::Day),
            _ => None,
        }
    }
}
