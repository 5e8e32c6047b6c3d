//! SQL as Postgres reads it, for clients of its wire: what they ask the catalogue, in the words they use.
//!
//! Runs in the process of the query. Tools look into the catalogue with SQL that the engine does not take as it is, so it
//! is rewritten first. A query that reads a table of the lake is never rewritten: some of the rules replace what they do
//! not understand by null.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::CatalogProviderList;
use datafusion::common::config::Dialect;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, LogicalPlan, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables, setup_pg_catalog};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use serde::{Deserialize, Serialize};

use crate::session::{CATALOG, SCHEMA};

/// The schema of the catalogue.
const CATALOGUE: &str = "pg_catalog";
/// Schemas that describe the others.
const DESCRIBING: [&str; 2] = [CATALOGUE, "information_schema"];
/// Words that only the catalogue of Postgres knows, beside those that begin with `pg_`.
const CATALOGUE_WORDS: [&str; 21] = [
    "array_lower",
    "array_upper",
    "current_catalog",
    "current_database",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_user",
    "format_type",
    "has_any_column_privilege",
    "has_database_privilege",
    "has_schema_privilege",
    "has_table_privilege",
    "information_schema",
    "parse_ident",
    "quote_ident",
    "regclass",
    "regproc",
    "regtype",
    "session_user",
    "version",
];

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresClient {
    /// The name of the user.
    pub user: String,
}

impl PostgresClient {
    /// As which version of Postgres clients should treat us.
    pub const SERVER_VERSION: &str = concat!("16.6 (Paygrain ", env!("CARGO_PKG_VERSION"), ")");
}

/// The plan of one statement. Whether it only reads is not judged here.
///
/// # Errors
/// For what is not one statement, and for one that the engine cannot plan.
pub(crate) async fn plan(
    session: &SessionContext,
    text: &str,
    client: &PostgresClient,
) -> Result<LogicalPlan, DataFusionError> {
    if !asks_catalogue(text) {
        return plain(session, text).await;
    }
    register_catalogue(session, client).await?;
    match rewritten(session, text).await {
        Ok(plan) if !reads_lake(session, &plan)? => Ok(plan),
        Ok(_) => plain(session, text).await,
        Err(error) => match plain(session, text).await {
            Ok(plan) => Ok(plan),
            Err(_) => Err(error),
        },
    }
}

async fn plain(session: &SessionContext, text: &str) -> Result<LogicalPlan, DataFusionError> {
    let state = session.state();
    let statement = state.sql_to_statement(text, &Dialect::PostgreSQL)?;
    state.statement_to_plan(statement).await
}

async fn rewritten(session: &SessionContext, text: &str) -> Result<LogicalPlan, DataFusionError> {
    let statements = PostgresCompatibilityParser::new().parse(text);
    let mut statements = statements.map_err(|error| DataFusionError::SQL(Box::new(error), None))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => session.state().statement_to_plan(Statement::Statement(Box::new(statement))).await,
        _ => Err(DataFusionError::Plan("expected one statement".into())),
    }
}

fn asks_catalogue(text: &str) -> bool {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize() else { return false };
    tokens.iter().any(|token| match token {
        Token::Word(word) => {
            let name = word.value.to_lowercase();
            name.starts_with("pg_") || CATALOGUE_WORDS.contains(&name.as_str())
        }
        _ => false,
    })
}

/// What a table of the lake is called where it is completed from several.
const UNNAMED: &str = "?table?";

