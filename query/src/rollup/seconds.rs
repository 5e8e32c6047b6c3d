//! Starts and ends of executions by second: what ran at once is a running sum over them.
//!
//! An execution starts in the second of its start and ends in the second of its last moment, so one that ends on the full
//! second ends in the second before. Beside the numbers of both, a second has its *rise*: how far the number of those under
//! way gets above what it was when the second began. That of records read together is exact; of two parts whose records are
//! in the same second only the sum of both is known, which the rise of all is not above. Its *fall* is the same downwards.
//!
//! Seconds are coded one after the other, hour by hour: differences of seconds, and for each hour the microseconds by which
//! its ends are later in their seconds than its starts, so that the time of all executions is known to the microsecond.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use paygrain_pricing::period::HOUR_US;

use super::histogram::CLASSES_MAX;
use super::put_together;

/// Microseconds of a second.
pub(crate) const SECOND_US: i64 = 1_000_000;
/// Seconds of an hour.
pub(crate) const HOUR_S: i64 = HOUR_US / SECOND_US;
/// Executions that are gathered before they are coded.
const GATHERED_MAX: usize = 1 << 22;
/// Bits of a class in an event.
const CLASS_BITS: u32 = CLASSES_MAX.ilog2();

/// What most seconds of a class are like, and how they are coded: starts, ends, rise and fall.
const USUAL: [(u64, u64, u64, u64); 3] = [(1, 1, 1, 0), (1, 0, 1, 0), (0, 1, 0, 1)];
/// The code of any other.
const UNUSUAL: u64 = 3;

/// A second in which executions start or end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Second {
    /// Within its hour.
    pub second: u16,
    /// Executions that start.
    pub starts: u64,
    /// Executions whose last moment it has.
    pub ends: u64,
    /// How far the number of those under way gets above what it was at the beginning.
    pub rise: u64,
    /// Whether it gets so far; it is not above in any case.
    pub exact: bool,
    /// How far it gets below, at most.
    pub fall: u64,
}

/// An hour in which executions start or end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hour {
    /// Hours since the day began on which the executions start.
    pub hour: i64,
    /// Microseconds of the ends in their seconds, less those of the starts.
    pub later_us: i64,
    /// In order.
    pub seconds: Vec<Second>,
}

/// Hours in order, coded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hours(Bytes);

/// Hours of each class, coded one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassHours {
    bytes: Bytes,
    /// Where each class ends.
    ends: Vec<usize>,
}

/// The same of all classes together, and of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seconds {
    pub all: Hours,
    pub classes: ClassHours,
}

impl Hours {
    /// From their bytes.
    pub fn of(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Their bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Reads them in order.
    pub fn read(&self) -> HoursReader {
        HoursReader { bytes: self.0.clone(), at: 0, hour: -1 }
    }

    /// The seconds of several together.
    fn merged<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut hours: Vec<Hour> = parts.flat_map(Self::read).collect();
        hours.sort_by_key(|hour| hour.hour);
        let mut coder = Coder::default();
        for of_hour in hours.chunk_by(|a, b| a.hour == b.hour) {
            let mut seconds: Vec<Second> = of_hour.iter().flat_map(|hour| &hour.seconds).copied().collect();
            put_together(
                &mut seconds,
                |second| second.second,
                |sum, next| {
                    sum.starts += next.starts;
                    sum.ends += next.ends;
                    sum.rise += next.rise;
                    sum.fall += next.fall;
                    sum.exact = false;
                },
            );
            let later_us = of_hour.iter().map(|hour| hour.later_us).sum();
            coder.add(&Hour { hour: of_hour[0].hour, later_us, seconds });
        }
        Self(coder.bytes.into())
    }
}

impl ClassHours {
    /// From the bytes of a file.
    pub fn of(bytes: Bytes) -> Option<Self> {
        let mut at = 0;
        let count = usize::try_from(varint(&bytes, &mut at)?).ok()?;
        let (mut ends, mut end) = (Vec::new(), 0_usize);
        for _ in 0..count {
            end = end.checked_add(usize::try_from(varint(&bytes, &mut at)?).ok()?)?;
            ends.push(end);
        }
        (end == bytes.len() - at).then(|| Self { bytes: bytes.slice(at..), ends })
    }

    /// As bytes of a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes.len() + 2 * self.ends.len() + 8);
        push(&mut bytes, self.ends.len() as u64);
        let mut from = 0;
        for end in &self.ends {
            push(&mut bytes, (end - from) as u64);
            from = *end;
        }
        bytes.extend_from_slice(&self.bytes);
        bytes
    }

    /// The hours of a class.
    pub fn of_class(&self, class: usize) -> Hours {
        let from = if class == 0 { 0 } else { self.ends.get(class - 1).copied().unwrap_or(0) };
        Hours(self.ends.get(class).map_or_else(Bytes::new, |end| self.bytes.slice(from..*end)))
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.bytes.len() + 8 * self.ends.len()
    }
}

