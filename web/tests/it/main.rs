//! The router over a real lake, without a socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use paygrain_ingest::Lake;
use paygrain_pricing::Catalogue;
use paygrain_query::{Engine, Places};
use paygrain_web::{App, WebConfig, router};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tower::ServiceExt;

mod api;
mod compare;
mod events;
mod explore;
mod memory;
mod metadata;
mod pages;
mod places;
mod price_books;
mod resources;
mod safety;
mod scenarios;
mod settings;
mod staircase;
mod upload_history;
mod uploads;

/// A function whose name tries to be markup and a formula.
const HOSTILE: &str = "=cmd()<script>alert(1)</script>";

/// A server over a lake of its own.
struct Server {
    router: Router,
    engine: Engine,
    _lake: TempDir,
}

/// What it answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Server {
    fn new() -> Self {
        Self::with(WebConfig::default())
    }

    fn with(config: WebConfig) -> Self {
        let directory = TempDir::new().unwrap();
        let lake = Lake::open(directory.path().to_str().unwrap()).unwrap();
        let engine = Engine::new(lake, Catalogue::embedded().unwrap());
        Self { router: router(App::new(engine.clone(), config)), engine, _lake: directory }
    }

    /// [`Self::with_usage`], with places for answers and threads for them.
    async fn with_places(places: Places, threads: Handle) -> Self {
        let server = Self::with_usage().await;
        let engine = server.engine.clone().with_places(places);
        let app = App::new(engine.clone(), WebConfig::default()).with_answers_on(threads);
        Self { router: router(app), engine, ..server }
    }

    /// A server with a month beyond the free tier (October) and one within it (September), of a function with a
    /// [`HOSTILE`] name.
    async fn with_usage() -> Self {
        let server = Self::new();
        let log = log(60, "2026-10", 900_000) + &log(3, "2026-09", 100);
        let url = format!(
            "/api/v1/uploads/lambda.log?account=123456789012&region=us-east-1&architecture=x86_64&resource={}",
            "%3Dcmd%28%29%3Cscript%3Ealert%281%29%3C%2Fscript%3E"
        );
        let answer = server.send(request(Method::PUT, &url).body(Body::from(log)).unwrap()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        server
    }

    async fn get(&self, url: &str) -> Answer {
        self.send(request(Method::GET, url).body(Body::empty()).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 64 << 20).await.unwrap();
        Answer { status, headers, text: String::from_utf8_lossy(&body).into_owned() }
    }
}

/// A request as a browser or curl on this machine would send it.
fn request(method: Method, url: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(url).header(header::HOST, "127.0.0.1:8080")
}

/// Lambda log lines spread over the days of a month.
fn log(count: u32, month: &str, duration_ms: u32) -> String {
    let line = |place: u32| {
        format!(
            "{month}-{:02}T{:02}:00:00.000Z\tREPORT RequestId: 7d2b1f0e-0000-4000-8000-{place:012x}\t\
             Duration: {duration_ms}.00 ms\tBilled Duration: {duration_ms} ms\tMemory Size: 10240 MB\t\
             Max Memory Used: 90 MB\t\n",
            place % 28 + 1,
            place % 20 + 2
        )
    };
    (0..count).map(line).collect()
}

/// Everything between two marks, each time they occur.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    text.split(from).skip(1).filter_map(|rest| rest.split(to).next()).collect()
}
