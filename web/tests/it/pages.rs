//! The pages show the numbers of the API, escape what comes from logs, and lead to each other.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use paygrain_pricing::Exact;

use crate::{HOSTILE, Server, between, request};

fn exact(text: &str) -> Exact {
    text.parse().unwrap()
}

#[tokio::test]
async fn an_empty_lake_says_what_to_do() {
    let server = Server::new();
    for (url, words) in [("/", "Load sample data"), ("/bill", "Upload files"), ("/uploads", "Nothing was uploaded yet")]
    {
        let page = server.get(url).await;
        assert_eq!(page.status, StatusCode::OK, "{url}");
        assert!(page.text.contains(words), "{url}");
    }
    assert!(server.get("/").await.text.contains("curl -T lambda.log"));
    assert_eq!(server.get("/bill.csv").await.text.lines().count(), 1);
    assert_eq!(server.get("/overview.csv").await.text, "day,total\n");
}

#[tokio::test]
async fn the_overview_agrees_with_itself_and_with_the_api() {
    let server = Server::with_usage().await;
    let total = server.get("/api/v1/overview?period=2026-10").await.json()["total"].as_str().unwrap().to_owned();
    let page = server.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains(&format!("<data value=\"{total}\"")), "total {total} is on the page");

    let caption = between(&page.text, "<figcaption", "</figcaption>")[0];
    let told = between(caption, "value=\"", "\"");
    let body = between(&page.text, "<table class=\"data\">", "</tbody>")[0];
    let days: Vec<Exact> = between(body, "<tr>", "</tr>")
        .iter()
        .skip(1)
        .map(|row| exact(between(row, "value=\"", "\"").last().unwrap()))
        .collect();
    assert_eq!(days.len(), 31);
    assert_eq!(exact(told[0]), days.iter().sum::<Exact>());
    assert_eq!(exact(told[0]), exact(&total));
    assert_eq!(Some(&exact(told[1])), days.iter().max());

    let csv = server.get("/overview.csv?period=2026-10&cost=billed").await;
    let csv_total: Exact = csv.text.lines().skip(1).map(|line| exact(line.rsplit(',').next().unwrap())).sum();
    assert_eq!(csv_total, exact(&total));
    assert_eq!(page.text.matches("class=\"col\"").count(), 31);
    assert!(page.text.contains("href=\"/bill?period=2026-10&#38;by=day,service&#38;day=2026-10-01\""));
}

#[tokio::test]
async fn a_month_within_the_free_tier_shows_its_list_cost() {
    let server = Server::with_usage().await;
    let page = server.get("/?period=2026-09").await;
    assert!(page.text.contains("Daily list cost by service"));
    assert!(page.text.contains("Allowances cover the whole month"));
    assert_eq!(page.text.matches("class=\"col\"").count(), 30);
    let billed = server.get("/?period=2026-09&cost=billed").await;
    assert!(billed.text.contains("Nothing is billed in September 2026"));
    assert!(billed.text.contains("Show the list cost"));
    let other = server.get("/?cost=net").await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    assert!(other.text.contains("expected <code>billed</code> or <code>list</code>"));
}

#[tokio::test]
async fn every_charge_of_the_bill_explains_itself() {
    let server = Server::with_usage().await;
    let bill = server.get("/api/v1/charges?period=2026-10").await.json();
    let page = server.get("/bill?period=2026-10").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains(&format!("exactly ${}", bill["total"].as_str().unwrap())));
    let links = between(&page.text, "href=\"/explain?charge=", "\"");
    assert_eq!(links.len(), bill["charges"].as_array().unwrap().len());
    assert!(!links.is_empty());
    for link in links {
        let url = format!("/explain?charge={link}");
        let page = server.get(&url).await;
        assert_eq!(page.status, StatusCode::OK, "{url}");
        for words in ["How it comes about", "Price book", "The meter", "By resource", "By day", "Records"] {
            assert!(page.text.contains(words), "{url}: {words}");
        }
        // The page says what the API says, step by step, and shows the tiers where there are several.
        let answer = server.get(&format!("/api/v1/explain?charge={link}")).await.json();
        let steps = answer["steps"].as_array().unwrap();
        let list = between(&page.text, "<ol class=\"steps\">", "</ol>")[0];
        assert_eq!(list.matches("<li>").count(), steps.len(), "{url}");
        assert!(list.contains("Billed cost ") && list.contains("List price "), "{url}: {list}");
        let tiers = answer["tiers"].as_array().unwrap();
        assert_eq!(page.text.contains("The tiers"), tiers.len() > 1, "{url}");
        let explained = tiers.iter().filter(|tier| tier["is_explained"] == true).count();
        assert_eq!(explained, 1, "{url}");
        assert_eq!(page.text.contains("Before rounding"), !answer["before_rounding"].is_null(), "{url}");
    }
    let free = server.get("/bill?period=2026-10&allowances=false").await;
    assert!(free.text.contains("&#38;allowances=false\"") || free.text.contains("&allowances=false\""));
}

