//! What keeps other sites and other machines out.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use paygrain_ingest::Lake;
use paygrain_pricing::Catalogue;
use paygrain_query::Engine;
use paygrain_web::{App, WebConfig, WebError, bind, serve_on};

use crate::{Server, between, request};

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let server = Server::new();
    for url in [
        "/",
        "/explore",
        "/resources",
        "/bill",
        "/uploads",
        "/price-books",
        "/settings",
        "/sql",
        "/api",
        "/nope",
        "/api/v1/periods",
        "/api/v1/nope",
    ] {
        let answer = server.get(url).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{url}");
        assert!(!policy.contains("unsafe"), "{url}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{url}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{url}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{url}");
        assert!(!answer.text.contains(" style=\"") && !answer.text.contains(" onclick="), "{url}: nothing is inline");
    }
}

#[tokio::test]
async fn other_sites_cannot_change_anything() {
    let server = Server::new();
    let send = |method: Method, url: &'static str, name: &'static str, value: &'static str| {
        server.send(request(method, url).header(name, value).body(Body::empty()).unwrap())
    };
    let refused = send(Method::POST, "/samples", "sec-fetch-site", "cross-site").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("A request from another site was refused"));
    let refused = send(Method::PUT, "/api/v1/uploads/a", "origin", "http://evil.example").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let ours = send(Method::PUT, "/api/v1/uploads/a", "sec-fetch-site", "same-origin").await;
    assert_eq!(ours.status, StatusCode::UNPROCESSABLE_ENTITY, "let in, then found to be empty");
    assert_eq!(server.get("/samples").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn other_names_are_refused() {
    let server = Server::with(WebConfig { allowed_hosts: vec!["bills.example".into()], ..WebConfig::default() });
    for (host, status) in [
        ("localhost:8080", StatusCode::OK),
        ("[::1]:1", StatusCode::OK),
        ("bills.example", StatusCode::OK),
        ("rebound.example:8080", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.example", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let request = Request::builder().uri("/").header(header::HOST, host).body(Body::empty()).unwrap();
        assert_eq!(server.send(request).await.status, status, "{host}");
    }
    let nameless = Request::builder().uri("/").body(Body::empty()).unwrap();
    assert_eq!(server.send(nameless).await.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn assets_are_kept_for_good_and_named_by_content() {
    let server = Server::new();
    let page = server.get("/uploads").await;
    let mut urls = between(&page.text, "src=\"/assets/", "\"");
    urls.extend(between(&page.text, "href=\"/assets/", "\""));
    assert_eq!(urls.len(), 5);
    for name in urls {
        let url = format!("/assets/{name}");
        let asset = server.get(&url).await;
        assert_eq!(asset.status, StatusCode::OK, "{url}");
        assert!(asset.header("cache-control").contains("immutable"), "{url}");
        let known = request(Method::GET, &url).header(header::IF_NONE_MATCH, asset.header("etag"));
        assert_eq!(server.send(known.body(Body::empty()).unwrap()).await.status, StatusCode::NOT_MODIFIED);
        let packed = request(Method::GET, &url).header(header::ACCEPT_ENCODING, "gzip");
        let packed = server.send(packed.body(Body::empty()).unwrap()).await;
        assert_eq!(packed.header("content-encoding"), "gzip", "{url}");
    }
}

#[tokio::test]
async fn pages_are_compressed_on_request() {
    let server = Server::new();
    let packed = request(Method::GET, "/").header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
    assert_eq!(server.send(packed).await.header("content-encoding"), "gzip");
}

#[tokio::test]
async fn an_address_others_can_reach_is_refused() {
    let config = WebConfig { listen: "0.0.0.0:0".parse().unwrap(), ..WebConfig::default() };
    let error = bind(&config).await.unwrap_err();
    assert!(matches!(error, WebError::NotLoopback { .. }));
    assert!(error.hint().unwrap().contains("127.0.0.1:0"));
}

#[tokio::test]
async fn the_address_is_known_before_the_first_request_and_shutdown_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::new(Lake::open(directory.path().to_str().unwrap()).unwrap(), Catalogue::embedded().unwrap());
    let config = WebConfig { listen: "127.0.0.1:0".parse().unwrap(), ..WebConfig::default() };
    let listener = bind(&config).await.unwrap();
    let taken = WebConfig { listen: listener.local_addr().unwrap(), ..WebConfig::default() };
    assert_ne!(taken.listen.port(), 0);
    assert!(bind(&taken).await.unwrap_err().hint().unwrap().contains("port 0"));
    serve_on(listener, App::new(engine, config), async {}).await.unwrap();
}
