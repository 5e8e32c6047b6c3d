//! The known word most like another one, for hints about mistyped names
/// The known word with the fewest letters to change, when it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(80).collect();
    let bound = 2 + word.chars().count() / 4;
    let best = known.into_iter().map(|known| (edits(&word, known), known)).min_by_key(|(distance, _)| *distance);
    best.filter(|(distance, _)| *distance <= bound).map(|(_, known)| known)
}

/// How many letters must be inserted, removed or replaced to get from one word to the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_or_none() {
        let known = ["duration_ms", "memory_mb", "operation"];
        for (word, expected) in [("memory_m", Some("memory_mb")), ("operatoin", Some("operation")), ("x", None)] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
