//! `/resources` and the page of one: the figures are those of the reports, and the charts those of their tables.

use axum::http::StatusCode;
use paygrain_pricing::Exact;

use crate::{HOSTILE, Server, between};

fn exact(text: &str) -> Exact {
    text.parse().unwrap()
}

/// [`HOSTILE`] in a path.
const NAME: &str = "%3Dcmd%28%29%3Cscript%3Ealert%281%29%3C%2Fscript%3E";

#[tokio::test]
async fn every_resource_has_the_figures_of_the_reports() {
    let server = Server::with_usage().await;
    let page = server.get("/resources?period=2026-10").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("1 resource<") && !page.text.contains("<script>alert"));
    let report = async |name: &str| server.get(&format!("/api/v1/reports/{name}?period=2026-10")).await.json();
    let (top, durations) = (report("top-resources").await, report("durations").await);
    let csv = server.get("/resources.csv?period=2026-10").await;
    assert!(!csv.text.contains(&format!("\n{HOSTILE}")), "no formula");
    let rows: Vec<Vec<&str>> = csv.text.lines().map(|line| line.split(',').collect()).collect();
    let value = |name: &str| rows[1][rows[0].iter().position(|column| *column == name).unwrap()];
    assert_eq!(rows.len(), 2);
    assert_eq!(exact(value("billed_cost")), exact(top["rows"][0]["billed_cost"].as_str().unwrap()));
    assert_eq!(value("execution_count"), "60");
    for name in ["p50_ms", "p95_ms", "p99_ms"] {
        assert_eq!(value(name), durations["rows"][0][name].to_string(), "{name}");
    }
    let per_million = exact(value("billed_cost_per_million"));
    let cost = exact(value("billed_cost"));
    assert_eq!(
        per_million,
        exact(&(&cost * Exact::from(1_000_000)).checked_div(&Exact::from(60)).unwrap().to_string())
    );
    let body = between(&page.text, "<tbody>", "</tbody>")[0];
    assert!(body.contains(&format!("<data value=\"{cost}\"")) && body.contains("900,000"), "{body}");
    assert!(body.contains("class=\"spark-line\""));
    let link = between(body, "href=\"", "\"")[0].replace("&#38;", "&").replace("&amp;", "&");
    assert!(link.starts_with(&format!("/resources/{NAME}?period=2026-10&provider=aws&service=lambda")), "{link}");
    assert_eq!(server.get(&link).await.status, StatusCode::OK, "{link}");
}

#[tokio::test]
async fn the_page_of_a_resource_agrees_with_itself_and_with_the_reports() {
    let server = Server::with_usage().await;
    let page = server.get(&format!("/resources/{NAME}?period=2026-10")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(!page.text.contains("<script>alert"));
    let top = server.get("/api/v1/reports/top-resources?period=2026-10").await.json();
    let total = exact(top["rows"][0]["billed_cost"].as_str().unwrap());
    let captions = between(&page.text, "<figcaption", "</figcaption>");
    assert_eq!(captions.len(), 3, "cost, durations, hours of the week");
    assert_eq!(exact(between(captions[0], "value=\"", "\"")[0]), total);
    assert!(captions[1].contains("60 invocations took 900,000 to 900,000 ms"), "{}", captions[1]);

    let tables: Vec<&str> = page.text.split("<table class=\"data\">").skip(1).collect();
    let cells = |table: &str, place: usize| -> Vec<u64> {
        let body = between(table, "<tbody>", "</tbody>")[0];
        let rows = between(body, "<tr>", "</tr>");
        rows.iter()
            .map(|row| between(row, "<td", "</td>")[place].split('>').nth(1).unwrap().replace(',', ""))
            .map(|cell| cell.parse().unwrap())
            .collect()
    };
    assert_eq!(cells(tables[1], 0).iter().sum::<u64>(), 60, "the histogram");
    let week = cells(tables[2], 0);
    assert_eq!((week.len(), week.iter().sum::<u64>()), (168, 60), "the hours of the week");
    let most = *week.iter().max().unwrap();
    assert!(captions[2].contains(&format!(": {most}.")), "{}", captions[2]);
    let place = week.iter().position(|count| *count == most).unwrap();
    let day = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"][place / 24];
    assert!(captions[2].contains(&format!("{day} {:02}:00", place % 24)), "{}", captions[2]);
    let drawings = between(&page.text, "class=\"band heat ", "\"");
    assert_eq!(drawings.len(), 168);
    assert_eq!(
        drawings.iter().filter(|class| **class == "heat0").count(),
        week.iter().filter(|count| **count == 0).count()
    );

    // Cost by hour sums to the cost; the one thing that is worked out only when asked for is what less memory saves.
    let by_cost = server.get(&format!("/resources/{NAME}?period=2026-10&heat=cost")).await;
    assert!(by_cost.text.contains("Cost by hour of the week"));
    assert!(page.text.contains("Work out what that saves"));
    let saving = server.get(&format!("/resources/{NAME}?period=2026-10&saving=true")).await;
    let report = server.get("/api/v1/reports/right-sizing?period=2026-10").await.json();
    let proposed = report["rows"][0]["proposed_mb"].to_string();
    let amount = report["rows"][0]["billed_saving"].as_str().unwrap();
    assert!(
        saving.text.contains(&format!("to {proposed} MB would save <data value=\"{amount}\"")),
        "{proposed} {amount}"
    );
    for start in [
        "/compare?period=2026-10&#38;resource=",
        "/what-if/memory?period=2026-10&#38;resource=",
        "/explore?period=2026-10&#38;filter=resource",
        "/sql?query=SELECT",
    ] {
        assert!(page.text.contains(&format!("href=\"{start}")), "{start}");
    }
}

#[tokio::test]
async fn no_usage_no_such_resource_and_mistakes_say_what_to_do() {
    let empty = Server::new();
    assert!(empty.get("/resources").await.text.contains("There is no usage yet"));
    assert_eq!(empty.get("/resources.csv").await.text.lines().count(), 1);
    assert!(empty.get("/resources/f").await.text.contains("No usage of this resource in these days"));
    let server = Server::with_usage().await;
    let other = server.get("/resources/f?period=2026-10").await;
    assert!(other.text.contains("No usage of this resource in these days") && other.text.contains("See all resources"));
    let elsewhere = server.get(&format!("/resources/{NAME}?period=2026-10&region=eu-west-9")).await;
    assert!(elsewhere.text.contains("No usage of this resource"));
    assert!(server.get("/resources?period=2026-01").await.text.contains("No usage in January 2026"));
    for (url, words) in [
        ("/resources?sort=colour", "expected one of <code>cost</code>, <code>name</code>"),
        ("/resources?colour=red", "There is no parameter <code>colour</code>"),
        ("/resources?cost=net", "<code>billed</code> or <code>list</code>"),
        ("/resources/f?period=October", "expected a month"),
        (&format!("/resources/{NAME}?heat=colour"), "<code>executions</code> or <code>cost</code>"),
        (&format!("/resources/{NAME}?saving=maybe"), "expected <code>true</code>"),
    ] {
        let page = server.get(url).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{url}");
        assert!(page.text.contains(words), "{url}: {}", page.text);
    }
}

#[tokio::test]
async fn an_address_in_the_navigation_leads_to_both_pages() {
    let page = Server::new().get("/").await;
    for path in ["/explore", "/resources"] {
        assert!(page.text.contains(&format!("<li><a href=\"{path}\"")), "{path}");
    }
}
