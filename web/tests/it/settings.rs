//! The settings: what the server was told, and metadata added by the form, each with the command that does the same.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use paygrain_ingest::Lake;
use paygrain_pricing::{Agreement, Catalogue};
use paygrain_query::Engine;
use paygrain_web::{App, WebConfig, router};
use serde_json::json;
use tempfile::TempDir;

use crate::{Answer, Server, request};

async fn fill_in(server: &Server, fields: &'static str) -> Answer {
    let post =
        request(Method::POST, "/settings/metadata").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    server.send(post.body(Body::from(fields)).unwrap()).await
}

#[tokio::test]
async fn an_empty_server_says_what_there_is_and_how_to_change_it() {
    let server = Server::new();
    let page = server.get("/settings").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for part in [
        "Nothing was supplied yet",
        "There is no usage yet",
        "paygrain serve --agreement FILE",
        "paygrain serve --price-books DIRECTORY",
        "10.7 GB",
        "paygrain serve --listen",
        "paygrain serve --sql-timeout",
        "1,000,000 request",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let document = server.get("/api/v1/settings").await.json();
    assert_eq!(document["own_price_books"], json!([]));
    assert!(document["limits"].as_array().unwrap().iter().any(|limit| limit["name"] == "Largest upload"));
    assert_eq!(server.get("/settings?colour=red").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn limits_are_those_in_force() {
    let config = WebConfig {
        upload_bytes_max: 5_000_000,
        request_timeout_ms: 1500,
        allowed_hosts: vec!["bills.example".into()],
        ..WebConfig::default()
    };
    let page = Server::with(config).get("/settings").await;
    for part in ["5.0 MB", "1.5 s", "bills.example", "none are taken"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
}

#[tokio::test]
async fn accounts_have_what_they_are_billed() {
    let server = Server::with_usage().await;
    let page = server.get("/settings").await;
    let groups = server.get("/api/v1/charges?period=2026-10&by=account").await.json()["groups"].clone();
    let billed = groups[0]["billed_cost"].as_str().unwrap();
    assert!(page.text.contains("account=123456789012\">123456789012</a>"), "{}", page.text);
    assert!(page.text.contains(&format!("<data value=\"{billed}\"")), "{billed}: {}", page.text);
    assert!(page.text.contains("Billed in October 2026"));
}

#[tokio::test]
async fn the_form_supplies_what_the_command_beside_it_would() {
    let server = Server::with_usage().await;
    let fields = "of_provider=aws&of_service=lambda&of_resource=&region=eu%20west&memory_mb=512&overrides=true";
    let preview = server.get(&format!("/settings?preview=1&{fields}")).await;
    let command =
        format!("--provider aws --service lambda --region {q}eu west{q} --memory-mb 512 --override", q = "&#39;");
    assert_eq!(preview.status, StatusCode::OK);
    assert!(preview.text.contains("Not saved yet") && preview.text.contains(&command), "{}", preview.text);
    assert!(preview.text.contains(
        "name=\"region\" autocomplete=\"off\" maxlength=\"1024\" placeholder=\"eu-west-1\" value=\"eu west\""
    ));
    assert_eq!(server.get("/api/v1/metadata").await.json(), json!({ "metadata": [] }), "asking saves nothing");

    let saved = fill_in(&server, fields).await;
    assert_eq!((saved.status, saved.header("location")), (StatusCode::SEE_OTHER, "/settings?saved=1#metadata"));
    let listed = server.get("/api/v1/metadata").await.json();
    assert_eq!(listed["metadata"].as_array().unwrap().len(), 1);
    assert_eq!(listed["metadata"][0]["values"]["region"], "eu west");
    assert_eq!(listed["metadata"][0]["overrides"], true);
    let page = server.get("/settings?saved=1").await;
    for part in ["Bills count with it from now on", "provider aws, service lambda", &command] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let charges = server.get("/api/v1/charges?period=2026-10").await.text;
    assert!(charges.contains("eu west"), "the bill counts with it");
}

#[tokio::test]
async fn what_cannot_be_saved_stays_in_the_form_and_other_sites_cannot_save() {
    let server = Server::new();
    for (fields, status, words) in [
        ("of_provider=aws", 400, "No value was given"),
        ("region=x%22y&memory_mb=much", 400, "expected a whole number of MB"),
        ("region=x%22y&concurrency=0", 400, "expected a whole number from 1"),
        ("resource=f", 400, "only rows of one upload can be given a resource"),
        ("of_upload=none&region=a", 404, "There is no upload <code>none</code>"),
        ("regoin=a", 400, "There is no parameter <code>regoin</code>"),
    ] {
        let answer = fill_in(&server, fields).await;
        assert_eq!(answer.status.as_u16(), status, "{fields}: {}", answer.text);
        assert!(answer.text.contains(words) && answer.text.contains("Not saved"), "{fields}: {}", answer.text);
        assert!(!fields.contains("x%22y") || answer.text.contains("value=\"x&#34;y\""), "{}", answer.text);
    }
    let refused = server.get("/settings?preview=1&memory_mb=0").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")] {
        let other = request(Method::POST, "/settings/metadata")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(name, value);
        let answer = server.send(other.body(Body::from("region=eu-west-1")).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
    }
    assert_eq!(server.get("/api/v1/metadata").await.json(), json!({ "metadata": [] }));
    assert_eq!(server.get("/settings/metadata").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn an_agreement_and_own_books_are_shown_with_their_problems() {
    let directory = TempDir::new().unwrap();
    let lake = Lake::open(directory.path().to_str().unwrap()).unwrap();
    let embedded = Catalogue::embedded().unwrap();
    let lambda = embedded.books().iter().find(|book| book.name == "aws/lambda").unwrap();
    let wrong = lambda.text.replacen("\ntotal = \"", "\ntotal = \"9", 1);
    let catalogue = Catalogue::with_files([("own/lambda.toml".to_owned(), wrong)]).unwrap();
    let agreement = "billing_currency = \"USD\"\n[organisations]\nacme = [\"123456789012\"]\n\
        [[discounts]]\nid = \"edp\"\nskus = [\"aws.lambda.*\"]\npercent = \"12.5\"\n";
    let engine = Engine::new(lake, catalogue).with_agreement(Agreement::from_toml(agreement).unwrap()).unwrap();
    let server = Server { router: router(App::new(engine.clone(), WebConfig::default())), engine, _lake: directory };
    let page = server.get("/settings").await;
    for part in ["Organisation acme", "12.5 % off aws.lambda.*", "in the place of the shipped one", "<li>Line "] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let document = server.get("/api/v1/settings").await.json();
    assert_eq!(document["agreement"]["discounts"][0]["percent"], "12.5");
    assert_eq!(document["own_price_books"][0]["problems"].as_array().unwrap().len(), 1);
}
