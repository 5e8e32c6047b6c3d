//! The tables of the lake over the Postgres wire, read-only, for `psql`, drivers and the tools that use them.
//!
//! Nothing that a client sends is parsed or planned in this process: each query runs in one of its own, as over HTTP.
//! Here are the messages, who may come in, and what a session consists of.

mod authentication;
mod connection;
mod failure;
mod numeric;
mod parameters;
mod rows;
mod script;
mod session;
mod settings;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paygrain_query::SqlSandbox;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub use authentication::Credentials;
pub use tls::TlsFiles;

use authentication::Login;
use connection::Shared;

/// Connections beyond the most that are told so; further ones are just closed.
const REFUSED_MAX: usize = 32;
/// How long connections may take to end when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait when the system has no connection to give.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Settings of the Postgres wire.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may connect; needed where other machines reach the address. Without, everyone may.
    pub credentials: Option<Credentials>,
    /// What encrypts; with it, connections that are not encrypted are refused.
    pub tls: Option<TlsFiles>,
    /// Most connections at once.
    pub connections_max: usize,
}

/// Why the Postgres wire does not start.
#[derive(Debug, Error)]
pub enum PostgresError {
    /// The address can be reached from other machines.
    #[error("`{listen}` can be reached from other machines, and there is no user and password to protect it")]
    NoCredentials {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The credentials cannot be used.
    #[error("the {what} is empty")]
    EmptyCredentials {
        /// Which part.
        what: &'static str,
    },
    /// Certificate or key cannot be used.
    #[error("`{}` cannot be used to encrypt connections: {problem}", file.display())]
    Tls {
        /// The file.
        file: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The address cannot be used.
    #[error("cannot listen on `{listen}`: {source}")]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl PostgresError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoCredentials { listen } => Some(format!(
                "give `--postgres-user` and `--postgres-password-file`, or listen on `127.0.0.1:{}`",
                listen.port()
            )),
            Self::EmptyCredentials { .. } => Some("give a user, and a file with a password in its first line".into()),
            Self::Tls { .. } => Some(
                "give a certificate and its private key, both in PEM, or neither for connections without encryption"
                    .into(),
            ),
            Self::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                Some("another program uses the port; choose one, or port 0 for any that is free".into())
            }
            Self::Bind { .. } => None,
        }
    }
}

/// A socket that waits for clients.
pub struct PostgresServer {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl PostgresServer {
    /// Checks everything, then opens the socket.
    ///
    /// # Errors
    /// [`PostgresError`]: nothing is opened where something is missing or wrong.
    pub async fn bind(config: &PostgresConfig, sandbox: SqlSandbox) -> Result<Self, PostgresError> {
        let listen = config.listen;
        match &config.credentials {
            None if !listen.ip().is_loopback() => return Err(PostgresError::NoCredentials { listen }),
            Some(Credentials { user, .. }) if user.is_empty() => {
                return Err(PostgresError::EmptyCredentials { what: "user" });
            }
            Some(Credentials { password, .. }) if password.is_empty() => {
                return Err(PostgresError::EmptyCredentials { what: "password" });
            }
            _ => {}
        }
        let tls = config.tls.as_ref().map(TlsFiles::acceptor).transpose()?;
        if tls.is_none() && !listen.ip().is_loopback() {
            tracing::warn!(%listen, "the Postgres wire is not encrypted, and other machines can reach it");
        }
        let listener = TcpListener::bind(listen).await.map_err(|source| PostgresError::Bind { listen, source })?;
        let shared = Arc::new(Shared {
            sandbox,
            login: config.credentials.as_ref().map(|credentials| Arc::new(Login::of(credentials))),
            tls,
            keys: Arc::default(),
            connections: Arc::default(),
            connections_max: config.connections_max,
        });
        Ok(Self { listener, shared })
    }

    /// The real address.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` completes, then lets what runs end for a few seconds.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, shared } = self;
        let (places, refusals) =
            (Arc::new(Semaphore::new(shared.connections_max)), Arc::new(Semaphore::new(REFUSED_MAX)));
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // Forgets those that have ended.
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                () = &mut shutdown => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "no connection could be taken");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            let (place, admitted) = match places.clone().try_acquire_owned() {
                Ok(place) => (place, true),
                Err(_) => match refusals.clone().try_acquire_owned() {
                    Ok(place) => (place, false),
                    Err(_) => continue,
                },
            };
            let (shared, stopped) = (shared.clone(), stopped.clone());
            connections.spawn(async move {
                connection::serve(stream, shared, admitted, stopped).await;
                drop(place);
            });
        }
        drop(listener);
        let _ = stop.send(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!("connections of the Postgres wire were cut off");
        }
    }
}

/// What a panic elsewhere has left behind is as good as ever.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
