//! `paygrain`: parse the command line, run one command, print what went wrong and what to do about it.

mod commands;
mod failure;
mod given;
mod options;
mod output;

use std::process::ExitCode;

use clap::Parser;

/// What the Delta library says of commits that lost a race is nothing to worry about: they are tried again, and an error
/// that stays is told by the command.
const DEFAULT_LOG: &str = "warn,deltalake_core=error,deltalake_core::kernel::transaction=off";

/// Stack of a thread, in bytes: query plans recurse deeply in unoptimised builds.
const STACK_BYTES: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    // Before there is a thread or anything else that its limits would not be over.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == paygrain_query::sandbox::WORKER_ARGUMENT) {
        return paygrain_query::sandbox::worker_main();
    }
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| DEFAULT_LOG.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = commands::Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::from(error).report(),
    };
    // On a worker thread: the main thread's stack is not ours to size.
    let run = runtime.spawn(commands::run(arguments));
    match runtime.block_on(run) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => failure.report(),
        Err(error) => failure::Failure::from(std::io::Error::other(error)).report(),
    }
}
