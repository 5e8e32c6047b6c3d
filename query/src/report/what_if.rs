//! Usage as it might have been: records with other values in some columns, to be rated like those of the lake.

use datafusion::prelude::SessionContext;
use paygrain_ingest::table::Table;

use crate::error::QueryError;

/// Between a resource and its mark: no resource has it in its name.
const MARK: char = '\u{1f}';

/// A resource and its mark.
pub(crate) fn marked(resource: &str) -> (&str, &str) {
    resource.split_once(MARK).unwrap_or((resource, ""))
}

/// The same session with some columns of a table as they might have been (name and SQL of each), and every resource in
/// it marked by the value of `mark`, a SQL text: cost by resource and mark is cost by what the mark says. The session must
/// be one without rollups and kept answers.
///
/// Prices do not depend on a resource's name, and what is summed by resource is summed by resource and mark.
pub(crate) async fn what_if(
    session: SessionContext,
    table: Table,
    changed: &[(&str, &str)],
    mark: Option<&str>,
) -> Result<SessionContext, QueryError> {
    let schema = table.schema();
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| match (changed.iter().find(|(name, _)| name == field.name()), mark) {
            (Some((name, sql)), _) => format!("{sql} AS \"{name}\""),
            (None, Some(mark)) if field.name() == "resource" => {
                format!("concat(coalesce(resource, ''), '{MARK}', {mark}) AS resource")
            }
            (None, _) => format!("\"{}\"", field.name()),
        })
        .collect();
    let name = table.name();
    let view = session.sql(&format!("SELECT {} FROM {name}", columns.join(", "))).await?.into_view();
    session.deregister_table(name)?;
    session.register_table(name, view)?;
    Ok(session)
}
