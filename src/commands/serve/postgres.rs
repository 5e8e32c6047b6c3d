//! Options of the Postgres wire.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use paygrain_query::SqlSandbox;
use paygrain_web::{Credentials, PostgresConfig, PostgresError, PostgresServer, TlsFiles};

use crate::failure::Failure;

/// Where the password may be instead of a file; never on the command line, which every user of the machine can read.
const PASSWORD_VARIABLE: &str = "PAYGRAIN_POSTGRES_PASSWORD";

/// Options of the Postgres wire.
#[derive(Args, Debug)]
#[command(next_help_heading = "Postgres wire")]
pub struct PostgresOptions {
    /// Let psql, drivers and tools read the tables at this address, for example 127.0.0.1:5432; queries have the same
    /// limits as those in SQL over HTTP
    #[arg(long, env = "PAYGRAIN_POSTGRES", value_name = "ADDRESS")]
    postgres: Option<SocketAddr>,
    /// User that may connect, with the password of the file or of the variable PAYGRAIN_POSTGRES_PASSWORD; needed where
    /// other machines reach the address
    #[arg(long, env = "PAYGRAIN_POSTGRES_USER", value_name = "NAME", requires = "postgres")]
    postgres_user: Option<String>,
    /// File with the password in its first line
    #[arg(long, env = "PAYGRAIN_POSTGRES_PASSWORD_FILE", value_name = "FILE", requires = "postgres")]
    postgres_password_file: Option<PathBuf>,
    /// Certificate in PEM to encrypt connections with; unencrypted ones are then refused
    #[arg(long, value_name = "FILE", requires_all = ["postgres", "postgres_key"])]
    postgres_certificate: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, value_name = "FILE", requires_all = ["postgres", "postgres_certificate"])]
    postgres_key: Option<PathBuf>,
    /// Most connections at once
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    postgres_connections: u16,
}

impl PostgresOptions {
    /// What they ask for; nothing without an address.
    pub fn config(&self) -> Result<Option<PostgresConfig>, Failure> {
        let Some(listen) = self.postgres else { return Ok(None) };
        let password = match &self.postgres_password_file {
            Some(file) => Some(first_line(file)?),
            None => std::env::var(PASSWORD_VARIABLE).ok(),
        };
        let credentials = match (self.postgres_user.clone(), password) {
            (Some(user), Some(password)) => Some(Credentials { user, password }),
            (None, None) => None,
            (Some(_), None) => {
                let hint = format!("give `--postgres-password-file`, or set {PASSWORD_VARIABLE}");
                return Err(Failure::new("the user of the Postgres wire has no password", Some(hint)));
            }
            (None, Some(_)) => {
                let hint = "give `--postgres-user`, for example `--postgres-user grafana`".to_owned();
                return Err(Failure::new("the password of the Postgres wire has no user", Some(hint)));
            }
        };
        let files = self.postgres_certificate.clone().zip(self.postgres_key.clone());
        let tls = files.map(|(certificate, key)| TlsFiles { certificate, key });
        Ok(Some(PostgresConfig { listen, credentials, tls, connections_max: self.postgres_connections.into() }))
    }
}

fn first_line(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let hint = "give a file with the password in its first line".to_owned();
        Failure::new(format!("cannot read the password in `{}`: {error}", file.display()), Some(hint))
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Checks everything and opens the socket.
pub async fn bind(config: &PostgresConfig, sandbox: &SqlSandbox) -> Result<PostgresServer, Failure> {
    let refused = |error: PostgresError| Failure::new(&error, error.hint());
    PostgresServer::bind(config, sandbox.clone()).await.map_err(refused)
}
