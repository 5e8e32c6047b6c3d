//! Where statements begin and end in a text, and what the first words say: nothing is parsed here, as a parser can be
//! made to take any amount of stack. What a query really is, its process judges.

/// A statement, by its first words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// Something that gives rows and is run in a process of its own.
    Query(String),
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
    /// What is acknowledged by its name and does nothing: `SAVEPOINT`, `UNLISTEN`.
    Nothing(&'static str),
    /// `DISCARD ALL` and the like: settings as they were.
    Discard(&'static str),
    /// `DEALLOCATE` of one statement, or of all.
    Deallocate(Option<String>),
    /// `SET name = value`; `None` for `RESET` and `DEFAULT`.
    Set(String, Option<String>),
    /// `SHOW name`, in lower case.
    Show(String),
    /// `DECLARE name CURSOR FOR query`.
    Declare(String, String),
    /// `FETCH count FROM name`; `None` is all.
    Fetch(Option<usize>, String),
    /// `CLOSE name`; `None` is all.
    Close(Option<String>),
}

/// Why a statement is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It would change something; the words name it.
    Writes(String),
    /// We have no such thing.
    Unsupported(String),
    /// It begins like no statement.
    Syntax(String),
}

/// What would change something here, or on the machine, if it were run.
const WRITES: [&str; 36] = [
    "ALTER",
    "ANALYZE",
    "ATTACH",
    "CACHE",
    "CALL",
    "CHECKPOINT",
    "CLUSTER",
    "COMMENT",
    "COPY",
    "CREATE",
    "DELETE",
    "DETACH",
    "DO",
    "DROP",
    "GRANT",
    "IMPORT",
    "INSERT",
    "INSTALL",
    "LOAD",
    "LOCK",
    "MERGE",
    "OPTIMIZE",
    "PRAGMA",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "REPLACE",
    "REVOKE",
    "SECURITY",
    "TRUNCATE",
    "UNCACHE",
    "UNLOAD",
    "UPDATE",
    "UPSERT",
    "USE",
    "VACUUM",
];

/// The texts of the statements, without those that are only blanks and comments.
pub(super) fn split(text: &str) -> Vec<&str> {
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

/// What a single statement is.
///
/// # Errors
/// A [`Refusal`] for what is not run at all.
pub(super) fn classify(text: &str) -> Result<Statement, Refusal> {
    let words = Words::of(text);
    let first = words.upper(0);
    let named = || match first.as_str() {
        "ALTER" | "CREATE" | "DROP" => [first.as_str(), words.upper(1).as_str()].join(" ").trim().to_owned(),
        _ => first.clone(),
    };
    Ok(match first.as_str() {
        "SELECT" | "WITH" | "VALUES" | "TABLE" | "(" | "EXPLAIN" | "DESCRIBE" | "DESC" => {
            Statement::Query(text.to_owned())
        }
        "SHOW" => show(&words, text),
        "BEGIN" | "START" => Statement::Begin,
        "COMMIT" | "END" if words.upper(1) != "PREPARED" => Statement::Commit,
        "ROLLBACK" if words.rest(1).any(|word| word == "TO") => Statement::Nothing("ROLLBACK"),
        "ROLLBACK" | "ABORT" if words.upper(1) != "PREPARED" => Statement::Rollback,
        "SAVEPOINT" => Statement::Nothing("SAVEPOINT"),
        "RELEASE" => Statement::Nothing("RELEASE"),
        "UNLISTEN" => Statement::Nothing("UNLISTEN"),
        "DISCARD" => Statement::Discard(match words.upper(1).as_str() {
            "ALL" => "DISCARD ALL",
            "PLANS" => "DISCARD PLANS",
            "SEQUENCES" => "DISCARD SEQUENCES",
            "TEMP" | "TEMPORARY" => "DISCARD TEMP",
            _ => return Err(Refusal::Syntax(named())),
        }),
        "DEALLOCATE" => {
            let place = if words.upper(1) == "PREPARE" { 2 } else { 1 };
            match words.name(place) {
                Some(name) if name == "all" => Statement::Deallocate(None),
                Some(name) => Statement::Deallocate(Some(name)),
                None => return Err(Refusal::Syntax(named())),
            }
        }
        "SET" => set(&words).ok_or_else(|| Refusal::Syntax(named()))?,
        "RESET" => Statement::Set(words.name(1).ok_or_else(|| Refusal::Syntax(named()))?, None),
        "DECLARE" => declare(&words, text).ok_or_else(|| Refusal::Unsupported("this form of DECLARE".to_owned()))?,
        "FETCH" => fetch(&words).ok_or_else(|| Refusal::Unsupported("this form of FETCH".to_owned()))?,
        "CLOSE" => match words.name(1) {
            Some(name) if name == "all" => Statement::Close(None),
            Some(name) => Statement::Close(Some(name)),
            None => return Err(Refusal::Syntax(named())),
        },
        "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "PREPARE" | "EXECUTE" | "LISTEN" | "NOTIFY" | "MOVE" => {
            return Err(Refusal::Unsupported(named()));
        }
        word if WRITES.contains(&word) => return Err(Refusal::Writes(named())),
        _ => return Err(Refusal::Syntax(first.clone())),
    })
}

