//! One connection: its messages one after the other, until either side ends it. The loop is ours, as that of `pgwire`
//! takes messages of a gigabyte, waits for ever, and does not hear that a client has gone or that the server stops.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use datafusion_postgres::pgwire::api::{
    ClientInfo, ConnectionGuard, ConnectionHandle, ConnectionManager, NoopHandler, PgWireConnectionState,
    RandomPidSecretKeyGenerator,
};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError};
use datafusion_postgres::pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use datafusion_postgres::pgwire::tokio::TlsAcceptor;
use datafusion_postgres::pgwire::tokio::server::{
    MaybeTls, PgWireMessageServerCodec, negotiate_tls, process_error, process_message,
};
use futures::channel::oneshot;
use futures::future::OptionFuture;
use futures::{FutureExt, SinkExt, StreamExt};
use paygrain_query::SqlSandbox;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::codec::{Framed, FramedParts};

use super::authentication::{Door, Login};
use super::failure::{Failure, code};
use super::session::{Prepared, Session};

/// Most bytes of a message of a client: a query and its parameters.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// How long a client may take to say who it is.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be without anything to do.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
/// Time of a message beyond that of a query: for several statements, and for clients that take rows slowly.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long what runs may go on when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often to look whether a client that sent more has gone.
const GONE_EVERY: Duration = Duration::from_millis(500);
/// How long a last word may take.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(2);

type Socket = Framed<Metered, PgWireMessageServerCodec<Arc<Prepared>>>;

/// What all connections share.
pub(super) struct Shared {
    pub(super) sandbox: SqlSandbox,
    pub(super) login: Option<Arc<Login>>,
    /// Encryption, and the text of the certificate.
    pub(super) tls: Option<(TlsAcceptor, Vec<u8>)>,
    pub(super) keys: Arc<RandomPidSecretKeyGenerator>,
    /// Connections by what a request to cancel names them with.
    pub(super) connections: Arc<ConnectionManager>,
    pub(super) connections_max: usize,
}

