//! What this server has been told: limits, price books of the user's own, the accounts of its usage, and metadata as a
//! command.

use paygrain_ingest::lake::Declaration;
use paygrain_pricing::{Catalogue, Exact, Period, Problem};
use paygrain_query::{BillRequest, Dimension};
use serde::Serialize;

use crate::app::App;
use crate::error::AppError;
use crate::number;
use crate::price_books::{is_own, name_of};

/// A limit in force. Serialises as the API answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// What it is of.
    pub name: &'static str,
    /// The value, in words.
    pub value: String,
    /// The flag of `paygrain serve` that sets it; absent: it is fixed.
    pub flag: Option<&'static str>,
}

/// The limits in force.
pub fn limits(app: &App) -> Vec<Limit> {
    let config = app.config();
    let limit = |name, value, flag| Limit { name, value, flag };
    let seconds = |ms: u64| format!("{} s", Exact::ratio(ms.into(), 1000).unwrap_or_default());
    let mut names = vec!["localhost", "127.0.0.1", "[::1]"];
    names.extend(config.allowed_hosts.iter().map(String::as_str));
    let events = if app.events().is_some() { number::bytes(config.event_bytes_max) } else { "none are taken".into() };
    let mut limits = vec![
        limit("Address", config.listen.to_string(), Some("--listen")),
        limit("Names it answers to", names.join(", "), None),
        limit("Largest upload", number::bytes(config.upload_bytes_max), None),
        limit("Largest body of events", events, None),
        limit("Longest answer", seconds(config.request_timeout_ms), None),
    ];
    if let Ok(sandbox) = app.sql() {
        let sql = sandbox.limits();
        let ms = u64::try_from(sql.timeout.as_millis()).unwrap_or(u64::MAX);
        let rows = sql.rows_max.map_or_else(|| "all".to_owned(), number::count);
        limits.extend([
            limit("Longest query in SQL", seconds(ms), Some("--sql-timeout")),
            limit("Memory of a query in SQL", number::bytes(sql.memory_bytes), Some("--sql-memory")),
            limit("Rows of an answer in SQL", rows, None),
        ]);
    }
    limits
}

/// A price book of the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnBook {
    /// `aws/lambda`.
    pub price_book: String,
    /// What it prices, as people write it.
    pub title: String,
    /// The file.
    pub file: String,
    /// The day of the data.
    pub version: String,
    /// Whether it stands in the place of a shipped one.
    pub replaces_shipped: bool,
    /// What is wrong with it: examples that come out otherwise, rows that are charged twice.
    pub problems: Vec<OwnBookProblem>,
}

/// What is wrong with a book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnBookProblem {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong, and where in the book.
    pub message: String,
    /// What to write instead, where that can be told.
    pub hint: Option<String>,
}

impl From<&Problem> for OwnBookProblem {
    fn from(problem: &Problem) -> Self {
        let place = if problem.place.is_empty() { String::new() } else { format!("{}: ", problem.place) };
        Self { line: problem.line, message: format!("{place}{}", problem.message), hint: problem.hint.clone() }
    }
}

/// The price books that were given when the server started, with what is wrong with them.
pub fn own_books(catalogue: &Catalogue) -> Vec<OwnBook> {
    let own: Vec<_> = catalogue.books().iter().filter(|book| is_own(book)).collect();
    if own.is_empty() {
        return Vec::new();
    }
    let problems = Catalogue::check(own.iter().map(|book| (book.name.clone(), book.text.clone())));
    let shipped = Catalogue::embedded();
    let is_shipped =
        |name: &str| shipped.as_ref().is_ok_and(|all| all.books().iter().any(|book| name_of(book) == name));
    let view = |book: &paygrain_pricing::PriceBook| OwnBook {
        price_book: name_of(book),
        title: book.title.clone(),
        file: book.name.clone(),
        version: book.version.clone(),
        replaces_shipped: is_shipped(&name_of(book)),
        problems: problems.iter().filter(|one| one.book == book.name).map(OwnBookProblem::from).collect(),
    };
    own.into_iter().map(view).collect()
}

