//! `/explore`: what it shows adds up to the bill, and every way down ends at records or at an explanation.

use axum::body::{Body, to_bytes};
use axum::http::{Method, StatusCode, header};
use paygrain_ingest::Lake;
use paygrain_pricing::{Catalogue, Exact};
use paygrain_query::Engine;
use paygrain_web::{App, WebConfig, router};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{Server, between, log, request};

fn exact(text: &str) -> Exact {
    text.parse().unwrap()
}

/// A link of a page, as a browser follows it.
fn href(text: &str) -> String {
    text.replace("&#38;", "&").replace("&amp;", "&").replace("&#39;", "'")
}

/// The links of a part of a page.
fn links(text: &str) -> Vec<String> {
    between(text, "href=\"", "\"").into_iter().map(href).collect()
}

/// The exact values of a part of a page.
fn values(text: &str) -> Vec<Exact> {
    between(text, "<data value=\"", "\"").into_iter().map(exact).collect()
}

/// The rows of the groups: their cost and what it was before.
fn groups(page: &str) -> Vec<(Exact, Exact)> {
    let table = page.split("id=\"groups\"").nth(1).unwrap();
    let body = between(table, "<tbody>", "</tbody>")[0];
    let row = |row: &&str| {
        let found = values(row);
        (found[0].clone(), found.get(1).cloned().unwrap_or_default())
    };
    between(body, "<tr>", "</tr>").iter().map(row).collect()
}

/// How many bytes a page is on its way to a browser.
pub async fn compressed_bytes(server: &Server, url: &str) -> usize {
    let asked = request(Method::GET, url).header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
    let response = server.router.clone().oneshot(asked).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    to_bytes(response.into_body(), 64 << 20).await.unwrap().len()
}

/// An access log of object storage: a request to each of many buckets, over the days of October.
pub fn buckets(count: u32) -> String {
    let line = |place: u32| {
        format!(
            "9cb5d96365a5983121693ea0120a52e2204a61eb47e9fc3c4f1b2b181ab5cab8 bucket-{place:05} \
             [{:02}/Oct/2026:01:39:11 +0000] 203.0.113.24 - 650929519B14{place:05} REST.PUT.OBJECT a/b.jpg \
             \"PUT /a/b.jpg HTTP/1.1\" 200 - - 1804563 72 8 \"-\" \"Boto3\" - {place:05} SigV4 TLS_AES_128_GCM_SHA256 \
             AuthHeader bucket-{place:05}.s3.us-east-1.amazonaws.com TLSv1.3 - -\n",
            place % 31 + 1
        )
    };
    (0..count).map(line).collect()
}

#[tokio::test]
async fn the_page_the_file_the_report_and_the_bill_agree() {
    let server = Server::with_usage().await;
    let bill = server.get("/api/v1/charges?period=2026-10").await.json();
    let before = server.get("/api/v1/charges?period=2026-09").await.json();
    let total = exact(bill["total"].as_str().unwrap());
    for by in ["service", "resource", "sku", "status", "memory_mb"] {
        let page = server.get(&format!("/explore?period=2026-10&by={by}")).await;
        assert_eq!(page.status, StatusCode::OK, "{by}: {}", page.text);
        // The caption of the chart, the foot of its table and the groups.
        let caption = values(between(&page.text, "<figcaption", "</figcaption>")[0]);
        assert_eq!(caption[0], total, "{by}");
        let days = between(&page.text, "<table class=\"data\">", "</tbody>")[0];
        let of_days: Vec<Exact> =
            between(days, "<tr>", "</tr>").iter().skip(1).map(|row| values(row).last().unwrap().clone()).collect();
        assert_eq!((of_days.len(), of_days.iter().sum::<Exact>()), (31, total.clone()), "{by}");
        assert_eq!(Some(&caption[1]), of_days.iter().max(), "{by}");
        assert_eq!(groups(&page.text).iter().map(|(cost, _)| cost).sum::<Exact>(), total, "{by}");

        let section = page.text.split("id=\"daily-title\"").nth(1).unwrap();
        let files = links(between(section, "class=\"tools\"", "</div>")[0]);
        let csv = server.get(files.iter().find(|link| link.starts_with("/explore.csv")).unwrap()).await;
        let sum: Exact = csv.text.lines().skip(1).map(|line| exact(line.rsplit(',').next().unwrap())).sum();
        assert_eq!(sum, total, "{by}: {}", csv.text);
        let json = server.get(files.iter().find(|link| link.starts_with("/api/v1/reports/cost")).unwrap()).await.json();
        let of_rows = json["rows"].as_array().unwrap().iter().map(|row| exact(row["billed_cost"].as_str().unwrap()));
        assert_eq!(of_rows.sum::<Exact>(), total, "{by}");
    }
    // September is the time before.
    let list = server.get("/explore?period=2026-10&cost=list").await;
    let (now, then): (Vec<Exact>, Vec<Exact>) = groups(&list.text).into_iter().unzip();
    assert_eq!(now.iter().sum::<Exact>(), exact(bill["list_total"].as_str().unwrap()));
    assert_eq!(then.iter().sum::<Exact>(), exact(before["list_total"].as_str().unwrap()));
    assert!(list.text.contains("compared with September 2026"), "it says with what");
}

