//! Tables that can be sorted by their columns: the order is in the URL, and the heads are links.

use crate::address::Address;
use crate::error::AppError;
use crate::params::{Params, bad};

/// By which column a table is sorted, and whether the other way round than the column usually is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column.
    pub column: &'static str,
    /// Whether texts go down and numbers up.
    pub is_reversed: bool,
}

impl Sort {
    /// That of a URL, `name` or `-name` for the other way round; without any, by the first column.
    ///
    /// # Errors
    /// A column that there is not.
    pub fn read(params: &Params, columns: &[&'static str]) -> Result<Self, AppError> {
        let asked = params.get("sort").unwrap_or(columns.first().copied().unwrap_or_default());
        let name = asked.strip_prefix('-').unwrap_or(asked);
        match columns.iter().find(|column| **column == name) {
            Some(column) => Ok(Self { column, is_reversed: asked.starts_with('-') }),
            None => Err(bad("sort", asked, &format!("one of `{}`, or `-` and one", columns.join("`, `")))),
        }
    }

    /// Where the head of a column leads: sorted by it, or the other way round where it is already.
    pub fn href(&self, address: &Address, column: &str) -> String {
        let to = if self.column == column && !self.is_reversed { format!("-{column}") } else { column.to_owned() };
        address.changed(&["sort", "offset"], &[("sort", &to)])
    }

    /// The order of a column for those who cannot see it; nothing where the table is sorted by another.
    pub fn aria(&self, column: &str, is_text: bool) -> Option<&'static str> {
        (self.column == column).then_some(if is_text == self.is_reversed { "descending" } else { "ascending" })
    }

    /// Puts rows in order: by a key that goes up for texts and, of numbers, down.
    pub fn apply<T, K: Ord>(&self, rows: &mut [T], is_text: bool, key: impl Fn(&T) -> K) {
        rows.sort_by_cached_key(key);
        if is_text == self.is_reversed {
            rows.reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_turn_the_order_round() {
        let params: Params =
            [("sort".to_owned(), "cost".to_owned()), ("offset".into(), "50".into())].into_iter().collect();
        let address = Address::new("/resources", &params);
        let sort = Sort::read(&params, &["name", "cost"]).unwrap();
        assert_eq!(sort.href(&address, "cost"), "/resources?sort=-cost");
        assert_eq!(sort.href(&address, "name"), "/resources?sort=name");
        assert_eq!((sort.aria("cost", false), sort.aria("name", true)), (Some("descending"), None));
        let mut rows = vec![2, 3, 1];
        sort.apply(&mut rows, false, |row| *row);
        assert_eq!(rows, [3, 2, 1]);
        let other: Params = [("sort".to_owned(), "size".to_owned())].into_iter().collect();
        let error = Sort::read(&other, &["name", "cost"]).unwrap_err().to_string();
        assert_eq!(error, "`sort` is `size`, expected one of `name`, `cost`, or `-` and one");
        assert_eq!(Sort::read(&Params::default(), &["name", "cost"]).unwrap().column, "name");
    }
}
