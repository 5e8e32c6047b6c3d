//! Described workloads that come with the program: the list, each one compared, and published figures beside ours.

use std::time::Duration;

use axum::http::StatusCode;
use paygrain_ingest::Lake;
use paygrain_pricing::{Catalogue, Exact};
use paygrain_query::{Engine, PlaceLimits, Places};
use paygrain_web::{App, WebConfig, router};

use crate::{Server, between};

#[tokio::test]
async fn the_list_has_every_file_with_its_story_and_the_api_its_text() {
    let server = Server::new();
    let page = server.get("/scenarios").await;
    assert_eq!(page.status, StatusCode::OK);
    let answer = server.get("/api/v1/scenarios").await.json();
    let scenarios = answer["scenarios"].as_array().unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/scenarios");
    assert_eq!(scenarios.len(), std::fs::read_dir(&folder).unwrap().count());
    assert_eq!(page.text.matches("<section class=\"card scenario\"").count(), scenarios.len());
    for scenario in scenarios {
        let name = scenario["name"].as_str().unwrap();
        let text = std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
        assert_eq!(scenario["source"], text, "{name}");
        let card = between(&page.text, &format!("<h2 id=\"{name}\">"), "</section>")[0];
        assert!(card.contains(&format!("<a href=\"/scenarios/{name}\">{}</a>", scenario["title"].as_str().unwrap())));
        let story = scenario["story"].as_str().unwrap().replace('"', "&#34;").replace('\'', "&#39;");
        assert!(card.contains(&story), "{card}");
        let amount = scenario["published"]["amount"].as_str();
        assert_eq!(card.contains("Published: "), amount.is_some(), "{card}");
        let file = server.get(&format!("/scenarios/{name}.toml")).await;
        assert_eq!((file.status, file.text), (StatusCode::OK, text), "{name}");
    }
}

