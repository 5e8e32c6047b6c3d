//! One session: what is asked over both protocols. Queries go to processes of their own, the rest is answered here.

mod extended;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion_postgres::pgwire::api::portal::{Format, Portal};
use datafusion_postgres::pgwire::api::query::{
    SimpleQueryHandler, send_execution_response, send_query_response, send_ready_for_query,
};
use datafusion_postgres::pgwire::api::results::{DataRowEncoder, QueryResponse, Response, Tag};
use datafusion_postgres::pgwire::api::store::PortalStore;
use datafusion_postgres::pgwire::api::{ClientInfo, ClientPortalStore, PgWireConnectionState, Type};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use datafusion_postgres::pgwire::messages::response::{EmptyQueryResponse, NoticeResponse, TransactionStatus};
use datafusion_postgres::pgwire::messages::simplequery::Query;
use datafusion_postgres::pgwire::messages::startup::ParameterStatus;
use futures::{Sink, SinkExt};
use paygrain_query::sandbox::PARAMETER_TYPES;
use paygrain_query::{PostgresClient, SqlParameter, SqlQuery, SqlSandbox};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::failure::{Failure, ONLY_READS, code};
use super::parameters::parameter;
use super::rows::{Answer, Cursor, Notices, columns, wire_type};
use super::script::{self, Refusal, Statement};
use super::settings::{Settings, is_utc, reported};

/// Most bytes of statements and bound parameters that a session may keep.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// What a name costs beside its text, in bytes.
const KEPT_NAME_BYTES: usize = 4096;
/// Most cursors of a session; each holds a process.
const CURSORS_MAX: usize = 2;

/// A statement of the extended protocol.
#[derive(Debug)]
pub(super) struct Prepared {
    statement: Statement,
    description: OnceCell<Description>,
}

/// What a query takes and gives.
#[derive(Clone, Debug)]
struct Description {
    parameters: Vec<Type>,
    columns: SchemaRef,
}

/// What became of a statement.
enum Outcome {
    Rows(QueryResponse),
    Done(Tag),
}

/// One session.
pub(super) struct Session {
    sandbox: SqlSandbox,
    settings: Mutex<Settings>,
    cursors: Mutex<BTreeMap<String, Cursor>>,
    /// Bytes of statements and portals, by name.
    kept: Mutex<BTreeMap<(u8, String), usize>>,
    notices: Notices,
}

impl Session {
    pub(super) fn new(sandbox: SqlSandbox) -> Self {
        Self {
            sandbox,
            settings: Mutex::default(),
            cursors: Mutex::default(),
            kept: Mutex::default(),
            notices: Notices::default(),
        }
    }

    /// Takes what the client said when it connected.
    pub(super) fn begin(&self, client: &impl ClientInfo) {
        locked(&self.settings).begin(client.metadata());
    }

    fn query(&self, client: &impl ClientInfo, text: &str, parameters: Vec<SqlParameter>) -> SqlQuery {
        let user = client.metadata().get("user").cloned().unwrap_or_default();
        SqlQuery { text: text.to_owned(), parameters, plan_only: false, postgres: Some(PostgresClient { user }) }
    }

    async fn run(&self, query: SqlQuery) -> Result<Answer, Failure> {
        let mut limits = self.sandbox.limits().clone();
        if let Some(timeout) = locked(&self.settings).statement_timeout() {
            limits.timeout = limits.timeout.min(timeout);
        }
        let deadline = Instant::now() + limits.timeout;
        let stream = self.sandbox.run_within(&query, &limits).await?;
        Ok(Answer::of(stream, deadline, limits.timeout, self.notices.clone()))
    }