impl Seconds {
    /// Those of several parts together, each with the numbers that its classes get.
    pub fn merged(parts: &[(&Hours, &ClassHours, Vec<u32>)], classes: usize) -> Self {
        let all = Hours::merged(parts.iter().map(|(all, _, _)| *all));
        let mut of_class: Vec<Vec<Hours>> = vec![Vec::new(); classes];
        for (_, hours, numbers) in parts {
            for (own, number) in numbers.iter().enumerate() {
                of_class[*number as usize].push(hours.of_class(own));
            }
        }
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for hours in of_class {
            match &hours[..] {
                [one] => bytes.extend_from_slice(&one.0),
                more => bytes.extend_from_slice(&Hours::merged(more.iter()).0),
            }
            ends.push(bytes.len());
        }
        Self { all, classes: ClassHours { bytes: bytes.into(), ends } }
    }
}

/// Reads coded hours. What is not as it should be ends them.
#[derive(Debug)]
pub(crate) struct HoursReader {
    bytes: Bytes,
    at: usize,
    hour: i64,
}

impl Iterator for HoursReader {
    type Item = Hour;

    fn next(&mut self) -> Option<Hour> {
        let mut seconds = Vec::new();
        let (hour, later_us) = self.next_into(|second| seconds.push(second))?;
        Some(Hour { hour, later_us, seconds })
    }
}

impl HoursReader {
    /// The next hour and by how much its ends are later, without its seconds, which are handed on one by one.
    pub fn next_into(&mut self, mut take: impl FnMut(Second)) -> Option<(i64, i64)> {
        let (bytes, at) = (&self.bytes[..], &mut self.at);
        if *at >= bytes.len() {
            return None;
        }
        self.hour += i64::try_from(varint(bytes, at)?).ok()? + 1;
        let later_us = unfolded(varint(bytes, at)?);
        let mut last = 0_u64;
        for _ in 0..varint(bytes, at)? {
            let code = varint(bytes, at)?;
            last += code >> 2;
            let second = u16::try_from(last).ok().filter(|second| i64::from(*second) < HOUR_S)?;
            take(match code & 3 {
                UNUSUAL => {
                    let (starts, ends) = (varint(bytes, at)?, varint(bytes, at)?);
                    let (rise, fall) = (varint(bytes, at)?, varint(bytes, at)?);
                    Second { second, starts, ends, rise: rise >> 1, exact: rise & 1 == 0, fall }
                }
                usual => {
                    let (starts, ends, rise, fall) = USUAL[(usual & 3) as usize];
                    Second { second, starts, ends, rise, exact: true, fall }
                }
            });
        }
        Some((self.hour, later_us))
    }

    /// The hour that comes next.
    pub fn peek(&self) -> Option<i64> {
        let mut at = self.at;
        let gap = (at < self.bytes.len()).then(|| varint(&self.bytes, &mut at)).flatten()?;
        Some(self.hour + i64::try_from(gap).ok()? + 1)
    }
}

/// Hours that are being coded.
#[derive(Default)]
struct Coder {
    bytes: Vec<u8>,
    /// The last hour and one more.
    next: i64,
}

impl Coder {
    fn add(&mut self, hour: &Hour) {
        push(&mut self.bytes, u64::try_from(hour.hour - self.next).unwrap_or(0));
        self.next = hour.hour + 1;
        push(&mut self.bytes, folded(hour.later_us));
        push(&mut self.bytes, hour.seconds.len() as u64);
        let mut last = 0;
        for second in &hour.seconds {
            let gap = u64::from(second.second - last) << 2;
            last = second.second;
            let Second { starts, ends, rise, exact, fall, .. } = *second;
            match USUAL.iter().position(|usual| exact && *usual == (starts, ends, rise, fall)) {
                Some(usual) => push(&mut self.bytes, gap | usual as u64),
                None => {
                    push(&mut self.bytes, gap | UNUSUAL);
                    for number in [starts, ends, (rise << 1) | u64::from(!exact), fall] {
                        push(&mut self.bytes, number);
                    }
                }
            }
        }
    }
}

/// Codes events in order of time, ends before starts of the same moment.
struct EventCoder {
    coder: Coder,
    hour: Hour,
    /// How far the number under way is above what it was when the second began, and how far it got.
    above: (i64, i64),
}

impl EventCoder {
    fn new(bytes: Vec<u8>) -> Self {
        Self { coder: Coder { bytes, next: 0 }, hour: Hour { hour: -1, ..Hour::default() }, above: (0, 0) }
    }

