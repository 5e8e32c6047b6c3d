//! Under which words a provider's own bill has a SKU: the key `billed_as` of price books
use crate::{
    book::Sku,
    catalogue::{Catalogue, SkuIndex},
    unit::Unit,
};

/// The words of a bill that patterns look at, by their names in price books.
pub const BILLED_WORDS: [&str; 6] =
    ["usage_type", "operation", "sku_id", "sku_meter", "charge_description", "service_name"];
/// Place of `service_name` among them.
const SERVICE_NAME: usize = 5;

/// What a line of a bill says of what it charges, in the order of [`BILLED_WORDS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BilledWords(pub [Option<String>; BILLED_WORDS.len()]);

impl BilledWords {
    /// A word, by its name among [`BILLED_WORDS`].
    pub fn word(&self, name: &str) -> Option<&str> {
        self.0[BILLED_WORDS.iter().position(|word| *word == name)?].as_deref()
    }
}

/// The lines of a bill that charge a SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BilledAs {
    /// Place among [`BILLED_WORDS`] and the pattern the word must fit; a line must fit them all.
    pub patterns: Vec<(usize, Pattern)>,
    /// What one of a line's pricing quantity is.
    pub unit: Unit,
    /// How sure it is: `seen`, `derived` or `remembered`.
    pub mark: String,
}

/// A text in which `*` stands for any text, also for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern; nothing for one that every text fits.
    pub fn new(text: &str) -> Option<Self> {
        text.chars().any(|c| c != '*').then(|| Self(text.to_owned()))
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether a text fits from its first to its last character.
    pub fn fits(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut left) = text.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            let Some(place) = left.find(part) else { return false };
            left = &left[place + part.len()..];
        }
        left.ends_with(last)
    }

    /// How much of a text it lays down.
    fn letters(&self) -> usize {
        self.0.chars().filter(|c| *c != '*').count()
    }
}

impl BilledAs {
    /// How much of a line's words the patterns lay down, where they fit.
    fn fits(&self, words: &BilledWords) -> Option<usize> {
        let fits = |(place, pattern): &(usize, Pattern)| {
            words.0[*place].as_deref().filter(|text| pattern.fits(text)).map(|_| pattern.letters())
        };
        self.patterns.iter().map(fits).sum()
    }
}

impl Catalogue {
    /// The SKUs of a provider that a line with these words charges, in the order of the books, and what one of its
    /// quantity is. Where several fit, those whose patterns lay down most of the words count; none: no SKU is known for it.
    pub fn billed_as(&self, provider: &str, words: &BilledWords) -> Vec<(SkuIndex, &Unit)> {
        let mut best = 0;
        let mut found: Vec<(SkuIndex, &Unit)> = Vec::new();
        for (index, sku) in self.skus().filter(|(index, _)| self.book_of(*index).provider == provider) {
            let services = &self.book_of(index).billed_services;
            let of_service = |name: &String| services.iter().any(|service| service.fits(name));
            if !services.is_empty() && !words.0[SERVICE_NAME].as_ref().is_none_or(of_service) {
                continue;
            }
            let Some((letters, billed)) = best_of(sku, words) else { continue };
            if letters > best {
                found.clear();
                best = letters;
            }
            if letters == best {
                found.push((index, &billed.unit));
            }
        }
        found
    }
}

fn best_of<'a>(sku: &'a Sku, words: &BilledWords) -> Option<(usize, &'a BilledAs)> {
    let fitting = sku.billed_as.iter().filter_map(|billed| Some((billed.fits(words)?, billed)));
    // Of equals the first.
    fitting.rev().max_by_key(|(letters, _)| *letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_anchored_at_both_ends() {
        for (pattern, text, fits) in [
            ("*Lambda-GB-Second", "Lambda-GB-Second", true),
            ("*Lambda-GB-Second", "EUW1-Lambda-GB-Second", true),
            ("*Lambda-GB-Second", "EUW1-Lambda-GB-Second-ARM", false),
            ("Requests", "Requests", true),
            ("Requests", "USE1-Requests", false),
            ("Services CPU (*) in *", "Services CPU (Request-based billing) in us-central1", true),
            ("Services CPU (*) in *", "Services CPU in us-central1", false),
            ("*-AWS-Out-Bytes", "USE1-EUW1-AWS-Out-Bytes", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*é*", "café au lait", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().fits(text), fits, "{pattern} {text}");
        }
        assert_eq!(Pattern::new("**"), None);
        assert_eq!(Pattern::new(""), None);
    }

    fn words(usage_type: &str, service: Option<&str>) -> BilledWords {
        let mut words = BilledWords::default();
        words.0[0] = Some(usage_type.to_owned());
        words.0[SERVICE_NAME] = service.map(str::to_owned);
        words
    }

    #[test]
    fn shipped_books_find_their_lines_in_any_region() {
        let catalogue = Catalogue::embedded().unwrap();
        for (usage_type, service, sku) in [
            ("Lambda-GB-Second", "AWS Lambda", "aws.lambda.duration-x86"),
            ("EUW1-Lambda-GB-Second-ARM", "AWSLambda", "aws.lambda.duration-arm"),
            ("USE2-Request", "AWS Lambda", "aws.lambda.requests"),
            ("Lambda-Edge-Request", "AWS Lambda", "aws.lambda.edge-requests"),
            ("Requests-Tier1", "AmazonS3", "aws.s3.requests-put:STANDARD"),
            ("EUC1-Requests-SIA-Tier2", "Amazon Simple Storage Service", "aws.s3.requests-get:STANDARD_IA"),
            ("Requests-Tier1", "Amazon Simple Queue Service", "aws.sqs.requests:standard"),
            ("TimedStorage-ByteHrs", "Amazon DynamoDB", "aws.dynamodb.storage:standard"),
            ("DataTransfer-Out-Bytes", "Amazon Simple Storage Service", "aws.data-transfer.internet-out"),
        ] {
            let found = catalogue.billed_as("aws", &words(usage_type, Some(service)));
            let names: Vec<_> = found.iter().map(|(index, _)| catalogue.sku(*index).name.as_str()).collect();
            assert_eq!(names, [sku], "{usage_type} of {service}");
        }
        assert!(catalogue.billed_as("aws", &words("Lambda-GB-Second", Some("Amazon SageMaker"))).is_empty());
        assert!(catalogue.billed_as("gcp", &words("Lambda-GB-Second", None)).is_empty());
        let without_service = catalogue.billed_as("aws", &words("Lambda-GB-Second", None));
        assert_eq!(without_service.len(), 1);
    }

    #[test]
    fn every_pattern_finds_its_own_sku() {
        let catalogue = Catalogue::embedded().unwrap();
        let mut entries = 0;
        for (index, sku) in catalogue.skus() {
            let book = catalogue.book_of(index);
            for billed in &sku.billed_as {
                let mut words = BilledWords::default();
                words.0[SERVICE_NAME] = book.billed_services.first().map(|service| service.text().replace('*', ""));
                for (place, pattern) in &billed.patterns {
                    words.0[*place] = Some(pattern.text().replace('*', ""));
                }
                let found = catalogue.billed_as(&book.provider, &words);
                assert!(found.iter().any(|(found, _)| *found == index), "{}: {words:?}", sku.name);
                entries += 1;
            }
        }
        assert!(entries > 50, "{entries}");
    }
}
