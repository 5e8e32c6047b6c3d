//! Uploads while they are under way.

use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::inspection::Inspector;
use crate::server::{Server, lambda_log, lambda_reports};
use crate::upload_to_explanation::{SUBMIT, outcome};

/// What a line of "This upload" says, counted from 1.
async fn state(browser: &Browser, place: u32) -> WebDriverResult<String> {
    browser.text(&format!("#jobs > li:nth-child({place}) .state")).await
}

/// An expression: whether that line fits a pattern.
fn says(place: u32, pattern: &str) -> String {
    format!("/{pattern}/.test(document.querySelector('#jobs > li:nth-child({place}) .state')?.innerText ?? '')")
}

/// Chooses files on the page of uploads and sends them.
async fn send(browser: &Browser, server: &Server, files: &[(&str, String)]) -> WebDriverResult<()> {
    browser.driver.goto(server.url("/uploads")).await?;
    let paths: Vec<_> = files.iter().map(|(name, text)| server.file(name, text).to_str().unwrap().to_owned()).collect();
    browser.type_into("#files", &paths.join("\n")).await?;
    browser.click(SUBMIT).await
}

/// Comments that make a log larger than what is sent at once.
fn padded(log: &str) -> String {
    format!("{log}{}", "2026-10-01T00:00:00.000Z INFO nothing to bill here\n".repeat(20_000))
}

#[tokio::test]
async fn files_wait_in_a_queue_and_can_be_cancelled() -> WebDriverResult<()> {
    let (Some(browser), Some(inspector)) = (Browser::start().await?, Inspector::new()) else { return Ok(()) };
    let server = Server::start(&[]);
    browser.throttle(20_000).await?;
    let files =
        [("first.log", padded(&lambda_log(3))), ("second.log", lambda_reports(4)), ("third.log", lambda_reports(5))];
    send(&browser, &server, &files).await?;
    browser.wait_until(&says(1, "Sending .* of 1.0 MB · .*.s · .* left")).await?;
    assert_eq!(state(&browser, 2).await?, "Waiting");
    let announced = browser.text("#progress-status").await?;
    assert_eq!(announced, "0 of 3 files done · sending first.log · 2 waiting");
    let faults = inspector.faults_here(&browser, "uploads-sending").await?;
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));

    // By keyboard: the second, which waits, and the first, which is sent.
    for place in [2, 1] {
        let button = browser.driver.find(By::Css(format!("#jobs > li:nth-child({place}) .cancel"))).await?;
        button.focus().await?;
        browser.press(Key::Enter).await?;
        browser.wait_until(&says(place, "^Cancelled")).await?;
        assert_eq!(
            browser.eval("document.activeElement.getAttribute('aria-label')").await?,
            format!("Send again {}", ["first.log", "second.log"][place as usize - 1])
        );
    }
    assert_eq!(state(&browser, 1).await?, "Cancelled. Nothing of it was kept.");
    browser.throttle(0).await?;
    assert!(outcome(&browser, 3).await?.contains("5 of 5 rows accepted"));
    browser.wait_until("document.querySelectorAll('#history tbody tr').length === 1").await?;

    // Once more, after all.
    browser.press(Key::Enter).await?;
    assert!(outcome(&browser, 1).await?.contains("0 of 3 rows accepted, 3 duplicate"));
    assert_eq!(browser.text("#progress-status").await?, "2 of 3 files done · 1 not loaded · 5 rows accepted");
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    browser.quit().await
}

#[tokio::test]
async fn reading_is_told_while_it_goes_on() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&[]);
    let log = lambda_reports(700).repeat(150);
    browser.driver.goto(server.url("/uploads")).await?;
    browser.type_into("#files", server.file("big.log", log).to_str().unwrap()).await?;
    let observe = "window.said = []; new MutationObserver(() => document.querySelectorAll('.state').forEach(
        line => { if (said.at(-1) !== line.innerText) said.push(line.innerText); }))
        .observe(document.getElementById('jobs'), { childList: true, subtree: true, characterData: true })";
    browser.driver.execute(observe, vec![]).await?;
    browser.click(SUBMIT).await?;
    let card = outcome(&browser, 1).await?;
    assert!(card.contains("700 of 105,000 rows accepted, 104,300 duplicate"), "{card}");
    let said = browser.eval("said.join('\\n')").await?;
    let said = said.as_str().unwrap();
    assert!(browser.eval("said.some(line => /^Sending .* of /.test(line))").await? == true, "{said}");
    assert!(
        browser
            .eval("said.some(line => /^Reading \\d+ % · [\\d,]+ rows · [\\d,]+ rows.s · \\d+ s left/.test(line))")
            .await?
            == true,
        "{said}"
    );
    let running = browser
        .driver
        .execute_async(
            "const done = arguments[0]; fetch('/api/v1/uploads/running').then(r => r.text()).then(done)",
            vec![],
        )
        .await?;
    assert_eq!(running.json(), r#"{"running":[]}"#);
    browser.quit().await
}

