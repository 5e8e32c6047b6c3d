//! `paygrain serve`: the dashboard, the API and the Postgres wire.

mod answers;
mod postgres;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use paygrain_ingest::lake::Compaction;
use paygrain_ingest::table::Table;
use paygrain_ingest::{EventLog, EventLogOptions, Lake};
use paygrain_pricing::grouped;
use paygrain_query::{BillRequest, Engine, SqlLimits, SqlSandbox};
use paygrain_web::{App, WebConfig};
use tokio::sync::watch;

use super::Context;
use super::bill::print_bill;
use super::ingest::read_mapping;
use crate::failure::Failure;
use crate::output::print_text;
use answers::AnswerOptions;
use postgres::PostgresOptions;

/// Where sample data goes unless `--lake` says otherwise, so that it never mixes with real usage.
const SAMPLES_LAKE: &str = "paygrain-samples-lake";

/// How long the server waits for a compaction when it stops.
const COMPACTION_END: Duration = Duration::from_secs(10);

/// Serve the dashboard and the API, and on request the Postgres wire
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain serve --samples                  load sample data, print its bill, serve the dashboard
  paygrain serve --lake /data/lake --listen 127.0.0.1:9000
  paygrain serve --events-mapping usage.toml     take events at /api/v1/events by a mapping
  paygrain serve --postgres 127.0.0.1:5432       let psql and drivers read: psql -h 127.0.0.1 -U me paygrain
  paygrain serve --postgres 0.0.0.0:5432 --postgres-user grafana --postgres-password-file password.txt \\
    --postgres-certificate server.crt --postgres-key server.key")]
pub struct Serve {
    /// Address to listen on; only loopback addresses, as there are no credentials
    #[arg(long, default_value = "127.0.0.1:8080", env = "PAYGRAIN_LISTEN", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Load the sample data first, into a lake of its own unless `--lake` is given
    #[arg(long)]
    samples: bool,
    /// How events become usage records, instead of by their type
    #[arg(long, value_name = "FILE.toml")]
    events_mapping: Option<PathBuf>,
    /// Bytes of events that may wait to land; beyond, senders are told to come again
    #[arg(long, default_value_t = EventLogOptions::default().backlog_bytes_max, value_name = "BYTES")]
    events_backlog: u64,
    /// How long events wait for others to land with, in milliseconds: each landing is a version of a table
    #[arg(long, default_value_t = 1000, value_name = "MS")]
    events_interval: u64,
    /// How often small files are put together, in seconds; 0 is never
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    compact_every: u64,
    /// Longest time of a query in SQL, in seconds
    #[arg(long, default_value_t = SqlLimits::default().timeout.as_secs(), value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    sql_timeout: u64,
    /// Most memory of a query in SQL, in MiB, beyond what its process needs to start
    #[arg(long, default_value_t = SqlLimits::default().memory_bytes >> 20, value_name = "MIB")]
    #[arg(value_parser = clap::value_parser!(u64).range(16..=1_048_576))]
    sql_memory: u64,
    /// How many queries in SQL run at once; others wait for up to 5 seconds, then they are told to come again
    #[arg(long, default_value_t = 4, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    sql_queries: u16,
    #[command(flatten)]
    answers: AnswerOptions,
    #[command(flatten)]
    postgres: PostgresOptions,
}

/// How long a query in SQL waits for another to end.
const SQL_PATIENCE: Duration = Duration::from_secs(5);

