//! Words of a record that no filter of its service knows: a misspelt one would quietly leave a part of it unpriced
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    book::Sku,
    catalogue::{Catalogue, SkuIndex},
    expression::Value,
    nearest::nearest,
    table::{ColumnKind, Table},
};

/// Most known words that are listed.
const LISTED_MAX: usize = 12;

/// Whose record it is: provider, service, table.
pub type Source<'a> = (&'a str, &'a str, Table);

impl Catalogue {
    fn fed(&self, (provider, service, table): Source<'_>) -> impl Iterator<Item = (SkuIndex, &Sku)> {
        self.fed_by(provider, service, table).iter().map(|index| (*index, self.sku(*index)))
    }

    /// The text columns whose absence stands for something, with the words that filters compare them with: in others a
    /// word that no filter knows is as good as none.
    pub fn telling_words(&self, source: Source<'_>) -> BTreeMap<&'static str, BTreeSet<&str>> {
        let filters: Vec<_> = self.fed(source).filter_map(|(_, sku)| sku.filter.as_ref()).collect();
        let texts = source.2.columns().iter().filter(|column| column.kind == ColumnKind::Text);
        let telling = texts.filter(|column| filters.iter().any(|filter| filter.stands_without(column.name)));
        let words = |name| filters.iter().flat_map(|filter| filter.words_of(name)).collect::<BTreeSet<_>>();
        telling.map(|column| (column.name, words(column.name))).filter(|(_, words)| !words.is_empty()).collect()
    }

    /// A word of a column that filters compare, but never with this word: said with the one most like it.
    fn unknown(&self, source: Source<'_>, column: &str, text: &str) -> Option<String> {
        let filters = self.fed(source).filter_map(|(_, sku)| sku.filter.as_ref());
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

    /// The first word of a record that no SKU knows, and the one most like it.
    pub fn unknown_word<'r>(
        &self,
        source: Source<'_>,
        texts: impl IntoIterator<Item = (&'r str, &'r str)>,
    ) -> Option<String> {
        texts.into_iter().find_map(|(column, text)| self.unknown(source, column, text))
    }

    /// SKUs that would count a record without a word that none knows, although others do count it: a part of its price.
    pub fn lost_to_unknown_words<'r>(
        &self,
        source: Source<'_>,
        texts: impl IntoIterator<Item = (&'r str, &'r str)>,
        record: &dyn Fn(&str) -> Value,
    ) -> Vec<(SkuIndex, String)> {
        let fed = |without: Option<&str>| -> BTreeSet<SkuIndex> {
            let value = |name: &str| if Some(name) == without { Value::Null } else { record(name) };
            let passes = |sku: &Sku| sku.filter.as_ref().is_none_or(|filter| filter.passes(&value));
            self.fed(source).filter(|(_, sku)| passes(sku)).map(|(index, _)| index).collect()
        };
        let mut lost = Vec::new();
        let mut counted = None;
        for (column, text) in texts {
            let Some(word) = self.unknown(source, column, text) else { continue };
            let counted = counted.get_or_insert_with(|| fed(None));
            let without = fed(Some(column));
            // That nothing counts it is said elsewhere; that it counts as something else may be meant.
            if !counted.is_empty() && counted.is_subset(&without) {
                lost.extend(without.difference(counted).next().map(|sku| (*sku, word)));
            }
        }
        lost
    }
}
