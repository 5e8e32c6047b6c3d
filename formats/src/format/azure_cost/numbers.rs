//! Numbers of Azure exports: with a point, or with a comma where the file as a whole proves it.

use std::borrow::Cow;

/// What stands between whole and fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// `1234.56`.
    Point,
    /// `1.234,56`.
    Comma,
}

/// The mark that a number proves. `1.234` and `1,234` prove nothing: the mark may separate thousands.
pub(super) fn proof(text: &str) -> Option<Mark> {
    let text = text.trim();
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, ""));
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')) {
        return None;
    }
    match (digits.rfind('.'), digits.rfind(',')) {
        (Some(point), Some(comma)) if point > comma => Some(Mark::Point),
        (Some(_), Some(_)) => Some(Mark::Comma),
        (Some(point), None) if is_fraction(digits, '.', point, exponent) => Some(Mark::Point),
        (None, Some(comma)) if is_fraction(digits, ',', comma, exponent) => Some(Mark::Comma),
        _ => None,
    }
}

/// Whether a mark cannot be one of thousands.
fn is_fraction(digits: &str, mark: char, at: usize, exponent: &str) -> bool {
    let once = digits.matches(mark).count() == 1;
    let whole = &digits[..at];
    once && (!exponent.is_empty()
        || digits.len() - at - 1 != 3
        || !(1..=3).contains(&whole.len())
        || whole.starts_with('0'))
}

/// A number with a point; none where its marks are not where they belong.
pub(super) fn with_point(text: &str, mark: Mark) -> Option<Cow<'_, str>> {
    let text = text.trim();
    if mark == Mark::Point || !text.contains(['.', ',']) {
        return Some(Cow::Borrowed(text));
    }
    let (whole, fraction) = text.split_once(',').unwrap_or((text, ""));
    let mut groups = whole.trim_start_matches(['-', '+']).split('.');
    let first = groups.next().unwrap_or_default();
    let grouped = whole.contains('.');
    let fits = !fraction.contains(['.', ','])
        && groups.all(|group| group.len() == 3)
        && (!grouped || (1..=3).contains(&first.len()));
    let plain = whole.replace('.', "");
    fits.then(|| Cow::Owned(if fraction.is_empty() { plain } else { format!("{plain}.{fraction}") }))
}

#[cfg(test)]
mod tests {
    use super::{Mark, proof, with_point};

    #[test]
    fn only_what_cannot_separate_thousands_proves_a_mark() {
        for text in ["0.075", "3.25", "1234.567", "-0.5", "1.234E5", "1,234.5", ".5", "0.0004"] {
            assert_eq!(proof(text), Some(Mark::Point), "{text}");
        }
        for text in ["0,075", "3,25", "-1.234,56", "1234,567", "1,5E-8"] {
            assert_eq!(proof(text), Some(Mark::Comma), "{text}");
        }
        for text in ["", "24", "1.234", "1,234", "1.234.567", "n/a", "-"] {
            assert_eq!(proof(text), None, "{text}");
        }
    }

    #[test]
    fn commas_become_points() {
        for (text, expected) in [
            ("1.234,56", Some("1234.56")),
            ("-1.234.567,8", Some("-1234567.8")),
            ("1.234", Some("1234")),
            ("0,075", Some("0.075")),
            ("1234,5", Some("1234.5")),
            ("24", Some("24")),
            ("1,5E-8", Some("1.5E-8")),
            ("1.23", None),
            ("1.2345,6", None),
            ("1,234.5", None),
            ("1,2,3", None),
            (".5", None),
        ] {
            assert_eq!(with_point(text, Mark::Comma).as_deref(), expected, "{text}");
        }
    }
}
