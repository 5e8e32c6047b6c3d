//! What a client is told instead of an answer: an SQLSTATE, a message, a hint.

use std::fmt::Display;

use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError};
use paygrain_query::QueryError;

/// The SQLSTATEs we use.
pub(super) mod code {
    /// `feature_not_supported`
    pub(crate) const FEATURE_NOT_SUPPORTED: &str = "0A000";
    /// `protocol_violation`
    pub(crate) const PROTOCOL_VIOLATION: &str = "08P01";
    /// `numeric_value_out_of_range`
    pub(crate) const OUT_OF_RANGE: &str = "22003";
    /// `division_by_zero`
    pub(crate) const DIVISION_BY_ZERO: &str = "22012";
    /// `invalid_parameter_value`
    pub(crate) const INVALID_PARAMETER_VALUE: &str = "22023";
    /// `invalid_text_representation`
    pub(crate) const INVALID_TEXT: &str = "22P02";
    /// `invalid_binary_representation`
    pub(crate) const INVALID_BINARY: &str = "22P03";
    /// `read_only_sql_transaction`
    pub(crate) const READ_ONLY: &str = "25006";
    /// `in_failed_sql_transaction`
    pub(crate) const FAILED_TRANSACTION: &str = "25P02";
    /// `invalid_authorization_specification`
    pub(crate) const NO_USER: &str = "28000";
    /// `invalid_cursor_name`
    pub(crate) const NO_CURSOR: &str = "34000";
    /// `syntax_error`
    pub(crate) const SYNTAX: &str = "42601";
    /// `insufficient_privilege`
    pub(crate) const INSUFFICIENT_PRIVILEGE: &str = "42501";
    /// `undefined_column`
    pub(crate) const NO_COLUMN: &str = "42703";
    /// `undefined_object`
    pub(crate) const NO_SETTING: &str = "42704";
    /// `duplicate_cursor`
    pub(crate) const DUPLICATE_CURSOR: &str = "42P03";
    /// `undefined_function`
    pub(crate) const NO_FUNCTION: &str = "42883";
    /// `undefined_table`
    pub(crate) const NO_TABLE: &str = "42P01";
    /// `ambiguous_column`
    pub(crate) const AMBIGUOUS_COLUMN: &str = "42702";
    /// `grouping_error`
    pub(crate) const GROUPING: &str = "42803";
    /// `datatype_mismatch`
    pub(crate) const WRONG_TYPE: &str = "42804";
    /// `syntax_error_or_access_rule_violation`
    pub(crate) const BAD_SQL: &str = "42000";
    /// `out_of_memory`
    pub(crate) const OUT_OF_MEMORY: &str = "53200";
    /// `too_many_connections`
    pub(crate) const TOO_MANY: &str = "53300";
    /// `configuration_limit_exceeded`
    pub(crate) const TOO_LARGE: &str = "53400";
    /// `statement_too_complex`
    pub(crate) const TOO_COMPLEX: &str = "54001";
    /// `query_canceled`
    pub(crate) const CANCELED: &str = "57014";
    /// `admin_shutdown`
    pub(crate) const SHUTDOWN: &str = "57P01";
    /// `idle_session_timeout`
    pub(crate) const IDLE: &str = "57P05";
    /// `internal_error`
    pub(crate) const INTERNAL: &str = "XX000";
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Something that is not the client's fault: the cause goes to the log, and an id of it to the client.
    pub(super) fn internal(cause: impl Display, what: &'static str) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        tracing::error!(error_id = %id, %cause, "{what}");
        Self::new(code::INTERNAL, "something went wrong on our side")
            .with_hint(format!("the log of the server has the cause under the id {id}"))
    }

    fn info(self, severity: &str) -> ErrorInfo {
        let mut info = ErrorInfo::new(severity.to_owned(), self.code.to_owned(), self.message);
        info.severity_nonlocalized = Some(severity.to_owned());
        info.hint = self.hint;
        info
    }