#[tokio::test]
async fn a_group_a_day_an_hour_and_a_charge_lead_further_down() {
    let server = Server::with_usage().await;
    let page = server.get("/explore?period=2026-10").await;
    let total = values(between(&page.text, "<figcaption", "</figcaption>")[0])[0].clone();

    // By service, then by resource, then by SKU; each adds its value to the filters.
    let mut text = page.text.clone();
    for (by, chips) in [("resource", 1), ("sku", 2), ("region", 3)] {
        let table = text.split("id=\"groups\"").nth(1).unwrap();
        let into = links(between(table, "<tbody>", "</tbody>")[0]).into_iter().next().unwrap();
        assert!(into.contains(&format!("by={by}")), "{into}");
        let cost = groups(&text)[0].0.clone();
        let inside = server.get(&into).await;
        assert_eq!(inside.status, StatusCode::OK, "{into}");
        assert_eq!(inside.text.matches("remove filter").count(), chips, "{into}");
        assert_eq!(groups(&inside.text).iter().map(|(cost, _)| cost).sum::<Exact>(), cost, "{into}");
        assert!(!inside.text.contains("<script>alert"), "{into}");
        text = inside.text;
    }
    // Without its chips the question is the first one again.
    let mut url = links(text.split("class=\"chips\"").nth(1).unwrap()).remove(0);
    for _ in 0..2 {
        let page = server.get(&url).await;
        url = links(page.text.split("class=\"chips\"").nth(1).unwrap()).remove(0);
    }
    let whole = server.get(&url).await;
    assert!(!whole.text.contains("remove filter"));
    assert_eq!(values(between(&whole.text, "<figcaption", "</figcaption>")[0])[0], total);

    // A column is a day, by resource and hour; an hour is its records.
    let drawing = between(&page.text, "<svg viewBox=\"0 0 1100", "</svg>")[0];
    let day = links(drawing).remove(27);
    assert_eq!(day, "/explore?from=2026-10-28&to=2026-10-28&by=resource");
    let day = server.get(&day).await;
    assert!(day.text.contains("per hour by Resource"));
    let drawing = between(&day.text, "<svg viewBox=\"0 0 1100", "</svg>")[0];
    assert_eq!(drawing.matches("class=\"col\"").count(), 24);
    let hour = links(drawing).remove(3);
    assert!(
        hour.starts_with("/sql?query=SELECT") && hour.contains("invocations") && hour.contains("T03%3A00%3A00Z"),
        "{hour}"
    );
    let of_day = server.get("/api/v1/reports/cost?by=day&from=2026-10-28&to=2026-10-28").await.json();
    let cost = exact(of_day["summary"]["billed_cost"].as_str().unwrap());
    assert_eq!(values(between(&day.text, "<figcaption", "</figcaption>")[0])[0], cost);

    // A charge is explained, and the records are listed.
    let why = page.text.split("id=\"charges-title\"").nth(1).unwrap();
    let why = links(why);
    let charges: Vec<_> = why.iter().filter(|link| link.starts_with("/explain?")).collect();
    assert!(!charges.is_empty());
    for charge in charges {
        assert_eq!(server.get(charge).await.status, StatusCode::OK, "{charge}");
    }
    assert!(why.iter().any(|link| link.starts_with("/sql?query=SELECT")));
}

