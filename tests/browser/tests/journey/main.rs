//! What a person does with the pages, in a real browser.
//!
//! Without Chromium, ChromeDriver or axe-core each test says `skipped` and passes; with `REQUIRE_BROWSER=1` it fails.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod browser;
mod inspection;
mod process;
mod server;

/// axe-core, overflow, foreign resources and console messages: every page, both themes, desk and phone.
mod accessibility;
/// The chart and the start of a page without a mouse.
mod keyboard;
/// Uploads while they are under way: progress, a queue, cancelling, a server that goes away.
mod live_upload;
/// Rows that were refused, and values that were missing: mended and filled in.
mod mending;
/// From a log file to the explanation of a charge, with scripts and without.
mod upload_to_explanation;
/// From a job that does not exist yet to the charges of one deployment, with scripts and without.
mod what_if;