/// The accounts of a month.
#[derive(Clone, Debug, Serialize)]
pub struct AccountUse {
    /// The latest month with usage.
    pub period: Period,
    /// ISO 4217 code.
    pub currency: String,
    /// Its accounts, by what they are billed.
    pub accounts: Vec<Account>,
}

/// An account with usage.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Empty where the usage does not say.
    pub account: String,
    /// The organisation of the agreement, if it is in one.
    pub organisation: Option<String>,
    /// What it is billed in the month.
    pub billed_cost: Exact,
}

/// The accounts of the latest month with usage.
///
/// # Errors
/// As those of a bill.
pub async fn accounts(app: &App) -> Result<Option<AccountUse>, AppError> {
    let engine = app.engine();
    let Some(period) = engine.periods().await?.first().copied() else { return Ok(None) };
    let mut request = BillRequest::new(period);
    request.by = vec![Dimension::Account];
    let bill = engine.bill(&request).await?;
    let agreement = engine.agreement();
    let account = |group: paygrain_query::CostGroup| {
        let account = group.key.into_iter().next().unwrap_or_default();
        let organisation = agreement.organisation(Some(&account)).map(str::to_owned);
        Account { account, organisation, billed_cost: group.billed_cost }
    };
    Ok(Some(AccountUse { period, currency: bill.currency, accounts: bill.groups.into_iter().map(account).collect() }))
}

/// The command that supplies the same metadata.
pub fn set_metadata_command(lake: &str, declaration: &Declaration) -> String {
    let scope = &declaration.scope;
    let mut command = "paygrain lake set-metadata".to_owned();
    let mut add = |flag: &str, value: &str| command += &format!(" --{flag} {}", quoted(value));
    add("lake", lake);
    let scopes = [
        ("upload", &scope.upload_id),
        ("provider", &scope.provider),
        ("service", &scope.service),
        ("resource", &scope.resource),
    ];
    for (flag, value) in scopes {
        value.iter().for_each(|value| add(flag, value));
    }
    for (column, value) in declaration.stated() {
        match column {
            "resource" => add("name", &value),
            column => add(&column.replace('_', "-"), &value),
        }
    }
    if declaration.overrides {
        command += " --override";
    }
    command
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=".contains(&byte);
    let is_plain = !word.is_empty() && !word.starts_with('-') && word.bytes().all(plain);
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use paygrain_ingest::Defaults;
    use paygrain_ingest::lake::DeclarationScope;

    use super::*;

    #[test]
    fn the_command_says_what_the_form_does() {
        let declaration = Declaration {
            scope: DeclarationScope {
                provider: Some("aws".into()),
                resource: Some("it's mine".into()),
                ..DeclarationScope::default()
            },
            values: Defaults { region: Some("eu-west-1".into()), memory_mb: Some(512), ..Defaults::default() },
            overrides: true,
            declared_at_us: 0,
        };
        assert_eq!(
            set_metadata_command("my lake", &declaration),
            r"paygrain lake set-metadata --lake 'my lake' --provider aws --resource 'it'\''s mine' --region eu-west-1 --memory-mb 512 --override"
        );
    }

    #[test]
    fn problems_of_own_books_are_told() {
        let catalogue = Catalogue::embedded().unwrap();
        assert!(own_books(&catalogue).is_empty());
        let lambda = catalogue.books().iter().find(|book| name_of(book) == "aws/lambda").unwrap();
        let wrong = lambda.text.replacen("\ntotal = \"", "\ntotal = \"9", 1);
        assert_ne!(wrong, lambda.text, "the book has an example");
        let given = Catalogue::with_files([("own/lambda.toml".to_owned(), wrong)]).unwrap();
        let own = own_books(&given);
        assert_eq!((own.len(), own[0].replaces_shipped, own[0].problems.len()), (1, true, 1), "{own:?}");
        assert!(own[0].problems[0].message.starts_with("example `"), "{own:?}");
    }
}