#[tokio::test]
async fn nothing_to_see_and_mistakes_say_what_to_do() {
    let empty = Server::new();
    let page = empty.get("/explore").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Load sample data") && page.text.contains("Upload files"));
    assert_eq!(empty.get("/explore.csv").await.text, "day,service,currency,list_cost,billed_cost\n");

    let server = Server::with_usage().await;
    let none = server.get("/explore?period=2026-01").await;
    assert!(none.text.contains("No priced usage in January 2026"));
    assert!(none.text.contains("Latest usage: October 2026"));
    let filtered = server.get("/explore?period=2026-10&filter=region=eu-west-9").await;
    assert!(filtered.text.contains("fits these filters") && filtered.text.contains("Remove them"));
    let free = server.get("/explore?period=2026-09&cost=billed").await;
    assert!(free.text.contains("Nothing is billed: allowances cover everything"));
    assert!(server.get("/explore?period=2026-09").await.text.contains("This is the cost without them"));
    for (url, words) in [
        ("/explore?by=day", "provider, service, account"),
        ("/explore?by=colour", "provider, service, account"),
        ("/explore?filter=region", "expected <code>dimension=value</code>"),
        ("/explore?period=2026-10&from=2026-10-01", "either <code>period</code>"),
        ("/explore?range=year", "expected <code>this-month</code>"),
        ("/explore?from=2026-10-02&to=2026-10-01", "not before the first"),
        ("/explore?from=2025-01-01&to=2026-10-01&step=day", "<code>day</code> for at most 93"),
        ("/explore?colour=red", "There is no parameter <code>colour</code>"),
        ("/explore?sort=colour", "expected one of <code>cost</code>"),
    ] {
        let page = server.get(url).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{url}");
        assert!(page.text.contains(words), "{url}: {}", page.text);
    }
    // A mistake of the engine keeps the form with what was typed.
    let kept = server.get("/explore?filter=region&by=sku").await;
    assert!(kept.text.contains("There is no answer") && kept.text.contains("<option value=\"sku\" selected>"));
}

#[tokio::test]
async fn ranges_say_with_what_they_are_compared_and_long_ones_go_by_month() {
    let server = Server::with_usage().await;
    let days = server.get("/explore?from=2026-10-08&to=2026-10-14").await;
    assert!(days.text.contains("8 – 14 October 2026"), "the days");
    assert!(days.text.contains("compared with 1 – 7 October 2026"), "the days before");
    let year = server.get("/explore?from=2026-01-01&to=2026-12-31&cost=list").await;
    assert!(year.text.contains("per month by Service"));
    let drawing = between(&year.text, "<svg viewBox=\"0 0 1100", "</svg>")[0];
    assert_eq!(drawing.matches("class=\"col\"").count(), 12);
    assert!(links(drawing)[8].contains("from=2026-09-01&to=2026-09-30"));
    for range in ["this-month", "last-month", "7d", "30d"] {
        let page = server.get(&format!("/explore?range={range}")).await;
        assert_eq!(page.status, StatusCode::OK, "{range}: {}", page.text);
        assert!(page.text.contains(&format!("range={range}\" aria-current=\"true\"")), "{range}");
    }
}