/// Serves one connection to its end; one that is not admitted is told so.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>, admitted: bool, mut stop: watch::Receiver<bool>) {
    let begins = Instant::now();
    let Ok((stream, twin)) = doubled(stream) else { return };
    let acceptor = shared.tls.as_ref().map(|(acceptor, _)| acceptor.clone());
    let Ok(Ok(Some(negotiated))) = timeout(STARTUP_TIMEOUT, negotiate_tls(stream, acceptor)).await else { return };
    let old = negotiated.into_parts();
    let mut parts = FramedParts::new::<PgWireBackendMessage>(Metered { inner: old.io, bytes: 0 }, old.codec);
    (parts.read_buf, parts.write_buf) = (old.read_buf, old.write_buf);
    let mut socket = Framed::from_parts(parts);

    let certificate = shared.tls.as_ref().filter(|_| socket.is_secure()).map(|(_, text)| text.as_slice());
    let door = Arc::new(Door::of(shared.login.as_ref(), certificate, &shared.keys));
    let session = Arc::new(Session::new(shared.sandbox.clone()));
    // Off the list again when it is dropped.
    let mut registered: Option<(Arc<ConnectionHandle>, ConnectionGuard)> = None;
    loop {
        let starting = is_starting(&socket);
        let until = if starting { begins + STARTUP_TIMEOUT } else { Instant::now() + IDLE_TIMEOUT };
        let message = tokio::select! {
            message = timeout_at(until, AssertUnwindSafe(socket.next()).catch_unwind()) => message,
            () = stops(&mut stop) => return last_word(&mut socket, stopping()).await,
        };
        let message = message.map(|read| read.unwrap_or_else(|panic| Some(Err(panicked(panic.as_ref())))));
        let message = match message {
            Ok(Some(Ok(PgWireFrontendMessage::Terminate(_))) | None) => return,
            Ok(Some(Ok(PgWireFrontendMessage::CancelRequest(request)))) => {
                shared.connections.cancel(request.pid, &request.secret_key).await;
                return;
            }
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => return last_word(&mut socket, error).await,
            Err(_) if starting => return,
            Err(_) => {
                let problem = format!("nothing came for {} minutes", IDLE_TIMEOUT.as_secs() / 60);
                return last_word(&mut socket, Failure::new(code::IDLE, problem).fatal()).await;
            }
        };
        socket.get_mut().bytes = 0;
        if starting && let Err(failure) = admit(&message, &socket, &shared, admitted) {
            return last_word(&mut socket, failure.fatal()).await;
        }
        let extended = message.is_extended_query();
        // Made for this message alone: a request that comes when nothing runs cancels nothing later.
        let cancel = match &registered {
            Some((handle, _)) => Some(handle.start_query().await),
            None => None,
        };
        let done = tokio::select! {
            done = answer(message, &mut socket, &door, &session) => done,
            error = interrupted(cancel, &mut stop, &shared) => Err(error),
            () = gone(&twin) => return,
        };
        match done {
            Ok(()) if starting && !is_starting(&socket) => {
                session.begin(&socket);
                let (pid, key) = socket.pid_and_secret_key();
                registered = Some(shared.connections.register(pid, key));
            }
            Ok(()) => {}
            // Whoever is not in yet must not get to the state of those who are.
            Err(error) if starting => return last_word(&mut socket, error).await,
            Err(error) => {
                let info: ErrorInfo = error.into();
                let error = PgWireError::UserError(Box::new(info));
                if matches!(&error, PgWireError::UserError(info) if info.is_fatal()) {
                    return last_word(&mut socket, error).await;
                }
                if !matches!(timeout(MESSAGE_TIMEOUT, process_error(&mut socket, error, extended)).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}

/// Does what a message asks for. What is not awaited any more is dropped, and with it the process of its query.
async fn answer(
    message: PgWireFrontendMessage,
    socket: &mut Socket,
    door: &Arc<Door>,
    session: &Arc<Session>,
) -> Result<(), PgWireError> {
    let (nothing, door, session) = (Arc::new(NoopHandler), door.clone(), session.clone());
    let work = process_message(message, socket, door, session.clone(), session, nothing.clone(), nothing);
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

/// Until a message is not to be worked on any more, and why.
async fn interrupted(
    cancel: Option<oneshot::Receiver<()>>,
    stop: &mut watch::Receiver<bool>,
    shared: &Shared,
) -> PgWireError {
    let patience = shared.sandbox.limits().timeout + MESSAGE_TIMEOUT;
    let stopped = async {
        stops(stop).await;
        tokio::time::sleep(STOP_TIMEOUT).await;
    };
    tokio::select! {
        Some(Ok(())) = OptionFuture::from(cancel) => PgWireError::QueryCanceled,
        () = stopped => stopping(),
        () = tokio::time::sleep(patience) => too_slow(patience),
    }
}

/// The stream, and the same again to see its end while the first is in use.
fn doubled(stream: TcpStream) -> std::io::Result<(TcpStream, TcpStream)> {
    let stream = stream.into_std()?;
    let twin = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, TcpStream::from_std(twin)?))
}

/// Until the client has closed its side: nobody waits for the answer then.
async fn gone(stream: &TcpStream) {
    // What was sent already is in front of the end.
    while stream.peek(&mut [0]).await.is_ok_and(|bytes| bytes > 0) {
        tokio::time::sleep(GONE_EVERY).await;
    }
}

/// Until the server stops, or whoever would say so is gone.
async fn stops(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stops| *stops).await;
}

fn is_starting(socket: &Socket) -> bool {
    use PgWireConnectionState::{AuthenticationInProgress, AwaitingSslRequest, AwaitingStartup};
    matches!(socket.state(), AwaitingSslRequest | AwaitingStartup | AuthenticationInProgress)
}

/// Whether a connection may begin at all.
fn admit(message: &PgWireFrontendMessage, socket: &Socket, shared: &Shared, admitted: bool) -> Result<(), Failure> {
    if !matches!(message, PgWireFrontendMessage::Startup(_)) {
        return Ok(());
    }
    if !admitted {
        let problem = format!("{} connections are open, and no more may be at once", shared.connections_max);
        return Err(Failure::new(code::TOO_MANY, problem).with_hint("close one, or connect again later"));
    }
    if shared.tls.is_some() && !socket.is_secure() {
        let problem = "this server only takes encrypted connections";
        return Err(Failure::new(code::NO_USER, problem).with_hint("connect with `sslmode=require` or stricter"));
    }
    Ok(())
}

fn stopping() -> PgWireError {
    Failure::new(code::SHUTDOWN, "terminating connection: the server stops").fatal()
}

fn too_slow(patience: Duration) -> PgWireError {
    let problem = format!("the statements did not end within {} s", patience.as_secs());
    Failure::new(code::CANCELED, problem).fatal()
}

fn panicked(words: &(dyn std::any::Any + Send)) -> PgWireError {
    let text = words.downcast_ref::<String>().map(String::as_str).or_else(|| words.downcast_ref::<&str>().copied());
    Failure::internal(text.unwrap_or("no reason given"), "a connection of the Postgres wire failed").fatal()
}

/// Says why, and closes. A client that does not listen is left.
async fn last_word(socket: &mut Socket, error: PgWireError) {
    let mut info: ErrorInfo = error.into();
    info.severity = "FATAL".to_owned();
    info.severity_nonlocalized = Some("FATAL".to_owned());
    let _ = timeout(LAST_WORD_TIMEOUT, async {
        let _ = socket.send(PgWireBackendMessage::ErrorResponse(info.into())).await;
        let _ = socket.close().await;
    })
    .await;
}

/// A stream that ends in an error when more comes than a message may have: messages of a gigabyte are legal.
pub(super) struct Metered {
    inner: MaybeTls,
    /// Bytes since the last message was complete.
    bytes: usize,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.bytes > MESSAGE_BYTES_MAX {
            let problem = format!("a message has more than {MESSAGE_BYTES_MAX} bytes");
            return Poll::Ready(Err(std::io::Error::new(std::io::ErrorKind::InvalidData, problem)));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.bytes += buffer.filled().len() - before;
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
