//! Chromium, driven through ChromeDriver.

use std::env;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};

use crate::process::Process;

/// Quiet, without a window, and without calls to anybody.
const FLAGS: [&str; 14] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--lang=en-US",
    "--window-size=1280,900",
];

/// A page that is not there after this long is not coming.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// `light` or `dark`, as the system prefers.
    pub scheme: &'static str,
    /// Width of the window in CSS pixels.
    pub width: u64,
}

/// A browser with an empty profile.
pub struct Browser {
    /// The session, for whatever has no method here.
    pub driver: WebDriver,
    port: u16,
    _chromedriver: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser; `None`, and a line that says so, where there is none.
    pub async fn start() -> WebDriverResult<Option<Self>> {
        let chromium = or_skip("chromium", on_path(&["chromium", "chromium-browser", "google-chrome"]));
        let chromedriver = or_skip("chromedriver", on_path(&["chromedriver"]));
        let (Some(chromium), Some(chromedriver)) = (chromium, chromedriver) else { return Ok(None) };
        let profile = tempfile::tempdir()?;
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(chromium.to_str().unwrap())?;
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::Warning)?;
        for flag in FLAGS {
            capabilities.add_arg(flag)?;
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        let mut command = Command::new(chromedriver);
        command.arg("--port=0").stderr(Stdio::null());
        let (chromedriver, rest) = Process::start(&mut command, "started successfully on port ");
        let port = rest.trim_end().trim_end_matches('.').parse().unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await?;
        driver.set_script_timeout(PATIENCE).await?;
        let browser = Self { driver, port, _chromedriver: chromedriver, _profile: profile };
        browser.look(View { scheme: "light", width: 1280 }).await?;
        Ok(Some(browser))
    }

    /// Sets theme and width. A window cannot be narrower than 500 pixels, so the size is emulated.
    pub async fn look(&self, view: View) -> WebDriverResult<()> {
        let size = json!({ "width": view.width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", size).await?;
        let features = json!([
            { "name": "prefers-color-scheme", "value": view.scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.driver.cdp().send_raw("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        Ok(())
    }

    /// Limits how fast the pages may send, in bytes a second; 0 is no limit.
    pub async fn throttle(&self, bytes_per_s: i64) -> WebDriverResult<()> {
        self.driver.cdp().send_raw("Network.enable", json!({})).await?;
        let rate = if bytes_per_s == 0 { -1 } else { bytes_per_s };
        let conditions = json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate });
        self.driver.cdp().send_raw("Network.emulateNetworkConditions", conditions).await?;
        Ok(())
    }

    /// Turns the scripts of pages off or on, from the next page on.
    pub async fn set_scripts(&self, on: bool) -> WebDriverResult<()> {
        self.driver.cdp().send_raw("Emulation.setScriptExecutionDisabled", json!({ "value": !on })).await?;
        Ok(())
    }

    /// The value of a JavaScript expression in the page.
    pub async fn eval(&self, expression: &str) -> WebDriverResult<Value> {
        Ok(self.driver.execute(format!("return ({expression})"), vec![]).await?.json().clone())
    }

    /// Waits until a JavaScript expression is true. Between two pages it is nothing, and an error.
    pub async fn wait_until(&self, expression: &str) -> WebDriverResult<()> {
        let start = Instant::now();
        loop {
            match self.eval(expression).await {
                Ok(Value::Bool(true)) => return Ok(()),
                Err(error) if start.elapsed() > PATIENCE => return Err(error),
                _ => assert!(start.elapsed() < PATIENCE, "still not: {expression}\n{}", self.text("body").await?),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The text of the first element that fits, as it can be read on the screen.
    pub async fn text(&self, css: &str) -> WebDriverResult<String> {
        self.driver.find(By::Css(css)).await?.text().await
    }

    /// The texts of all elements that fit.
    pub async fn texts(&self, css: &str) -> WebDriverResult<Vec<String>> {
        let mut texts = Vec::new();
        for element in self.driver.find_all(By::Css(css)).await? {
            texts.push(element.text().await?);
        }
        Ok(texts)
    }

    /// Clicks the first element that fits.
    pub async fn click(&self, css: &str) -> WebDriverResult<()> {
        self.driver.find(By::Css(css)).await?.click().await
    }

    /// Clicks the first element that fits, and waits for the page to which it leads.
    pub async fn click_through(&self, css: &str) -> WebDriverResult<()> {
        self.leave_by(self.driver.find(By::Css(css)).await?).await
    }

    /// Clicks the first link with this text, and waits for the page to which it leads.
    pub async fn follow(&self, text: &str) -> WebDriverResult<()> {
        self.leave_by(self.driver.find(By::LinkText(text)).await?).await
    }

    /// A click returns before a slow server has answered, and until then the old page is still there.
    async fn leave_by(&self, element: WebElement) -> WebDriverResult<()> {
        let old = self.eval("performance.timeOrigin").await?;
        element.click().await?;
        self.wait_until(&format!("performance.timeOrigin !== {old} && document.readyState === 'complete'")).await
    }

    /// Types into the first element that fits; into a choice of files: chooses the file.
    pub async fn type_into(&self, css: &str, text: &str) -> WebDriverResult<()> {
        self.driver.find(By::Css(css)).await?.send_keys(text).await
    }

    /// Presses a key, wherever the focus is.
    pub async fn press(&self, key: Key) -> WebDriverResult<()> {
        self.driver.action_chain().send_keys(key).perform().await
    }

    /// What the browser complained about since the last call: errors of scripts, of the content policy, of loading.
    pub async fn complaints(&self) -> WebDriverResult<Vec<String>> {
        let entries = self.driver.browser_log().await?;
        Ok(entries.into_iter().map(|entry| format!("{}: {}", entry.level, entry.message)).collect())
    }

    /// Ends the session.
    pub async fn quit(self) -> WebDriverResult<()> {
        self.driver.clone().quit().await
    }
}

impl Drop for Browser {
    /// Killed, ChromeDriver would leave its browser behind; asked to go, it takes the browser with it.
    fn drop(&mut self) {
        let _ = self.driver.clone().leak();
        let _ = shut_down(self.port);
    }
}

/// Asks ChromeDriver to go, and waits until it has closed the connection.
fn shut_down(port: u16) -> std::io::Result<()> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(connection, "GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    connection.read_to_end(&mut Vec::new()).map(drop)
}

/// What is needed, or `None` and a line that says so; a failure where `REQUIRE_BROWSER=1` asks for one.
pub fn or_skip<T>(name: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        assert!(env::var_os("REQUIRE_BROWSER").is_none_or(|value| value != "1"), "{name} is not here");
        // Past the capture of test output: a skipped test must not look like a run one.
        let _ = writeln!(std::io::stderr(), "skipped: {name} is not here");
    }
    found
}

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    names
        .iter()
        .find_map(|name| env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file()))
}
