//! Recorded and described workloads on every compute model: pages, files and API say the same.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use paygrain_pricing::Exact;
use serde_json::Value;

use crate::{HOSTILE, Server, between, request};

/// A job whose answer is small: it is asked again and again.
const JOB: &str = "schedule=0%2017%20*%20*%20*&timezone=Europe/Zurich&duration=300ms&memory=512MB&period=2026-10";

fn exact(value: &Value) -> Exact {
    value.as_str().unwrap_or_else(|| panic!("not an amount: {value}")).parse().unwrap()
}

fn assert_is_comparison(answer: &Value) {
    for member in ["workload", "assumptions", "deployments", "verdict", "break_even"] {
        assert!(!answer[member].is_null(), "{member}");
    }
    let deployments = answer["deployments"].as_array().unwrap();
    assert!(deployments.len() > 20, "{} deployments", deployments.len());
    let mut last: Option<Exact> = None;
    for one in deployments {
        for member in ["kind", "name", "feasible", "reasons", "parts", "instances", "cold_starts", "charges"] {
            assert!(!one[member].is_null(), "{member} of {}", one["name"]);
        }
        if one["monthly_cost"].is_null() {
            assert!(!one["reasons"].as_array().unwrap().is_empty(), "{} says why", one["name"]);
            continue;
        }
        let cost = exact(&one["monthly_cost"]);
        let parts: Exact = one["parts"].as_object().unwrap().values().map(exact).sum();
        // A part of a cost may have no last digit.
        assert_eq!(
            (&parts - &cost).round_half_up(24).trim_matches(['-', '0', '.']),
            "",
            "the parts of {}",
            one["name"]
        );
        assert!(last.is_none_or(|last| last <= cost), "{} is out of order", one["name"]);
        last = Some(cost);
    }
    assert_eq!(answer["verdict"]["cheapest"], deployments[0]["name"]);
}

#[tokio::test]
async fn recorded_executions_are_compared_alike_on_the_page_in_the_file_and_by_the_api() {
    let server = Server::with_usage().await;
    let answer = server.get("/api/v1/compare?period=2026-10").await.json();
    assert_is_comparison(&answer);
    assert_eq!(answer["workload"]["run_count"], 60);
    assert_eq!(answer["assumed"], serde_json::json!([]));

    let page = server.get("/compare?period=2026-10").await;
    assert_eq!(page.status, StatusCode::OK);
    let deployments = answer["deployments"].as_array().unwrap();
    for one in deployments {
        let title = one["title"].as_str().unwrap().replace('\'', "&#39;");
        assert!(page.text.contains(&format!(">{title}</a>")), "{title} is on the page");
        if !one["monthly_cost"].is_null() {
            let cost = one["monthly_cost"].as_str().unwrap();
            assert!(page.text.contains(&format!("<data value=\"{cost}\"")), "the cost of {title}");
        }
    }
    let sentence = answer["verdict"]["sentence"].as_str().unwrap().replace('\'', "&#39;");
    assert_eq!(between(&page.text, "<p class=\"lead verdict\">", "</p>"), [sentence]);
    assert!(!page.text.contains(" style=\"") && !page.text.contains(HOSTILE));

    let csv = server.get("/compare.csv?period=2026-10").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let mut lines = csv.text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let (name, kind) = (0, head.iter().position(|column| *column == "kind").unwrap());
    for (line, one) in lines.zip(deployments) {
        assert!(line.starts_with(&format!("{},", one["name"].as_str().unwrap())), "{name} {kind}: {line}");
        if let Some(cost) = one["monthly_cost"].as_str() {
            assert!(line.contains(&format!(",USD,{cost},")) || line.contains(&format!(",EUR,{cost},")), "{line}");
        }
    }
    assert_eq!(csv.text.lines().count(), deployments.len() + 1);
}

#[tokio::test]
async fn the_caption_and_the_table_of_the_break_even_agree_with_the_answer() {
    let server = Server::new();
    let url = format!("/what-if?{JOB}&kind=faas,vm");
    let page = server.get(&url).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let answer = server.get(&url.replace("/what-if", "/api/v1/what-if/cron")).await.json();
    let curves = answer["break_even"]["curves"].as_array().unwrap();
    assert_eq!(curves.len(), 2);
    let intervals = answer["break_even"]["intervals"].as_array().unwrap();
    let figure = between(&page.text, "id=\"break-even\"", "</figure>")[0];
    assert_eq!(figure.matches("class=\"col\"").count(), curves[0]["points"].as_array().unwrap().len());
    let changes = intervals.windows(2).filter(|pair| pair[0]["cheapest"] != serde_json::json!([])).count();
    assert_eq!(figure.matches("<circle").count(), changes);
    let caption = between(figure, "<figcaption", "</figcaption>")[0];
    let first = intervals[0]["to"].as_i64().unwrap();
    assert!(caption.contains(&format!("up to {} executions", grouped(first))) || intervals.len() == 1, "{caption}");
    for curve in curves {
        for point in curve["points"].as_array().unwrap() {
            let cost = point[1].as_str().unwrap();
            assert!(figure.contains(&format!("<data value=\"{cost}\"")), "{point}");
        }
    }
}

