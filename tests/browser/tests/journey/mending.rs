//! Rows that were refused are mended and sent again; values that were missing are filled in.

use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::inspection::Inspector;
use crate::server::{Server, lambda_reports};
use crate::upload_to_explanation::{SUBMIT, outcome};

/// The bytes behind the first link that fits, as text.
async fn download(browser: &Browser, css: &str) -> WebDriverResult<String> {
    let script = "const [css, done] = arguments;
        fetch(document.querySelector(css).href).then(answer => answer.text()).then(done)";
    let answer = browser.driver.execute_async(script, vec![css.into()]).await?;
    Ok(answer.json().as_str().unwrap().to_owned())
}

#[tokio::test]
async fn refused_rows_are_downloaded_mended_and_sent_again() -> WebDriverResult<()> {
    let (Some(browser), Some(inspector)) = (Browser::start().await?, Inspector::new()) else { return Ok(()) };
    let server = Server::start(&[]);
    let all = lambda_reports(4);
    let broken: String = all.lines().skip(2).map(|line| line.replacen(".00 ms", ".00 parsecs", 1) + "\n").collect();
    let good: String = all.lines().take(2).map(|line| format!("{line}\n")).collect();
    browser.driver.goto(server.url("/uploads")).await?;
    browser.type_into("#files", server.file("broken.log", format!("{good}{broken}")).to_str().unwrap()).await?;
    browser.click(SUBMIT).await?;
    let card = outcome(&browser, 1).await?;
    assert!(card.contains("2 of 4 rows accepted, 0 duplicate, 2 rejected"), "{card}");
    browser.click_through("#jobs .outcome a[href$='#rejected']").await?;
    assert_eq!(browser.texts("table.reasons tbody tr").await?.len(), 2);
    let link = "#rejected a[download]";
    assert!(browser.text(link).await?.starts_with("Download as they were"));
    let refused = download(&browser, link).await?;
    assert_eq!(refused, broken);
    let faults = inspector.faults_here(&browser, "upload-rejected").await?;
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));

    let mended = server.file("broken.rejected.log", refused.replace("parsecs", "ms"));
    browser.driver.goto(server.url("/uploads")).await?;
    browser.type_into("#files", mended.to_str().unwrap()).await?;
    browser.click(SUBMIT).await?;
    let card = outcome(&browser, 1).await?;
    assert!(card.contains("2 of 2 rows accepted, 0 duplicate, none rejected"), "{card}");
    browser.quit().await
}

#[tokio::test]
async fn what_is_missing_is_filled_in_on_the_page() -> WebDriverResult<()> {
    let (Some(browser), Some(inspector)) = (Browser::start().await?, Inspector::new()) else { return Ok(()) };
    let server = Server::start(&[]);
    for scripts in [true, false] {
        browser.driver.goto(server.url("/uploads")).await?;
        let log = lambda_reports(if scripts { 3 } else { 6 });
        browser.type_into("#files", server.file("f.log", log).to_str().unwrap()).await?;
        browser.click(SUBMIT).await?;
        outcome(&browser, 1).await?;
        browser.set_scripts(scripts).await?;
        browser.click_through("#jobs .outcome a[href$='#metadata']").await?;
        let said = browser.text("#metadata").await?;
        assert!(
            said.contains("came without region") && said.contains("For a right bill something is missing"),
            "{said}"
        );
        browser.type_into("input[name=resource]", "nightly").await?;
        browser.type_into("input[name=region]", "eu-west-1").await?;
        browser.type_into("input[name=memory_mb]", "0").await?;
        browser.click_through("#metadata form button").await?;
        let said = browser.text("#metadata").await?;
        assert!(said.contains("Not saved") && said.contains("expected a whole number from 1"), "{said}");
        let memory = browser.driver.find(By::Css("input[name=memory_mb]")).await?;
        assert_eq!(memory.prop("value").await?.as_deref(), Some("0"), "what was filled in is still there");
        memory.clear().await?;
        browser.click_through("#metadata form button").await?;
        let said = browser.text("#metadata").await?;
        assert!(said.contains("Saved.") && !said.contains("came without region"), "{said}");
        assert!(said.contains("Region eu-west-1, resource nightly"), "{said}");
        if scripts {
            browser.complaints().await?;
            let faults = inspector.faults_here(&browser, "upload-metadata").await?;
            assert!(faults.is_empty(), "\n{}", faults.join("\n"));
        }
        browser.set_scripts(true).await?;
    }
    browser.driver.goto(server.url("/")).await?;
    let resources = browser.texts("table.pin tbody th").await?;
    assert_eq!(resources, ["nightly"]);
    browser.quit().await
}
