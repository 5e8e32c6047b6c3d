//! Words of a row that no filter of its service knows: a misspelt one would quietly leave a part of the row unpriced
use std::collections::BTreeSet;

use super::row::Row;
use crate::{
    book::Sku,
    catalogue::{Catalogue, SkuIndex},
    expression::Value,
    nearest::nearest,
};

/// Most known words that are listed.
const LISTED_MAX: usize = 12;

fn skus<'a>(catalogue: &'a Catalogue, row: &Row) -> impl Iterator<Item = (SkuIndex, &'a Sku)> {
    catalogue.fed_by(&row.provider, &row.service, row.table).iter().map(|index| (*index, catalogue.sku(*index)))
}

/// A word of a column that filters compare, but never with this word: said with the one most like it.
fn unknown(catalogue: &Catalogue, row: &Row, column: &str, text: &str) -> Option<String> {
    let filters = skus(catalogue, row).filter_map(|(_, sku)| sku.filter.as_ref());
    let known: BTreeSet<&str> = filters.flat_map(|filter| filter.words_of(column)).collect();
    if known.is_empty() || known.contains(text) {
        return None;
    }
    let shown: String = text.chars().take(40).collect();
    Some(match nearest(text, known.iter().copied()) {
        Some(near) => format!("`{column}` is `{shown}`, did you mean `{near}`?"),
        None => {
            let some: Vec<_> = known.into_iter().take(LISTED_MAX).collect();
            format!("`{column}` is `{shown}`, known are {}", some.join(", "))
        }
    })
}

fn texts(row: &Row) -> impl Iterator<Item = (&'static str, &str)> {
    row.columns.iter().filter_map(|(column, value)| match value {
        Value::Text(text) => Some((*column, text.as_str())),
        _ => None,
    })
}

/// The first word of a row that no SKU knows, and the one most like it.
pub(super) fn unknown_word(catalogue: &Catalogue, row: &Row) -> Option<String> {
    texts(row).find_map(|(column, text)| unknown(catalogue, row, column, text))
}

/// SKUs that would count the row without a word that none knows, although others do count it: a part of its price.
pub(super) fn lost_to_unknown_words(catalogue: &Catalogue, row: &Row) -> Vec<String> {
    let fed = |without: Option<&str>| -> BTreeSet<SkuIndex> {
        let value = |name: &str| if Some(name) == without { Value::Null } else { row.value(name) };
        let passes = |sku: &Sku| sku.filter.as_ref().is_none_or(|filter| filter.passes(&value));
        skus(catalogue, row).filter(|(_, sku)| passes(sku)).map(|(index, _)| index).collect()
    };
    let mut lost = Vec::new();
    let mut counted = None;
    for (column, text) in texts(row) {
        let Some(word) = unknown(catalogue, row, column, text) else { continue };
        let counted = counted.get_or_insert_with(|| fed(None));
        let without = fed(Some(column));
        // That nothing counts it is said elsewhere; that it counts as something else may be meant.
        if !counted.is_empty() && counted.is_subset(&without) {
            let missing = without.difference(counted).next();
            lost.extend(missing.map(|sku| format!("{} does not count the row: {word}", catalogue.sku(*sku).name)));
        }
    }
    lost
}
