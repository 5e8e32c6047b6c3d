//! The extended protocol: statements that are prepared, bound to parameters, described and executed in parts. The steps
//! of `pgwire` are replaced where they keep as much as a client sends, or ask for the types before a process has planned.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_postgres::pgwire::api::portal::{Format, Portal, PortalExecutionState};
use datafusion_postgres::pgwire::api::query::{
    ExtendedQueryHandler, send_describe_response, send_execution_response, send_partial_query_response,
};
use datafusion_postgres::pgwire::api::results::{
    DescribePortalResponse, DescribeResponse, DescribeStatementResponse, FieldInfo, Response, Tag,
};
use datafusion_postgres::pgwire::api::stmt::{QueryParser, StoredStatement};
use datafusion_postgres::pgwire::api::store::{Entry, PortalStore};
use datafusion_postgres::pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, Type};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use datafusion_postgres::pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, TARGET_TYPE_BYTE_PORTAL,
    TARGET_TYPE_BYTE_STATEMENT,
};
use datafusion_postgres::pgwire::messages::response::EmptyQueryResponse;
use futures::{Sink, SinkExt};
use paygrain_query::sandbox::PARAMETER_TYPES;
use paygrain_query::{SqlParameter, SqlQuery};
use tokio::sync::OnceCell;

use super::{Outcome, Session, shown_columns};
use crate::postgres::failure::{Failure, code};
use crate::postgres::locked;
use crate::postgres::parameters::parameter;
use crate::postgres::rows::{columns, wire_type};
use crate::postgres::script::{self, Statement};

/// Most bytes of statements and bound parameters that a session may keep.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// What a name costs beside its text, in bytes.
const KEPT_NAME_BYTES: usize = 4096;

/// A statement of the extended protocol.
#[derive(Debug)]
pub(in crate::postgres) struct Prepared {
    statement: Statement,
    description: OnceCell<Description>,
}

/// What a query takes and gives.
#[derive(Clone, Debug)]
struct Description {
    parameters: Vec<Type>,
    columns: SchemaRef,
}

/// Reads statements of the extended protocol.
pub(in crate::postgres) struct Reader;

#[async_trait]
impl QueryParser for Reader {
    type Statement = Arc<Prepared>;

    async fn parse_sql<C>(&self, _: &C, sql: &str, _: &[Option<Type>]) -> PgWireResult<Option<Self::Statement>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let statements = script::split(sql);
        let text = match statements[..] {
            [] => return Ok(None),
            [text] => text,
            _ => {
                let problem = "cannot insert multiple commands into a prepared statement";
                return Err(Failure::new(code::SYNTAX, problem).into());
            }
        };
        let statement = script::classify(text).map_err(Failure::from)?;
        Ok(Some(Arc::new(Prepared { statement, description: OnceCell::new() })))
    }

    fn get_parameter_types(&self, _: &Self::Statement) -> PgWireResult<Vec<Type>> {
        Ok(Vec::new())
    }

    fn get_result_schema(&self, _: &Self::Statement, _: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        Ok(Vec::new())
    }
}

impl Session {
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
        let value = |(place, bytes): (usize, &Option<Bytes>)| {
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

#[async_trait]
impl ExtendedQueryHandler for Session {
    type Statement = Arc<Prepared>;
    type QueryParser = Reader;

    fn query_parser(&self) -> Arc<Reader> {
        Arc::new(Reader)
    }

    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned());
        let bytes = message.query.len() + message.type_oids.len() * size_of::<Option<Type>>();
        let stored = StoredStatement::parse(client, &message, self.query_parser()).await?;
        self.keep(TARGET_TYPE_BYTE_STATEMENT, &name, bytes)?;
        match stored {
            Some(statement) => client.portal_store().put_statement(Arc::new(statement)),
            None => client.portal_store().put_empty_statement(&name),
        }
        Ok(client.feed(PgWireBackendMessage::ParseComplete(ParseComplete::new())).await?)
    }

