//! What every handler may use.

use std::sync::Arc;

use paygrain_ingest::EventLog;
use paygrain_query::{Engine, SqlSandbox};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::config::WebConfig;
use crate::error::AppError;
use crate::failures::Failures;
use crate::running::Running;

/// The state of the server; cheap to clone.
#[derive(Clone)]
pub struct App {
    engine: Engine,
    config: Arc<WebConfig>,
    events: Option<EventLog>,
    /// Room for bodies that bring events, in KiB.
    event_memory: Arc<Semaphore>,
    running: Running,
    failures: Failures,
    sql: Option<SqlSandbox>,
    answers_on: Option<Handle>,
}

/// Memory that bodies with events may take at the same time, in KiB.
const EVENT_MEMORY_KIB: usize = 128 * 1024;

impl App {
    /// A server over an engine.
    pub fn new(engine: Engine, config: WebConfig) -> Self {
        let event_memory = Arc::new(Semaphore::new(EVENT_MEMORY_KIB));
        let sql = engine.sandbox().ok();
        Self {
            engine,
            config: Arc::new(config),
            events: None,
            event_memory,
            running: Running::default(),
            failures: Failures::default(),
            sql,
            answers_on: None,
        }
    }

    /// The same server with other limits for queries of its users.
    #[must_use]
    pub fn with_sql(self, sandbox: SqlSandbox) -> Self {
        Self { sql: Some(sandbox), ..self }
    }

    /// Runs the queries of users.
    ///
    /// # Errors
    /// An internal error where the system does not say which program this is.
    pub fn sql(&self) -> Result<&SqlSandbox, AppError> {
        let cause = || AppError::Internal { cause: "the system does not say which program this is".into() };
        self.sql.as_ref().ok_or_else(cause)
    }

    /// The same server with pages and answers made on other threads than those that take uploads and events.
    #[must_use]
    pub fn with_answers_on(self, threads: Handle) -> Self {
        Self { answers_on: Some(threads), ..self }
    }

    /// Where pages and answers are made, if not where everything else is.
    pub fn answers_on(&self) -> Option<&Handle> {
        self.answers_on.as_ref()
    }

    /// The same server, taking events.
    #[must_use]
    pub fn with_events(self, events: EventLog) -> Self {
        Self { events: Some(events), ..self }
    }

    /// Where events go, if they are taken.
    pub fn events(&self) -> Option<&EventLog> {
        self.events.as_ref()
    }

    /// Room for bodies that bring events, in KiB.
    pub fn event_memory(&self) -> &Arc<Semaphore> {
        &self.event_memory
    }

    /// Uploads on their way.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Uploads that did not land.
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Answers every question.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Limits and addresses.
    pub fn config(&self) -> &WebConfig {
        &self.config
    }
}
