//! Events: media types, limits, binary mode. What becomes of them is tested over the built program.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use paygrain_ingest::{EventLog, EventLogOptions, Lake};
use paygrain_pricing::Catalogue;
use paygrain_query::Engine;
use paygrain_web::{App, WebConfig, router};
use tempfile::TempDir;

use crate::{Answer, Server, request};

const URL: &str = "/api/v1/events";
const EVENT: &str = r#"{"specversion":"1.0","type":"tokens","source":"/g","id":"1","data":{"value":1}}"#;

async fn server(event_bytes_max: u64) -> Server {
    let directory = TempDir::new().unwrap();
    let lake = Lake::open(directory.path().to_str().unwrap()).unwrap();
    let log = EventLog::open(lake.clone(), EventLogOptions::default()).await.unwrap();
    let engine = Engine::new(lake, Catalogue::embedded().unwrap());
    let config = WebConfig { event_bytes_max, ..WebConfig::default() };
    Server { router: router(App::new(engine.clone(), config).with_events(log)), engine, _lake: directory }
}

async fn post(server: &Server, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut post = request(Method::POST, URL);
    for (name, value) in headers {
        post = post.header(*name, *value);
    }
    server.send(post.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn media_types_and_limits() {
    let server = server(200).await;
    let json = [("content-type", "application/cloudevents+json; charset=utf-8")];
    let answer = post(&server, &json, EVENT).await;
    assert_eq!((answer.status, answer.json()["accepted"].as_u64()), (StatusCode::OK, Some(1)), "{}", answer.text);
    for (headers, body, status, words) in [
        (&[("content-type", "text/csv")][..], EVENT.to_owned(), 415, "the content type is `text/csv`"),
        (&[], EVENT.to_owned(), 415, "the content type is ``"),
        (&[json[0], ("content-encoding", "gzip")], EVENT.to_owned(), 415, "the content encoding is `gzip`"),
        (&json, " \n".to_owned(), 400, "it is empty"),
        (&json, format!("{EVENT}{}", " ".repeat(200)), 413, "larger than 200 bytes"),
        (&[("content-type", "application/json"), ("ce-specversion", "1.0")], "{".into(), 400, "the body is no JSON"),
    ] {
        let answer = post(&server, headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        assert_eq!(answer.header(header::CONTENT_TYPE.as_str()), "application/problem+json");
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{}", answer.text);
    }
    // A stream may be longer.
    let lines: String = (0..50).map(|id| format!("{}\n", EVENT.replace("\"1\"", &format!("\"{id}\"")))).collect();
    let answer = post(&server, &[("content-type", "application/x-ndjson")], lines).await;
    assert_eq!((&answer.json()["accepted"], &answer.json()["duplicate"]), (&49.into(), &1.into()), "{}", answer.text);
    let unknown = server.send(request(Method::POST, "/api/v1/events?x=1").body(Body::from(EVENT)).unwrap()).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.get(URL).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn binary_mode_is_the_same_event() {
    let server = server(1000).await;
    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-type", "tokens"),
        ("ce-source", "%2Fg"),
        ("ce-id", "1"),
    ];
    assert_eq!(post(&server, &headers, r#"{"value": 1}"#).await.json()["accepted"], 1);
    let again = post(&server, &[("content-type", "application/json")], format!("[{EVENT}]")).await;
    assert_eq!(again.json()["duplicate"], 1, "{}", again.text);
    let lacks = post(&server, &headers[..4], r#"{"value": 1}"#).await;
    assert_eq!(lacks.json()["errors"][0]["reason"], "there is no `id`");
}

#[tokio::test]
async fn a_server_without_a_log_says_so() {
    let answer = post(&Server::new(), &[("content-type", "application/json")], EVENT).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text.contains("takes no events"));
}
