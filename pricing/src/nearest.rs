//! The known word most like one that is not known: what an error suggests

/// The known word most like another one, letter case apart; nothing when none is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.trim().chars().take(40).collect();
    let lower = word.to_lowercase();
    let limit = match lower.len() {
        0 | 1 => 0,
        2..=4 => 1,
        length => 2 + length / 4,
    };
    let near = known.into_iter().map(|known| (edits(&lower, &known.to_lowercase()), edits(&word, known), known));
    near.filter(|(edits, ..)| *edits <= limit).min().map(|(.., known)| known)
}

/// A question that names the nearest known word.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|known| format!("did you mean `{known}`?"))
}

/// As [`did_you_mean`], or else a list of all known words.
pub(crate) fn did_you_mean_or<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    let all = || known.clone().into_iter().collect::<Vec<_>>();
    did_you_mean(word, known.clone()).or_else(|| (!all().is_empty()).then(|| format!("known: {}", all().join(", "))))
}

/// How many letters must be inserted, removed, replaced or swapped with the next to get from one word to the other.
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut least = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i - 1] == *b && to[j - 1] == *a {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let known = ["STANDARD", "STANDARD_IA", "GiB", "GB", "lambda"];
        for (word, expected) in [
            ("STANDART", Some("STANDARD")),
            ("standard_ia", Some("STANDARD_IA")),
            ("gib", Some("GiB")),
            ("gb", Some("GB")),
            ("lamda", Some("lambda")),
            ("lmabda", Some("lambda")),
            ("", None),
            ("wholly unlike anything", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