    /// Runs a statement. Rows are taken from the outcome later.
    async fn act<C>(
        &self,
        client: &mut C,
        statement: &Statement,
        parameters: Vec<SqlParameter>,
        format: &Format,
    ) -> PgWireResult<Outcome>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let status = client.transaction_status();
        let ends = matches!(statement, Statement::Commit | Statement::Rollback);
        // Drivers go back to a savepoint to leave a failed transaction's error behind.
        let goes_back = *statement == Statement::Nothing("ROLLBACK");
        if status == TransactionStatus::Error && !ends && !goes_back {
            let problem = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Failure::new(code::FAILED_TRANSACTION, problem).into());
        }
        let done = |words: &str| Ok(Outcome::Done(Tag::new(words)));
        match statement {
            Statement::Query(text) => {
                let query = self.query(client, text, parameters);
                Ok(Outcome::Rows(self.run(query).await?.into_response(format)?))
            }
            Statement::Begin => {
                client.set_transaction_status(TransactionStatus::Transaction);
                done("BEGIN")
            }
            Statement::Commit | Statement::Rollback => {
                let fails = *statement == Statement::Rollback || status == TransactionStatus::Error;
                client.set_transaction_status(TransactionStatus::Idle);
                locked(&self.cursors).clear();
                done(if fails { "ROLLBACK" } else { "COMMIT" })
            }
            Statement::Nothing(words) => {
                if goes_back && status == TransactionStatus::Error {
                    client.set_transaction_status(TransactionStatus::Transaction);
                }
                done(words)
            }
            Statement::Discard(words) => {
                if *words == "DISCARD ALL" {
                    *locked(&self.settings) = Settings::default();
                    locked(&self.cursors).clear();
                    self.forget_statements(client);
                }
                done(words)
            }
            Statement::Deallocate(Some(name)) => {
                client.portal_store().rm_statement(name);
                locked(&self.kept).remove(&(b'S', name.clone()));
                done("DEALLOCATE")
            }
            Statement::Deallocate(None) => {
                self.forget_statements(client);
                done("DEALLOCATE ALL")
            }
            Statement::Set(name, value) => {
                self.set(client, name, value.clone()).await?;
                done(if value.is_none() { "RESET" } else { "SET" })
            }
            Statement::Show(name) => self.show(client, name, format).map(Outcome::Rows),
            Statement::Declare(name, text) => {
                self.declare(name, self.query(client, text, parameters)).await?;
                done("DECLARE CURSOR")
            }
            Statement::Fetch(count, name) => Ok(Outcome::Rows(self.cursor(name)?.fetch(*count, format)?)),
            Statement::Close(Some(name)) => {
                self.cursor(name)?;
                locked(&self.cursors).remove(name);
                done("CLOSE CURSOR")
            }
            Statement::Close(None) => {
                locked(&self.cursors).clear();
                done("CLOSE CURSOR ALL")
            }
        }
    }

    /// Changes a setting, and tells what clients want to be told of.
    async fn set<C>(&self, client: &mut C, name: &str, value: Option<String>) -> PgWireResult<()>
    where
        C: Sink<PgWireBackendMessage> + Unpin + Send,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if name == "timezone" && value.as_ref().is_some_and(|value| !is_utc(&value.to_lowercase())) {
            // Tools ask for their own zone when they connect. Times say that they are in UTC, so none is wrong.
            let problem = "times are told in UTC whatever the time zone is";
            let notice = Failure::new(code::FEATURE_NOT_SUPPORTED, problem);
            locked(&self.notices).push(notice.with_hint("`to_local_time` and `AT TIME ZONE` convert"));
            return Ok(());
        }
        locked(&self.settings).set(name, value)?;
        if let Some(shown) = reported(name) {
            let value = locked(&self.settings).show(name).unwrap_or_default();
            let told = ParameterStatus::new(shown.to_owned(), value);
            client.feed(PgWireBackendMessage::ParameterStatus(told)).await?;
        }
        Ok(())
    }

    async fn declare(&self, name: &str, query: SqlQuery) -> Result<(), Failure> {
        let count = locked(&self.cursors).len();
        if locked(&self.cursors).contains_key(name) {
            return Err(Failure::new(code::DUPLICATE_CURSOR, format!("cursor `{name}` exists already")));
        }
        if count >= CURSORS_MAX {
            let problem = format!("{count} cursors are open, and no more may be at once");
            return Err(Failure::new(code::TOO_MANY, problem).with_hint("close one first"));
        }
        let cursor = Cursor::of(self.run(query).await?);
        locked(&self.cursors).insert(name.to_owned(), cursor);
        Ok(())
    }

    fn cursor(&self, name: &str) -> Result<Cursor, Failure> {
        let none = || Failure::new(code::NO_CURSOR, format!("there is no cursor `{name}`"));
        locked(&self.cursors).get(name).cloned().ok_or_else(none)
    }

    fn forget_statements(&self, client: &impl ClientPortalStore<PortalStore: PortalStore>) {
        let mut kept = locked(&self.kept);
        for (_, name) in kept.keys().filter(|(kind, _)| *kind == b'S') {
            client.portal_store().rm_statement(name);
        }
        kept.retain(|(kind, _), _| *kind != b'S');
    }

    fn show(&self, client: &impl ClientInfo, name: &str, format: &Format) -> PgWireResult<QueryResponse> {
        let settings = locked(&self.settings).clone();
        let rows = match name {
            "all" => settings.all().into_iter().map(|(name, value)| vec![name, value]).collect(),
            "session_authorization" => vec![vec![client.metadata().get("user").cloned().unwrap_or_default()]],
            name => vec![vec![settings.show(name).ok_or_else(|| no_setting(name))?]],
        };
        let columns = Arc::new(columns(&shown_columns(name), format)?);
        let mut encoder = DataRowEncoder::new(columns.clone());
        let mut encoded = Vec::new();
        for row in rows {
            row.iter().try_for_each(|value| encoder.encode_field(value))?;
            encoded.push(Ok(encoder.take_row()));
        }
        let mut response = QueryResponse::new(columns, futures::stream::iter(encoded));
        response.set_command_tag("SHOW");
        Ok(response)
    }

    /// What a statement takes and gives, planned once, by a process of its own.
    async fn describe(&self, client: &impl ClientInfo, prepared: &Prepared) -> PgWireResult<Description> {
        let fixed = |columns: Schema| Description { parameters: Vec::new(), columns: Arc::new(columns) };
        let (text, gives_rows) = match &prepared.statement {
            Statement::Query(text) => (text, true),
            Statement::Declare(_, text) => (text, false),
            Statement::Show(name) => return Ok(fixed(shown_columns(name))),
            Statement::Fetch(_, name) => {
                return Ok(Description { parameters: Vec::new(), columns: self.cursor(name)?.schema().clone() });
            }
            _ => return Ok(fixed(Schema::empty())),
        };
        let query = SqlQuery { plan_only: true, ..self.query(client, text, Vec::new()) };
        let plan = async || -> PgWireResult<Description> {
            let stream = self.sandbox.run_within(&query, self.sandbox.limits()).await.map_err(Failure::from)?;
            let schema = stream.schema();
            let types = schema.metadata().get(PARAMETER_TYPES).map_or("{}", String::as_str);
            let columns = if gives_rows { schema.clone() } else { Arc::new(Schema::empty()) };
            Ok(Description { parameters: parameter_types(types), columns })
        };
        prepared.description.get_or_try_init(plan).await.cloned()
    }

    /// The values of a portal's parameters.
    async fn parameters(
        &self,
        client: &impl ClientInfo,
        portal: &Portal<Arc<Prepared>>,
    ) -> PgWireResult<Vec<SqlParameter>> {
        let count = portal.parameters.len();
        if let Format::Individual(formats) = &portal.parameter_format
            && formats.len() != count
        {
            let problem = format!("{} formats came for {count} parameters", formats.len());
            return Err(Failure::new(code::PROTOCOL_VIOLATION, problem).into());
        }
        let prepared = &portal.statement.statement;
        let given = |place: usize| portal.statement.parameter_types.get(place).cloned().flatten();
        // What is binary and has no type was described to the client.
        let needs = (0..count).any(|place| portal.parameter_format.is_binary(place) && given(place).is_none());
        let described = if needs { self.describe(client, prepared).await?.parameters } else { Vec::new() };
        let value = |(place, bytes): (usize, &Option<bytes::Bytes>)| {
            let kind = given(place).or_else(|| described.get(place).cloned());
            Ok(parameter(bytes.as_deref(), portal.parameter_format.is_binary(place), kind.as_ref())?)
        };
        portal.parameters.iter().enumerate().map(value).collect()
    }

    /// Accounts for a statement or a portal.
    fn keep(&self, kind: u8, name: &str, bytes: usize) -> Result<(), Failure> {
        let mut kept = locked(&self.kept);
        kept.insert((kind, name.to_owned()), bytes + name.len() + KEPT_NAME_BYTES);
        if kept.values().sum::<usize>() > KEPT_BYTES_MAX {
            kept.remove(&(kind, name.to_owned()));
            let problem = format!("prepared statements and parameters have more than {} MiB", KEPT_BYTES_MAX >> 20);
            return Err(Failure::new(code::TOO_LARGE, problem).with_hint("close those that are done"));
        }
        Ok(())
    }

    async fn tell<C>(&self, client: &mut C) -> PgWireResult<()>
    where
        C: Sink<PgWireBackendMessage> + Unpin + Send,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let told = std::mem::take(&mut *locked(&self.notices));
        for notice in told {
            let notice = NoticeResponse::from(notice.notice());
            client.feed(PgWireBackendMessage::NoticeResponse(notice)).await?;
        }
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_setting(name: &str) -> Failure {
    let problem = format!("there is no setting `{}`", name.chars().take(100).collect::<String>());
    Failure::new(code::NO_SETTING, problem).with_hint("`SHOW ALL` lists them")
}

