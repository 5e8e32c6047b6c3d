//! Settings of the server, and why it may refuse to start.

use std::net::{Ipv4Addr, SocketAddr};

use thiserror::Error;

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// Where to listen; port 0 takes a free one. Only loopback addresses are accepted: there are no credentials yet.
    pub listen: SocketAddr,
    /// Largest upload, in bytes as sent.
    pub upload_bytes_max: u64,
    /// Largest body of a request that brings events, in bytes; a stream of lines may be longer.
    pub event_bytes_max: u64,
    /// How long an answer may take, in milliseconds. Uploads are not under it.
    pub request_timeout_ms: u64,
    /// Names in the `Host` header that are accepted besides `localhost`, `127.0.0.1` and `[::1]`, without port.
    pub allowed_hosts: Vec<String>,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            upload_bytes_max: 10 * 1024 * 1024 * 1024,
            event_bytes_max: 8 * 1024 * 1024,
            request_timeout_ms: 60_000,
            allowed_hosts: Vec::new(),
        }
    }
}

/// Why the server does not run.
#[derive(Debug, Error)]
pub enum WebError {
    /// The address can be reached from other machines.
    #[error("`{listen}` can be reached from other machines, and there are no credentials to protect it")]
    NotLoopback {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The address cannot be used.
    #[error("cannot listen on `{listen}`: {source}")]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The server stopped.
    #[error("the server stopped: {0}")]
    Stopped(#[source] std::io::Error),
}

impl WebError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotLoopback { listen } => Some(format!(
                "listen on `127.0.0.1:{}` and reach it through an SSH tunnel or a proxy that asks for credentials",
                listen.port()
            )),
            Self::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                Some("another program uses the port; choose one, or port 0 for any that is free".into())
            }
            Self::Bind { .. } | Self::Stopped(_) => None,
        }
    }
}
