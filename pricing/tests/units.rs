//! No SKU's meter and price disagree: dimensions of every book computed a second time, and every unit exchanged for another
use std::{collections::BTreeSet, fs, path::PathBuf};

use paygrain_pricing::{Catalogue, Table, Unit, book::Grant, table::ColumnKind};

/// Exponents of time, information and energy, and the things counted: a second reading of a unit's text.
#[derive(Debug, PartialEq, Eq)]
struct Measures {
    time: i32,
    information: i32,
    energy: i32,
    labels: BTreeSet<String>,
}

fn measures(text: &str) -> Measures {
    let mut found = Measures { time: 0, information: 0, energy: 0, labels: BTreeSet::new() };
    let atoms = text.trim_start_matches(|c: char| c.is_ascii_digit() || "_. ".contains(c));
    for atom in atoms.split('-').filter(|atom| !atom.is_empty()) {
        match atom {
            "us" | "ms" | "s" | "min" | "h" | "day" | "month" => found.time += 1,
            "Wh" | "kWh" => found.energy += 1,
            "B" => found.information += 1,
            other if other.len() <= 3 && other.ends_with('B') && "KMGTP".contains(&other[..1]) => {
                found.information += 1
            }
            label => drop(found.labels.insert(label.to_owned())),
        }
    }
    found
}

/// Whether a quantity in one unit can be one in the other: labels must match where both have any.
fn agree(one: &str, other: &str) -> bool {
    let (one, other) = (measures(one), measures(other));
    (one.time, one.information, one.energy) == (other.time, other.information, other.energy)
        && (one.labels.is_empty() || other.labels.is_empty() || one.labels == other.labels)
}

#[test]
fn every_price_tier_package_and_allowance_measures_what_its_sku_does() {
    let catalogue = Catalogue::embedded().unwrap();
    let mut compared = 0;
    for (index, sku) in catalogue.skus() {
        let unit = sku.unit.text();
        let book = catalogue.book_of(index);
        let mut others: Vec<&Unit> = Vec::new();
        for price in &sku.prices {
            others.extend([&price.per, &price.tier_unit]);
            others.extend(price.package.as_ref());
        }
        for allowance in sku.allowances.iter().map(|place| &book.allowances[*place]) {
            if let Grant::Quantity { unit, .. } = &allowance.grant {
                others.push(unit);
            }
        }
        for other in others {
            assert!(agree(unit, other.text()), "{}: {unit} and {}", sku.name, other.text());
            compared += 1;
        }
    }
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn decimal_and_binary_sizes_are_different_units() {
    let ratio = |from: &str, to: &str| {
        let (from, to) = (Unit::parse(from).unwrap(), Unit::parse(to).unwrap());
        from.factor(&to, 1).unwrap().to_string()
    };
    assert_eq!(ratio("GiB-s", "B-us"), "1073741824000000");
    assert_eq!(ratio("GB-s", "B-us"), "1000000000000000");
    assert_eq!(ratio("TiB", "GiB"), "1024");
    assert_eq!(ratio("TB", "GB"), "1000");
    for (from, to) in [("GiB-s", "GiB"), ("GiB-month", "request"), ("request", "event"), ("GiB-s", "s"), ("kWh", "h")] {
        let (from, to) = (Unit::parse(from).unwrap(), Unit::parse(to).unwrap());
        assert!(from.factor(&to, 1).is_err(), "{from} {to}");
    }
}

/// A meter's columns have units too: an expression that adds or compares different ones is refused.
#[test]
fn columns_of_every_table_have_units_that_can_be_read() {
    for table in Table::ALL {
        for column in table.columns() {
            if let ColumnKind::Number(unit) = column.kind {
                assert!(unit.is_empty() || Unit::parse(unit).is_ok(), "{table}.{}: {unit}", column.name);
                let suffix = column.name.rsplit('_').next().unwrap();
                let expected = match suffix {
                    "us" => "us",
                    "mb" => "MiB",
                    "bytes" => "B",
                    "milli" => "0.001",
                    _ => "",
                };
                assert_eq!(unit, expected, "{table}.{}", column.name);
            }
        }
    }
}

/// Every `unit` and `per` of every shipped book, exchanged for one that measures something else: always refused.
#[test]
fn a_unit_that_measures_something_else_is_refused() {
    let others = ["GiB-s", "GiB-month", "GiB", "1_000 request", "kWh", "s", "vCPU-h", "event-GiB"];
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("price_books");
    let (mut exchanged, mut number) = (0, 0);
    for provider in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for path in fs::read_dir(provider).unwrap().map(|entry| entry.unwrap().path()) {
            let text = fs::read_to_string(&path).unwrap();
            let before = problems(&text);
            for key in ["\nunit = \"", " per = \"", "tier_unit = \"", "package = \""] {
                for (at, _) in text.match_indices(key) {
                    let start = at + key.len();
                    let end = start + text[start..].find('"').unwrap();
                    let old = &text[start..end];
                    let in_example =
                        text[..at].rfind("\n[[").is_some_and(|table| text[table..].starts_with("\n[[example"));
                    number += 1;
                    let Some(new) = (0..others.len())
                        .map(|step| others[(number + step) % others.len()])
                        .find(|new| !agree(old, new))
                        .filter(|_| !in_example)
                    else {
                        continue;
                    };
                    let mutated = format!("{}{new}{}", &text[..start], &text[end..]);
                    let after = problems(&mutated);
                    assert!(after > before, "{}: `{old}` for `{new}` at byte {start} is not refused", path.display());
                    exchanged += 1;
                }
            }
        }
    }
    assert!(exchanged > 700, "{exchanged}");
}

/// How many problems a book has that are about units.
fn problems(text: &str) -> usize {
    let found = Catalogue::of_files([("book".to_owned(), text.to_owned())]);
    let about_units =
        |message: &str| ["dimension", "count the same", "units", "unit"].iter().any(|word| message.contains(word));
    found.err().map_or(0, |error| error.problems.iter().filter(|problem| about_units(&problem.message)).count())
}