    #[inline]
    fn add(&mut self, time_us: i64, is_start: bool) {
        let last_us = if is_start { time_us } else { time_us - 1 };
        let second = last_us / SECOND_US;
        let within_us = time_us - second * SECOND_US;
        let (hour, second) = (second / HOUR_S, u16::try_from(second % HOUR_S).unwrap_or(0));
        if hour != self.hour.hour {
            self.end_hour();
            self.hour.hour = hour;
        }
        if self.hour.seconds.last().is_none_or(|last| last.second != second) {
            self.hour.seconds.push(Second { second, exact: true, ..Second::default() });
            self.above = (0, 0);
        }
        let Some(last) = self.hour.seconds.last_mut() else { return };
        if is_start {
            last.starts += 1;
            self.hour.later_us -= within_us;
            self.above.0 += 1;
            self.above.1 = self.above.1.max(self.above.0);
            last.rise = self.above.1.unsigned_abs();
        } else {
            last.ends += 1;
            self.hour.later_us += within_us;
            self.above.0 -= 1;
            // What ends with the second is under way all through it.
            if within_us < SECOND_US {
                last.fall = last.fall.max(u64::try_from(-self.above.0).unwrap_or(0));
            }
        }
    }

    fn end_hour(&mut self) {
        if !self.hour.seconds.is_empty() {
            self.coder.add(&self.hour);
            self.hour.seconds.clear();
            self.hour.later_us = 0;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.end_hour();
        self.coder.bytes
    }
}

/// Executions whose starts and ends are being counted.
#[derive(Debug, Default)]
pub(crate) struct SecondsCounting {
    /// Time since the day began, whether it is a start, and class, in one: in the order of a sweep.
    events: Vec<u128>,
    counted: Option<Seconds>,
    last_end_us: Option<i64>,
}

impl SecondsCounting {
    /// Counts an execution; its times are since the day began. One that takes no time is not under way at any.
    #[inline]
    pub fn add(&mut self, class: u32, start_us: i64, end_us: i64) {
        if start_us < 0 || end_us <= start_us {
            return;
        }
        if self.events.len() >= 2 * GATHERED_MAX {
            self.settle();
        }
        self.last_end_us = self.last_end_us.max(Some(end_us));
        let event = |time_us: i64, is_start: bool| {
            (u128::from(time_us.unsigned_abs()) << 32) | (u128::from(is_start) << CLASS_BITS) | u128::from(class)
        };
        self.events.extend([event(start_us, true), event(end_us, false)]);
    }

    fn settle(&mut self) {
        self.events.sort_unstable();
        let of = |event: u128| {
            let class = (event & ((1 << CLASS_BITS) - 1)) as usize;
            ((event >> 32) as i64, (event >> CLASS_BITS) & 1 == 1, class)
        };
        let mut all = EventCoder::new(Vec::new());
        let mut places: Vec<usize> = Vec::new();
        for event in &self.events {
            let (time_us, is_start, class) = of(*event);
            all.add(time_us, is_start);
            if places.len() <= class {
                places.resize(class + 1, 0);
            }
            places[class] += 1;
        }
        let all = Hours(all.finish().into());
        // Where the events of each class begin.
        let mut next = 0;
        for place in &mut places {
            next += std::mem::replace(place, next);
        }
        let mut by_class = vec![(0_i64, false); self.events.len()];
        for event in self.events.drain(..) {
            let (time_us, is_start, class) = of(event);
            by_class[places[class]] = (time_us, is_start);
            places[class] += 1;
        }
        let (mut bytes, mut ends, mut from) = (Vec::new(), Vec::new(), 0);
        for to in places {
            let mut coder = EventCoder::new(bytes);
            by_class[from..to].iter().for_each(|(time_us, is_start)| coder.add(*time_us, *is_start));
            bytes = coder.finish();
            ends.push(bytes.len());
            from = to;
        }
        let fresh = Seconds { all, classes: ClassHours { bytes: bytes.into(), ends } };
        self.counted = Some(match self.counted.take() {
            None => fresh,
            Some(before) => {
                let classes = before.classes.ends.len().max(fresh.classes.ends.len());
                let same = |seconds: &Seconds| (0..seconds.classes.ends.len() as u32).collect();
                let parts = [&before, &fresh].map(|part| (&part.all, &part.classes, same(part)));
                Seconds::merged(&parts, classes)
            }
        });
    }

    /// What was counted, and when the last of them ended since the day began.
    pub fn finish(mut self) -> (Seconds, Option<i64>) {
        self.settle();
        (self.counted.unwrap_or_default(), self.last_end_us)
    }
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[inline]
fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

/// Whole numbers of both signs, small ones first.
const fn folded(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

const fn unfolded(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}
