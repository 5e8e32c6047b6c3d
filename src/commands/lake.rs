//! `paygrain lake`: what the lake holds, and its upkeep.

use clap::{Args, Subcommand};

use super::Context;
use crate::failure::Failure;

mod metadata;
mod upkeep;

/// What the lake holds, and its upkeep
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain lake status
  paygrain lake compact --format json
  paygrain lake rebuild
  paygrain lake set-metadata functions.json
  paygrain lake metadata")]
pub struct LakeCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Status(upkeep::Status),
    Compact(upkeep::Compact),
    Rebuild(upkeep::Rebuild),
    SetMetadata(Box<metadata::SetMetadata>),
    Metadata(metadata::ListMetadata),
}

impl LakeCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Status(command) => command.run(context).await,
            Action::Compact(command) => command.run(context).await,
            Action::Rebuild(command) => command.run(context).await,
            Action::SetMetadata(command) => command.run(context).await,
            Action::Metadata(command) => command.run(context).await,
        }
    }
}