fn grouped(value: i64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[tokio::test]
async fn the_table_is_sorted_and_filtered_by_the_url() {
    let server = Server::new();
    let names = |page: &str| -> Vec<String> {
        let body = between(page, "<table class=\"deployments\">", "</table>")[0];
        between(body, "<th scope=\"row\"><a href=\"", "</a>").iter().map(|link| link.to_string()).collect()
    };
    let page = server.get(&format!("/what-if?{JOB}&kind=faas&on=aws,gcp&sort=-name")).await.text;
    let titles: Vec<String> = names(&page).iter().map(|link| link.rsplit('>').next().unwrap().to_lowercase()).collect();
    assert!(titles.len() > 2, "{titles:?}");
    let mut sorted = titles.clone();
    sorted.sort();
    sorted.reverse();
    assert_eq!(titles, sorted);
    assert_eq!(page.matches("aria-sort=\"descending\"").count(), 1);
    // A chip that is on takes its filter away.
    assert!(page.contains("on=gcp\" aria-current=\"true\">aws"), "{page}");

    // The links of the table show the charges of a deployment, which add up.
    let link = names(&page)[0].split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let shown = server.get(link.split('#').next().unwrap()).await.text;
    let section = between(&shown, "<section class=\"card\" id=\"charges\"", "</section>")[0];
    let amounts = |part: &str| -> Vec<Exact> {
        between(part, "<tr>", "</tr>")
            .iter()
            .filter_map(|row| between(row, "value=\"", "\"").last().map(|amount| amount.parse().unwrap()))
            .collect()
    };
    let charges: Exact = amounts(between(section, "<tbody>", "</tbody>")[0]).iter().sum();
    assert_eq!(vec![charges], amounts(between(section, "<tfoot>", "</tfoot>")[0]));
    assert!(section.contains("rel=\"noreferrer external\""), "the source of a price");
}

#[tokio::test]
async fn what_cannot_run_is_told_at_the_end_with_its_reasons() {
    let server = Server::new();
    let url = JOB.replace("300ms", "40min");
    let page = server.get(&format!("/what-if?{url}&kind=faas")).await.text;
    let end = between(&page, "<tbody class=\"infeasible\">", "</tbody>")[0];
    assert!(end.contains("AWS Lambda"), "{end}");
    assert!(end.contains("class=\"reason\""), "{end}");
}

#[tokio::test]
async fn a_job_shows_its_next_runs_and_what_the_clock_does_to_them() {
    let server = Server::new();
    let blank = server.get("/what-if").await;
    assert_eq!(blank.status, StatusCode::OK);
    for words in ["value=\"0 17 * * *\"", "Examples", "POST /api/v1/compare"] {
        assert!(blank.text.contains(words), "{words}");
    }
    assert!(!blank.text.contains("Deployments"), "nothing was asked");
    let night = JOB.replace("0%2017", "30%202");
    let page = server.get(&format!("/what-if?{night}&kind=faas")).await.text;
    assert_eq!(between(&page, "<ol class=\"next-runs\">", "</ol>")[0].matches("<li>").count(), 5);
    assert!(page.contains("2026-10-25 02:30:00 exists twice"), "{page}");
    let answer = server.get(&format!("/api/v1/what-if/cron?{night}")).await.json();
    assert_is_comparison(&answer);
    assert_eq!(answer["schedule"]["next_runs"].as_array().unwrap().len(), 5);
    assert_eq!(answer["schedule"]["clock_changes"].as_array().unwrap().len(), 1);
    let csv = server.get(&format!("/what-if.csv?{night}")).await;
    assert_eq!(csv.text.lines().count(), answer["deployments"].as_array().unwrap().len() + 1);
}

#[tokio::test]
async fn mistakes_are_told_beside_the_form_which_keeps_what_was_typed() {
    let server = Server::with_usage().await;
    for (url, words, kept) in [
        (
            "/compare?target_percent=170",
            "`target_percent` is 170",
            "name=\"target_percent\" min=\"1\" max=\"100\" inputmode=\"numeric\" placeholder=\"70\" value=\"170\"",
        ),
        (
            "/compare?resource=x&sizing=huge",
            "is <code>huge</code>",
            "name=\"resource\" placeholder=\"every one\" value=\"x\"",
        ),
        ("/compare?kind=moon&from=2026-10-03", "there are faas, container", "name=\"from\" value=\"2026-10-03\""),
        ("/compare?period=2026-10&from=2026-09-01", "not both", "value=\"2026-09-01\""),
        ("/compare?sort=beauty&resource=x", "column", "value=\"x\""),
        ("/compare?perod=1&resource=x", "no parameter <code>perod</code>", "value=\"x\""),
        ("/what-if?schedule=0%2025%20*%20*%20*&duration=1s&memory=1GB", "25", "value=\"0 25 * * *\""),
        ("/what-if?schedule=0%201%20*%20*%20*&duration=soon&memory=1GB", "is <code>soon</code>", "value=\"soon\""),
        ("/what-if?schedule=%3Cscript%3E&duration=1s&memory=1GB", "There is no answer", "value=\"&#60;script&#62;\""),
        ("/what-if?schedule=0%201%20*%20*%20*&timezone=Mars&duration=1s&memory=1GB", "Mars", "value=\"Mars\""),
    ] {
        let page = server.get(url).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{url}");
        let notice = between(&page.text, "role=\"alert\"", "</section>")[0]
            .replace("<code>target_percent</code>", "`target_percent`");
        assert!(notice.contains(words), "{url}: {notice}");
        assert!(page.text.contains(kept), "{url}: {kept}");
        assert!(page.text.contains("<button class=\"btn primary\">"), "{url}");
    }
}

#[tokio::test]
async fn the_api_tells_problems_and_the_empty_lake_what_to_do() {
    let server = Server::new();
    let page = server.get("/compare").await;
    assert_eq!(page.status, StatusCode::OK);
    for words in ["There are no recorded executions yet", "href=\"/what-if\"", "Load sample data"] {
        assert!(page.text.contains(words), "{words}");
    }
    assert_eq!(server.get("/compare.csv").await.text.lines().count(), 1);
    for (url, status, words) in [
        ("/api/v1/compare".to_owned(), 404, "no recorded executions"),
        ("/api/v1/compare?sort=name".to_owned(), 400, "no parameter `sort`"),
        (format!("/api/v1/what-if/cron?{JOB}&deployment=aws-lamda-arm"), 400, "no deployment `aws-lamda-arm`"),
        (format!("/api/v1/what-if/cron?{JOB}&target_percent=0"), 400, "`target_percent` is 0"),
        ("/api/v1/what-if/cron?duration=1s&memory=1GB".to_owned(), 400, "`schedule` is missing"),
        (format!("/api/v1/what-if/cron?{JOB}&on=nobody"), 400, "kinds and providers"),
    ] {
        let answer = server.get(&url).await;
        assert_eq!(answer.status.as_u16(), status, "{url}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains(words), "{url}: {problem}");
        assert!(problem["hint"].is_string() || status == 400, "{url}");
    }
    let deployments = server.get("/api/v1/deployments").await.json();
    let names: Vec<&str> =
        deployments["deployments"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"aws-lambda-arm"), "{names:?}");
}

#[tokio::test]
async fn the_month_of_the_form_gives_way_to_days_in_it() {
    let server = Server::with_usage().await;
    let page = server.get("/compare?period=2026-10&from=2026-10-02&to=2026-10-03&kind=faas").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("2026-10-02 to 2026-10-03"), "{}", page.text);
    let overview = server.get("/").await.text;
    assert!(overview.contains("href=\"/compare?period=2026-10\""));
    let bill = server.get("/bill?period=2026-10&by=service&service=lambda").await.text;
    assert!(bill.contains("filter=service%3Dlambda"), "the same filters");
}