    /// As an error after which the connection is closed.
    pub(super) fn fatal(self) -> PgWireError {
        PgWireError::UserError(Box::new(self.info("FATAL")))
    }

    /// As a notice, beside an answer.
    pub(super) fn notice(self) -> ErrorInfo {
        self.info("NOTICE")
    }
}

impl From<Failure> for PgWireError {
    fn from(failure: Failure) -> Self {
        Self::UserError(Box::new(failure.info("ERROR")))
    }
}

/// As much of a client's own words as it is told again.
pub(super) fn shown(words: &str) -> String {
    words.chars().take(100).collect()
}

/// What to do about a statement that writes.
pub(super) const ONLY_READS: &str = "this server only reads; `paygrain ingest` brings usage in";

/// What the engine's words have in them, and the SQLSTATE of it. The first that fits counts.
const WORDS: [(&str, &str); 35] = [
    ("mmap failed to allocate stack", code::TOO_COMPLEX),
    ("recursion limit exceeded", code::TOO_COMPLEX),
    ("SQL error: ", code::SYNTAX),
    ("Expected: ", code::SYNTAX),
    ("Unterminated", code::SYNTAX),
    ("ParserError", code::SYNTAX),
    ("TokenizerError", code::SYNTAX),
    ("DDL not supported", code::READ_ONLY),
    ("DML not supported", code::READ_ONLY),
    ("Statement not supported", code::READ_ONLY),
    ("read-only", code::READ_ONLY),
    ("only reads", code::READ_ONLY),
    ("one statement", code::SYNTAX),
    ("table function", code::NO_FUNCTION),
    ("Invalid function", code::NO_FUNCTION),
    ("No function matches", code::NO_FUNCTION),
    ("does not support", code::NO_FUNCTION),
    ("No field named", code::NO_COLUMN),
    ("column not found", code::NO_COLUMN),
    ("Ambiguous reference", code::AMBIGUOUS_COLUMN),
    ("ambiguous", code::AMBIGUOUS_COLUMN),
    ("must appear in the GROUP BY", code::GROUPING),
    ("must be part of GROUP BY", code::GROUPING),
    ("not found", code::NO_TABLE),
    ("Resources exhausted", code::OUT_OF_MEMORY),
    ("Divide by zero", code::DIVISION_BY_ZERO),
    ("Cannot cast string", code::INVALID_TEXT),
    ("Error parsing timestamp", code::INVALID_TEXT),
    ("Parser error: ", code::INVALID_TEXT),
    ("Overflow", code::OUT_OF_RANGE),
    ("overflow", code::OUT_OF_RANGE),
    ("too large to store", code::OUT_OF_RANGE),
    ("Cannot coerce", code::WRONG_TYPE),
    ("Cannot infer common argument type", code::WRONG_TYPE),
    ("not implemented", code::FEATURE_NOT_SUPPORTED),
];

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let mut hint = error.hint();
        let code = match &error {
            QueryError::BadSql { problem, hint: known } => {
                let code =
                    WORDS.iter().find(|(words, _)| problem.contains(words)).map_or(code::BAD_SQL, |(_, code)| *code);
                match code {
                    code::READ_ONLY => hint = Some(ONLY_READS.to_owned()),
                    // What tables and columns there are.
                    code::NO_TABLE | code::NO_COLUMN => {}
                    _ => hint.clone_from(known),
                }
                code
            }
            QueryError::SqlTimeout { .. } => code::CANCELED,
            QueryError::SqlTooLarge { .. } => code::OUT_OF_MEMORY,
            QueryError::SqlBusy { .. } => code::TOO_MANY,
            QueryError::SqlFailed { .. } => code::INTERNAL,
            _ => return Self::internal(error, "a query over the Postgres wire failed"),
        };
        Self { code, message: error.to_string(), hint }
    }
}
