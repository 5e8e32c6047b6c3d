//! The socket: bind first, so that the address can be told, then serve until asked to stop.

use std::future::Future;

use paygrain_query::Engine;
use tokio::net::TcpListener;

use crate::app::App;
use crate::config::{WebConfig, WebError};
use crate::routes::router;

/// Opens the socket of [`WebConfig::listen`]; `local_addr` of the answer is the real address.
///
/// # Errors
/// [`WebError::NotLoopback`] for an address that other machines can reach, [`WebError::Bind`] for one that is not free.
pub async fn bind(config: &WebConfig) -> Result<TcpListener, WebError> {
    let listen = config.listen;
    if !listen.ip().is_loopback() {
        return Err(WebError::NotLoopback { listen });
    }
    TcpListener::bind(listen).await.map_err(|source| WebError::Bind { listen, source })
}

/// Serves on an open socket until `shutdown` completes, then lets the running answers finish.
///
/// # Errors
/// [`WebError::Stopped`] when the socket fails.
pub async fn serve_on(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), WebError> {
    axum::serve(listener, router(app)).with_graceful_shutdown(shutdown).await.map_err(WebError::Stopped)
}

/// [`bind`] and [`serve_on`] in one.
///
/// # Errors
/// See there.
pub async fn serve(
    config: WebConfig,
    engine: Engine,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), WebError> {
    let listener = bind(&config).await?;
    serve_on(listener, App::new(engine, config), shutdown).await
}
