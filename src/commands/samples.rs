//! `paygrain samples`: write the sample files, byte for byte as they are in `samples/`.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

/// Write the sample files to a directory
#[derive(Args, Debug)]
#[command(hide = true)]
pub struct Samples {
    /// Where to
    directory: PathBuf,
    /// Seed of the generator; `samples/` is made with the default
    #[arg(long, default_value_t = paygrain_ingest::samples::SEED)]
    seed: u64,
}

impl Samples {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        for (name, bytes) in paygrain_ingest::samples::files(self.seed) {
            let path = self.directory.join(name);
            let written =
                path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, bytes));
            written.map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display()), None))?;
        }
        Ok(())
    }
}
