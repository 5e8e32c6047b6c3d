//! Every page, by axe-core and by rules that axe-core does not have.

use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::inspection::Inspector;
use crate::server::{Server, lambda_reports};
use crate::upload_to_explanation::{SUBMIT, fill_in};

/// A page without usage: a name for its pictures, and its path.
const EMPTY_PAGES: [(&str, &str); 12] = [
    ("overview-empty", "/"),
    ("explore-empty", "/explore"),
    ("resources-empty", "/resources"),
    ("bill-empty", "/bill"),
    ("reconcile-empty", "/reconcile"),
    ("compare-empty", "/compare"),
    ("what-if-empty", "/what-if"),
    ("memory-empty", "/what-if/memory"),
    ("uploads-empty", "/uploads"),
    ("sql-empty", "/sql"),
    ("settings-empty", "/settings"),
    ("quarantine-empty", "/quarantine"),
];

/// A page with the sample data.
const PAGES: [(&str, &str); 39] = [
    ("overview", "/"),
    ("overview-list-cost", "/?cost=list"),
    ("explore", "/explore?period=2026-10"),
    ("explore-filtered", "/explore?period=2026-10&by=resource&filter=service=lambda&cost=list&sort=-change"),
    ("explore-day", "/explore?from=2026-10-02&to=2026-10-02&by=sku&cost=list"),
    ("explore-months", "/explore?from=2026-01-01&to=2026-12-31&by=operation&cost=list"),
    ("explore-nothing", "/explore?period=2026-01&filter=region=nowhere"),
    ("explore-mistake", "/explore?filter=region"),
    ("resources", "/resources?period=2026-10"),
    ("resource", "/resources/resize-image?period=2026-10"),
    ("resource-heat-of-cost", "/resources/example-photos?period=2026-10&heat=cost&cost=list"),
    ("bill", "/bill"),
    ("bill-grouped", "/bill?by=service,resource,day"),
    ("bill-filtered", "/bill?by=service,sku&service=lambda&allowances=false"),
    ("reconcile-without-bill", "/reconcile"),
    ("compare", "/compare"),
    ("compare-functions", "/compare?kind=faas,vm&allowances=none&sort=-compute&robustness=true"),
    ("compare-course", "/compare?kind=faas,vm&on=aws&show=aws-lambda-arm"),
    ("compare-mistake", "/compare?target_percent=170"),
    ("what-if", "/what-if?schedule=30%202%20*%20*%20*&timezone=Europe/Zurich&duration=40min&memory=8GB&period=2026-10"),
    (
        "what-if-functions",
        "/what-if?schedule=0%2017%20*%20*%20*&duration=2s&memory=1GB&allowances=none&kind=faas,vm&axis=memory-mb",
    ),
    ("memory-which", "/what-if/memory"),
    ("memory", "/what-if/memory?resource=resize-image"),
    ("scenarios", "/scenarios"),
    ("scenario", "/scenarios/election-night?kind=faas,vm&show=aws-ec2-t3.micro"),
    ("scenario-mistake", "/scenarios/workflow?target_percent=170"),
    ("uploads", "/uploads"),
    ("price-books", "/price-books"),
    ("price-books-search", "/price-books?q=duration&on=2026-11-23"),
    ("price-books-nothing", "/price-books?q=no-such-word"),
    ("price-book", "/price-books/aws/lambda?on=2026-11-23"),
    ("price-book-changes", "/price-books/aws/lambda?sku=duration-x86&from=2020-01-01&to=2026-11-23"),
    ("price-book-keys", "/price-books/aws/ec2?sku=instance"),
    ("price-book-unknown", "/price-books/aws/lamda"),
    ("settings", "/settings"),
    ("sql", "/sql"),
    ("sql-answer", "/sql?query=SELECT%20*%20FROM%20invocations%20ORDER%20BY%20started_at%20LIMIT%2050"),
    ("api", "/api"),
    ("not-found", "/nothing-here"),
];

/// Pages of the comparison with a bill.
const RECONCILE_PAGES: [(&str, &str); 3] =
    [("reconcile", "/reconcile"), ("reconcile-days", "/reconcile?by=day"), ("reconcile-both", "/reconcile?by=sku,day")];

/// Sends our own export as the bill of the provider: a line of usage is missing, tax and a credit are there instead.
const BRING_BILL: &str = "
    const done = arguments[0];
    const month = document.querySelector('select[name=period]').value;
    fetch('/api/v1/exports/focus.csv?period=' + month).then(answer => answer.text()).then(text => {
        const [header, ...lines] = text.trimEnd().split('\\n');
        const paid = lines.splice(lines.findIndex(line => !line.startsWith(',0.0,')), 1)[0];
        const tax = paid.replace('\"Usage\"', '\"Tax\"');
        const credit = paid.replace('\"Usage\"', '\"Credit\"').replace(',', ',-');
        const body = [header, ...lines, tax, credit].join('\\n') + '\\n';
        return fetch('/api/v1/uploads/focus.csv', { method: 'PUT', body });
    }).then(answer => done(answer.status), error => done(String(error)));";

