//! Formats: known totals of real files, one key in every envelope, hostile and bad input.

// What is only called by tests may panic like one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod aws_lambda;
mod aws_s3_access;
mod cloudevents;
mod decompress;
mod gcp;
mod lines;
mod no_panic;
