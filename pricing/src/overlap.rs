//! SKUs of one book that charge the same row in the same unit: a double charge, unless the book says that it is meant
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    book::{PriceBook, Sku, in_force},
    catalogue::{Catalogue, Problem},
    exact::Exact,
    expression::Value,
    table::{Column, ColumnKind, Table},
};

/// Rows tried per table: enough that every pair of words of two columns meets many times.
const ROWS: u64 = 600;
/// What number columns hold in the rows tried.
const NUMBERS: [u64; 4] = [0, 1, 100, 50_000];

impl Catalogue {
    /// Every two SKUs of a book that one row can feed in the same unit, without either saying so in `also`.
    ///
    /// Rows are made of the words that the book's filters compare with, the same ones each time.
    pub(crate) fn check_overlaps(&self, book: &PriceBook) -> Vec<Problem> {
        let mut found = BTreeSet::new();
        for table in Table::ALL {
            let skus: Vec<&Sku> = book.skus.iter().filter(|sku| sku.table == table).collect();
            let words = words(&skus, table);
            let mut random = Random(11);
            for _ in 0..ROWS {
                let row = row(table, &words, &mut random);
                let value = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
                let fed: Vec<&&Sku> =
                    skus.iter().filter(|sku| sku.filter.as_ref().is_none_or(|filter| filter.passes(&value))).collect();
                for (place, one) in fed.iter().enumerate() {
                    for other in fed[place + 1..].iter().filter(|other| is_double(one, other)) {
                        found.insert((one.base.clone(), other.base.clone()));
                    }
                }
            }
        }
        let problem = |(one, other): (String, String)| Problem {
            book: book.name.clone(),
            line: 1,
            place: format!("SKU `{one}`"),
            message: format!("the SKU `{other}` charges the same rows in the same unit"),
            hint: Some(format!(
                "tell their rows apart by `filter`, or, if both are meant, write `also = [\"{other}\"]`"
            )),
        };
        found.into_iter().map(problem).collect()
    }
}

/// Whether two SKUs that one row feeds charge it twice.
fn is_double(one: &Sku, other: &Sku) -> bool {
    let meant = one.also.contains(&other.base) || other.also.contains(&one.base);
    let shared_day = one.prices.iter().any(|a| {
        other.prices.iter().any(|b| {
            [a.from, b.from]
                .into_iter()
                .flatten()
                .max()
                .is_none_or(|start| in_force(a.from, a.to, start) && in_force(b.from, b.to, start))
        })
    });
    let shared_service = one.services.iter().any(|service| other.services.contains(service));
    one.base != other.base && one.unit.text() == other.unit.text() && !meant && shared_day && shared_service
}

/// The words that the filters compare each text column with.
fn words<'a>(skus: &[&'a Sku], table: Table) -> BTreeMap<&'static str, Vec<&'a str>> {
    let of = |column: &Column| {
        let filters = skus.iter().filter_map(|sku| sku.filter.as_ref());
        let words: BTreeSet<&str> = filters.flat_map(|filter| filter.words_of(column.name)).collect();
        words.into_iter().collect()
    };
    let texts = table.columns().iter().filter(|column| column.kind == ColumnKind::Text);
    texts.map(|column| (column.name, of(column))).collect()
}

fn row(table: Table, words: &BTreeMap<&'static str, Vec<&str>>, random: &mut Random) -> BTreeMap<&'static str, Value> {
    let mut row = BTreeMap::new();
    for column in table.columns() {
        let value = match words.get(column.name) {
            // One more than there are words: no value.
            Some(words) => match words.get(random.below(words.len() as u64 + 1) as usize) {
                Some(word) => Value::Text((*word).to_owned()),
                None => continue,
            },
            None => Value::Number(Exact::from(NUMBERS[random.below(NUMBERS.len() as u64) as usize])),
        };
        row.insert(column.name, value);
    }
    row
}

/// A small deterministic generator (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shipped_book_charges_a_row_twice_unless_it_says_so() {
        let catalogue = Catalogue::embedded().unwrap();
        let found: Vec<String> = catalogue
            .books()
            .iter()
            .flat_map(|book| catalogue.check_overlaps(book))
            .map(|problem| format!("{} {} {}", problem.book, problem.place, problem.message))
            .collect();
        assert!(found.is_empty(), "{} pairs\n{}", found.len(), found.join("\n"));
    }

    #[test]
    fn a_double_charge_is_found_and_one_that_is_meant_is_not() {
        let book = |also: &str| {
            format!(
                r#"provider = "x"
service = "y"
[sources]
S = "s"
[[sku]]
id = "all"
table = "requests"
unit = "request"
{also}
price = [{{ price = "1", per = "request", source = "S", mark = "seen" }}]
[[sku]]
id = "puts"
table = "requests"
filter = "operation = 'PUT'"
unit = "request"
price = [{{ price = "1", per = "request", source = "S", mark = "seen" }}]
[[sku]]
id = "bytes"
table = "requests"
unit = "GiB"
quantity = "request_bytes"
price = [{{ price = "1", per = "GiB", source = "S", mark = "seen" }}]
"#
            )
        };
        let problems = |also: &str| {
            let catalogue = Catalogue::of_files([("x/y".to_owned(), book(also))]).unwrap();
            catalogue.check_overlaps(&catalogue.books()[0])
        };
        let found = problems("");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "the SKU `puts` charges the same rows in the same unit");
        assert_eq!(problems("also = [\"puts\"]"), []);
    }
}