fn show(words: &Words<'_>, text: &str) -> Statement {
    match words.upper(1).as_str() {
        "TABLES" | "COLUMNS" | "FUNCTIONS" | "SCHEMAS" | "DATABASES" | "CREATE" => Statement::Query(text.to_owned()),
        "TIME" if words.upper(2) == "ZONE" => Statement::Show("timezone".into()),
        "TRANSACTION" if words.upper(2) == "ISOLATION" => Statement::Show("transaction_isolation".into()),
        "SESSION" if words.upper(2) == "AUTHORIZATION" => Statement::Show("session_authorization".into()),
        _ => Statement::Show(words.dotted(1).0),
    }
}

fn set(words: &Words<'_>) -> Option<Statement> {
    let scoped = matches!(words.upper(1).as_str(), "SESSION" | "LOCAL") && words.upper(2) != "AUTHORIZATION";
    let place = if scoped && words.upper(2) != "=" && words.upper(2) != "TO" { 2 } else { 1 };
    match words.upper(place).as_str() {
        // Isolation, read-only or not: there is nothing to write.
        "TRANSACTION" | "CHARACTERISTICS" => return Some(Statement::Nothing("SET")),
        "CONSTRAINTS" => return Some(Statement::Nothing("SET CONSTRAINTS")),
        "TIME" if words.upper(place + 1) == "ZONE" => {
            return Some(Statement::Set("timezone".into(), words.value(place + 2)));
        }
        "NAMES" => return Some(Statement::Set("client_encoding".into(), words.value(place + 1))),
        "AUTHORIZATION" | "" => return None,
        _ => {}
    }
    let (name, next) = words.dotted(place);
    if !matches!(words.upper(next).as_str(), "=" | "TO") {
        return None;
    }
    let value = words.value(next + 1);
    if value.is_none() && words.upper(next + 1) != "DEFAULT" {
        return None;
    }
    Some(Statement::Set(name, value))
}

fn declare(words: &Words<'_>, text: &str) -> Option<Statement> {
    let name = words.name(1)?;
    let cursor = (2..words.len()).find(|place| words.upper(*place) == "CURSOR")?;
    let query = (cursor..words.len()).find(|place| words.upper(*place) == "FOR")? + 1;
    let scrolls = (2..cursor).any(|place| words.upper(place) == "SCROLL" && words.upper(place - 1) != "NO");
    (!scrolls && query < words.len()).then(|| Statement::Declare(name, text[words.start(query)..].to_owned()))
}

fn fetch(words: &Words<'_>) -> Option<Statement> {
    let mut place = 1;
    let mut count = Some(1);
    if matches!(words.upper(place).as_str(), "NEXT" | "FORWARD") {
        place += 1;
    }
    if let Ok(number) = words.upper(place).parse() {
        count = Some(number);
        place += 1;
    } else if words.upper(place) == "ALL" {
        count = None;
        place += 1;
    }
    if matches!(words.upper(place).as_str(), "FROM" | "IN") {
        place += 1;
    }
    let name = words.name(place)?;
    (place + 1 == words.len()).then_some(Statement::Fetch(count, name))
}

/// The first few words of a statement: what decides is there.
struct Words<'a> {
    pieces: Vec<(usize, &'a str)>,
}

