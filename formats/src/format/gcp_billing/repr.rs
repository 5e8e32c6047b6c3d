//! Lists and dictionaries as Python prints them, which is how data frames write nested columns into a CSV:
//! `[{'key': 'env', 'value': None}]`. They are turned into JSON and nothing else is accepted.

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 32;

/// The JSON text of a Python literal of `None`, `True`, `False`, numbers, strings, lists, tuples and dictionaries.
/// Numbers keep their digits.
///
/// # Errors
/// Says what was expected, and where.
pub(super) fn json_of(text: &str) -> Result<String, String> {
    let mut reader = Reader { text, at: 0, json: String::with_capacity(text.len() + 16) };
    reader.value(0)?;
    reader.space();
    if reader.at < text.len() { Err(reader.expected("the end")) } else { Ok(reader.json) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    json: String,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\n', '\r', '\t']).len();
    }

    /// Takes a character that must be the next after space.
    fn take(&mut self, character: char) -> bool {
        self.space();
        let is_next = self.peek() == Some(character);
        if is_next {
            self.at += character.len_utf8();
        }
        is_next
    }

    fn expected(&self, what: &str) -> String {
        let found: String = self.rest().chars().take(12).collect();
        format!("expected {what} at byte {}, found `{}`", self.at, crate::error::excerpt(found.as_bytes()))
    }

    fn value(&mut self, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("it is nested deeper than {DEPTH_MAX} levels"));
        }
        self.space();
        match self.peek() {
            Some('[') => self.list('[', ']', depth),
            Some('(') => self.list('(', ')', depth),
            Some('{') => self.dictionary(depth),
            Some('\'' | '"') => self.string(),
            Some('-' | '.' | '0'..='9') => self.number(),
            _ => self.word(),
        }
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Result<(), String> {
        self.take(open);
        self.json.push('[');
        let mut first = true;
        while !self.take(close) {
            if !first {
                if !self.take(',') {
                    return Err(self.expected(&format!("`,` or `{close}`")));
                }
                // A tuple of one ends with a comma.
                if self.take(close) {
                    break;
                }
                self.json.push(',');
            }
            self.value(depth + 1)?;
            first = false;
        }
        self.json.push(']');
        Ok(())
    }

    fn dictionary(&mut self, depth: usize) -> Result<(), String> {
        self.take('{');
        self.json.push('{');
        let mut first = true;
        while !self.take('}') {
            if !first {
                if !self.take(',') {
                    return Err(self.expected("`,` or `}`"));
                }
                self.json.push(',');
            }
            self.space();
            if !matches!(self.peek(), Some('\'' | '"')) {
                return Err(self.expected("a name in quotes"));
            }
            self.string()?;
            if !self.take(':') {
                return Err(self.expected("`:`"));
            }
            self.json.push(':');
            self.value(depth + 1)?;
            first = false;
        }
        self.json.push('}');
        Ok(())
    }

    fn word(&mut self) -> Result<(), String> {
        for (word, json) in [("None", "null"), ("True", "true"), ("False", "false"), ("nan", "null")] {
            let rest = self.rest();
            if rest.starts_with(word) && !rest[word.len()..].starts_with(|next: char| next.is_alphanumeric()) {
                self.at += word.len();
                self.json.push_str(json);
                return Ok(());
            }
        }
        Err(self.expected("a value"))
    }

    fn number(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let is_part = |character: char| character.is_ascii_digit() || matches!(character, '.' | '-' | '+' | 'e' | 'E');
        let number = &rest[..rest.find(|character| !is_part(character)).unwrap_or(rest.len())];
        if serde_json::from_str::<&serde_json::value::RawValue>(number).is_err() {
            return Err(self.expected("a number"));
        }
        let length = number.len();
        self.json.push_str(&self.text[self.at..self.at + length]);
        self.at += length;
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        let begins_at = self.at;
        let quote = self.peek().unwrap_or('\'');
        self.at += 1;
        let mut value = String::new();
        loop {
            let Some(character) = self.peek() else {
                self.at = begins_at;
                return Err(self.expected("a string with an end"));
            };
            self.at += character.len_utf8();
            match character {
                '\\' => value.push(self.escaped()?),
                _ if character == quote => break,
                _ => value.push(character),
            }
        }
        let json = serde_json::to_string(&value).map_err(|error| error.to_string())?;
        self.json.push_str(&json);
        Ok(())
    }

    /// The character behind a backslash.
    fn escaped(&mut self) -> Result<char, String> {
        let character = self.peek().ok_or_else(|| self.expected("a character behind `\\`"))?;
        self.at += character.len_utf8();
        let digits = match character {
            '\\' | '\'' | '"' => return Ok(character),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => {
                self.at -= character.len_utf8();
                return Err(self.expected("an escape that Python prints"));
            }
        };
        let escape = self.rest().get(..digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let escaped = escape.and_then(char::from_u32).ok_or_else(|| self.expected("the digits of a character"))?;
        self.at += digits;
        Ok(escaped)
    }
}

#[cfg(test)]
mod tests {
    use super::json_of;

    #[test]
    fn what_python_prints_is_json() {
        for (python, json) in [
            ("[]", "[]"),
            ("[ ]", "[]"),
            (
                "[{'name': 'Free', 'amount': -5e-06, 'full_name': None, 'paid': True}, {}]",
                r#"[{"name":"Free","amount":-5e-06,"full_name":null,"paid":true},{}]"#,
            ),
            (
                r#"["it's", 'say "x"', 'a\'b\\c\n\xe9\u20ac\U0001f600']"#,
                "[\"it's\",\"say \\\"x\\\"\",\"a'b\\\\c\\né€😀\"]",
            ),
            ("('a',)", r#"["a"]"#),
            ("[0.1, 1234567890.123456789012345678901234567890]", "[0.1,1234567890.123456789012345678901234567890]"),
            ("{'a': {'b': [False]}}", r#"{"a":{"b":[false]}}"#),
        ] {
            assert_eq!(json_of(python).as_deref(), Ok(json), "{python}");
            assert!(serde_json::from_str::<serde_json::Value>(json).is_ok(), "{json}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for python in [
            "",
            "[",
            "[1",
            "[1 2]",
            "['a]",
            "{'a' 1}",
            "{1: 2}",
            "[1]]",
            "[nano]",
            "[Nonesuch]",
            "array([1])",
            "[--1]",
            "[1.2.3]",
            r"['\q']",
            r"['\x']",
            r"['\ud800']",
            r"['\",
        ] {
            assert!(json_of(python).is_err(), "{python}: {:?}", json_of(python));
        }
        assert!(json_of(&"[".repeat(100_000)).is_err());
    }
}