#[tokio::test]
async fn records_come_in_pages() {
    let server = Server::with_usage().await;
    let bill = server.get("/bill?period=2026-10").await;
    let link = between(&bill.text, "href=\"/explain?charge=", "\"")[0];
    let first = server.get(&format!("/explain?charge={link}&limit=25")).await;
    assert!(first.text.contains("1 – 25 of 60 records"), "{:?}", between(&first.text, "class=\"pager\"", "</nav>"));
    assert!(first.text.contains("offset=25\">Next"));
    let last = server.get(&format!("/explain?charge={link}&limit=25&offset=50")).await;
    assert!(last.text.contains("51 – 60 of 60 records"));
    assert!(last.text.contains("offset=25\">← Previous"));
    assert!(!last.text.contains("Next →"));
}

#[tokio::test]
async fn cost_groups_by_any_dimensions_and_filters_by_their_values() {
    let server = Server::with_usage().await;
    let page = server.get("/bill?period=2026-10&by=day&by=service").await;
    assert!(page.text.contains("Cost by day, service"));
    assert!(page.text.contains("28 rows"));
    let one = server.get("/bill?period=2026-10&by=day,service&day=2026-10-02").await;
    assert!(one.text.contains("1 row<"));
    assert!(one.text.contains("day = 2026-10-02"));
    let none = server.get("/bill?period=2026-10&by=day&day=2026-10-31").await;
    assert!(none.text.contains("No cost fits these filters"));
    let csv = server.get("/bill.csv?period=2026-10&by=day").await;
    let total = server.get("/api/v1/charges?period=2026-10").await.json()["total"].as_str().unwrap().to_owned();
    let sum: Exact = csv.text.lines().skip(1).map(|line| exact(line.rsplit(',').next().unwrap())).sum();
    assert_eq!(sum, exact(&total));
}

#[tokio::test]
async fn names_from_logs_are_neither_markup_nor_formulas() {
    let server = Server::with_usage().await;
    let upload = server.get("/api/v1/uploads").await.json()["uploads"][0]["id"].as_str().unwrap().to_owned();
    for url in ["/", "/bill?by=resource", "/uploads", &format!("/uploads/{upload}"), "/nope?<script>alert(1)</script>"]
    {
        let page = server.get(url.split('?').next().unwrap_or(url)).await;
        assert!(!page.text.contains("<script>alert"), "{url}");
    }
    let page = server.get("/bill?by=resource&period=2026-10").await;
    assert!(!page.text.contains(HOSTILE));
    assert!(page.text.contains("=cmd()&#60;script&#62;"), "shown, escaped");
    let link = between(&page.text, "href=\"/explain?charge=", "\"")[0];
    let explained = server.get(&format!("/explain?charge={link}")).await;
    assert!(!explained.text.contains("<script>alert"));
    let csv = server.get("/bill.csv?by=resource&period=2026-10").await;
    assert!(csv.text.lines().nth(1).unwrap().starts_with("'=cmd()"));
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
}

#[tokio::test]
async fn a_mistake_is_told_with_what_was_expected() {
    let server = Server::with_usage().await;
    for (url, status, words) in [
        ("/?period=October", 400, "expected a month as <code>YYYY-MM</code>"),
        ("/bill?period=2026-13", 400, "expected a month as <code>YYYY-MM</code>"),
        ("/bill?by=colour", 400, "provider, service, account, region, resource, sku, month, day"),
        ("/explain", 400, "the id of a charge"),
        ("/explain?charge=2026-10/none", 404, "The bill of the month links to every charge that exists"),
        ("/explain?charge=none", 404, "There is no charge"),
        ("/uploads/none", 404, "There is no upload <code>none</code>"),
        ("/nope", 404, "There is no page <code>/nope</code>"),
        ("/assets/app.css", 404, "There is no page"),
    ] {
        let page = server.get(url).await;
        assert_eq!(page.status.as_u16(), status, "{url}");
        assert!(page.text.contains(words), "{url}: {}", page.text);
        assert!(page.header("content-type").starts_with("text/html"), "{url}");
    }
}

