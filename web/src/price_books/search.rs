//! Words to SKUs: names, descriptions, units, regions, sources, marks.

use chrono::NaiveDate;
use paygrain_pricing::{Catalogue, PriceBook, Sku};
use serde::Serialize;

use super::rows::{PriceRow, of_sku};
use super::{is_own, name_of};
use crate::search_words::SearchWords;

/// A SKU that the words fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkuHit {
    /// Full name.
    pub sku: String,
    /// Id without key: what the book's page calls it.
    pub id: String,
    /// What is charged, in words.
    pub description: String,
    /// `aws/lambda`.
    pub price_book: String,
    /// The service as people write it.
    pub title: String,
    /// The pricing unit.
    pub unit: String,
    /// Prices that hold on the day asked for.
    pub prices: Vec<PriceRow>,
}

/// The SKUs that have every one of the words somewhere, in the order of the books.
pub fn hits(catalogue: &Catalogue, words: &str, provider: Option<&str>, on: NaiveDate) -> Vec<SkuHit> {
    let words = SearchWords::new(words);
    let mut hits = Vec::new();
    for book in catalogue.books().iter().filter(|book| provider.is_none_or(|provider| book.provider == provider)) {
        for sku in book.skus.iter().filter(|sku| fit(&words, book, sku)) {
            hits.push(SkuHit {
                sku: sku.name.clone(),
                id: sku.base.clone(),
                description: sku.description.clone(),
                price_book: name_of(book),
                title: book.title.clone(),
                unit: sku.unit.text().to_owned(),
                prices: of_sku(book, sku, on).into_iter().filter(|row| row.in_force).collect(),
            });
        }
    }
    hits
}

/// Whether each word is in what a book says of a SKU.
pub fn fit(words: &SearchWords, book: &PriceBook, sku: &Sku) -> bool {
    words.is_none() || words.fit(&text_of(book, sku))
}

fn text_of(book: &PriceBook, sku: &Sku) -> String {
    let mut text = [
        book.provider_title.as_str(),
        &book.title,
        &book.category,
        &book.subcategory,
        &sku.name,
        &sku.description,
        sku.unit.text(),
        sku.table.name(),
        if is_own(book) { &book.name } else { "" },
    ]
    .join("\n");
    let mut add = |part: &str| {
        text.push('\n');
        text.push_str(part);
    };
    for service in &sku.services {
        add(service);
    }
    for price in &sku.prices {
        for part in [price.per.text(), &price.published, &price.source, book.source_address(&price.source)] {
            add(part);
        }
        if let Some(set) = &price.region {
            add(set);
            book.regions.get(set).into_iter().flatten().for_each(|region| add(region));
        }
        price.tiers.iter().for_each(|tier| {
            add(&tier.published);
            add(&tier.mark);
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_names_units_regions_sources_and_marks() {
        let catalogue = Catalogue::embedded().unwrap();
        let on = "2026-11-23".parse().unwrap();
        let names = |words, provider| -> Vec<String> {
            hits(&catalogue, words, provider, on).into_iter().map(|hit| hit.sku).collect()
        };
        let lambda = names("Lambda DURATION x86", None);
        assert!(lambda.contains(&"aws.lambda.duration-x86".to_owned()), "{lambda:?}");
        assert!(names("cloud-run GiB-s", Some("gcp")).iter().all(|name| name.starts_with("gcp.")));
        assert!(!names("us-central1", None).is_empty(), "a region of a set");
        assert!(!names("cloud.google.com/run/pricing", None).is_empty(), "an address");
        assert!(!names("remembered", Some("aws")).is_empty(), "a mark");
        assert!(names("lambda no-such-word", None).is_empty());
        let all: usize = catalogue.books().iter().map(|book| book.skus.len()).sum();
        assert_eq!(names("  ", None).len(), all, "no words fit everything");
    }
}