#[tokio::test]
async fn ten_thousand_groups_are_pages_and_a_rest_that_adds_up() {
    let server = Server::new();
    let sent = request(Method::PUT, "/api/v1/uploads/access.log?region=us-east-1").body(Body::from(buckets(10_000)));
    let answer = server.send(sent.unwrap()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let url = "/explore?period=2026-10&by=resource&cost=list";
    let page = server.get(url).await;
    assert_eq!(page.status, StatusCode::OK);
    let bill = server.get("/api/v1/charges?period=2026-10").await.json();
    let total = exact(bill["list_total"].as_str().unwrap());
    assert!(page.text.contains("Other (9,991)"));
    let foot = values(between(page.text.split("class=\"data\"").nth(1).unwrap(), "<tfoot>", "</tfoot>")[0]);
    assert_eq!(foot.len(), 11, "nine, the rest and the total");
    assert_eq!(foot[..10].iter().sum::<Exact>(), total);
    assert_eq!(foot[10], total);
    assert!(page.text.contains("1 – 50 of 10,000 groups"));
    let last = server.get(&format!("{url}&offset=9950&sort=name")).await;
    assert!(last.text.contains("9,951 – 10,000 of 10,000 groups") && last.text.contains("bucket-09999"));
    for url in
        [url, "/explore?from=2026-08-01&to=2026-10-31&by=resource&cost=list", "/resources?period=2026-10&cost=list"]
    {
        let bytes = compressed_bytes(&server, url).await;
        assert!(bytes < 60_000, "{url}: {bytes} bytes");
    }

    // Resources are found, sorted and paged alike.
    let found = server.get("/resources?period=2026-10&cost=list&q=BUCKET-0999").await;
    assert!(found.text.contains("10 of 10,000 resources") && found.text.contains(">bucket-09995</a>"));
    let sorted = server.get("/resources?period=2026-10&cost=list&sort=-name").await;
    assert!(sorted.text.contains("1 – 50 of 10,000 resources") && sorted.text.contains(">bucket-09999</a>"));
    let foot = between(&sorted.text, "<tfoot>", "</tfoot>")[0];
    assert_eq!(values(foot)[0], total);
    let none = server.get("/resources?period=2026-10&q=nothing-like-it").await;
    assert!(none.text.contains("No resource fits") && none.text.contains("Show all 10,000"));
}

/// A price in another currency for what Lambda does.
const EUROS: &str = r#"provider = "aws"
service = "surcharge"
currency = "EUR"
title = "A surcharge"
[sources]
S = "https://example.com"
[[sku]]
id = "runs"
table = "invocations"
services = ["lambda"]
unit = "request"
description = "Runs"
price = [{ price = "0.5", per = "request", source = "S", mark = "seen" }]
"#;

#[tokio::test]
async fn several_currencies_are_chosen_from_and_never_added() {
    let directory = TempDir::new().unwrap();
    let lake = Lake::open(directory.path().to_str().unwrap()).unwrap();
    let catalogue = Catalogue::with_files([("aws/surcharge".to_owned(), EUROS.to_owned())]).unwrap();
    let engine = Engine::new(lake, catalogue);
    let server = Server { router: router(App::new(engine.clone(), WebConfig::default())), engine, _lake: directory };
    let sent = request(Method::PUT, "/api/v1/uploads/lambda.log?region=us-east-1&architecture=x86_64&resource=f")
        .body(Body::from(log(10, "2026-10", 900_000)));
    assert_eq!(server.send(sent.unwrap()).await.status, StatusCode::CREATED);

    let page = server.get("/explore?period=2026-10").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Cost in several currencies, which are never added"));
    assert!(!page.text.contains("id=\"daily\""), "no chart of both");
    let choices = links(page.text.split("id=\"currencies-title\"").nth(1).unwrap());
    let mut seen = Vec::new();
    for choice in &choices {
        let one = server.get(choice).await;
        assert_eq!(one.status, StatusCode::OK, "{choice}");
        assert!(!one.text.contains("id=\"currencies-title\""), "{choice} is one currency");
        seen.push(["$", "€"].into_iter().filter(|sign| one.text.contains(&format!(">{sign}"))).collect::<String>());
    }
    seen.sort_unstable();
    assert_eq!(seen, ["$", "€"]);
    assert!(server.get(&choices[0]).await.text.contains("5.00"), "ten runs at half a euro");
    let resources = server.get("/resources?period=2026-10").await;
    assert!(resources.text.contains("Cost in several currencies"));
    assert_eq!(server.get("/resources.csv?period=2026-10").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}
