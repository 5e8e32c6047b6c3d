//! From an empty lake to the explanation of a charge.

use std::path::Path;

use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::inspection::Inspector;
use crate::server::{Server, lambda_log, lambda_reports};

const INVOCATION_COUNT: u32 = 30;

/// The button that sends the form of `/uploads`.
pub const SUBMIT: &str = "#upload button.primary";

/// Fills in the form of `/uploads` as a person would.
pub async fn fill_in(browser: &Browser, file: &Path) -> WebDriverResult<()> {
    if browser.eval("document.querySelector('details.settings').open").await? == false {
        browser.click("details.settings summary").await?;
        browser.type_into("input[name=account]", "123456789012").await?;
        browser.type_into("input[name=region]", "eu-west-1").await?;
        browser.type_into("input[name=resource]", "resize-image").await?;
    }
    browser.type_into("#files", file.to_str().unwrap()).await
}

/// Waits for the end of an upload in "This upload", counted from 1, and gives the text of its card.
pub async fn outcome(browser: &Browser, place: u32) -> WebDriverResult<String> {
    let card = format!("#jobs > li:nth-child({place}) .outcome");
    browser.wait_until(&format!("document.querySelector('{card}') !== null")).await?;
    browser.text(&card).await
}

#[tokio::test]
async fn a_log_becomes_a_bill_that_explains_itself() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&[]);

    // An empty lake offers a way on.
    browser.driver.goto(server.url("/")).await?;
    assert_eq!(browser.text("h1").await?, "No usage yet");
    assert_eq!(browser.text("form[action='/samples'] button").await?, "Load sample data");
    browser.follow("Upload files").await?;

    // A file, the same file again, and the same invocations in other bytes: counted once.
    let file = server.file("resize-image.log", lambda_log(INVOCATION_COUNT));
    fill_in(&browser, &file).await?;
    browser.click(SUBMIT).await?;
    let first = outcome(&browser, 1).await?;
    for part in ["resize-image.log", "30 of 30 rows accepted, 0 duplicate, none rejected", "aws/lambda", "1 resource"] {
        assert!(first.contains(part), "{part}: {first}");
    }
    fill_in(&browser, &file).await?;
    browser.click(SUBMIT).await?;
    let again = outcome(&browser, 2).await?;
    assert!(again.contains("Already loaded"), "{again}");
    fill_in(&browser, &server.file("reports-only.log", lambda_reports(INVOCATION_COUNT))).await?;
    browser.click(SUBMIT).await?;
    let reports = outcome(&browser, 3).await?;
    assert!(reports.contains("0 of 30 rows accepted, 30 duplicate"), "{reports}");
    // What was already loaded is the upload that was there before.
    browser.wait_until("document.querySelectorAll('#history tbody tr').length === 2").await?;

    browser.click_through("#progress a[href='/']").await?;
    assert_bill_explains_itself(&browser).await?;
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    browser.quit().await
}

#[tokio::test]
async fn a_log_becomes_a_bill_without_scripts() -> WebDriverResult<()> {
    let (Some(browser), Some(inspector)) = (Browser::start().await?, Inspector::new()) else { return Ok(()) };
    let server = Server::start(&[]);
    browser.set_scripts(false).await?;
    browser.driver.goto(server.url("/uploads")).await?;
    assert!(!browser.driver.find(By::Id("theme")).await?.is_displayed().await?, "a button that needs scripts");

    let file = server.file("resize-image.log", lambda_log(INVOCATION_COUNT));
    fill_in(&browser, &file).await?;
    browser.click_through(SUBMIT).await?;
    assert_eq!(browser.text("h1").await?, "What became of the upload");
    let result = browser.text("main .outcome").await?;
    for part in ["resize-image.log", "30 of 30 rows accepted", "0 duplicate", "none rejected", "1 resource"] {
        assert!(result.contains(part), "{part}: {result}");
    }
    browser.follow("More files").await?;
    fill_in(&browser, &file).await?;
    browser.click_through(SUBMIT).await?;
    let result = browser.text("main .outcome").await?;
    assert!(result.contains("Already loaded"), "{result}");

    // This page has no address of its own, so it is inspected here.
    browser.set_scripts(true).await?;
    let faults = inspector.faults_here(&browser, "upload-results").await?;
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));

    browser.set_scripts(false).await?;
    browser.driver.goto(server.url("/")).await?;
    assert_bill_explains_itself(&browser).await?;
    browser.quit().await
}

#[tokio::test]
async fn sample_data_is_one_click_away() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&[]);
    browser.driver.goto(server.url("/")).await?;
    browser.click_through("form[action='/samples'] button").await?;
    assert_eq!(browser.text("h1").await?, "Cost overview");
    let month = browser.eval("document.querySelector('select[name=period]').value").await?;
    let earlier = browser.eval("document.querySelector('a[rel=prev]').search").await?;
    browser.click_through("a[rel=prev]").await?;
    assert_eq!(browser.eval("location.search").await?, earlier);
    browser.click_through("a[rel=next]").await?;
    assert_eq!(browser.eval("document.querySelector('select[name=period]').value").await?, month);
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    browser.quit().await
}

/// From the overview of the uploaded month over its bill to a charge.
async fn assert_bill_explains_itself(browser: &Browser) -> WebDriverResult<()> {
    assert_eq!(browser.text("h1").await?, "Cost overview");
    let month = browser.text(".head .muted").await?;
    assert!(month.contains("October 2026") && month.contains("30 usage records"), "{month}");
    let columns = browser.driver.find_all(By::Css(".chart a.col")).await?;
    assert_eq!(columns.len(), 31, "a column for each day of October");
    let bands = browser.driver.find_all(By::Css(".chart .band")).await?;
    assert!(!bands.is_empty(), "the chart is empty");
    let resources = browser.texts("table.pin tbody th").await?;
    assert_eq!(resources, ["resize-image"]);

    browser.follow("Bill").await?;
    assert_eq!(browser.text("h1").await?, "Bill, October 2026");
    let charge = browser.text("table.charges tbody th a").await?;
    let cost = browser.text("table.charges tbody tr:not(.section) td:last-child").await?;

    browser.follow(&charge).await?;
    assert_eq!(browser.text("h1").await?, charge);
    assert_eq!(browser.text(".amount .big").await?, cost, "the bill and the explanation disagree");
    let price = browser.text("section[aria-labelledby=price-title]").await?;
    assert!(price.contains("Price book") && price.contains("version"), "{price}");
    let meter = browser.text("section[aria-labelledby=meter-title] pre").await?;
    assert!(!meter.is_empty());
    assert!(!browser.texts("ol.steps li").await?.is_empty(), "no steps");
    assert_eq!(browser.texts("table.records tbody tr").await?.len(), 30, "the records behind the charge");
    browser.follow("Bill, October 2026").await?;
    assert_eq!(browser.text("h1").await?, "Bill, October 2026");
    Ok(())
}
