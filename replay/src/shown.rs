//! Amounts, numbers and times as sentences and reasons show them
use paygrain_pricing::{Exact, grouped};

/// An amount in a sentence: cents, or for less than a cent its first digits that mean something.
pub(crate) fn amount(currency: &str, amount: &Exact) -> String {
    let places = match amount {
        amount if amount.is_zero() => 2,
        amount => (2..24)
            .find(|places| {
                let least = Exact::ratio(1, 10_i128.pow(places - 1)).unwrap_or_default();
                amount.abs() >= least
            })
            .unwrap_or(24),
    };
    let rounded = amount.round_half_up(places);
    let (whole, rest) = rounded.split_at(rounded.find('.').unwrap_or(rounded.len()));
    let amount = format!("{}{rest}", grouped(whole));
    match currency {
        "USD" => format!("${amount}"),
        "EUR" => format!("€{amount}"),
        other => format!("{other} {amount}"),
    }
}

/// A whole number with separators of thousands.
pub(crate) fn count(number: impl ToString) -> String {
    grouped(&number.to_string())
}

/// A time in words: whole hours or minutes, else seconds with a tenth, or milliseconds.
pub(crate) fn time(us: i64) -> String {
    match us {
        us if us % 3_600_000_000 == 0 => format!("{} h", us / 3_600_000_000),
        us if us % 60_000_000 == 0 => format!("{} min", us / 60_000_000),
        us if us >= 1_000_000 => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
        us => format!("{} ms", us / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_in_sentences_have_digits_that_mean_something() {
        for (text, expected) in [
            ("0", "$0.00"),
            ("3.066", "$3.07"),
            ("12345.6", "$12,345.60"),
            ("0.1", "$0.10"),
            ("0.0123", "$0.012"),
            ("0.0000371", "$0.000037"),
        ] {
            assert_eq!(amount("USD", &text.parse().unwrap()), expected);
        }
    }
}
