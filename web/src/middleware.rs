//! What happens to every request before and after its handler.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use tokio::task::JoinSet;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::trace::TraceLayer;

use crate::app::App;
use crate::error::{AppError, render_errors};

/// Everything comes from this server itself, nothing is inline, and nobody may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Puts the layers around the routes; the last one listed sees a request first.
pub fn around(routes: Router<App>, app: &App) -> Router<App> {
    routes
        .layer(CsrfLayer::new().with_rejection_response(|_: ProtectionError| AppError::CrossSite.into_response()))
        .layer(from_fn_with_state(app.clone(), check_host))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(render_errors))
        .layer(CompressionLayer::new())
        .layer(map_response(security_headers))
        .layer(TraceLayer::new_for_http())
}

/// Ends an answer that takes longer than the configured time.
pub async fn timeout(State(app): State<App>, request: Request, next: Next) -> Response {
    let limit_ms = app.config().request_timeout_ms;
    match tokio::time::timeout(Duration::from_millis(limit_ms), next.run(request)).await {
        Ok(response) => response,
        Err(_) => AppError::Timeout { limit_ms }.into_response(),
    }
}

/// Has an answer made on the threads for answers: however many are asked for, an upload finds a thread.
pub async fn on_answer_threads(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(threads) = app.answers_on() else { return next.run(request).await };
    // A set, because what it runs ends with it, as an answer ends that nobody waits for.
    let mut answer = JoinSet::new();
    answer.spawn_on(next.run(request), threads);
    match answer.join_next().await {
        Some(Ok(response)) => response,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => AppError::Internal { cause: "the threads for answers have ended".into() }.into_response(),
    }
}

/// The answer where no route fits.
pub async fn not_found(uri: Uri) -> AppError {
    AppError::NoSuchPage { path: uri.path().to_owned() }
}

/// The answer where the route exists for other methods.
pub async fn method_not_allowed(method: Method, uri: Uri) -> AppError {
    AppError::MethodNotAllowed { method: method.to_string(), path: uri.path().to_owned() }
}

/// Refuses names that are not ours: a page elsewhere could point its own name at this machine and read the answers.
async fn check_host(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = request
        .uri()
        .authority()
        .map(|authority| authority.as_str())
        .or_else(|| request.headers().get(header::HOST).and_then(|value| value.to_str().ok()))
        .unwrap_or_default();
    if is_ours(host, &app.config().allowed_hosts) {
        return next.run(request).await;
    }
    AppError::WrongHost { host: host.to_owned() }.into_response()
}

fn is_ours(host: &str, allowed: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|ours| name.eq_ignore_ascii_case(ours))
        || allowed.iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

async fn security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    response
}

fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let words = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    AppError::Internal { cause: format!("a handler panicked: {words}") }.into_response()
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_loopback_names_and_the_configured_ones_are_ours() {
        let allowed = ["Bills.Example".to_owned()];
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]", "[::1]:9", "bills.example:443"] {
            assert!(is_ours(host, &allowed), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[::2]:80", "::1"] {
            assert!(!is_ours(host, &allowed), "{host}");
        }
    }
}
