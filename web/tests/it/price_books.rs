//! The price books: the list, the search, one book, what changed between two days, files and mistakes.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use paygrain_ingest::Lake;
use paygrain_pricing::{Catalogue, Exact};
use paygrain_query::Engine;
use paygrain_web::{App, WebConfig, router};
use tempfile::TempDir;

use crate::{Server, between};

/// A server with a price book of the user's own, whose texts try to be markup and formulas.
fn server_with_own_book() -> Server {
    let text = r#"
provider = "acme"
service = "jobs"
title = "Jobs <b>&amp;"
version = "2026-10-01"
[sources]
S = "javascript:alert(1)"
[[sku]]
id = "runs"
description = "=cmd()<script>alert(1)</script>"
table = "requests"
unit = "request"
price = [
  { to = 2026-01-01, price = "4", per = "1_000 request", source = "S", mark = "seen" },
  { from = 2026-01-01, price = "5", per = "1_000 request", source = "S", mark = "remembered" },
]
"#;
    let directory = TempDir::new().unwrap();
    let lake = Lake::open(directory.path().to_str().unwrap()).unwrap();
    let catalogue = Catalogue::with_files([("my-prices/acme/jobs.toml".to_owned(), text.to_owned())]).unwrap();
    let engine = Engine::new(lake, catalogue);
    Server { router: router(App::new(engine.clone(), WebConfig::default())), engine, _lake: directory }
}

#[tokio::test]
async fn the_list_has_every_book_and_narrows_to_a_provider() {
    let server = Server::new();
    let books = server.engine.catalogue().books();
    let page = server.get("/price-books").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let listed = server.get("/api/v1/price-books").await.json();
    assert_eq!(listed["total"], books.len());
    for (book, row) in books.iter().zip(listed["price_books"].as_array().unwrap()) {
        let name = format!("{}/{}", book.provider, book.service);
        assert!(page.text.contains(&format!("href=\"/price-books/{name}\"")), "{name}");
        assert_eq!(
            (row["price_book"].as_str(), row["skus"].as_u64()),
            (Some(name.as_str()), Some(book.skus.len() as u64))
        );
        assert_eq!(row["is_own"], false, "{name}");
        let marks: u64 = row["marks"].as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
        assert_eq!(row["prices"], marks, "{name}: each price has a mark");
    }
    let csv = server.get("/price-books.csv").await;
    assert_eq!(csv.text.lines().count(), books.len() + 1);

    let narrowed = server.get("/api/v1/price-books?provider=gcp").await.json();
    let providers: BTreeSet<_> =
        narrowed["price_books"].as_array().unwrap().iter().map(|book| book["provider"].as_str().unwrap()).collect();
    assert_eq!(providers, BTreeSet::from(["gcp"]));
    let page = server.get("/price-books?provider=gcp").await;
    assert!(page.text.contains("provider = gcp") && !page.text.contains("/price-books/aws/lambda"));
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = Server::new();
    let total = server.engine.catalogue().books().len();
    let first = server.get("/price-books?limit=10").await;
    assert!(first.text.contains(&format!("1 – 10 of {total} price books")));
    assert!(first.text.contains("/price-books?limit=10&#38;offset=10"));
    let mut names = BTreeSet::new();
    for offset in (0..total).step_by(10) {
        let page = server.get(&format!("/api/v1/price-books?limit=10&offset={offset}")).await.json();
        let page = page["price_books"].as_array().unwrap().clone();
        names.extend(page.iter().map(|book| book["price_book"].as_str().unwrap().to_owned()));
    }
    assert_eq!(names.len(), total);
    let beyond = server.get("/price-books?offset=1000").await;
    assert!(beyond.text.contains("Begin at the first"), "{}", beyond.text);
    let book = server.get("/price-books/aws/lambda?limit=3&offset=3").await;
    assert_eq!(book.text.matches("<article class=\"card sku\"").count(), 3);
    assert!(book.text.contains("offset=6\">Next"), "{}", book.text);
}