/// What a page must not have. The picture and the script stay away, as the content policy says; the attempt counts.
const PLANTED: &str = "
    document.body.insertAdjacentHTML('beforeend',
        '<p id=faint>faint</p><p id=wide>wide</p><div id=foreign></div><input id=unnamed>');
    document.getElementById('faint').style.color = '#888888';
    document.getElementById('faint').style.backgroundColor = '#777777';
    document.getElementById('wide').style.width = '1500px';
    document.getElementById('foreign').innerHTML = '<img alt=\"\" src=\"http://127.0.0.1:9/a.png\">';
    document.getElementById('foreign').setAttribute('style', 'color: red');";

#[tokio::test]
async fn planted_faults_are_found() -> WebDriverResult<()> {
    let (Some(browser), Some(inspector)) = (Browser::start().await?, Inspector::new()) else { return Ok(()) };
    let server = Server::start(&[]);
    browser.driver.goto(server.url("/api")).await?;
    browser.driver.execute(PLANTED, vec![]).await?;
    let faults = inspector.faults_here(&browser, "planted").await?.join("\n");
    for part in ["wider than the window", "color-contrast", "#unnamed", "style-src", "img-src"] {
        assert!(faults.contains(part), "{part} is not among the faults:\n{faults}");
    }
    browser.quit().await
}

#[tokio::test]
async fn pages_of_an_empty_lake_have_no_faults() -> WebDriverResult<()> {
    let (Some(browser), Some(inspector)) = (Browser::start().await?, Inspector::new()) else { return Ok(()) };
    let server = Server::start(&[]);
    let mut faults = Vec::new();
    for (name, path) in EMPTY_PAGES {
        faults.extend(inspector.faults_of(&browser, name, &server.url(path)).await?);
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    browser.quit().await
}

#[tokio::test]
async fn pages_with_usage_have_no_faults() -> WebDriverResult<()> {
    let (Some(browser), Some(inspector)) = (Browser::start().await?, Inspector::new()) else { return Ok(()) };
    let server = Server::start(&["--samples"]);
    let mut faults = Vec::new();
    for (name, path) in PAGES {
        faults.extend(inspector.faults_of(&browser, name, &server.url(path)).await?);
    }
    // The browser complains about every answer that is an error; these are meant to be.
    faults.retain(|fault| !(fault.starts_with("not-found: ") && fault.ends_with("404 (Not Found)")));
    faults.retain(|fault| !(fault.starts_with("price-book-unknown: ") && fault.ends_with("404 (Not Found)")));
    faults.retain(|fault| !(fault.contains("-mistake: ") && fault.ends_with("400 (Bad Request)")));

    browser.driver.goto(server.url("/bill")).await?;
    let charge = browser.driver.find(By::Css("table.charges tbody a")).await?.prop("href").await?.unwrap();
    faults.extend(inspector.faults_of(&browser, "explain", &charge).await?);

    browser.driver.goto(server.url("/bill")).await?;
    let sent = browser.driver.execute_async(BRING_BILL, vec![]).await?;
    assert_eq!(sent.json(), 201, "the bill");
    for (name, path) in RECONCILE_PAGES {
        faults.extend(inspector.faults_of(&browser, name, &server.url(path)).await?);
    }

    // An upload with rows that were refused.
    browser.driver.goto(server.url("/uploads")).await?;
    let broken = lambda_reports(4).replace(".00 ms", ".00 parsecs");
    let log = format!("{}{broken}", lambda_reports(2));
    fill_in(&browser, &server.file("broken.log", &log)).await?;
    browser.click(SUBMIT).await?;
    browser.wait_until("document.querySelector('#jobs .outcome a') !== null").await?;
    faults.extend(inspector.faults_here(&browser, "uploads-done").await?);
    let upload = browser.driver.find(By::Css("#jobs .outcome a")).await?.prop("href").await?.unwrap();
    faults.extend(inspector.faults_of(&browser, "upload", &upload).await?);
    assert_eq!(browser.texts("table.reasons tbody tr").await?.len(), 4, "the rejected rows");
    let quarantine = [("quarantine", "/quarantine"), ("quarantine-nothing", "/quarantine?q=no-such-word")];
    for (name, path) in quarantine {
        faults.extend(inspector.faults_of(&browser, name, &server.url(path)).await?);
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    browser.quit().await
}
