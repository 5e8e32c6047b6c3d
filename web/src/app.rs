//! What every handler may use.

use std::sync::Arc;

use paygrain_query::Engine;

use crate::config::WebConfig;

/// The state of the server; cheap to clone.
#[derive(Clone)]
pub struct App {
    engine: Engine,
    config: Arc<WebConfig>,
}

impl App {
    /// A server over an engine.
    pub fn new(engine: Engine, config: WebConfig) -> Self {
        Self { engine, config: Arc::new(config) }
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
