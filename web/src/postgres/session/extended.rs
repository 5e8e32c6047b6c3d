//! The extended protocol: statements that are prepared, bound to parameters, described and executed in parts.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
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
};
use datafusion_postgres::pgwire::messages::response::EmptyQueryResponse;
use futures::{Sink, SinkExt};
use tokio::sync::OnceCell;

use super::{Outcome, Prepared, Session, locked};
use crate::postgres::failure::{Failure, code};
use crate::postgres::rows::columns;
use crate::postgres::script;

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
        self.keep(b'S', &name, bytes)?;
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
        let parameter_bytes: usize = message.parameters.iter().flatten().map(bytes::Bytes::len).sum();
        let statement_name = message.statement_name.as_deref().unwrap_or(DEFAULT_NAME);
        match client.portal_store().get_statement(statement_name) {
            Some(Entry::Value(statement)) => {
                self.keep(b'P', name, parameter_bytes + message.parameters.len() * size_of::<bytes::Bytes>())?;
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
