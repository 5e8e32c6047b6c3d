//! What logs do not say, supplied over the API and by the form: the bill counts with it.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{Answer, Server, log, request};

async fn post(server: &Server, body: &Value) -> Answer {
    server.send(request(Method::POST, "/api/v1/metadata").body(Body::from(body.to_string())).unwrap()).await
}

async fn fill_in(server: &Server, id: &str, fields: &'static str) -> Answer {
    let post = request(Method::POST, &format!("/uploads/{id}/metadata"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    server.send(post.body(Body::from(fields)).unwrap()).await
}

/// A server with an upload of which only the function is known, and its id.
async fn server() -> (Server, String) {
    let server = Server::new();
    let upload = request(Method::PUT, "/api/v1/uploads/f.log?resource=f").body(Body::from(log(20, "2026-10", 900_000)));
    let id = server.send(upload.unwrap()).await.json()["uploads"][0]["id"].as_str().unwrap().to_owned();
    (server, id)
}

async fn skus(server: &Server) -> String {
    let bill = server.get("/api/v1/charges?period=2026-10").await.json();
    bill["charges"].as_array().unwrap().iter().map(|charge| charge["id"].as_str().unwrap().to_owned() + "\n").collect()
}

#[tokio::test]
async fn the_form_completes_the_rows_of_an_upload() {
    let (server, id) = server().await;
    assert!(!skus(&server).await.contains("duration-arm"));
    let saved = fill_in(&server, &id, "resource=&account=42&region=eu-west-1&architecture=arm64&memory_mb=").await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    assert_eq!(saved.header("location"), format!("/uploads/{id}?saved=1#metadata"));
    let bill = skus(&server).await;
    assert!(bill.contains("duration-arm/-~eu-west-1") && bill.contains("42"), "{bill}");
    let page = server.get(&format!("/uploads/{id}?saved=1")).await;
    for part in ["Bills count with it from now on", "region <code>eu-west-1</code>", "architecture <code>arm64</code>"]
    {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(!page.text.contains("came without <code>region</code>"));
}

#[tokio::test]
async fn what_cannot_be_saved_stays_in_the_form() {
    let (server, id) = server().await;
    for (fields, status, words) in [
        ("region=", 400, "No value was given"),
        ("region=x%22y&memory_mb=much", 400, "expected a whole number of MB"),
        ("region=x%22y&memory_mb=0", 400, "expected a whole number from 1 to 1000000000"),
        ("region=a%0Ab", 400, "expected 1 to 1024 characters in one line"),
        ("regoin=a", 400, "There is no parameter <code>regoin</code>"),
    ] {
        let answer = fill_in(&server, &id, fields).await;
        assert_eq!(answer.status.as_u16(), status, "{fields}");
        assert!(answer.text.contains(words) && answer.text.contains("Not saved"), "{fields}: {}", answer.text);
        assert!(!fields.contains("x%22y") || answer.text.contains("value=\"x&#34;y\""), "{}", answer.text);
    }
    assert_eq!(fill_in(&server, "none", "region=a").await.status, StatusCode::NOT_FOUND);
    let other = request(Method::POST, &format!("/uploads/{id}/metadata")).header("sec-fetch-site", "cross-site");
    assert_eq!(server.send(other.body(Body::empty()).unwrap()).await.status, StatusCode::FORBIDDEN);
    assert_eq!(server.get("/api/v1/metadata").await.json(), json!({ "metadata": [] }));
}

#[tokio::test]
async fn the_api_takes_what_it_lists() {
    let (server, id) = server().await;
    let entry = json!({ "upload_id": id, "values": { "region": "eu-west-1", "architecture": "arm64" } });
    let answer = post(&server, &entry).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert!(skus(&server).await.contains("duration-arm/-~eu-west-1"));
    let listed = server.get("/api/v1/metadata").await.json();
    assert_eq!(listed, answer.json());
    let second = post(&server, &listed).await;
    assert_eq!(second.status, StatusCode::CREATED, "{}", second.text);
    assert_eq!(server.get("/api/v1/metadata").await.json()["metadata"].as_array().unwrap().len(), 2);

    for (body, status, words) in [
        (json!({ "values": {} }), 400, "no value was given"),
        (json!({ "metadata": [] }), 400, "0 entries"),
        (json!({ "values": { "memory_mb": 0 } }), 400, "`memory_mb` is `0`"),
        (json!({ "values": { "regoin": "a" } }), 400, "unknown field `regoin`"),
        (json!({ "values": { "held_days": 7 } }), 400, "count when a file is ingested"),
        (json!({ "upload": "a", "values": { "region": "a" } }), 400, "unknown field `upload`"),
        (json!({ "upload_id": "a", "values": { "region": "a" } }), 404, "there is no upload `a`"),
        (json!([1]), 400, "cannot be read"),
    ] {
        let answer = post(&server, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text);
        assert!(answer.text.contains(words), "{body}: {}", answer.text);
    }
    assert_eq!(server.get("/api/v1/metadata").await.json()["metadata"].as_array().unwrap().len(), 2);
}
