//! Formats: known totals of real files, one key in every envelope, hostile and bad input.

// What is only called by tests may panic like one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod aws_api_gateway;
mod aws_cloudtrail;
mod aws_lambda;
mod aws_s3_access;
mod aws_s3_event;
mod aws_s3_inventory;
mod aws_step_functions;
mod decompress;
mod detection;
mod gcp;
mod lines;
mod no_panic;