#[tokio::test]
async fn a_scenario_is_compared_alike_on_its_page_in_the_file_and_by_the_api() {
    let server = Server::new();
    let query = "period=2026-10&kind=faas,vm&on=aws";
    let answer = server.get(&format!("/api/v1/scenarios/daily-reconcile?{query}")).await.json();
    assert_eq!(answer["workload"]["run_count"], 31);
    let page = server.get(&format!("/scenarios/daily-reconcile?{query}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let sentence = answer["verdict"]["sentence"].as_str().unwrap().replace('\'', "&#39;");
    assert_eq!(between(&page.text, "<p class=\"lead verdict\">", "</p>"), [sentence]);
    for one in answer["deployments"].as_array().unwrap() {
        if let Some(cost) = one["monthly_cost"].as_str() {
            assert!(page.text.contains(&format!("<data value=\"{cost}\"")), "the cost of {}", one["name"]);
        }
    }
    // The table, its links and the assumptions stay on the page, and the description can be copied.
    assert!(
        page.text.contains("href=\"/scenarios/daily-reconcile?period=2026-10&#38;kind=faas,vm&#38;on=aws&#38;sort=")
    );
    assert!(page.text.contains("<form class=\"card controls\" method=\"get\" action=\"/scenarios/daily-reconcile\">"));
    let source = between(&page.text, "<code id=\"source\">", "</code>")[0];
    assert!(source.contains("schedule = &#34;0 17 * * *&#34;"), "{source}");
    let csv = server.get(&format!("/scenarios/daily-reconcile.csv?{query}")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.text.lines().count(), answer["deployments"].as_array().unwrap().len() + 1);
    assert!(!page.text.contains(" style=\""));
}

#[tokio::test]
async fn a_published_figure_is_beside_ours_which_is_the_sum_of_the_same_parts() {
    let server = Server::new();
    let query = "period=2026-10&deployment=aws-lambda-x86,aws-ec2-t3.micro";
    let answer = server.get(&format!("/api/v1/scenarios/mobile-backend?{query}")).await.json();
    let lambda = answer["deployments"].as_array().unwrap().iter().find(|one| one["name"] == "aws-lambda-x86").unwrap();
    let part = |name: &str| lambda["parts"][name].as_str().unwrap().parse::<Exact>().unwrap();
    let ours = part("compute") + part("requests");
    assert_eq!(ours.round_half_up(2), "2.73", "as published");
    let page = server.get(&format!("/scenarios/mobile-backend?{query}")).await.text;
    let cards =
        between(between(&page, "aria-label=\"Published and ours\"", "</section>")[0], "<p class=\"big\">", "</div>");
    assert!(
        cards[0].starts_with("<data value=\"2.73\"") && cards[0].contains("rel=\"noreferrer external\""),
        "{}",
        cards[0]
    );
    assert!(cards[1].starts_with(&format!("<data value=\"{ours}\"")), "{}", cards[1]);
    assert!(cards[1].contains("compute and requests alone"), "{}", cards[1]);
    // Where it cannot run the workload it says why.
    let night = server.get("/scenarios/election-night?deployment=aws-lambda-x86").await.text;
    let cards = between(&night, "aria-label=\"Published and ours\"", "</section>")[0];
    assert!(cards.contains("It cannot run it: ") && !cards.contains("against the published"), "{cards}");
    // Where it is not among those compared nothing is claimed.
    let others = server.get("/scenarios/mobile-backend?deployment=aws-ec2-t3.micro").await.text;
    assert!(others.contains("is not among the deployments that were compared"));
}

#[tokio::test]
async fn mistakes_keep_what_was_typed_and_unknown_names_lead_on() {
    let server = Server::new();
    for (url, words, kept) in [
        ("workflow?target_percent=170", "target_percent", "value=\"170\""),
        ("workflow?period=soon", "<code>soon</code>", "value=\"soon\""),
        ("iot-telemetry?period=2026-11", "no parameter <code>period</code>", "10000 per hour"),
        ("workflow?sort=beauty&tail_s=7", "column", "value=\"7\""),
    ] {
        let page = server.get(&format!("/scenarios/{url}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{url}");
        assert!(between(&page.text, "role=\"alert\"", "</section>")[0].contains(words), "{url}");
        assert!(page.text.contains(kept), "{url}: {kept}");
    }
    for (url, hint) in [("/scenarios/worklow", "did you mean"), ("/scenarios/moon.csv", "/scenarios")] {
        let page = server.get(url).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{url}");
        assert!(page.text.to_lowercase().contains(hint), "{}", page.text);
    }
    let problem = server.get("/api/v1/scenarios/worklow").await;
    assert_eq!((problem.status, &problem.json()["hint"]), (StatusCode::NOT_FOUND, &"did you mean `workflow`?".into()));
}

#[tokio::test]
async fn what_cannot_be_worked_out_in_time_is_still_told_about() {
    // Another answer has the only place, and keeps it.
    let limits = PlaceLimits { at_once: 1, waiting_max: 9, patience: Duration::from_secs(3600) };
    let directory = tempfile::TempDir::new().unwrap();
    let lake = Lake::open(directory.path().to_str().unwrap()).unwrap();
    let engine = Engine::new(lake, Catalogue::embedded().unwrap()).with_places(Places::new(limits));
    let config = WebConfig { request_timeout_ms: 4000, ..WebConfig::default() };
    let server = Server { router: router(App::new(engine.clone(), config)), engine: engine.clone(), _lake: directory };
    let _holder = tokio::spawn(async move { engine.places().with(std::future::pending::<Result<(), _>>()).await });
    tokio::task::yield_now().await;
    let page = server.get("/scenarios/market-events?kind=faas").await;
    assert_eq!(page.status, StatusCode::ACCEPTED, "{}", page.text);
    assert!(page.text.contains("href=\"/scenarios/market-events?kind=faas\">look again</a>"), "{}", page.text);
    assert!(page.text.contains("75000000 per day"));
    assert_eq!(server.get("/scenarios").await.status, StatusCode::OK);
}
