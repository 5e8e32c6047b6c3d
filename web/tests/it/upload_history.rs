//! Uploads afterwards: the list in pages, files that did not land, and the refused rows of all of them.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use paygrain_web::WebConfig;
use serde_json::{Value, json};

use crate::{Answer, Server, between, log, request};

async fn put(server: &Server, name: &str, body: impl Into<Body>) -> Answer {
    let url = format!("/api/v1/uploads/{name}?resource=f");
    server.send(request(Method::PUT, &url).body(body.into()).unwrap()).await
}

/// Lines that cannot be read.
fn broken(count: u32, month: &str) -> String {
    log(count, month, 7).replace("Duration: 7.00 ms\tBilled", "Duration: 7,x ms\tBilled")
}

#[tokio::test]
async fn the_list_comes_in_pages_and_is_searched() {
    let server = Server::new();
    for place in 1..=5 {
        let text = log(place, &format!("2026-0{place}"), 100);
        assert_eq!(put(&server, &format!("part-{place}.log"), text).await.status, StatusCode::CREATED);
    }
    put(&server, "odd.log", broken(2, "2026-07")).await;
    let rows = |page: &Answer| -> Vec<String> {
        let history = between(&page.text, "id=\"history\"", "</section>")[0];
        between(history, "<th scope=\"row\" class=\"name\">", "</th>").iter().map(|row| (*row).to_owned()).collect()
    };
    let all = server.get("/uploads").await;
    assert_eq!(rows(&all).len(), 6);
    assert!(all.text.contains("Quarantine: 2 rejected rows"), "{}", all.text);
    let (first, second) = (server.get("/uploads?limit=4").await, server.get("/uploads?limit=4&offset=4").await);
    assert!(first.text.contains("1 – 4 of 6 uploads") && first.text.contains("limit=4&#38;offset=4"), "{}", first.text);
    let mut shown = [rows(&first), rows(&second)].concat();
    shown.dedup();
    assert_eq!(shown, rows(&all), "no gap and no overlap");

    let found = server.get("/uploads?q=PART-3").await;
    assert_eq!(rows(&found).len(), 1);
    assert!(found.text.contains("value=\"PART-3\""));
    let refused = server.get("/uploads?rejected=true").await;
    assert!(rows(&refused).len() == 1 && rows(&refused)[0].contains("odd.log"));
    let none = server.get("/uploads?q=no-such-file").await;
    assert!(none.text.contains("No upload fits") && none.text.contains("Show all 6"), "{}", none.text);
    assert_eq!(server.get("/uploads?name=x").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_file_that_did_not_land_is_listed_until_it_does() {
    let server = Server::with(WebConfig { upload_bytes_max: 100_000, ..WebConfig::default() });
    let failed = async || server.get("/api/v1/uploads/failed").await.json()["failed"].clone();
    assert_eq!(failed().await, json!([]));
    assert_eq!(put(&server, "notes%3Cb%3E.txt", "no log at all").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(put(&server, "large.log", vec![b'x'; 100_001]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let list = failed().await;
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["large.log", "notes<b>.txt"], "latest first");
    assert_eq!(list[0]["problem"], "the upload is larger than 100000 bytes");
    let page = server.get("/uploads").await;
    for part in ["Not loaded", "notes&#60;b&#62;.txt", "The upload is larger than 100000 bytes", "Split or compress"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert_eq!(put(&server, "large.log", log(1, "2026-10", 7)).await.status, StatusCode::CREATED);
    assert_eq!(failed().await.as_array().unwrap().len(), 1, "it has landed now");
    // By the form as well.
    let body =
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"form.bin\"\r\n\r\nnothing\r\n--b--\r\n";
    let form = request(Method::POST, "/uploads").header(header::CONTENT_TYPE, "multipart/form-data; boundary=b");
    server.send(form.body(Body::from(body)).unwrap()).await;
    assert_eq!(failed().await[0]["name"], "form.bin");
}

#[tokio::test]
async fn a_sender_who_goes_away_leaves_a_note() {
    let server = Server::new();
    let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<String, std::io::Error>>();
    let send = request(Method::PUT, "/api/v1/uploads/cut.log?resource=f").body(Body::from_stream(receiver)).unwrap();
    sender.unbounded_send(Ok(log(1, "2026-10", 7))).unwrap();
    sender.unbounded_send(Err(std::io::Error::other("connection reset"))).unwrap();
    let answer = server.send(send).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let failed = server.get("/api/v1/uploads/failed").await.json();
    assert_eq!(failed["failed"][0]["name"], "cut.log");
    assert_eq!(server.get("/api/v1/uploads").await.json(), json!({ "uploads": [] }));
}

#[tokio::test]
async fn refused_rows_of_all_uploads_are_in_one_place() {
    let server = Server::new();
    let empty = server.get("/quarantine").await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(empty.text.contains("No row was refused"), "{}", empty.text);
    put(&server, "one.log", broken(2, "2026-07") + &broken(1, "2026-06").replace("7,x", "7,y") + &log(2, "2026-08", 9))
        .await;
    let other = broken(2, "2026-09").replace("Memory Size: 10240 MB", "Memory Size: <script>alert(1)</script> MB");
    let id = put(&server, "two.log", other.replace("7,x", "8,x")).await.json()["uploads"][0]["id"].clone();
    let id = id.as_str().unwrap();

    let all = server.get("/api/v1/quarantine").await.json();
    let rejected: u64 = server.get("/api/v1/uploads").await.json()["uploads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|upload| upload["rejected"].as_u64().unwrap())
        .sum();
    assert_eq!((all["total"].as_u64(), rejected), (Some(5), 5), "{all}");
    let reasons = json!([
        { "reason": "`Duration` is `…`, expected a decimal number", "rows": 3, "uploads": 1 },
        { "reason": "`Memory Size` is `…`, expected a decimal number", "rows": 2, "uploads": 1 },
    ]);
    assert_eq!(all["reasons"], reasons, "rows that are wrong in the same way are told together");

    let page = server.get("/quarantine").await;
    for part in
        ["<code>Duration</code>", "one.log", "two.log", "1 – 5 of 5 refused rows", "rejected/original\" download"]
    {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(!page.text.contains("<script>alert"));
    // A reason leads to its rows.
    let link = between(&page.text, "href=\"/quarantine?q=", "\"")[0];
    let of_reason = server.get(&format!("/quarantine?q={link}")).await;
    assert!(of_reason.text.contains("1 – 3 of 3 refused rows"), "{}", of_reason.text);
    // The download of a file has its rows and no others.
    let original = server.get(&format!("/api/v1/uploads/{id}/rejected/original")).await;
    assert_eq!(original.text.lines().count(), 2);

    let of_upload = server.get(&format!("/api/v1/quarantine?upload={id}")).await.json();
    assert_eq!(of_upload["total"], 2);
    assert!(of_upload["rejected"].as_array().unwrap().iter().all(|row: &Value| row["upload_id"] == id));
    let mut lines = Vec::new();
    for offset in 0..5 {
        let one = server.get(&format!("/api/v1/quarantine?limit=1&offset={offset}")).await.json();
        lines.push(one["rejected"][0]["byte_offset"].clone());
    }
    let together: Vec<Value> =
        all["rejected"].as_array().unwrap().iter().map(|row| row["byte_offset"].clone()).collect();
    assert_eq!(lines, together);
    let csv = server.get("/quarantine.csv?q=7,X").await;
    assert_eq!(csv.text.lines().count(), 3, "{}", csv.text);
    let nothing = server.get("/quarantine?q=no-such-word").await;
    assert!(nothing.text.contains("No refused row has these words"));
    let quoted = server.get("/quarantine?q=%27%20OR%20%271%27%3D%271").await;
    assert!(
        quoted.status == StatusCode::OK && quoted.text.contains("No refused row has these words"),
        "{}",
        quoted.text
    );
    for (url, status) in [("/quarantine?upload=none", 404), ("/quarantine?limit=x", 400), ("/quarantine?file=x", 400)] {
        assert_eq!(server.get(url).await.status.as_u16(), status, "{url}");
    }
}
