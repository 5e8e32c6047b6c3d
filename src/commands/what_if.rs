//! `paygrain what-if`: what a job that does not exist yet, or a function of another size, would cost.

pub mod cron;
pub mod memory;

use clap::{Args, Subcommand};

use super::Context;
use crate::failure::Failure;

/// What a scheduled job, or a function with other memory, would cost
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain what-if cron --schedule '0 17 * * *' --timezone Europe/Zurich --duration 300ms --memory 512MB
  paygrain what-if memory --resource checkout")]
pub struct WhatIf {
    #[command(subcommand)]
    question: Question,
}

#[derive(Subcommand, Debug)]
enum Question {
    Cron(Box<cron::Cron>),
    Memory(Box<memory::Memory>),
}

impl WhatIf {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.question {
            Question::Cron(question) => question.run(context).await,
            Question::Memory(question) => question.run(context).await,
        }
    }
}
