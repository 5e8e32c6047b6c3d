//! From a job that does not exist yet to the charges of one deployment.

use serde_json::json;
use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::server::Server;

/// The deployment that a bar of the chart with the focus is of; `null` where the focus is elsewhere.
const BAR: &str = "document.activeElement.closest('.bars') && Number(document.activeElement.dataset.row)";
/// Whether the tooltip tells of the bar with the focus what the table of the chart says of it.
const TIP_AGREES: &str = "(() => {
    const tip = document.getElementById('tip');
    const row = document.querySelectorAll('.bars table.data tbody tr')[document.activeElement.dataset.row];
    return !tip.hidden && tip.querySelector('b').textContent === row.cells[0].textContent
        && tip.querySelector('tr td:last-child').textContent === row.cells[row.cells.length - 1].textContent;
})()";

/// Fills in the form as a person would: what stands there goes.
async fn fill_in(browser: &Browser, name: &str, text: &str) -> WebDriverResult<()> {
    let field = browser.driver.find(By::Css(format!("input[name={name}]"))).await?;
    field.clear().await?;
    field.send_keys(text).await
}

async fn journey(browser: &Browser, server: &Server) -> WebDriverResult<()> {
    browser.driver.goto(server.url("/compare")).await?;
    assert_eq!(browser.text("#empty-title").await?, "There are no recorded executions yet");
    browser.follow("Describe a workload").await?;
    assert_eq!(browser.text("h1").await?, "What-if");

    // A mistake is told beside the form, which keeps everything.
    fill_in(browser, "schedule", "0 25 * * *").await?;
    fill_in(browser, "duration", "40min").await?;
    browser.click_through("form button.primary").await?;
    assert!(browser.text("[role=alert]").await?.contains("25"));
    assert_eq!(browser.eval("document.querySelector('input[name=duration]').value").await?, "40min");
    assert_eq!(browser.eval("document.querySelector('input[name=timezone]').value").await?, "Europe/Zurich");

    fill_in(browser, "schedule", "30 2 * * *").await?;
    browser.click_through("form button.primary").await?;
    assert_eq!(browser.texts("ol.next-runs li").await?.len(), 5);
    let verdict = browser.text(".verdict").await?;
    assert!(verdict.contains("cheapest at $") || verdict.contains("cost nothing"), "{verdict}");
    // Functions of 15 minutes cannot: they are at the end, and say why.
    let infeasible = browser.text("tbody.infeasible").await?;
    assert!(infeasible.contains("AWS Lambda"), "{infeasible}");

    // One kind alone, sorted by name, and the charges of the first.
    browser.follow("Virtual machines").await?;
    let kinds = browser.texts("table.deployments tbody:first-of-type td:nth-child(2)").await?;
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| kind == "Virtual machines"), "{kinds:?}");
    browser.click_through("table.deployments thead th:first-child a").await?;
    let titles = browser.texts("table.deployments tbody:first-of-type th a").await?;
    let mut sorted = titles.clone();
    sorted.sort_by_key(|title| title.to_lowercase());
    assert_eq!(titles, sorted);
    browser.follow(&titles[0]).await?;
    assert_eq!(browser.text("#charges-title").await?, format!("{}, line by line", titles[0]));
    let total = browser.text("#charges tfoot td").await?;
    let cost = browser.text("table.deployments tbody:first-of-type tr:first-child td:nth-child(3) b").await?;
    assert_eq!(total, cost, "the table and the charges disagree");
    // The job is still there.
    assert_eq!(browser.eval("document.querySelector('input[name=schedule]').value").await?, "30 2 * * *");
    Ok(())
}

#[tokio::test]
async fn a_job_is_described_compared_and_explained() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&[]);
    journey(&browser, &server).await?;
    let complaints = browser.complaints().await?;
    let others: Vec<_> = complaints.iter().filter(|line| !line.contains("400 (Bad Request)")).collect();
    assert!(others.is_empty(), "{others:?}");
    browser.quit().await
}

#[tokio::test]
async fn a_job_is_described_compared_and_explained_without_scripts() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&[]);
    browser.set_scripts(false).await?;
    journey(&browser, &server).await?;
    browser.quit().await
}

#[tokio::test]
async fn arrow_keys_move_between_bars_and_enter_shows_the_charges_of_one() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&[]);
    browser
        .driver
        .goto(server.url("/what-if?schedule=0%2017%20*%20*%20*&duration=2s&memory=1GB&allowances=none&kind=faas,vm"))
        .await?;
    browser.eval("document.querySelector('.bars .col').focus()").await?;
    for (key, bar) in [(Key::Down, 1), (Key::Down, 2), (Key::Up, 1), (Key::Home, 0), (Key::Down, 1)] {
        browser.press(key.clone()).await?;
        assert_eq!(browser.eval(BAR).await?, json!(bar), "after {key:?}");
        assert_eq!(browser.eval(TIP_AGREES).await?, true, "the tooltip after {key:?}");
    }
    let title = browser.eval("document.querySelectorAll('.bars table.data tbody th')[1].textContent").await?;
    browser.press(Key::Enter).await?;
    browser.wait_until("location.search.includes('show=') && document.readyState === 'complete'").await?;
    assert_eq!(browser.text("#charges-title").await?, format!("{}, line by line", title.as_str().unwrap()));

    // The lines are one stop, too, and lead along the axis.
    browser.eval("document.querySelector('#break-even .col').focus()").await?;
    browser.press(Key::Right).await?;
    assert_eq!(browser.eval("document.activeElement.dataset.row").await?, "1");
    let stops = browser.eval("document.querySelectorAll('#break-even .col[tabindex=\"0\"]').length").await?;
    assert_eq!(stops, 1);
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    browser.quit().await
}