    async fn on_bind<C>(&self, client: &mut C, message: Bind) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.portal_name.as_deref().unwrap_or(DEFAULT_NAME);
        let given = message.parameters.iter().flatten();
        let bytes = message.parameters.len() * size_of::<Bytes>() + given.map(Bytes::len).sum::<usize>();
        let statement_name = message.statement_name.as_deref().unwrap_or(DEFAULT_NAME);
        match client.portal_store().get_statement(statement_name) {
            Some(Entry::Value(statement)) => {
                self.keep(TARGET_TYPE_BYTE_PORTAL, name, bytes)?;
                client.portal_store().put_portal(Arc::new(Portal::try_new(&message, statement)?));
            }
            Some(Entry::Empty) => client.portal_store().put_empty_portal(name),
            None => return Err(PgWireError::StatementNotFound(statement_name.to_owned())),
        }
        Ok(client.feed(PgWireBackendMessage::BindComplete(BindComplete::new())).await?)
    }

    async fn on_execute<C>(&self, client: &mut C, message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if !matches!(client.state(), PgWireConnectionState::ReadyForQuery) {
            return Err(PgWireError::NotReadyForQuery);
        }
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        let rows_max = usize::try_from(message.max_rows).unwrap_or(0);
        let portal = match client.portal_store().get_portal(name) {
            Some(Entry::Value(portal)) => portal,
            Some(Entry::Empty) => {
                return Ok(client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?);
            }
            None => return Err(PgWireError::PortalNotFound(name.to_owned())),
        };
        client.set_state(PgWireConnectionState::QueryInProgress);
        let state = portal.state();
        let mut state = state.lock().await;
        if matches!(*state, PortalExecutionState::Initial) {
            let parameters = self.parameters(client, &portal).await?;
            let statement = &portal.statement.statement.statement;
            match self.act(client, statement, parameters, &portal.result_column_format).await? {
                Outcome::Rows(response) => *state = PortalExecutionState::Suspended(response),
                Outcome::Done(tag) => {
                    *state = PortalExecutionState::Finished;
                    send_execution_response(client, tag).await?;
                    self.tell(client).await?;
                    client.set_state(PgWireConnectionState::ReadyForQuery);
                    return Ok(());
                }
            }
        }
        // Taken out: rows that fail, or are not awaited, end the query.
        match std::mem::replace(&mut *state, PortalExecutionState::Finished) {
            PortalExecutionState::Suspended(mut response) => {
                if send_partial_query_response(client, &mut response, rows_max).await? {
                    *state = PortalExecutionState::Suspended(response);
                }
            }
            _ => send_execution_response(client, Tag::new("SELECT").with_rows(0)).await?,
        }
        self.tell(client).await?;
        client.set_state(PgWireConnectionState::ReadyForQuery);
        Ok(())
    }

    async fn on_describe<C>(&self, client: &mut C, message: Describe) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        // A cursor is a portal that was made by a statement.
        if message.target_type == TARGET_TYPE_BYTE_PORTAL
            && let Some(Ok(cursor)) = message.name.as_deref().map(|name| self.cursor(name))
        {
            let columns = columns(cursor.schema(), &Format::UnifiedText)?;
            return send_describe_response(client, &DescribePortalResponse::new(columns)).await;
        }
        self._on_describe(client, message).await
    }

    async fn on_close<C>(&self, client: &mut C, message: Close) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        match message.target_type {
            TARGET_TYPE_BYTE_PORTAL => {
                client.portal_store().rm_portal(name);
                locked(&self.cursors).remove(name);
            }
            _ => client.portal_store().rm_statement(name),
        }
        locked(&self.kept).remove(&(message.target_type, name.to_owned()));
        Ok(client.feed(PgWireBackendMessage::CloseComplete(CloseComplete::new())).await?)
    }

    async fn do_describe_statement<C>(
        &self,
        client: &mut C,
        target: &StoredStatement<Self::Statement>,
    ) -> PgWireResult<DescribeStatementResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let description = self.describe(client, &target.statement).await?;
        let given = &target.parameter_types;
        let count = given.len().max(description.parameters.len());
        let kind = |place: usize| {
            let given = given.get(place).cloned().flatten().filter(|kind| *kind != Type::UNKNOWN);
            given.or_else(|| description.parameters.get(place).cloned()).unwrap_or(Type::TEXT)
        };
        let columns = columns(&description.columns, &Format::UnifiedText)?;
        Ok(DescribeStatementResponse::new((0..count).map(kind).collect(), columns))
    }

    async fn do_describe_portal<C>(
        &self,
        client: &mut C,
        target: &Portal<Self::Statement>,
    ) -> PgWireResult<DescribePortalResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let description = self.describe(client, &target.statement.statement).await?;
        if description.columns.fields().is_empty() {
            return Ok(DescribePortalResponse::no_data());
        }
        Ok(DescribePortalResponse::new(columns(&description.columns, &target.result_column_format)?))
    }

    async fn do_query<C>(&self, _: &mut C, _: &Portal<Self::Statement>, _: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        // `on_execute` sends rows as they come.
        Err(PgWireError::NotReadyForQuery)
    }
}
