//! What answers may take of the machine, so that uploads and events keep their share.

use std::io;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Args;
use paygrain_query::{PlaceLimits, Places};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::STACK_BYTES;

/// How long an answer waits for another to end: below the time that a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Limits for answers
#[derive(Args, Debug)]
pub struct AnswerOptions {
    /// How many answers are worked out at once, on threads of their own, so that uploads and events keep a share of the
    /// machine; answers that are kept are not counted. As many as there are processors, unless it is given
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    answers: Option<u16>,
    /// How many answers may wait for up to 30 seconds to be worked out; others are told to come again
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    answers_waiting: u16,
}

impl AnswerOptions {
    fn at_once(&self) -> usize {
        self.answers.map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from)
    }

    /// Places for answers that are worked out.
    pub fn places(&self) -> Places {
        let waiting_max = self.answers_waiting.into();
        Places::new(PlaceLimits { at_once: self.at_once(), waiting_max, patience: PATIENCE })
    }

    /// Threads for answers.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn threads(&self) -> io::Result<AnswerThreads> {
        let mut builder = Builder::new_multi_thread();
        // One more than answers at once, so that an answer that is kept finds a thread.
        builder.worker_threads(self.at_once() + 1).thread_name("answers").thread_stack_size(STACK_BYTES).enable_all();
        let runtime = builder.build()?;
        Ok(AnswerThreads { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

/// The threads on which answers are worked out, and no upload is; they end when this is dropped.
#[derive(Debug)]
pub struct AnswerThreads {
    handle: Handle,
    /// Nothing once it is dropped.
    runtime: Option<Runtime>,
}

impl AnswerThreads {
    /// To run something on them.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Drop for AnswerThreads {
    fn drop(&mut self) {
        // Dropped as it is, a runtime waits for its threads, which nothing may that runs on another.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}
