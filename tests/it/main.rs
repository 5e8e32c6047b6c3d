//! Integration tests: they drive the built program, as a user would.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod harness;

/// Requests that share instances, from a log to the bill and its explanation.
mod activities;
/// Discounts, commitments, currencies; months in the provider's zone.
mod agreement;
/// Archives through the command line.
mod archives;
/// Described usage with mistakes.
mod bad_estimates;
/// Every kind of bad input: a clear error, and nothing lost or half-written.
mod bad_input;
/// Bills against hand-worked amounts and an independent oracle; groups and explanations sum to the bill.
mod bill;
/// Help, completions, output formats, exit codes.
mod cli;
/// Closed periods: bills that never change, and corrections.
mod closing;
/// Small files put together, beside everything else.
mod compaction;
/// The same executions on other compute models, and jobs that do not exist yet.
mod compare;
/// kill -9 at random moments: an upload is wholly there or wholly absent.
mod crash;
/// Published worked examples through `paygrain estimate`.
mod estimate;
/// Events over HTTP: acknowledged means kept, once.
mod events;
/// The same usage again, in any file, envelope, order or process: counted once.
mod exactly_once;
/// The FOCUS export, beyond what an outside validator looks at.
mod focus;
/// Deliveries by their manifests.
mod manifests;
/// Files of any shape, by a declared mapping.
mod mapping;
/// What logs do not say, supplied later.
mod metadata;
/// Many formats, cut, repeated, mixed, at once and killed: each record counts once.
mod mixture;
/// The Postgres wire, with psql, a Python driver and bare messages.
mod postgres;
/// Price books of one's own.
mod price_books;
/// Refused rows taken out, mended and ingested again.
mod quarantine;
/// Bills of the provider against the rating, with every difference named.
mod reconcile;
/// Files that other projects recorded, read through the command line.
mod recorded_files;
/// Reports, on the command line and over HTTP, against the bill and the records.
mod reports;
/// The dashboard and the API over a socket.
mod server;
/// SQL: its answers, its limits, and attacks on them.
mod sql;
/// House rules that a reader should not have to check.
mod tidy;
