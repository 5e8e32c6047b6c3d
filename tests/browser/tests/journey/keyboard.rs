//! The pages without a mouse.

use serde_json::json;
use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::server::Server;

/// The place of the column with the focus; `null` where the focus is elsewhere.
const COLUMN: &str = "Number(document.activeElement.dataset?.row ?? NaN)";
/// Whether the tooltip is there, and tells of the column with the focus what the table says of it.
const TIP_AGREES: &str = "(() => {
    const tip = document.getElementById('tip');
    const row = document.querySelectorAll('table.data tbody tr')[document.activeElement.dataset.row];
    const total = tip.querySelector('tr td:last-child').textContent;
    return !tip.hidden && tip.querySelector('b').textContent === row.cells[0].textContent
        && total === row.cells[row.cells.length - 1].textContent;
})()";

#[tokio::test]
async fn the_tab_key_reaches_the_skip_link_first() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&["--samples"]);
    for path in ["/", "/bill", "/uploads", "/api"] {
        browser.driver.goto(server.url(path)).await?;
        browser.press(Key::Tab).await?;
        let link = browser.driver.active_element().await?;
        assert_eq!(link.text().await?, "Skip to content", "{path}");
        assert_eq!(browser.eval("document.activeElement.getBoundingClientRect().top >= 0").await?, true, "{path}");
        browser.press(Key::Enter).await?;
        assert_eq!(browser.eval("document.activeElement.id").await?, "main", "{path}");
        browser.press(Key::Tab).await?;
        assert_eq!(
            browser.eval("document.activeElement.closest('main') !== null").await?,
            true,
            "{path}: the next stop is not in the content"
        );
    }
    browser.quit().await
}

#[tokio::test]
async fn arrow_keys_move_in_the_chart_and_enter_opens_a_day() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&["--samples"]);
    browser.driver.goto(server.url("/")).await?;
    let last = browser.eval("document.querySelectorAll('.chart a.col').length - 1").await?;

    for _ in 0..40 {
        browser.press(Key::Tab).await?;
        if browser.eval(COLUMN).await? == 0 {
            break;
        }
    }
    for (key, column) in [
        (Key::Right, json!(1)),
        (Key::Right, json!(2)),
        (Key::Left, json!(1)),
        (Key::End, last.clone()),
        (Key::Right, last),
        (Key::Home, json!(0)),
        (Key::Left, json!(0)),
        (Key::Right, json!(1)),
    ] {
        browser.press(key.clone()).await?;
        assert_eq!(browser.eval(COLUMN).await?, column, "after {key:?}");
        assert_eq!(browser.eval(TIP_AGREES).await?, true, "the tooltip after {key:?}");
        let stops = browser.eval("document.querySelectorAll('.chart a.col[tabindex=\"0\"]').length").await?;
        assert_eq!(stops, 1, "the chart is one stop of the Tab key");
    }
    browser.press(Key::Escape).await?;
    assert_eq!(browser.eval("document.getElementById('tip').hidden").await?, true, "after Escape");

    // The chart is left with one Tab, and remembers the column.
    browser.press(Key::Tab).await?;
    assert_eq!(browser.eval("document.activeElement.closest('.chart')").await?, json!(null));
    browser.driver.action_chain().key_down(Key::Shift).send_keys(Key::Tab).key_up(Key::Shift).perform().await?;
    assert_eq!(browser.eval(COLUMN).await?, 1);

    let day = browser.eval("document.querySelectorAll('table.data tbody th')[1].textContent").await?;
    let total =
        browser.eval("document.querySelectorAll('table.data tbody tr')[1].lastElementChild.textContent").await?;
    browser.press(Key::Enter).await?;
    browser.wait_until("location.pathname === '/bill' && document.readyState === 'complete'").await?;
    let chip = browser.text(".chip").await?;
    assert!(chip.starts_with("day = "), "{day}: {chip}");
    assert_eq!(browser.text("section[aria-labelledby=groups-title] tfoot b").await?, total.as_str().unwrap(), "{day}");
    browser.quit().await
}

/// Whether the tooltip tells of the cell of the map with the focus what its table says of it.
const MAP_TIP_AGREES: &str = "(() => {
    const tip = document.getElementById('tip');
    const row = document.querySelectorAll('#heat-map tbody tr')[document.activeElement.dataset.row];
    return !tip.hidden && tip.querySelector('b').textContent === row.cells[0].textContent
        && tip.querySelector('tr td:last-child').textContent === row.cells[1].textContent;
})()";

#[tokio::test]
async fn arrow_keys_move_in_the_map_of_the_week_between_hours_and_days() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&["--samples"]);
    browser.driver.goto(server.url("/resources/resize-image?period=2026-10")).await?;
    browser.eval("document.querySelector('#heat-map .col').focus()").await?;
    for (key, cell) in [
        (Key::Right, 1),
        (Key::Down, 25),
        (Key::Left, 24),
        (Key::Up, 0),
        (Key::Up, 0),
        (Key::End, 167),
        (Key::Down, 167),
        (Key::Up, 143),
    ] {
        browser.press(key.clone()).await?;
        assert_eq!(browser.eval(COLUMN).await?, cell, "after {key:?}");
        assert_eq!(browser.eval(MAP_TIP_AGREES).await?, true, "the tooltip after {key:?}");
    }
    browser.quit().await
}

#[tokio::test]
async fn the_chosen_theme_stays() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&[]);
    const BACKGROUND: &str = "getComputedStyle(document.body).backgroundColor";
    browser.driver.goto(server.url("/")).await?;
    let light = browser.eval(BACKGROUND).await?;
    assert_eq!(browser.text("#theme").await?, "Theme: auto");
    browser.click("#theme").await?;
    browser.click("#theme").await?;
    assert_eq!(browser.text("#theme").await?, "Theme: dark");
    let dark = browser.eval(BACKGROUND).await?;
    assert_ne!(light, dark);
    browser.follow("API").await?;
    assert_eq!(browser.text("#theme").await?, "Theme: dark");
    assert_eq!(browser.eval(BACKGROUND).await?, dark);
    browser.quit().await
}
