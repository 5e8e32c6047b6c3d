//! The JSON API: shapes, and problem details for everything that goes wrong.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};

use crate::{Server, request};

#[tokio::test]
async fn a_bill_has_the_documented_envelope() {
    let server = Server::with_usage().await;
    let bill = server.get("/api/v1/charges?period=2026-10&by=service,day").await.json();
    for member in ["period", "currency", "total", "rounded_total", "charges", "groups", "unpriced"] {
        assert!(!bill[member].is_null(), "{member}");
    }
    assert_eq!(bill["period"], "2026-10");
    assert_eq!(bill["by"], serde_json::json!(["service", "day"]));
    let charge = &bill["charges"][0];
    for member in
        ["sku", "description", "consumed_quantity", "pricing_quantity", "unit_price", "list_cost", "billed_cost"]
    {
        assert!(charge[member].is_string(), "{member}");
    }
    let list = server.get("/api/v1/charges?period=2026-10&allowances=false").await.json();
    assert_eq!(list["total"], bill["list_total"]);
}

#[tokio::test]
async fn a_charge_explains_itself() {
    let server = Server::with_usage().await;
    let bill = server.get("/api/v1/charges?period=2026-10").await.json();
    for charge in bill["charges"].as_array().unwrap() {
        let id = charge["id"].as_str().unwrap().replace('/', "%2F");
        let explanation = server.get(&format!("/api/v1/explain?charge={id}")).await.json();
        assert_eq!(explanation["records"]["total"], charge["record_count"], "{id}");
    }
    let id = bill["charges"][0]["id"].as_str().unwrap().replace('/', "%2F");
    let explanation = server.get(&format!("/api/v1/explain?charge={id}&limit=10")).await.json();
    assert_eq!(explanation["charge"]["id"], bill["charges"][0]["id"]);
    assert_eq!(explanation["records"]["rows"].as_array().unwrap().len(), 10);
    assert!(!explanation["steps"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn charges_are_exported_as_focus_rows() {
    let server = Server::with_usage().await;
    let csv = server.get("/api/v1/exports/focus.csv?period=2026-10&version=1.0&charge_period=month").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"focus-1.0-2026-10.csv\"");
    assert_eq!(csv.text.lines().next().unwrap().split(',').count(), 43);
    let parquet = server.get("/api/v1/exports/focus.parquet?period=2026-10").await;
    assert_eq!(parquet.status, StatusCode::OK);
    for (url, status) in [
        ("/api/v1/exports/focus.csv", 400),
        ("/api/v1/exports/focus.csv?period=2026-10&version=3", 400),
        ("/api/v1/exports/focus.xlsx?period=2026-10", 404),
    ] {
        assert_eq!(server.get(url).await.status.as_u16(), status, "{url}");
    }
}

#[tokio::test]
async fn a_month_is_closed_once_and_shown_as_closed() {
    let server = Server::with_usage().await;
    assert_eq!(server.get("/api/v1/bills").await.json()["bills"], serde_json::json!([]));
    let close =
        |body: &'static str| server.send(request(Method::POST, "/api/v1/bills").body(Body::from(body)).unwrap());
    let dry = close(r#"{"period": "2026-10", "dry_run": true}"#).await;
    assert_eq!((dry.status, &dry.json()["outcome"]), (StatusCode::OK, &"would_issue".into()));
    let issued = close(r#"{"period": "2026-10"}"#).await;
    assert_eq!(issued.status, StatusCode::CREATED);
    assert_eq!(issued.header("location"), "/api/v1/bills/2026-10-r1");
    let bill = server.get("/api/v1/bills/2026-10-r1").await;
    assert_eq!(bill.json()["id"], "2026-10-r1");
    let again = close(r#"{"period": "2026-10"}"#).await;
    assert_eq!((again.status, &again.json()["outcome"]), (StatusCode::OK, &"nothing_to_correct".into()));
    let page = server.get("/bill?period=2026-10").await.text;
    assert!(page.contains("revision 1</a>") && page.contains("The rating of today is the same"), "{page}");
    for (body, status) in [
        (r#"{"period": "10-2026"}"#, 400),
        (r#"{"month": "2026-10"}"#, 400),
        (r#"{"period": "2026-10", "provider": "aws"}"#, 409),
        (r#"{"period": "2020-01"}"#, 422),
    ] {
        assert_eq!(close(body).await.status.as_u16(), status, "{body}");
    }
    assert_eq!(server.get("/api/v1/bills/2026-10-r9").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn problems_are_problem_details() {
    let server = Server::with_usage().await;
    for (url, status, words) in [
        ("/api/v1/charges", 400, "`period` is missing"),
        ("/api/v1/charges?period=10-2026", 400, "`period` is `10-2026`, expected a month as `YYYY-MM`"),
        ("/api/v1/charges?period=2026-10&perod=1", 400, "there is no parameter `perod`"),
        ("/api/v1/charges?period=2026-10&by=colour", 400, "there is no dimension `colour`"),
        ("/api/v1/explain?charge=2026-10/none", 404, "there is no charge `2026-10/none`"),
        ("/api/v1/uploads/none", 404, "there is no upload `none`"),
        ("/api/v1/nope", 404, "there is no page `/api/v1/nope`"),
        ("/api/v1/estimate", 405, "does not answer to GET"),
    ] {
        let answer = server.get(url).await;
        assert_eq!(answer.status.as_u16(), status, "{url}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{url}");
        let problem = answer.json();
        assert_eq!(problem["type"], "about:blank", "{url}");
        assert_eq!(problem["status"], status, "{url}");
        assert!(problem["title"].is_string(), "{url}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{url}: {problem}");
    }
    assert_eq!(server.get("/api/v1/estimate").await.header("allow"), "POST");
}

#[tokio::test]
async fn an_estimate_is_rated_like_a_bill() {
    let server = Server::new();
    let usage = r#"{"period":"2026-10","provider":"aws","region":"us-east-1","allowances":false,"usage":[
        {"service":"lambda","resource":"f","count":3000000,"duration_ms":1000,"memory_mb":512,"architecture":"x86_64"}]}"#;
    let post = |body: &'static str| {
        let request = request(Method::POST, "/api/v1/estimate").header(header::CONTENT_TYPE, "application/json");
        server.send(request.body(Body::from(body)).unwrap())
    };
    let answer = post(usage).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.json()["total"].is_string());
    let answer = post("{").await;
    assert!(answer.status.is_client_error());
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn an_empty_lake_has_empty_answers() {
    let server = Server::new();
    assert_eq!(server.get("/api/v1/periods").await.text, r#"{"periods":[]}"#);
    assert_eq!(server.get("/api/v1/overview").await.text, "null");
    assert_eq!(server.get("/api/v1/uploads").await.text, r#"{"uploads":[]}"#);
    let bill = server.get("/api/v1/charges?period=2026-10").await;
    assert_eq!(bill.status, StatusCode::OK, "{}", bill.text);
}

#[tokio::test]
async fn queries_beyond_those_that_may_run_are_told_to_come_again() {
    let directory = tempfile::tempdir().unwrap();
    let lake = paygrain_ingest::Lake::open(directory.path().to_str().unwrap()).unwrap();
    let engine = paygrain_query::Engine::new(lake, paygrain_pricing::Catalogue::embedded().unwrap());
    let none = engine.sandbox().unwrap().with_places(0, std::time::Duration::ZERO);
    let app = paygrain_web::App::new(engine.clone(), paygrain_web::WebConfig::default()).with_sql(none);
    let server = Server { router: paygrain_web::router(app), engine, _lake: directory };
    let post = request(Method::POST, "/api/v1/sql").header(header::CONTENT_TYPE, "application/sql");
    let answer = server.send(post.body(Body::from("SELECT 1")).unwrap()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    let page = server.get("/sql?query=SELECT%201").await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.text.contains("SELECT 1</textarea>"), "the query is kept: {}", page.text);
}
