//! Units as FOCUS writes them: `1000000 Requests`, `GiB-Seconds`, `Instance-Hours`.

use paygrain_pricing::Exact;

/// A unit of a price book as FOCUS writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FocusUnit {
    /// The name.
    pub name: String,
    /// How much of the price book's unit one of these is: 1, unless the book's number has no place in the name.
    pub part: Exact,
}

/// Units of time: ours, singular, plural.
const TIME: [(&str, &str, &str); 7] = [
    ("us", "Microsecond", "Microseconds"),
    ("ms", "Millisecond", "Milliseconds"),
    ("s", "Second", "Seconds"),
    ("min", "Minute", "Minutes"),
    ("h", "Hour", "Hours"),
    ("day", "Day", "Days"),
    ("month", "Month", "Months"),
];
/// Units that are written the same, one or many.
const UNCHANGED: [&str; 14] =
    ["B", "KB", "MB", "GB", "TB", "PB", "KiB", "MiB", "GiB", "TiB", "PiB", "Wh", "kWh", "GHz"];

impl FocusUnit {
    /// The unit of a text such as `1_000_000 request` or `GiB-s`.
    ///
    /// FOCUS 1.2 has a number in front of a simple unit only, and only a whole one: any other number goes into `part`.
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '_' || c == '.')).unwrap_or(text.len());
        let (number, atoms) = text.split_at(digits);
        let number = Exact::parse(number).ok().filter(Exact::is_positive).unwrap_or_else(Exact::one);
        let mut atoms: Vec<&str> = atoms.trim().split('-').filter(|atom| !atom.is_empty()).collect();
        // Time stands last: GiB-Hours.
        atoms.sort_by_key(|atom| TIME.iter().any(|(ours, ..)| ours == atom));
        let name = match &atoms[..] {
            [] => "Units".to_owned(),
            [first @ .., last] => {
                let names: Vec<String> = first.iter().map(|atom| singular(atom)).chain([plural(last)]).collect();
                names.join("-")
            }
        };
        let simple = atoms.len() < 2;
        match number == Exact::one() {
            true => Self { name, part: number },
            false if simple && number.is_integer() => Self { name: format!("{number} {name}"), part: Exact::one() },
            false => Self { name, part: Exact::one().checked_div(&number).unwrap_or_else(Exact::one) },
        }
    }
}

fn singular(atom: &str) -> String {
    if let Some((_, one, _)) = TIME.iter().find(|(ours, ..)| *ours == atom) {
        return (*one).to_owned();
    }
    let lowercase = atom.bytes().all(|byte| byte.is_ascii_lowercase());
    match atom.split_at_checked(1) {
        Some((first, rest)) if lowercase => first.to_ascii_uppercase() + rest,
        _ => atom.replace('_', " "),
    }
}

fn plural(atom: &str) -> String {
    if let Some((.., many)) = TIME.iter().find(|(ours, ..)| *ours == atom) {
        return (*many).to_owned();
    }
    let one = singular(atom);
    let lowercase = atom.bytes().all(|byte| byte.is_ascii_lowercase());
    let abbreviation = atom.ends_with(|last: char| last.is_ascii_uppercase() && last != 'S');
    let hisses = ["s", "x", "z", "ch", "sh"].iter().any(|end| atom.ends_with(end));
    match atom {
        _ if UNCHANGED.contains(&atom) || atom.contains('_') => one,
        _ if lowercase && hisses => one + "es",
        _ if lowercase && atom.ends_with('y') => one[..one.len() - 1].to_owned() + "ies",
        _ if lowercase || abbreviation => one + "s",
        _ => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_as_the_specification_asks() {
        for (ours, focus, part) in [
            ("request", "Requests", "1"),
            ("1_000_000 request", "1000000 Requests", "1"),
            ("GiB-s", "GiB-Seconds", "1"),
            ("GB-month", "GB-Months", "1"),
            ("instance-h", "Instance-Hours", "1"),
            ("vCPU-s", "vCPU-Seconds", "1"),
            ("1_000_000 ms", "1000000 Milliseconds", "1"),
            ("GiB", "GiB", "1"),
            ("5 query", "5 Queries", "1"),
            ("address-h", "Address-Hours", "1"),
            ("address", "Addresses", "1"),
            ("h", "Hours", "1"),
            ("1_000_000 WRU", "1000000 WRUs", "1"),
            ("IOPS-month", "IOPS-Months", "1"),
            ("RUps", "RUps", "1"),
            ("million_B", "million B", "1"),
            ("kWh", "kWh", "1"),
            ("1_000_000 GB-s", "GB-Seconds", "0.000001"),
            ("128 MiB-s", "MiB-Seconds", "0.0078125"),
            ("0.001 vCPU", "vCPUs", "1000"),
        ] {
            let unit = FocusUnit::of(ours);
            assert_eq!((unit.name.as_str(), unit.part.to_string().as_str()), (focus, part), "{ours}");
        }
    }
}
