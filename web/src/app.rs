//! What every handler may use.

use std::sync::Arc;

use paygrain_ingest::EventLog;
use paygrain_query::Engine;
use tokio::sync::Semaphore;

use crate::config::WebConfig;
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
}

/// Memory that bodies with events may take at the same time, in KiB.
const EVENT_MEMORY_KIB: usize = 128 * 1024;

impl App {
    /// A server over an engine.
    pub fn new(engine: Engine, config: WebConfig) -> Self {
        let event_memory = Arc::new(Semaphore::new(EVENT_MEMORY_KIB));
        Self { engine, config: Arc::new(config), events: None, event_memory, running: Running::default() }
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

    /// Answers every question.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Limits and addresses.
    pub fn config(&self) -> &WebConfig {
        &self.config
    }
}
