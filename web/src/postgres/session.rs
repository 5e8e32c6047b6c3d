//! One session: what is asked over both protocols. Queries go to processes of their own, the rest is answered here. The
//! session of `datafusion-postgres` plans and runs them in the server.

mod extended;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema};
use datafusion_postgres::pgwire::api::portal::Format;
use datafusion_postgres::pgwire::api::query::{
    SimpleQueryHandler, send_execution_response, send_query_response, send_ready_for_query,
};
use datafusion_postgres::pgwire::api::results::{DataRowEncoder, QueryResponse, Response, Tag};
use datafusion_postgres::pgwire::api::store::PortalStore;
use datafusion_postgres::pgwire::api::{ClientInfo, ClientPortalStore, PgWireConnectionState};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use datafusion_postgres::pgwire::messages::extendedquery::TARGET_TYPE_BYTE_STATEMENT;
use datafusion_postgres::pgwire::messages::response::{EmptyQueryResponse, NoticeResponse, TransactionStatus};
use datafusion_postgres::pgwire::messages::simplequery::Query;
use datafusion_postgres::pgwire::messages::startup::ParameterStatus;
use futures::{Sink, SinkExt};
use paygrain_query::{PostgresClient, SqlParameter, SqlQuery, SqlSandbox};
use tokio::time::Instant;

pub(super) use extended::Prepared;

use super::failure::{Failure, ONLY_READS, code, shown};
use super::locked;
use super::rows::{Answer, Notices, columns};
use super::script::{self, Refusal, Statement};
use super::settings::{Settings, is_utc, reported};

/// Most cursors of a session; each holds a process.
const CURSORS_MAX: usize = 2;

/// What became of a statement.
enum Outcome {
    Rows(QueryResponse),
    Done(Tag),
}

/// One session.
pub(super) struct Session {
    sandbox: SqlSandbox,
    settings: Mutex<Settings>,
    cursors: Mutex<BTreeMap<String, Answer>>,
    /// Bytes of statements and portals, by their kind as messages have it, and name.
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
                Ok(Outcome::Rows(self.run(query).await?.fetch(None, format)?))
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
                locked(&self.kept).remove(&(TARGET_TYPE_BYTE_STATEMENT, name.clone()));
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
            Statement::Fetch(count, name) => {
                let mut rows = self.cursor(name)?.fetch(*count, format)?;
                rows.set_command_tag("FETCH");
                Ok(Outcome::Rows(rows))
            }
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
        let answer = self.run(query).await?;
        locked(&self.cursors).insert(name.to_owned(), answer);
        Ok(())
    }

    fn cursor(&self, name: &str) -> Result<Answer, Failure> {
        let none = || Failure::new(code::NO_CURSOR, format!("there is no cursor `{name}`"));
        locked(&self.cursors).get(name).cloned().ok_or_else(none)
    }

    fn forget_statements(&self, client: &impl ClientPortalStore<PortalStore: PortalStore>) {
        let mut kept = locked(&self.kept);
        kept.retain(|(kind, name), _| {
            let is_statement = *kind == TARGET_TYPE_BYTE_STATEMENT;
            if is_statement {
                client.portal_store().rm_statement(name);
            }
            !is_statement
        });
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

fn no_setting(name: &str) -> Failure {
    let problem = format!("there is no setting `{}`", shown(name));
    Failure::new(code::NO_SETTING, problem).with_hint("`SHOW ALL` lists them")
}

fn shown_columns(name: &str) -> Schema {
    let names = if name == "all" { vec!["name", "setting"] } else { vec![name] };
    Schema::new(names.into_iter().map(|name| Field::new(name, DataType::Utf8, false)).collect::<Fields>())
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
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
