//! Recorded functions at all sizes of memory: page, file and API say the same, also what the data does not decide.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use paygrain_pricing::Exact;
use serde_json::Value;

use crate::{Server, between, request};

/// Executions of a function at one size.
fn reports(first: u32, count: u32, memory_mb: u32, duration_ms: u32) -> String {
    let line = |place: u32| {
        format!(
            "2026-10-{:02}T{:02}:00:00.000Z\tREPORT RequestId: 7d2b1f0e-0000-4000-8000-{place:012x}\tDuration: \
             {duration_ms}.00 ms\tBilled Duration: {duration_ms} ms\tMemory Size: {memory_mb} MB\tMax Memory Used: 90 MB\t\n",
            place % 28 + 1,
            place % 20 + 2
        )
    };
    (first..first + count).map(line).collect()
}

async fn upload(server: &Server, resource: &str, log: String) {
    let url = format!(
        "/api/v1/uploads/{resource}.log?account=123456789012&region=us-east-1&architecture=x86_64&resource={resource}"
    );
    let answer = server.send(request(Method::PUT, &url).body(Body::from(log)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
}

/// `checkout`, recorded at 512 MB alone.
async fn of_one_size() -> Server {
    let server = Server::new();
    upload(&server, "checkout", reports(0, 40, 512, 800)).await;
    server
}

fn numbers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|one| one.as_i64().unwrap()).collect()
}

#[tokio::test]
async fn one_size_gives_bands_that_are_alike_on_the_page_in_the_file_and_by_the_api() {
    let server = of_one_size().await;
    let query = "deployment=aws-lambda-x86&allowances=none";
    let answer = server.get(&format!("/api/v1/what-if/memory?{query}")).await.json();
    assert_eq!((&answer["is_fitted"], &answer["run_count"]), (&Value::Bool(false), &Value::from(40)));
    assert_eq!(answer["assumed"], serde_json::json!([]));
    let rows = answer["rows"].as_array().unwrap();
    assert!(rows.len() > 10);
    // All waiting is as long everywhere; all work is twice as long with half the memory.
    let at = |mb: i64| rows.iter().find(|row| row["memory_mb"] == mb).unwrap();
    assert_eq!(at(256)["duration"], serde_json::json!({ "low_us": 800_000, "high_us": 1_600_000 }));
    assert_eq!(at(512)["duration"], serde_json::json!({ "low_us": 800_000, "high_us": 800_000 }));
    assert!(numbers(&answer["balanced"]).len() > 1, "one size cannot decide it");

    let page = server.get(&format!("/what-if/memory?{query}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert_eq!(between(&page.text, "<p class=\"lead verdict\">", "</p>"), [answer["sentence"].as_str().unwrap()]);
    let body = between(between(&page.text, "<table class=\"data sizes\">", "</table>")[0], "<tbody>", "</tbody>")[0];
    let shown = between(body, "<tr>", "</tr>");
    assert_eq!(shown.len(), rows.len());
    let csv = server.get(&format!("/what-if/memory.csv?{query}")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<&str> = csv.text.lines().skip(1).collect();
    assert_eq!(lines.len(), rows.len());
    for ((row, shown), line) in rows.iter().zip(&shown).zip(lines) {
        let low_ms = Exact::ratio(row["duration"]["low_us"].as_i64().unwrap().into(), 1000).unwrap();
        for bound in ["cost_low", "cost_high"] {
            let cost = row[bound].as_str().unwrap();
            assert!(shown.contains(&format!("<data value=\"{cost}\"")), "{bound}: {shown}");
            assert!(line.contains(&format!(",{cost},")), "{line}");
        }
        assert!(shown.contains(&format!("<data value=\"{low_ms}\"")), "{shown}");
        assert!(line.starts_with(&format!("aws-lambda-x86,2026-10,{},{low_ms},", row["memory_mb"])), "{line}");
        let mb = row["memory_mb"].as_i64().unwrap();
        for (word, title) in [("cheapest", "Cheapest"), ("fastest", "Fastest"), ("balanced", "Balanced")] {
            let may_be = numbers(&answer[word]);
            let (mark, badge) = if may_be.len() > 1 { ("?", "badge") } else { ("", "badge best") };
            let is_one = may_be.contains(&mb);
            assert_eq!(shown.contains(&format!("<span class=\"{badge}\">{title}{mark}</span>")), is_one, "{mb} {word}");
            assert_eq!(line.contains(&format!("{word}{mark}")), is_one, "{line}");
        }
    }
    // A place to point at for each size, areas for what is not known, and a circle for each size that may be a choice.
    let figure = between(&page.text, "id=\"sizes\"", "</figure>")[0];
    assert_eq!(figure.matches("class=\"col\"").count(), rows.len());
    assert_eq!(figure.matches("class=\"area ").count(), 2);
    assert_eq!(figure.matches("class=\"recorded\"").count(), 1);
    let choices: usize = ["cheapest", "fastest", "balanced"].map(|word| numbers(&answer[word]).len()).iter().sum();
    assert_eq!(figure.matches("<circle class=\"choice\"").count(), choices);
    assert!(!page.text.contains(" style=\""));
}

#[tokio::test]
async fn two_sizes_decide_and_the_cards_name_one_size_each() {
    let server = of_one_size().await;
    upload(&server, "checkout", reports(100, 40, 1024, 500)).await;
    let query = "deployment=aws-lambda-x86&allowances=none&resource=checkout";
    let answer = server.get(&format!("/api/v1/what-if/memory?{query}")).await.json();
    assert_eq!(answer["is_fitted"], true);
    let page = server.get(&format!("/what-if/memory?{query}")).await.text;
    for (word, title) in [("cheapest", "Cheapest"), ("fastest", "Fastest"), ("balanced", "Balanced")] {
        let [size] = numbers(&answer[word])[..] else { panic!("{}", answer[word]) };
        let card = between(&page, &format!("<h2>{title}</h2>"), "</div>")[0];
        assert!(card.replace(',', "").contains(&format!("{size} MB</p>")), "{card}");
    }
    assert!(page.contains("is known from 2 sizes"), "{page}");
    assert!(!page.contains("class=\"area "), "nothing is left open");
}

#[tokio::test]
async fn of_several_functions_one_is_chosen_by_a_link() {
    let server = of_one_size().await;
    upload(&server, "report", reports(500, 3, 256, 100)).await;
    let page = server.get("/what-if/memory?deployment=aws-lambda-x86").await;
    assert_eq!(page.status, StatusCode::OK);
    let rows = between(between(&page.text, "id=\"several-title\"", "</section>")[0], "<tr><th scope=\"row\"", "</tr>");
    assert_eq!(rows.len(), 2);
    assert!(rows[0].contains(">checkout</a>") && rows[0].contains(">40<"), "those with the most first: {}", rows[0]);
    let link = between(rows[1], "href=\"", "\"")[0].replace("&#38;", "&").replace("&amp;", "&");
    assert_eq!(link, "/what-if/memory?deployment=aws-lambda-x86&resource=report");
    let one = server.get(&link).await.text;
    assert!(one.contains("report in 2026-10 on AWS Lambda"), "{one}");
    // A program is told, with what to do.
    let refused = server.get("/api/v1/what-if/memory").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["hint"], "choose one resource");
}

