//! How an amount compares with the one before.

use paygrain_pricing::Exact;

use crate::number;

/// A difference to the time before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The amount.
    pub amount: Exact,
    /// `up`, `down` or `same`, for the colour.
    pub class: &'static str,
    /// An arrow, for those who do not see the colour.
    pub arrow: &'static str,
    /// In percent of what it was; `new` where that was nothing.
    pub percent: String,
}

impl Difference {
    /// Of an amount to the one before.
    pub fn new(now: &Exact, before: &Exact) -> Self {
        let amount = now - before;
        let (class, arrow) = match (amount.is_zero(), amount.is_negative()) {
            (true, _) => ("same", ""),
            (false, true) => ("down", "▼ "),
            (false, false) => ("up", "▲ +"),
        };
        let percent = match number::percent(&amount, before) {
            _ if amount.is_zero() => "–".to_owned(),
            None => "new".to_owned(),
            Some(percent) if amount.is_positive() => format!("+{percent}"),
            Some(percent) => percent,
        };
        Self { amount, class, arrow, percent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(now: &str, before: &str) -> (String, String, &'static str) {
        let found = Difference::new(&now.parse().unwrap(), &before.parse().unwrap());
        (found.amount.to_string(), found.percent, found.class)
    }

    #[test]
    fn a_difference_has_an_amount_and_a_percentage_and_never_an_infinite_one() {
        assert_eq!(difference("110", "100"), ("10".into(), "+10.0 %".into(), "up"));
        assert_eq!(difference("75", "100"), ("-25".into(), "\u{2212}25.0 %".into(), "down"));
        assert_eq!(difference("5", "0"), ("5".into(), "new".into(), "up"));
        assert_eq!(difference("0", "0"), ("0".into(), "–".into(), "same"));
    }
}
