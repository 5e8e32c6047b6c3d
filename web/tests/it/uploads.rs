//! Uploads by PUT and by form: the same outcome, nothing twice, limits kept.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use paygrain_web::WebConfig;

use crate::{Answer, Server, log, request};

async fn put(server: &Server, url: &str, body: impl Into<Body>) -> Answer {
    server.send(request(Method::PUT, url).body(body.into()).unwrap()).await
}

async fn post(server: &Server, parts: &[(&str, Option<&str>, &str)]) -> Answer {
    let mut body = String::new();
    for (name, file, content) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        body += &format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n");
    }
    body += "--frontier--\r\n";
    let form = request(Method::POST, "/uploads").header(header::CONTENT_TYPE, "multipart/form-data; boundary=frontier");
    server.send(form.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_put_lands_once() {
    let server = Server::new();
    let url = "/api/v1/uploads/lambda.log?account=1&region=us-east-1&resource=f";
    let first = put(&server, url, log(5, "2026-10", 100)).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let upload = first.json()["uploads"][0].clone();
    assert_eq!((&upload["name"], &upload["accepted"]), (&"lambda.log".into(), &5.into()));
    assert!(first.header("location").ends_with(upload["id"].as_str().unwrap()));

    let again = put(&server, url, log(5, "2026-10", 100)).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json()["uploads"][0]["already_loaded"], true);

    let shown = server.get(first.header("location")).await.json();
    assert_eq!(shown["id"], upload["id"]);
    let page = server.get(&format!("/uploads/{}", upload["id"].as_str().unwrap())).await;
    assert!(page.text.contains("lambda.log"));
}

#[tokio::test]
async fn the_form_works_without_scripts() {
    let server = Server::new();
    let lines = log(4, "2026-10", 100);
    let answer = post(
        &server,
        &[
            ("file", Some("../lambda<b>.log"), &lines),
            ("file", Some("picture.png"), "no log at all"),
            ("account", None, "1"),
            ("region", None, "us-east-1"),
            ("resource", None, "from-the-form"),
            ("format", None, "auto"),
            ("at", None, ""),
        ],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.text.contains("<b>4</b> of 4 rows accepted"), "{}", answer.text);
    assert!(answer.text.contains("lambda&#60;b&#62;.log"));
    assert!(answer.text.contains("No known format recognises the content"));
    let bill = server.get("/api/v1/charges?period=2026-10&by=resource").await.json();
    assert_eq!(bill["groups"][0]["key"][0], "from-the-form", "fields behind the file count too");
}