#[tokio::test]
async fn the_samples_load_once_and_every_page_shows_them() {
    let server = Server::new();
    for _ in 0..2 {
        let answer = server.send(request(Method::POST, "/samples").body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"));
    }
    let periods = server.get("/api/v1/periods").await.json();
    for period in periods["periods"].as_array().unwrap() {
        let period = period.as_str().unwrap();
        for url in [
            format!("/?period={period}"),
            format!("/?period={period}&cost=list"),
            format!("/bill?period={period}&by=service,resource,day"),
            format!("/bill?period={period}&allowances=false&attribution=proportional&by=account"),
        ] {
            assert_eq!(server.get(&url).await.status, StatusCode::OK, "{url}");
        }
    }
    assert_eq!(server.get("/uploads").await.status, StatusCode::OK);
}

/// A bill of the October of `Server::with_usage`: too many requests on one day, and tax.
const BILL: &str = "identity/LineItemId,identity/TimeInterval,bill/PayerAccountId,bill/BillingPeriodStartDate,\
lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/UsageType,\
lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedCost,lineItem/LineItemDescription
a,2026-10-02T00:00:00Z/2026-10-03T00:00:00Z,123456789012,2026-10-01T00:00:00Z,123456789012,Usage,2026-10-02T00:00:00Z,AWSLambda,USE1-Request,1000,USD,5,
b,2026-10-01T00:00:00Z/2026-11-01T00:00:00Z,123456789012,2026-10-01T00:00:00Z,123456789012,Tax,2026-10-01T00:00:00Z,AWSLambda,,,USD,1.25,VAT <b>
";

#[tokio::test]
async fn a_bill_is_reconciled_and_without_one_it_is_said_how_to_bring_it_in() {
    let server = Server::with_usage().await;
    let empty = server.get("/reconcile").await;
    assert!(empty.text.contains("There is no bill of a provider for October 2026 yet"), "{}", empty.text);
    assert!(empty.text.contains("paygrain ingest"));
    assert_eq!(server.get("/reconcile.csv").await.text.lines().count(), 1);

    let put = request(Method::PUT, "/api/v1/uploads/bill.csv").body(Body::from(BILL)).unwrap();
    assert_eq!(server.send(put).await.status, StatusCode::CREATED);
    let answer = server.get("/api/v1/reconcile?period=2026-10").await.json();
    let total = &answer["totals"][0];
    assert_eq!(total["billed_cost"], "6.25");
    assert_eq!(total["parts"]["tax"], "1.25");
    let page = server.get("/reconcile").await;
    assert_eq!(page.status, StatusCode::OK);
    for words in
        ["The bill is $6.25", "tax $1.25", "is unexplained.", "aws.lambda.requests", "VAT &#60;b&#62;", "aws-cur"]
    {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    assert!(page.text.contains(&format!("value=\"{}\"", total["difference"].as_str().unwrap())));
    let links = between(&page.text, "<th scope=\"row\" class=\"name\"><a href=\"", "\"");
    assert_eq!(links.len(), answer["rows"].as_array().unwrap().len());
    let days = server.get(&links[0].replace("&#38;", "&").replace("&amp;", "&")).await;
    assert!(days.status == StatusCode::OK && days.text.contains("By SKU and day"), "{}", days.text);
    let csv = server.get("/reconcile.csv?period=2026-10&by=sku,day").await;
    let unexplained: Exact = csv.text.lines().skip(1).map(|line| exact(line.rsplit(',').next().unwrap())).sum();
    assert_eq!(unexplained, exact(total["parts"]["unexplained"].as_str().unwrap()));

    for (url, status) in [
        ("/api/v1/reconcile", 400),
        ("/api/v1/reconcile?period=2026-10&by=colour", 400),
        ("/api/v1/reconcile?period=2026-10&veiw=focus", 400),
        ("/api/v1/reconcile?period=2026-10&view=focus", 404),
    ] {
        assert_eq!(server.get(url).await.status.as_u16(), status, "{url}");
    }
}