fn reads_lake(session: &SessionContext, plan: &LogicalPlan) -> Result<bool, DataFusionError> {
    let ours = session.catalog(CATALOG).and_then(|catalog| catalog.schema(SCHEMA));
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let name = scan.table_name.table();
            let describes = scan.table_name.schema().is_some_and(|schema| DESCRIBING.contains(&schema));
            let known = name == UNNAMED || ours.as_ref().is_none_or(|ours| ours.table_exist(name));
            found |= known && !describes;
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

async fn register_catalogue(session: &SessionContext, client: &PostgresClient) -> Result<(), DataFusionError> {
    setup_pg_catalog(session, CATALOG, EmptyContextProvider).map_err(|error| *error)?;
    let catalogs: Arc<dyn CatalogProviderList> = session.state().catalog_list().clone();
    // A second one, as that of `setup_pg_catalog` gives out numbers in any order.
    let tables = Arc::new(PgCatalogStaticTables::try_new()?);
    let provider = PgCatalogSchemaProvider::try_new(Ordered { catalogs }, tables, EmptyContextProvider)?;
    if let Some(catalog) = session.catalog(CATALOG) {
        catalog.register_schema(CATALOGUE, Arc::new(provider))?;
    }
    // Drivers read the number out of the version.
    let version = format!("PostgreSQL {}", PostgresClient::SERVER_VERSION);
    for (name, text) in [("session_user", client.user.clone()), ("version", version)] {
        let told = move |_: &[ColumnarValue]| Ok(ColumnarValue::Array(Arc::new(StringArray::from(vec![text.clone()]))));
        session.register_udf(create_udf(name, Vec::new(), DataType::Utf8, Volatility::Stable, Arc::new(told)));
    }
    // Numbers are given out at the first look: always the same one, so that the next process gives out the same.
    session.sql("SELECT count(*) FROM pg_catalog.pg_class").await?.collect().await?;
    Ok(())
}

/// What there is, in order: numbers of objects follow it, and tools use them in their next query.
#[derive(Clone, Debug)]
struct Ordered {
    catalogs: Arc<dyn CatalogProviderList>,
}

fn ordered(names: Vec<String>) -> Vec<String> {
    names.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[async_trait]
impl CatalogInfo for Ordered {
    async fn catalog_names(&self) -> Result<Vec<String>, DataFusionError> {
        Ok(ordered(CatalogProviderList::catalog_names(self.catalogs.as_ref())))
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        Ok(self.catalogs.catalog(catalog).map(|catalog| ordered(catalog.schema_names())))
    }

    async fn table_names(&self, catalog: &str, schema: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        let schema = self.catalogs.catalog(catalog).and_then(|catalog| catalog.schema(schema));
        Ok(schema.map(|schema| ordered(schema.table_names())))
    }

    async fn table_schema(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<SchemaRef>, DataFusionError> {
        let Some(schema) = self.catalogs.catalog(catalog).and_then(|catalog| catalog.schema(schema)) else {
            return Ok(None);
        };
        Ok(schema.table(table).await?.map(|table| table.schema()))
    }

    async fn table_type(&self, _: &str, schema: &str, _: &str) -> Result<Option<TableType>, DataFusionError> {
        // Some of ours are completed when they are read, which makes them views; they are tables to everyone else.
        Ok(Some(if schema == SCHEMA { TableType::Base } else { TableType::View }))
    }
}

#[cfg(test)]
mod tests {
    use paygrain_ingest::Lake;

    use super::*;

    #[tokio::test]
    async fn what_reads_the_lake_is_never_rewritten() {
        let directory = tempfile::tempdir().unwrap();
        let lake = Lake::open(directory.path().to_str().unwrap()).unwrap();
        let client = PostgresClient { user: "me".into() };
        let planned = async |text: &str| {
            let session = crate::session::session(&lake).await.unwrap();
            let plan = plan(&session, text, &client).await?;
            let frame = session.execute_logical_plan(plan).await?;
            frame.collect().await.map(|rows| rows.iter().map(|batch| batch.num_rows()).sum::<usize>())
        };
        // The rules would make null of it.
        let correlated = "SELECT (SELECT max(i.billed_ms) FROM invocations i WHERE i.resource = r.resource), \
             (SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relname = r.resource) FROM invocations r";
        let session = crate::session::session(&lake).await.unwrap();
        let shown = plan(&session, correlated, &client).await.map(|plan| plan.to_string());
        assert!(shown.is_err() || shown.is_ok_and(|plan| plan.contains("max(i.billed_ms)")));
        // The catalogue takes what only Postgres knows.
        for text in [
            "SELECT current_user",
            "SELECT oid FROM pg_class WHERE oid = 'invocations'::regclass",
            "SELECT nspname FROM pg_namespace n, generate_series(1, 1) WHERE nspname = 'public'",
        ] {
            assert_eq!(planned(text).await.unwrap(), 1, "{text}");
        }
        assert_eq!(planned("SELECT count(*) FROM invocations").await.unwrap(), 1);
        planned("SELECT oid FROM pg_class; SELECT 1").await.unwrap_err();
    }
}
