//! What is wrong with a page, as far as a program can tell.

use std::env;
use std::fs;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::browser::{Browser, View, or_skip};
use crate::server::target;

/// Both themes, on a desk and on a phone.
pub const VIEWS: [View; 4] = [
    View { scheme: "light", width: 1280 },
    View { scheme: "light", width: 375 },
    View { scheme: "dark", width: 1280 },
    View { scheme: "dark", width: 375 },
];

const OPEN_ALL_DETAILS: &str = "document.querySelectorAll('details').forEach(details => details.open = true)";

/// What lies below the edge of a scroller can be judged only without the edge.
const GROW_ALL_SCROLLERS: &str = "document.querySelectorAll('.scroll').forEach(area => area.style.maxHeight = 'none')";
const SHRINK_ALL_SCROLLERS: &str = "document.querySelectorAll('.scroll').forEach(area => area.style.maxHeight = '')";

const FOREIGN_RESOURCES: &str = "performance.getEntriesByType('resource').map(entry => entry.name)\
    .filter(name => !name.startsWith(location.origin + '/') && !name.startsWith('data:'))";

/// The element that sticks out most, where one makes the page wider than the window.
const TOO_WIDE: &str = "(() => {
    const page = document.documentElement;
    if (page.scrollWidth <= page.clientWidth) return null;
    const inScroller = element => element.parentElement && (getComputedStyle(element.parentElement).overflowX !== 'visible'
        || inScroller(element.parentElement));
    const right = element => element.getBoundingClientRect().right;
    const widest = [...document.body.querySelectorAll('*')].filter(element => !inScroller(element))
        .reduce((one, other) => right(other) > right(one) ? other : one);
    return page.scrollWidth + ' of ' + page.clientWidth + ' pixels: ' + widest.outerHTML.slice(0, 160);
})()";

const RUN_AXE: &str = "
    const [only, done] = arguments;
    axe.run(document, { runOnly: only, resultTypes: ['violations'] }).then(
        result => done(result.violations.flatMap(violation => violation.nodes.map(node =>
            violation.id + ' (' + violation.impact + '): ' + node.target + ': ' + node.html.slice(0, 200)
            + ' ' + (node.failureSummary || '').replace(/\\s+/g, ' ')))),
        error => done(['axe failed: ' + error]));";

/// axe-core and a place for pictures.
pub struct Inspector {
    axe: String,
    screenshots: PathBuf,
}

impl Inspector {
    /// Reads axe-core from `AXE_JS`, else from where `.ci/run` puts it.
    pub fn new() -> Option<Self> {
        let path = env::var_os("AXE_JS").map_or_else(|| target().join("axe/package/axe.min.js"), PathBuf::from);
        let axe = or_skip("axe-core", fs::read_to_string(path).ok())?;
        let screenshots = target().join("screenshots");
        fs::create_dir_all(&screenshots).unwrap();
        Some(Self { axe, screenshots })
    }

    /// Opens a page, keeps pictures of it, and tells what is wrong with it.
    pub async fn faults_of(&self, browser: &Browser, name: &str, url: &str) -> WebDriverResult<Vec<String>> {
        browser.driver.goto(url).await?;
        self.faults_here(browser, name).await
    }

    /// The same of the page that is open.
    pub async fn faults_here(&self, browser: &Browser, name: &str) -> WebDriverResult<Vec<String>> {
        for view in VIEWS {
            browser.look(view).await?;
            let picture = self.screenshots.join(format!("{name}-{}-{}.png", view.scheme, view.width));
            fs::write(picture, picture_of(browser, view).await?)?;
        }
        browser.driver.execute(OPEN_ALL_DETAILS, vec![]).await?;
        let mut faults = browser.complaints().await?;
        faults.extend(strings(browser.eval(FOREIGN_RESOURCES).await?).map(|url| format!("from elsewhere: {url}")));
        browser.driver.execute(self.axe.as_str(), vec![]).await?;
        for view in VIEWS {
            browser.look(view).await?;
            faults.extend(faults_in_view(browser).await?.into_iter().map(|fault| format!("{view:?}: {fault}")));
        }
        browser.look(VIEWS[0]).await?;
        Ok(faults.into_iter().map(|fault| format!("{name}: {fault}")).collect())
    }
}

/// What depends on colours and widths.
async fn faults_in_view(browser: &Browser) -> WebDriverResult<Vec<String>> {
    let mut faults = Vec::new();
    if let Value::String(widest) = browser.eval(TOO_WIDE).await? {
        faults.push(format!("wider than the window, {widest}"));
    }
    let rules = json!(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]);
    faults.extend(axe(browser, rules).await?);
    browser.driver.execute(GROW_ALL_SCROLLERS, vec![]).await?;
    faults.extend(axe(browser, json!({ "type": "rule", "values": ["color-contrast"] })).await?);
    browser.driver.execute(SHRINK_ALL_SCROLLERS, vec![]).await?;
    faults.sort();
    faults.dedup();
    Ok(faults)
}

async fn axe(browser: &Browser, only: Value) -> WebDriverResult<Vec<String>> {
    let found = browser.driver.execute_async(RUN_AXE, vec![only]).await?;
    Ok(strings(found.json().clone()).collect())
}

/// The whole page, not only what fits into the window.
async fn picture_of(browser: &Browser, view: View) -> WebDriverResult<Vec<u8>> {
    let height = browser.eval("document.documentElement.scrollHeight").await?;
    let clip = json!({ "x": 0, "y": 0, "width": view.width, "height": height, "scale": 1 });
    let options = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
    let answer = browser.driver.cdp().send_raw("Page.captureScreenshot", options).await?;
    Ok(BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap())
}

fn strings(value: Value) -> impl Iterator<Item = String> {
    let values = if let Value::Array(values) = value { values } else { Vec::new() };
    values.into_iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
