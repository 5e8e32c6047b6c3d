//! Executions and instances over time of the deployment that a comparison shows.

use axum::http::StatusCode;

use crate::{Server, between};

/// Rows of a file: start, executions at once, instances up.
fn rows(csv: &str, deployment: &str) -> Vec<(String, u64, u64)> {
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("deployment,start,peak_concurrency,peak_instances"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[0], deployment);
        (cells[1].to_owned(), cells[2].parse().unwrap(), cells[3].parse().unwrap())
    };
    lines.map(row).collect()
}

/// The page, its file and its comparison agree on the course of a deployment.
async fn agree(server: &Server, path: &str, api: &str, query: &str, name: &str) -> Vec<(String, u64, u64)> {
    let page = server.get(&format!("{path}?{query}&show={name}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let figure = between(&page.text, "id=\"staircase\"", "</figure>")[0];
    let link = between(figure, "<a class=\"btn\" href=\"", "\"")[0].replace("&#38;", "&");
    assert!(link.starts_with(&format!("{path}/staircase.csv?")) && link.contains(&format!("show={name}")), "{link}");
    let csv = server.get(&link).await;
    assert_eq!((csv.status, csv.header("content-type")), (StatusCode::OK, "text/csv; charset=utf-8"), "{}", csv.text);
    let rows = rows(&csv.text, name);
    assert!((1..=200).contains(&rows.len()));
    assert_eq!(figure.matches("class=\"col\"").count(), rows.len());
    let body = between(figure, "<tbody>", "</tbody>")[0];
    let shown: Vec<Vec<String>> = between(body, "<tr>", "</tr>")
        .iter()
        .map(|row| between(row, "<td class=\"n\">", "</td>").iter().map(|cell| cell.replace(',', "")).collect())
        .collect();
    let told: Vec<Vec<String>> = rows.iter().map(|(_, runs, up)| vec![runs.to_string(), up.to_string()]).collect();
    assert_eq!(shown, told);
    let answer = server.get(&format!("{api}?{query}")).await.json();
    let outcome = answer["deployments"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    let most = rows.iter().map(|(_, _, up)| *up).max();
    assert_eq!(most, outcome["instances"]["peak"].as_u64(), "{name}");
    let caption = between(figure, "<figcaption", "</figcaption>")[0].replace(',', "");
    let runs = rows.iter().map(|(_, runs, _)| *runs).max().unwrap();
    assert!(caption.contains(&format!("At most {runs} execution")), "{caption}");
    assert!(!page.text.contains(" style=\""));
    rows
}

#[tokio::test]
async fn recorded_executions_on_request_and_sized_have_their_course() {
    let server = Server::with_usage().await;
    let query = "period=2026-10&deployment=aws-lambda-x86,aws-ec2-t3.2xlarge&sizing=scheduled";
    let lambda = agree(&server, "/compare", "/api/v1/compare", query, "aws-lambda-x86").await;
    assert_eq!(lambda.len(), 186, "four hours each");
    assert_eq!(lambda[0].0, "2026-10-01T00:00:00Z");
    // Of 15 minutes each, from 02:00 on: nothing is under way and nothing up in the last hours of a day.
    assert!(lambda.iter().any(|(_, runs, up)| (*runs, *up) == (0, 0)));
    assert!(lambda.iter().all(|(_, runs, up)| up >= runs), "each has an instance of its own");
    agree(&server, "/compare", "/api/v1/compare", query, "aws-ec2-t3.2xlarge").await;
}

#[tokio::test]
async fn jobs_and_scenarios_have_one_too_and_only_where_it_is_asked_for() {
    let server = Server::new();
    let job = "schedule=0%2017%20*%20*%20*&duration=300ms&memory=512MB&period=2026-10&deployment=aws-lambda-x86";
    let rows = agree(&server, "/what-if", "/api/v1/what-if/cron", job, "aws-lambda-x86").await;
    assert_eq!(rows.iter().filter(|(_, runs, _)| *runs == 1).count(), 31, "once a day");
    let night = "deployment=aws-ec2-t3.micro&granted_concurrency=3000";
    let path = "/scenarios/election-night";
    let rows = agree(&server, path, "/api/v1/scenarios/election-night", night, "aws-ec2-t3.micro").await;
    let (peak_at, ..) = rows.iter().max_by_key(|(_, runs, _)| *runs).unwrap();
    assert_eq!(peak_at, "2026-10-04T20:00:00Z");

    let without = server.get(&format!("/what-if?{job}")).await.text;
    assert!(!without.contains("id=\"staircase\""), "nothing is worked out that nobody asked for");
    assert!(without.contains("show=aws-lambda-x86#staircase-title\">Draw them</a>"));
    for (url, status) in [
        (format!("/what-if/staircase.csv?{job}"), StatusCode::BAD_REQUEST),
        (format!("/what-if/staircase.csv?{job}&show=moon"), StatusCode::BAD_REQUEST),
        ("/scenarios/moon/staircase.csv?show=x".to_owned(), StatusCode::NOT_FOUND),
        ("/compare/staircase.csv?show=aws-lambda-x86".to_owned(), StatusCode::OK),
    ] {
        let answer = server.get(&url).await;
        assert_eq!(answer.status, status, "{url}: {}", answer.text);
    }
    // What cannot run it has no course.
    let long = job.replace("300ms", "40min");
    let page = server.get(&format!("/what-if?{long}&show=aws-lambda-x86")).await.text;
    assert!(page.contains("there is nothing to draw"), "{page}");
    let csv = server.get(&format!("/what-if/staircase.csv?{long}&show=aws-lambda-x86")).await;
    assert_eq!((csv.status, csv.text.lines().count()), (StatusCode::OK, 1));
}