#[tokio::test]
async fn a_search_finds_skus_with_their_price_of_the_day() {
    let server = Server::new();
    let url = "q=lambda%20duration%20x86&on=2026-11-23";
    let page = server.get(&format!("/price-books?{url}")).await;
    assert_eq!(page.status, StatusCode::OK);
    for part in ["aws.lambda.duration-x86", "$0.0000166667", "per GiB-s", "$16.6667 per million", "and 2 more"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let found = server.get(&format!("/api/v1/price-books?{url}")).await.json();
    let hit = found["skus"].as_array().unwrap().iter().find(|hit| hit["sku"] == "aws.lambda.duration-x86").unwrap();
    assert_eq!(hit["prices"][2]["price"], "0.0000133334");
    let then = server.get("/api/v1/price-books?q=lambda%20duration%20x86&on=2019-05-01").await.json();
    let hit = then["skus"].as_array().unwrap().iter().find(|hit| hit["sku"] == "aws.lambda.duration-x86").unwrap();
    assert_eq!((hit["prices"].as_array().unwrap().len(), &hit["prices"][0]["price"]), (1, &"0.00001667".into()));
    let csv = server.get(&format!("/price-books.csv?{url}")).await;
    assert!(
        csv.text.contains("aws.lambda.duration-x86,,,2022-08-08,,true,1,0,6000000000,GiB-s,USD,0.0000166667,GiB-s"),
        "{}",
        csv.text
    );

    let nothing = server.get("/price-books?q=no-such-word").await;
    assert_eq!(nothing.status, StatusCode::OK);
    assert!(nothing.text.contains("No SKU has these words"));
    assert_eq!(server.get("/api/v1/price-books?q=no-such-word").await.json()["total"], 0);
}

#[tokio::test]
async fn every_book_has_a_page_with_its_rules_prices_and_sources() {
    let server = Server::new();
    for book in server.engine.catalogue().books() {
        let url = format!("/price-books/{}/{}", book.provider, book.service);
        let page = server.get(&url).await;
        assert_eq!(page.status, StatusCode::OK, "{url}");
        for sku in book.skus.iter().take(20) {
            assert!(page.text.contains(&format!("id=\"sku-{}\"", sku.base)), "{url}: {}", sku.base);
        }
        for id in book.allowances.iter().map(|allowance| &allowance.id) {
            assert!(page.text.contains(&format!("id=\"allowance-{id}\"")), "{url}: {id}");
        }
        assert_eq!(server.get(&format!("{url}/{}.toml", book.service)).await.text, book.text, "{url}");
        // Every tier of every price, once, as the book has it.
        let csv = server.get(&format!("{url}/prices.csv")).await;
        let mut listed: Vec<(String, Exact)> = Vec::new();
        let mut reader = csv::Reader::from_reader(csv.text.as_bytes());
        for row in reader.records().map(Result::unwrap) {
            listed.push((row[0].to_owned(), row[11].parse().unwrap()));
        }
        let tiers = |sku: &paygrain_pricing::Sku| {
            let tiers = sku.prices.iter().flat_map(|price| price.tiers.clone()).collect::<Vec<_>>();
            tiers.into_iter().map(|tier| (sku.name.clone(), tier.price)).collect::<Vec<_>>()
        };
        let mut known: Vec<(String, Exact)> = book.skus.iter().flat_map(tiers).collect();
        listed.sort();
        known.sort();
        assert_eq!(listed, known, "{url}");
    }
}

#[tokio::test]
async fn a_book_shows_prices_of_a_day_and_of_a_region() {
    let server = Server::new();
    let page = server.get("/price-books/aws/lambda?sku=duration-x86&on=2026-11-23").await;
    for part in [
        "first 6,000,000,000 GiB-s",
        "above 15,000,000,000 GiB-s",
        "$0.0000133334",
        "since 8 Aug 2022",
        "1 Jan 2020 to 7 Aug 2022",
        "2 earlier or later prices",
        "ceil_to(duration_us",
        "href=\"#allowance-",
        "https://aws.amazon.com/lambda/pricing/",
        "class=\"mark seen\"",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert_eq!(page.text.matches("<article class=\"card sku\"").count(), 1);
    let document = |url: &'static str| async { server.get(url).await.json() };
    let in_force = |book: &serde_json::Value| -> Vec<String> {
        let rows = book["skus"].as_array().unwrap().iter().flat_map(|sku| sku["prices"].as_array().unwrap());
        rows.filter(|row| row["in_force"] == true).map(|row| row["price"].as_str().unwrap().to_owned()).collect()
    };
    let then = document("/api/v1/price-books/aws/lambda?sku=duration-x86&on=2020-06-01").await;
    assert_eq!(in_force(&then), ["0.0000166667"]);
    let tier1 = document("/api/v1/price-books/gcp/cloud-run?region=us-central1&on=2026-11-23").await;
    let tier2 = document("/api/v1/price-books/gcp/cloud-run?region=europe-west2&on=2026-11-23").await;
    assert_ne!(in_force(&tier1), in_force(&tier2));
    assert_eq!(in_force(&tier1).len(), in_force(&tier2).len(), "a price each");
    // The keys of a price table are one SKU: its filter names none of them.
    let keyed = document("/api/v1/price-books/aws/ec2?sku=instance").await["skus"][0].clone();
    assert_eq!((&keyed["by"], keyed["prices"].as_array().unwrap().len() > 10), (&"variant".into(), true), "{keyed}");
    assert!(!keyed["filter"].as_str().unwrap().contains("t3.nano"), "{keyed}");
    let none = server.get("/price-books/aws/lambda?q=no-such-word").await;
    assert!(none.text.contains("No SKU of the book has these words"));
}

#[tokio::test]
async fn what_changed_between_two_days_is_told_on_the_page_in_csv_and_in_json() {
    let server = Server::new();
    let url = "/price-books/aws/lambda?from=2022-08-07&to=2022-08-08";
    let page = server.get(url).await;
    for part in
        ["What changed from 7 August 2022 to 8 August 2022", "price above 6,000,000,000 GiB-s", "−10 %", "−20 %"]
    {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let found = server.get(&format!("/api/v1{url}")).await.json();
    let changes = found["between"]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 4);
    assert_eq!(changes[0]["percent"], "-10");
    let csv = server.get("/price-books/aws/lambda/changes.csv?from=2022-08-07&to=2022-08-08").await;
    assert_eq!(csv.text.lines().count(), 5);
    // The page leads to each day on which something changed, and each such day has a change.
    let days = between(&page.text, "<a class=\"chip off\" href=\"", "\"");
    assert!(days.len() > 3, "{days:?}");
    for link in days {
        let day = server.get(&link.replace("&#38;", "&").replace("#changes", "")).await;
        assert_eq!(day.status, StatusCode::OK, "{link}");
        assert!(day.text.contains("<table class=\"changes\">"), "{link}");
    }
    let same = server.get("/price-books/aws/lambda?from=2026-01-01&to=2026-01-01").await;
    assert!(same.text.contains("Nothing: prices, rules and allowances are the same on both days"));
    assert!(server.get("/api/v1/price-books/aws/lambda").await.json()["between"].is_null());
}

#[tokio::test]
async fn an_own_book_is_marked_and_its_words_are_only_words() {
    let server = server_with_own_book();
    let list = server.get("/price-books?provider=acme").await;
    assert!(list.text.contains("your own") && list.text.contains("Jobs &#60;b&#62;&#38;amp;"), "{}", list.text);
    let page = server.get("/price-books/acme/jobs").await;
    assert!(page.text.contains("my-prices/acme/jobs.toml"));
    for answer in [&list, &page, &server.get("/price-books?q=jobs").await] {
        assert!(!answer.text.contains("<script>alert") && !answer.text.contains("href=\"javascript:"));
    }
    let book = server.get("/api/v1/price-books/acme/jobs").await.json();
    assert_eq!((&book["book"]["is_own"], &book["book"]["file"]), (&true.into(), &"my-prices/acme/jobs.toml".into()));
    let csv = server.get("/price-books.csv?provider=acme").await;
    assert!(csv.text.contains("2026-10-01"), "{}", csv.text);
    let changed = server.get("/price-books/acme/jobs?from=2025-12-31&to=2026-01-01").await;
    assert!(changed.text.contains("+25 %"), "{}", changed.text);
}

#[tokio::test]
async fn a_charge_leads_to_its_price_book_as_of_its_month() {
    let server = Server::with_usage().await;
    let bill = server.get("/bill?period=2026-10").await;
    for link in between(&bill.text, "href=\"/explain?charge=", "\"") {
        let explained = server.get(&format!("/explain?charge={link}")).await;
        let book = between(&explained.text, "href=\"/price-books/", "\"")[0];
        assert!(book.ends_with("?on=2026-10-01"), "{book}");
        assert_eq!(server.get(&format!("/price-books/{book}")).await.status, StatusCode::OK, "{book}");
    }
}

#[tokio::test]
async fn mistakes_name_what_is_near() {
    let server = Server::new();
    for (url, status, words) in [
        ("/price-books/aws/lamda", 404, "Did you mean <code>aws/lambda</code>?"),
        ("/price-books/gcp/lambda", 404, "Did you mean"),
        ("/price-books/nothing/like-it-at-all", 404, "<code>/price-books</code> has those in force"),
        ("/price-books/aws/lambda/other.csv", 404, "There is no page"),
        ("/price-books/aws/lambda/changes.csv", 400, "<code>from</code> is missing"),
        ("/price-books/aws/lambda?sku=request", 400, "did you mean <code>requests</code>?"),
        ("/price-books/aws/lambda?from=2022-01-02&to=2022-01-01", 400, "a day up to <code>to</code>"),
        ("/price-books?provider=aw", 400, "did you mean <code>aws</code>?"),
        ("/price-books?on=today", 400, "expected a day"),
        ("/price-books?page=2", 400, "There is no parameter <code>page</code>"),
    ] {
        let page = server.get(url).await;
        assert_eq!(page.status.as_u16(), status, "{url}: {}", page.text);
        assert!(page.text.contains(words), "{url}: {}", page.text);
    }
    let problem = server.get("/api/v1/price-books/aws/lamda").await;
    assert_eq!((problem.status.as_u16(), &problem.json()["hint"]), (404, &"did you mean `aws/lambda`?".into()));
}