#[tokio::test]
async fn a_server_that_goes_away_is_told_and_the_queue_waits_for_it() -> WebDriverResult<()> {
    let (Some(browser), Some(inspector)) = (Browser::start().await?, Inspector::new()) else { return Ok(()) };
    let mut server = Server::start(&[]);
    browser.throttle(20_000).await?;
    let files = [("first.log", padded(&lambda_log(3))), ("second.log", lambda_reports(4))];
    send(&browser, &server, &files).await?;
    browser.wait_until(&says(1, "^Sending ")).await?;
    server.stop();
    browser.wait_until(&says(1, "^The server does not answer any more")).await?;
    let said = state(&browser, 1).await?;
    assert!(
        said.contains("Nothing of this file was kept") && said.contains("this page sends the file once more"),
        "{said}"
    );
    assert_eq!(state(&browser, 2).await?, "Waiting for the server");
    browser.complaints().await?;
    let mut faults = inspector.faults_here(&browser, "uploads-server-gone").await?;
    // The page asks whether the server is back; the browser complains about each time it is not.
    faults.retain(|fault| !fault.ends_with("net::ERR_CONNECTION_REFUSED"));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));

    server.start_again();
    browser.throttle(0).await?;
    assert!(outcome(&browser, 1).await?.contains("3 of 3 rows accepted"));
    // The four reports of the other file begin with the same three.
    assert!(outcome(&browser, 2).await?.contains("1 of 4 rows accepted, 3 duplicate"));
    browser.quit().await
}

#[tokio::test]
async fn each_file_of_an_archive_has_its_own_outcome() -> WebDriverResult<()> {
    let (Some(browser), Some(inspector)) = (Browser::start().await?, Inspector::new()) else { return Ok(()) };
    let server = Server::start(&[]);
    let mut archive = tar::Builder::new(Vec::new());
    let members =
        [("logs/a.log", lambda_log(3)), ("logs/b.log", lambda_reports(5)), ("notes.txt", "no log at all".to_owned())];
    for (name, text) in &members {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let path = server.file("logs.tar", archive.into_inner().unwrap());
    browser.driver.goto(server.url("/uploads")).await?;
    browser.type_into("#files", path.to_str().unwrap()).await?;
    browser.click(SUBMIT).await?;
    outcome(&browser, 1).await?;
    let cards = browser.texts("#jobs .outcome").await?;
    assert_eq!(cards.len(), 3, "{cards:?}");
    for (card, part) in
        cards.iter().zip(["3 of 3 rows accepted", "2 of 5 rows accepted, 3 duplicate", "No known format"])
    {
        assert!(card.contains(part), "{part}: {card}");
    }
    browser.complaints().await?;
    let faults = inspector.faults_here(&browser, "uploads-archive").await?;
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    browser.quit().await
}

/// Drops a file on the heading, far from the field: whether the browser was kept from opening it.
const DROP_BESIDE: &str = "
    const transfer = new DataTransfer();
    for (const [name, text] of arguments[0]) transfer.items.add(new File([text], name));
    const drop = new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.querySelector('h1').dispatchEvent(drop);
    return drop.defaultPrevented;";

#[tokio::test]
async fn files_dropped_anywhere_are_uploaded_and_added_up() -> WebDriverResult<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let server = Server::start(&[]);
    browser.driver.goto(server.url("/uploads")).await?;
    let files = serde_json::json!([["one.log", lambda_log(3)], ["two.log", lambda_reports(5)]]);
    let dropped = browser.driver.execute(DROP_BESIDE, vec![files]).await?;
    assert_eq!(dropped.json(), true, "the page stays");
    assert!(outcome(&browser, 1).await?.contains("3 of 3 rows accepted"));
    assert!(outcome(&browser, 2).await?.contains("2 of 5 rows accepted, 3 duplicate"));
    let told = "/^2 of 2 files done · 5 rows accepted$/.test(document.getElementById('progress-status').innerText)";
    browser.wait_until(told).await?;
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    browser.quit().await
}