#[tokio::test]
async fn mistakes_keep_what_was_typed_and_an_empty_lake_says_what_to_do() {
    let server = of_one_size().await;
    for (url, status, words, kept) in [
        (
            "deployment=aws-ec2-t3.micro&resource=checkout",
            422,
            "cannot be chosen",
            "selected>aws-ec2-t3.micro</option>",
        ),
        ("deployment=aws-lambda-amr", 400, "aws-lambda-amr", "selected>aws-lambda-amr</option>"),
        ("deployment=aws-lambda-arm,gcp-functions", 400, "the name of one deployment", "aws-lambda-arm,gcp-functions"),
        ("target_percent=170&resource=checkout", 400, "target_percent", "value=\"170\""),
        ("without=moon&resource=checkout", 400, "There is no extra", "value=\"checkout\""),
        ("kind=faas&resource=checkout", 400, "no parameter <code>kind</code>", "value=\"checkout\""),
        ("resource=nothing&from=2026-10-03", 422, "There is no", "value=\"2026-10-03\""),
    ] {
        let page = server.get(&format!("/what-if/memory?{url}")).await;
        assert_eq!(page.status.as_u16(), status, "{url}: {}", page.text);
        let notice = between(&page.text, "role=\"alert\"", "</section>")[0];
        assert!(notice.contains(words), "{url}: {notice}");
        assert!(page.text.contains(kept), "{url}: {kept}");
    }
    let empty = Server::new();
    let page = empty.get("/what-if/memory").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("There are no recorded executions yet") && page.text.contains("action=\"/samples\""));
    assert_eq!(empty.get("/what-if/memory.csv").await.text.lines().count(), 1);
    assert_eq!(empty.get("/api/v1/what-if/memory").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_month_and_the_other_question_are_links_and_fields() {
    let server = of_one_size().await;
    let page = server.get("/what-if/memory?period=2026-10&tail_s=5").await.text;
    assert!(page.contains("<option value=\"2026-10\" selected>October 2026</option>"));
    assert!(page.contains("name=\"tail_s\"") && page.contains("value=\"5\""));
    assert!(page.contains("href=\"/api/v1/what-if/memory?period=2026-10&#38;tail_s=5\""), "{page}");
    assert!(server.get("/what-if").await.text.contains("href=\"/what-if/memory\""));
}
