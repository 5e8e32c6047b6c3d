//! Formats: known totals of real files, one key in every envelope, hostile and bad input.

// What is only called by tests may panic like one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod aws_api_gateway;
mod aws_cloudtrail;
mod aws_cloudwatch;
mod aws_cost_explorer;
mod aws_cur;
mod aws_lambda;
mod aws_lambda_envelopes;
mod aws_s3_access;
mod aws_s3_event;
mod aws_s3_inventory;
mod aws_step_functions;
mod azure;
mod azure_cost;
mod azure_traces;
mod bad_input;
mod bill_lines;
mod bills;
mod cloudevents;
mod decompress;
mod detection;
mod focus;
mod found;
mod gcp;
mod gcp_billing;
mod lines;
mod no_panic;
mod oci_cost;
mod opencost;
mod otlp;