impl Serve {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = WebConfig { listen: self.listen, ..WebConfig::default() };
        let refused = |error: paygrain_web::WebError| Failure::new(&error, error.hint());
        // Before the samples: an address that is taken should be told at once.
        let listener = paygrain_web::bind(&config).await.map_err(refused)?;
        let wire = self.postgres.config()?;
        let lake = match self.samples && context.lake.is_default() {
            true => Lake::open(SAMPLES_LAKE)?,
            false => context.lake.open()?,
        };
        let engine = context.engine_over(lake)?.with_places(self.answers.places());
        let threads = self.answers.threads()?;
        let sandbox = self.sandbox(&engine)?;
        let wire = match &wire {
            Some(config) => Some(postgres::bind(config, &sandbox).await?),
            None => None,
        };
        engine.lake().recover().await?;
        let events = EventLogOptions {
            mapping: self.events_mapping.as_deref().map(read_mapping).transpose()?,
            backlog_bytes_max: self.events_backlog,
            land_every: Duration::from_millis(self.events_interval),
            ..EventLogOptions::default()
        };
        let events = EventLog::open(engine.lake().clone(), events).await?;
        if self.samples {
            load_samples(&engine).await?;
        }
        let wire_address = wire.as_ref().map(|wire| wire.local_addr()).transpose()?;
        let shown = wire_address.map(|address| format!("Postgres:  {address}\n")).unwrap_or_default();
        print_text(&format!("\n{shown}Dashboard: http://{}/  (Ctrl-C stops it)\n", listener.local_addr()?))?;
        // What else runs stops when this is dropped.
        let (running, runs) = watch::channel(());
        let wire = wire.map(|wire| tokio::spawn(wire.serve(ended(runs.clone()))));
        let upkeep = tokio::spawn(upkeep(engine.clone(), self.compact_every, ended(runs)));
        let app = App::new(engine, config).with_events(events.clone()).with_sql(sandbox);
        let app = app.with_answers_on(threads.handle());
        let served = paygrain_web::serve_on(listener, app, stopped()).await.map_err(refused);
        drop(running);
        events.close().await;
        // Cut off, a compaction has done nothing; but it may be about to end.
        let _ = tokio::time::timeout(COMPACTION_END, upkeep).await;
        if let Some(wire) = wire {
            let _ = wire.await;
        }
        served
    }
}

impl Serve {
    /// Where queries of users run.
    fn sandbox(&self, engine: &Engine) -> Result<SqlSandbox, Failure> {
        let limits = SqlLimits {
            memory_bytes: self.sql_memory << 20,
            timeout: Duration::from_secs(self.sql_timeout),
            ..SqlLimits::default()
        };
        Ok(engine.sandbox()?.with_limits(limits).with_places(self.sql_queries.into(), SQL_PATIENCE))
    }
}

/// Puts small files together and makes the rollups that are missing, again and again.
async fn upkeep(engine: Engine, every_s: u64, stop: impl Future<Output = ()>) {
    if every_s == 0 {
        return;
    }
    let mut tables = Table::ALL.into_iter();
    tokio::pin!(stop);
    loop {
        let wait = match tables.next() {
            Some(table) => {
                if let Err(error) = engine.lake().compact(table, Compaction::Gradual).await {
                    tracing::error!(%error, "small files could not be put together");
                }
                Duration::ZERO
            }
            None => {
                if let Err(error) = engine.roll_up(&|_, _, _| {}).await {
                    tracing::error!(%error, "rollups could not be made");
                }
                tables = Table::ALL.into_iter();
                Duration::from_secs(every_s)
            }
        };
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Until the other end is dropped.
async fn ended(mut running: watch::Receiver<()>) {
    while running.changed().await.is_ok() {}
}

async fn load_samples(engine: &Engine) -> Result<(), Failure> {
    print_text("Loading the sample data …\n")?;
    for upload in paygrain_ingest::samples::load(engine.lake()).await? {
        let state = if upload.already_loaded { "already loaded" } else { "loaded" };
        print_text(&format!("  {:<44} {:>7} records  {state}\n", upload.name, grouped(&upload.read.to_string())))?;
    }
    if let Some(latest) = engine.periods().await?.first() {
        print_text("\n")?;
        print_bill(&engine.bill(&BillRequest::new(*latest)).await?)?;
    }
    Ok(())
}

/// Until Ctrl-C or SIGTERM.
async fn stopped() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