/// Enough for `SET` with a list of values, and for every `DECLARE … CURSOR … FOR`.
const WORDS_MAX: usize = 64;

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let mut scanner = Scanner { text, at: 0 };
        let pieces = std::iter::from_fn(|| scanner.next_significant()).take(WORDS_MAX);
        Self { pieces: pieces.collect() }
    }

    fn len(&self) -> usize {
        self.pieces.len()
    }

    fn start(&self, place: usize) -> usize {
        self.pieces.get(place).map_or(0, |(start, _)| *start)
    }

    fn raw(&self, place: usize) -> &'a str {
        self.pieces.get(place).map_or("", |(_, piece)| *piece)
    }

    /// In upper case; empty behind the end.
    fn upper(&self, place: usize) -> String {
        self.raw(place).to_ascii_uppercase()
    }

    fn rest(&self, place: usize) -> impl Iterator<Item = String> {
        (place..self.len()).map(|place| self.upper(place))
    }

    /// A name: in lower case unless it is quoted.
    fn name(&self, place: usize) -> Option<String> {
        let raw = self.raw(place);
        match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(quoted) => Some(quoted.replace("\"\"", "\"")),
            None if raw.starts_with(|first: char| first.is_alphabetic() || first == '_') => Some(raw.to_lowercase()),
            None => None,
        }
    }

    /// A name with dots in it, in lower case, and the place behind it.
    fn dotted(&self, place: usize) -> (String, usize) {
        let (mut name, mut next) = (self.name(place).unwrap_or_default().to_lowercase(), place + 1);
        while self.raw(next) == "." {
            name = format!("{name}.{}", self.name(next + 1).unwrap_or_default().to_lowercase());
            next += 2;
        }
        (name, next)
    }

    /// The value of a setting: the words up to the end, quotes taken off; nothing for `DEFAULT`.
    fn value(&self, place: usize) -> Option<String> {
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

    #[test]
    fn the_first_words_decide() {
        let query = |text: &str| Ok(Statement::Query(text.to_owned()));
        for text in [
            "select 1",
            "/* x */ WITH a AS (SELECT 1) SELECT",
            "(SELECT 1)",
            "values (1)",
            "explain select 1",
            "SHOW TABLES",
        ] {
            assert_eq!(classify(text), query(text), "{text}");
        }
        for text in
            ["insert into x values (1)", "-- x\ncopy x to '/tmp/x'", "Create external table x", "VACUUM", "do $$ x $$"]
        {
            assert!(matches!(classify(text), Err(Refusal::Writes(_))), "{text}");
        }
        for text in
            ["prepare x as insert into y", "listen x", "commit prepared 'x'", "declare c scroll cursor for select 1"]
        {
            assert!(matches!(classify(text), Err(Refusal::Unsupported(_))), "{text}");
        }
        for text in ["selec 1", "1", "set", "set x 1", "'", "discard"] {
            assert!(matches!(classify(text), Err(Refusal::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn settings_are_read() {
        let set = |name: &str, value: &str| Ok(Statement::Set(name.into(), Some(value.into())));
        assert_eq!(classify("SET statement_timeout = '5s'"), set("statement_timeout", "5s"));
        assert_eq!(classify("set session DateStyle to ISO, MDY"), set("datestyle", "ISO, MDY"));
        assert_eq!(classify("SET datafusion.execution.batch_size = 1"), set("datafusion.execution.batch_size", "1"));
        assert_eq!(
            classify("SET \"datafusion.execution.batch_size\" = 1"),
            set("datafusion.execution.batch_size", "1")
        );
        assert_eq!(classify("set time zone 'UTC'"), set("timezone", "UTC"));
        assert_eq!(classify("SET LOCAL x TO DEFAULT"), Ok(Statement::Set("x".into(), None)));
        assert_eq!(classify("RESET ALL"), Ok(Statement::Set("all".into(), None)));
        assert_eq!(classify("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"), Ok(Statement::Nothing("SET")));
        assert_eq!(classify("show transaction isolation level"), Ok(Statement::Show("transaction_isolation".into())));
    }

    #[test]
    fn cursors_are_read() {
        let declared = Statement::Declare("c".into(), "SELECT 1 FOR x".into());
        assert_eq!(classify("DECLARE C NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1 FOR x"), Ok(declared));
        assert_eq!(classify("FETCH FORWARD 10 FROM \"c\""), Ok(Statement::Fetch(Some(10), "c".into())));
        assert_eq!(classify("fetch all in c"), Ok(Statement::Fetch(None, "c".into())));
        assert_eq!(classify("fetch c"), Ok(Statement::Fetch(Some(1), "c".into())));
        assert!(classify("fetch backward 1 from c").is_err());
        assert_eq!(classify("close all"), Ok(Statement::Close(None)));
    }
}
