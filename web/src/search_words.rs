//! Words that a list is searched for: those rows are found that have each of them somewhere, letter case apart.

/// The words of a search.
pub struct SearchWords(Vec<String>);

impl SearchWords {
    /// The words of a text.
    pub fn new(text: &str) -> Self {
        Self(text.split_whitespace().map(str::to_lowercase).collect())
    }

    /// Whether nothing is looked for, which everything fits.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a text has each of them.
    pub fn fit(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().all(|word| text.contains(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_somewhere_in_any_order() {
        let words = SearchWords::new(" Lambda  JSON ");
        assert!(words.fit("json of lambda") && !words.fit("lambda text") && !words.is_none());
        assert!(SearchWords::new("  ").is_none() && SearchWords::new("").fit("anything"));
    }
}