#[tokio::test]
async fn a_form_without_a_file_says_so() {
    let server = Server::new();
    let answer = post(&server, &[("file", Some(""), ""), ("account", None, "1")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("The form names no file"));
    let answer = post(&server, &[("file", Some("a.txt"), "no log at all")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn rejected_rows_are_shown_with_their_place() {
    let server = Server::new();
    let lines =
        log(2, "2026-10", 100) + &log(1, "2026-10", 7).replace("Duration: 7.00 ms\tBilled", "Duration: 7,x ms\tBilled");
    let answer = put(&server, "/api/v1/uploads/a.log?resource=f", lines).await;
    let upload = answer.json()["uploads"][0].clone();
    assert_eq!((&upload["accepted"], &upload["rejected"]), (&2.into(), &1.into()), "{upload}");
    let id = upload["id"].as_str().unwrap();
    let rejected = server.get(&format!("/api/v1/uploads/{id}/rejected")).await.json();
    assert_eq!((&rejected["total"], &rejected["rejected"][0]["line"]), (&1.into(), &3.into()));
    let page = server.get(&format!("/uploads/{id}")).await;
    assert!(page.text.contains("1 – 1 of 1 rejected rows"));
}

#[tokio::test]
async fn what_is_no_log_is_refused_with_a_hint() {
    let server = Server::new();
    for (url, body, status) in [
        ("/api/v1/uploads/a", "no log at all", 422),
        ("/api/v1/uploads/a", "", 422),
        ("/api/v1/uploads/a?format=none", "x", 400),
        ("/api/v1/uploads/a?acount=1", "x", 400),
        ("/api/v1/uploads/a?at=yesterday", "x", 400),
    ] {
        let answer = put(&server, url, body).await;
        assert_eq!(answer.status.as_u16(), status, "{url}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(!answer.text.contains("--format"), "{url}: a flag of the command means nothing here");
    }
    assert_eq!(server.get("/api/v1/uploads").await.text, r#"{"uploads":[]}"#);
}

#[tokio::test]
async fn the_limit_holds_for_both_ways() {
    let server = Server::with(WebConfig { upload_bytes_max: 1000, ..WebConfig::default() });
    let lines = log(20, "2026-10", 100);
    let answer = put(&server, "/api/v1/uploads/a", lines.clone()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.json()["detail"].as_str().unwrap().contains("larger than 1000 bytes"));
    let answer = post(&server, &[("file", Some("a.log"), &lines)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn what_is_in_an_upload_and_what_it_lacks_is_told_now_and_later() {
    let server = Server::new();
    let answer = put(&server, "/api/v1/uploads/lambda.log?resource=f", log(3, "2026-10", 100)).await;
    let upload = answer.json()["uploads"][0].clone();
    let lacking = |upload: &serde_json::Value| -> Vec<String> {
        let undeclared = upload["advice"]["undeclared"].as_array().unwrap();
        undeclared.iter().map(|lack| lack["column"].as_str().unwrap().to_owned()).collect()
    };
    assert!(lacking(&upload).contains(&"region".to_owned()), "{upload:#}");
    let url = format!("/api/v1/uploads/{}", upload["id"].as_str().unwrap());
    let later = server.get(&url).await.json();
    for part in ["summary", "advice"] {
        assert_eq!(later[part], upload[part], "{part}");
    }
    assert_eq!(later["summary"]["services"][0]["rows"], 3);
    assert!(server.get("/api/v1/uploads").await.json()["uploads"][0].get("summary").is_none());
    let page = server.get(&format!("/uploads/{}", upload["id"].as_str().unwrap())).await;
    for part in ["aws/lambda", "3 rows of", "came without <code>region</code>", "paygrain lake set-metadata"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    // What is supplied is missing no more.
    let body = r#"{"resource": "f", "values": {"region": "eu-west-1"}}"#;
    let answer = server.send(request(Method::POST, "/api/v1/metadata").body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert!(!lacking(&server.get(&url).await.json()).contains(&"region".to_owned()));
}

#[tokio::test]
async fn the_script_of_the_page_gets_cards() {
    let server = Server::new();
    let answer = put(&server, "/uploads/..%2Flambda%3Cb%3E.log?resource=f&account=1", log(2, "2026-10", 100)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.header("content-type").starts_with("text/html"));
    for part in ["data-state=\"loaded\"", "<b>2</b> of 2 rows accepted", "lambda&#60;b&#62;.log", "#metadata"] {
        assert!(answer.text.contains(part), "{part}: {}", answer.text);
    }
    assert!(!answer.text.contains("<html"));
    let again = put(&server, "/uploads/x?resource=f&account=1", log(2, "2026-10", 100)).await;
    assert!(again.text.contains("data-state=\"known\""), "{}", again.text);
    for (url, status) in [("/uploads/x", 422), ("/uploads/x?format=none", 400), ("/uploads/x?ticket=a%20b", 400)] {
        let answer = put(&server, url, "no log at all").await;
        assert_eq!(answer.status.as_u16(), status, "{url}");
        assert!(answer.text.contains("data-state=\"failed\"") && !answer.text.contains("<html"), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_upload_is_watched_while_it_comes_and_gone_when_its_sender_is() {
    let server = Server::new();
    let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<String, std::io::Error>>();
    let url = "/api/v1/uploads/slow.log?ticket=t-1&resource=f";
    let send = request(Method::PUT, url).header(header::CONTENT_LENGTH, "100000").body(Body::from_stream(receiver));
    let router = server.router.clone();
    let request = tokio::spawn(async move { tower::ServiceExt::oneshot(router, send.unwrap()).await });
    let lines = log(2, "2026-10", 100);
    sender.unbounded_send(Ok(lines.clone())).unwrap();
    let running = async || server.get("/api/v1/uploads/running").await.json()["running"].clone();
    let until = async |wanted: &dyn Fn(&serde_json::Value) -> bool| {
        for _ in 0..10_000 {
            let now = running().await;
            if wanted(&now) {
                return now;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        panic!("{}", running().await);
    };
    let now = until(&|now| now[0]["received_bytes"] == lines.len()).await;
    assert_eq!(
        (&now[0]["ticket"], &now[0]["name"], &now[0]["stage"], &now[0]["announced_bytes"]),
        (&"t-1".into(), &"slow.log".into(), &"receiving".into(), &100_000.into())
    );
    let page = server.get("/uploads").await;
    assert!(page.text.contains("On their way") && page.text.contains("slow.log"), "{}", page.text);
    request.abort();
    until(&|now| now == &serde_json::json!([])).await;
    assert_eq!(server.get("/api/v1/uploads").await.text, r#"{"uploads":[]}"#);
    // A file may be called as the address of the list is.
    assert_eq!(put(&server, "/api/v1/uploads/running?resource=f", lines).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn refused_rows_come_back_as_they_were() {
    let server = Server::new();
    let bad = log(2, "2026-10", 7).replace("Duration: 7.00 ms\tBilled", "Duration: 7,x ms\tBilled");
    let answer = put(&server, "/api/v1/uploads/a%22b.log?resource=f", format!("{}{bad}", log(1, "2026-09", 7))).await;
    let id = answer.json()["uploads"][0]["id"].as_str().unwrap().to_owned();
    let url = format!("/api/v1/uploads/{id}/rejected/original");
    let file = server.get(&url).await;
    assert_eq!((file.status, &file.text), (StatusCode::OK, &bad));
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"a_b.rejected.log\"");
    assert_eq!(file.header("paygrain-rows-left-out"), "0");
    assert!(server.get(&format!("/uploads/{id}")).await.text.contains(&url));
    let mended = put(&server, "/api/v1/uploads/mended.log?resource=f", bad.replace("7,x", "7.00")).await.json();
    assert_eq!(mended["uploads"][0]["accepted"], 2, "{mended}");
    let id = mended["uploads"][0]["id"].as_str().unwrap();
    let nothing = server.get(&format!("/api/v1/uploads/{id}/rejected/original")).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert!(nothing.text.contains("no row of the upload was refused"), "{}", nothing.text);
    assert_eq!(server.get("/api/v1/uploads/none/rejected/original").await.status, StatusCode::NOT_FOUND);
}
