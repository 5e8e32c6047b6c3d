//! Every shipped book proves itself: its examples come out, and together they use every SKU
use std::collections::BTreeSet;

use paygrain_pricing::{Catalogue, estimate};

#[test]
fn every_sku_is_in_an_example_of_its_book() {
    let catalogue = Catalogue::embedded().unwrap();
    let mut missing = Vec::new();
    for book in catalogue.books() {
        let mut used = BTreeSet::new();
        for example in &book.examples {
            let answer = estimate(&catalogue, example.request.clone()).unwrap();
            used.extend(answer.charges.into_iter().map(|charge| charge.sku));
        }
        // Of a SKU per key, one key stands for all.
        let bases: BTreeSet<&str> =
            book.skus.iter().filter(|sku| used.contains(&sku.name)).map(|sku| sku.base.as_str()).collect();
        let unused = book.skus.iter().map(|sku| sku.base.as_str()).filter(|base| !bases.contains(base));
        missing.extend(unused.collect::<BTreeSet<_>>().into_iter().map(|base| format!("{} {base}", book.name)));
    }
    assert!(missing.is_empty(), "{} SKUs in no example:\n{}", missing.len(), missing.join("\n"));
}