fn shown_columns(name: &str) -> Schema {
    let names = if name == "all" { vec!["name", "setting"] } else { vec![name] };
    Schema::new(names.into_iter().map(|name| Field::new(name, DataType::Utf8, false)).collect::<Fields>())
}

/// Types of `$1`, `$2`, … from the words of the process that planned; text where it does not know.
fn parameter_types(words: &str) -> Vec<Type> {
    let known: BTreeMap<String, Option<String>> = serde_json::from_str(words).unwrap_or_default();
    let place = |name: &str| name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
    let count = known.keys().filter_map(|name| place(name)).max().unwrap_or(0).min(known.len());
    let kind = |number: usize| {
        let data_type: DataType = known.get(&format!("${number}"))?.as_ref()?.parse().ok()?;
        wire_type(&Arc::new(Field::new("", data_type, true))).ok()
    };
    (1..=count).map(|number| kind(number).unwrap_or(Type::TEXT)).collect()
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let shown = |words: &str| words.chars().take(100).collect::<String>();
        match refusal {
            Refusal::Writes(words) => {
                Self::new(code::READ_ONLY, format!("cannot execute {} in a read-only transaction", shown(&words)))
                    .with_hint(ONLY_READS)
            }
            Refusal::Unsupported(words) => {
                Self::new(code::FEATURE_NOT_SUPPORTED, format!("{} is not supported", shown(&words)))
            }
            Refusal::Syntax(words) => Self::new(code::SYNTAX, format!("syntax error at or near \"{}\"", shown(&words)))
                .with_hint("a statement begins with SELECT, WITH, VALUES, EXPLAIN or SHOW"),
        }
    }
}

#[async_trait]
impl SimpleQueryHandler for Session {
    async fn on_query<C>(&self, client: &mut C, query: Query) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if !matches!(client.state(), PgWireConnectionState::ReadyForQuery) {
            return Err(PgWireError::NotReadyForQuery);
        }
        client.set_state(PgWireConnectionState::QueryInProgress);
        let statements = script::split(&query.query);
        if statements.is_empty() {
            client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        for text in statements {
            let statement = script::classify(text).map_err(Failure::from)?;
            match self.act(client, &statement, Vec::new(), &Format::UnifiedText).await? {
                Outcome::Rows(response) => send_query_response(client, response, true).await?,
                Outcome::Done(tag) => send_execution_response(client, tag).await?,
            }
            self.tell(client).await?;
        }
        client.set_state(PgWireConnectionState::ReadyForQuery);
        let status = client.transaction_status();
        send_ready_for_query(client, status).await
    }

    async fn do_query<C>(&self, _: &mut C, _: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        // `on_query` sends each answer before it begins the next.
        Err(PgWireError::NotReadyForQuery)
    }
}
