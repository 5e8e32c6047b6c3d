//! What a statement is by its first words: nothing is parsed here, as a parser can be made to take any amount of stack.
//! What a query really is, its process judges.

mod words;

pub(super) use words::split;

use words::Words;

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
        "ROLLBACK" if (1..words.len()).any(|place| words.upper(place) == "TO") => Statement::Nothing("ROLLBACK"),
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

#[cfg(test)]
mod tests {
    use super::*;

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
