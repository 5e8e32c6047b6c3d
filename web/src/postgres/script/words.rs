//! Where statements begin and end in a text, and their first words.
//!
//! Not by the tokenizer of the engine, which takes many times the memory of the text, and fails where a text is not whole:
//! that is for the process of the query to say.

/// The texts of the statements, without those that are only blanks and comments.
pub(in crate::postgres) fn split(text: &str) -> Vec<&str> {
    let (mut found, mut start) = (Vec::new(), 0);
    let mut rest = Scanner { text, at: 0 };
    loop {
        let before = rest.at;
        match rest.next() {
            Some(Piece::End) => {
                found.push(&text[start..before]);
                start = rest.at;
            }
            Some(_) => {}
            None => break,
        }
    }
    found.push(&text[start..]);
    found.retain(|statement| Scanner { text: statement, at: 0 }.next_significant().is_some());
    found.into_iter().map(str::trim).collect()
}

/// The first few words of a statement: what decides is there.
pub(super) struct Words<'a> {
    pieces: Vec<(usize, &'a str)>,
}

/// Enough for `SET` with a list of values, and for every `DECLARE … CURSOR … FOR`.
const WORDS_MAX: usize = 64;

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut scanner = Scanner { text, at: 0 };
        let pieces = std::iter::from_fn(|| scanner.next_significant()).take(WORDS_MAX);
        Self { pieces: pieces.collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn start(&self, place: usize) -> usize {
        self.pieces.get(place).map_or(0, |(start, _)| *start)
    }

    fn raw(&self, place: usize) -> &'a str {
        self.pieces.get(place).map_or("", |(_, piece)| *piece)
    }

    /// In upper case; empty behind the end.
    pub(super) fn upper(&self, place: usize) -> String {
        self.raw(place).to_ascii_uppercase()
    }

    /// A name: in lower case unless it is quoted.
    pub(super) fn name(&self, place: usize) -> Option<String> {
        let raw = self.raw(place);
        match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(quoted) => Some(quoted.replace("\"\"", "\"")),
            None if raw.starts_with(|first: char| first.is_alphabetic() || first == '_') => Some(raw.to_lowercase()),
            None => None,
        }
    }

    /// A name with dots in it, in lower case, and the place behind it.
    pub(super) fn dotted(&self, place: usize) -> (String, usize) {
        let (mut name, mut next) = (self.name(place).unwrap_or_default().to_lowercase(), place + 1);
        while self.raw(next) == "." {
            name = format!("{name}.{}", self.name(next + 1).unwrap_or_default().to_lowercase());
            next += 2;
        }
        (name, next)
    }

    /// The value of a setting: the words up to the end, quotes taken off; nothing for `DEFAULT`.
    pub(super) fn value(&self, place: usize) -> Option<String> {
        if place >= self.len() || self.upper(place) == "DEFAULT" {
            return None;
        }
        let unquoted = |raw: &str| match raw.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            Some(quoted) => quoted.replace("''", "'"),
            None => raw.trim_matches('"').to_owned(),
        };
        let mut value = String::new();
        for place in place..self.len() {
            let piece = unquoted(self.raw(place));
            if !value.is_empty() && piece != "," && !value.ends_with('-') {
                value.push(' ');
            }
            value.push_str(&piece);
        }
        Some(value)
    }
}

enum Piece<'a> {
    Blank,
    Word(&'a str),
    /// A semicolon.
    End,
}

/// Walks over a text of SQL: strings, names, comments and dollar quotes are one piece each.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn next_significant(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let start = self.at;
            match self.next()? {
                Piece::Word(word) => return Some((start, word)),
                Piece::Blank | Piece::End => {}
            }
        }
    }

    fn next(&mut self) -> Option<Piece<'a>> {
        let (start, text) = (self.at, self.text);
        let rest = &text[start..];
        let first = rest.chars().next()?;
        let escapes = rest.len() > 1 && matches!(first, 'e' | 'E') && rest[1..].starts_with('\'');
        let length = match first {
            ';' => {
                self.at += 1;
                return Some(Piece::End);
            }
            _ if first.is_whitespace() => {
                self.at += first.len_utf8();
                return Some(Piece::Blank);
            }
            _ if rest.starts_with("--") => {
                self.at += rest.find('\n').unwrap_or(rest.len());
                return Some(Piece::Blank);
            }
            _ if rest.starts_with("/*") => {
                self.at += comment(rest);
                return Some(Piece::Blank);
            }
            '\'' => quoted(rest, '\'', false),
            _ if escapes => 1 + quoted(&rest[1..], '\'', true),
            '"' => quoted(rest, '"', false),
            '$' => dollar_quoted(rest).unwrap_or(1),
            _ if is_word(first) => rest.find(|next: char| !is_word(next) && next != '$').unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        self.at += length;
        Some(Piece::Word(&text[start..start + length]))
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Bytes of a comment, which may have comments in it; of one that does not end, all.
fn comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => {
                (at, depth) = (at + 2, depth - 1);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Bytes of a quoted text with its quotes, which are doubled within it; of one that does not end, all.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if escapes && character == '\\' {
            characters.next();
        } else if character == quote {
            if characters.peek().is_none_or(|(_, next)| *next != quote) {
                return at + 1;
            }
            characters.next();
        }
    }
    text.len()
}

/// Bytes of `$tag$ … $tag$`; nothing when it is none, such as `$1`.
fn dollar_quoted(text: &str) -> Option<usize> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[..end];
    let inner = &tag[1..end - 1];
    if inner.starts_with(|first: char| first.is_ascii_digit()) || !inner.chars().all(is_word) {
        return None;
    }
    Some(text[end..].find(tag).map_or(text.len(), |place| end + place + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes_and_comments() {
        let text = "SELECT ';' ; -- a; b\n/* ; /* ; */ ; */ ;; SELECT \"a;\"\"b\", $x$;$x$, E'\\';', $1 ;";
        assert_eq!(split(text), ["SELECT ';'", "SELECT \"a;\"\"b\", $x$;$x$, E'\\';', $1"]);
        assert_eq!(split("  -- nothing\n;"), Vec::<&str>::new());
        assert_eq!(split("SELECT 'open ; "), ["SELECT 'open ;"]);
    }
}