#[tokio::test]
async fn a_described_workload_is_compared_in_json_and_in_toml() {
    let server = Server::new();
    let post = async |content_type: &'static str, body: &'static str| {
        let request = request(Method::POST, "/api/v1/compare?kind=faas,vm").header("content-type", content_type);
        server.send(request.body(Body::from(body)).unwrap()).await
    };
    let json = post(
        "application/json",
        r#"{"title":"A nightly report","period":"2026-10","function":[
            {"name":"report","memory":"512MB","duration":"300ms","schedule":"0 17 * * *"}]}"#,
    )
    .await;
    assert_eq!(json.status, StatusCode::OK, "{}", json.text);
    let answer = json.json();
    assert_eq!(answer["workload"]["run_count"], 31);
    let toml = post(
        "application/toml",
        "title = \"A nightly report\"\nperiod = \"2026-10\"\n[[function]]\nname = \"report\"\nmemory = \"512MB\"\n\
         duration = \"300ms\"\nschedule = \"0 17 * * *\"\n",
    )
    .await;
    assert_eq!(toml.json(), answer, "the same workload is the same answer");
    for (body, words) in [
        ("{", "line 1"),
        (r#"{"title":"t","function":[{"name":"f","memory":"512MB","duration":"1s","colour":"red"}]}"#, "colour"),
        (r#"{"title":"t","function":[{"name":"f","memory":"a lot","duration":"1s","rate":"1 per hour"}]}"#, "a lot"),
    ] {
        let refused = post("application/json", body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
        assert_eq!(refused.header("content-type"), "application/problem+json");
        assert!(refused.json()["detail"].as_str().unwrap().contains(words), "{words}: {}", refused.text);
    }
}
