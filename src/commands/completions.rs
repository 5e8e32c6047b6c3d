//! `paygrain completions`: completions for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::output::print_text;

/// Print completions for a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  paygrain completions bash > ~/.local/share/bash-completion/completions/paygrain")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Arguments::command(), "paygrain", &mut script);
        print_text(&String::from_utf8_lossy(&script))
    }
}
