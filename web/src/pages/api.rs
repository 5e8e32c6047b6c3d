//! `/api`: how to ask the same questions from a program.

use askama::Template;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use crate::error::{AppError, html};

/// One operation of the API.
struct Operation {
    method: &'static str,
    path: &'static str,
    /// Parameters or body.
    input: &'static str,
    answer: &'static str,
}

const OPERATIONS: &[Operation] = &[
    Operation {
        method: "PUT",
        path: "/api/v1/uploads/{name}",
        input: "the raw bytes of a file; ?format, account, region, resource, architecture, package_type, at, ticket",
        answer: "what became of it: accepted, duplicate and rejected rows, what is in it, and advice on what is missing. 201, or 200 if it was already loaded",
    },
    Operation {
        method: "POST",
        path: "/api/v1/events",
        input: "CloudEvents 1.0 as JSON: one, a batch (application/cloudevents-batch+json), a line each (application/x-ndjson), or with ce- headers",
        answer: "how many were accepted, duplicate and rejected, once they are on disk; 429 when too many wait",
    },
    Operation { method: "GET", path: "/api/v1/uploads", input: "", answer: "every upload, latest first" },
    Operation {
        method: "GET",
        path: "/api/v1/uploads/running",
        input: "",
        answer: "uploads on their way: the ticket that their sender gave, the stage, bytes, rows, time left",
    },
    Operation {
        method: "GET",
        path: "/api/v1/uploads/failed",
        input: "",
        answer: "files that did not land since the server started, latest first, each with the reason and what to do",
    },
    Operation {
        method: "GET",
        path: "/api/v1/quarantine",
        input: "?upload, q=words, offset, limit",
        answer: "the rows that were refused of every upload: the most frequent reasons, and each row with its upload, place and reason",
    },
    Operation {
        method: "GET",
        path: "/api/v1/uploads/{id}",
        input: "",
        answer: "one upload, with what is in it and advice on what is missing",
    },
    Operation {
        method: "GET",
        path: "/api/v1/uploads/{id}/rejected",
        input: "?offset, limit",
        answer: "the rows that were refused, each with its place and the reason",
    },
    Operation {
        method: "GET",
        path: "/api/v1/uploads/{id}/rejected/original",
        input: "",
        answer: "the same rows as they were, as a file to mend and send again",
    },
    Operation {
        method: "GET",
        path: "/api/v1/metadata",
        input: "",
        answer: "what was supplied after logs were ingested, in the order it was",
    },
    Operation {
        method: "POST",
        path: "/api/v1/metadata",
        input: "JSON: values (account, region, resource, architecture, package_type, runtime, memory_mb, …), for rows of upload_id, resource, service, provider; overrides; or many in metadata",
        answer: "201 with what was supplied; bills and pages see it from then on",
    },
    Operation { method: "GET", path: "/api/v1/periods", input: "", answer: "the months that have usage, latest first" },
    Operation {
        method: "GET",
        path: "/api/v1/overview",
        input: "?period",
        answer: "totals, daily cost by service, the most expensive resources",
    },
    Operation {
        method: "GET",
        path: "/api/v1/charges",
        input: "?period, provider, by=service,day, allowances=true|false|ids, attribution=time|proportional, account_opened; and a value of a dimension, such as day=2026-10-18",
        answer: "the bill: charges, totals, groups, usage without a price",
    },
    Operation {
        method: "GET",
        path: "/api/v1/explain",
        input: "?charge, allowances, attribution, offset, limit",
        answer: "the arithmetic of one charge, its price, its shares and its records",
    },
    Operation {
        method: "GET",
        path: "/api/v1/reconcile",
        input: "?period, provider, account, view, sku, by=sku,day, allowances, account_opened",
        answer: "the bill of the provider against the rating of the logs, each difference by its class",
    },
    Operation {
        method: "GET",
        path: "/api/v1/compare",
        input: "?period, or from and to; provider, resource, filter=dimension=value; kind=faas,vm, on=aws, deployment=names, axis, robustness, limit; and assumptions: allowances=all|none, target_percent, sizing, high_availability, …",
        answer: "the recorded executions on every deployment: cost in parts, instances, cold starts, what cannot run them and why, the charges, the verdict, break-even",
    },
    Operation {
        method: "POST",
        path: "/api/v1/compare",
        input: "a workload described in JSON, or TOML as application/toml: title, function with name, memory, duration, schedule or rate or runs or called_by; ?period and the same as above",
        answer: "the same for a workload that was not recorded",
    },
    Operation {
        method: "GET",
        path: "/api/v1/what-if/cron",
        input: "?schedule, timezone, duration, memory, cpu_percent, vcpu, init, response_bytes, log_bytes, period; and the same as a comparison",
        answer: "the same for a scheduled job that does not exist yet, with its next runs and what changes of the clock do to them",
    },
    Operation {
        method: "GET",
        path: "/api/v1/what-if/memory",
        input: "?period, or from and to; provider, resource, filter=dimension=value; deployment=aws-lambda-arm; and assumptions",
        answer: "recorded executions of one function at all sizes of memory: duration and cost, each between two bounds, and which sizes are the cheapest, the fastest and the best balanced",
    },
    Operation {
        method: "GET",
        path: "/api/v1/scenarios",
        input: "",
        answer: "the described workloads that come with the program, with their text and what was published of them",
    },
    Operation {
        method: "GET",
        path: "/api/v1/scenarios/{name}",
        input: "?period and the same as a comparison",
        answer: "one of them on every deployment",
    },
    Operation {
        method: "GET",
        path: "/api/v1/deployments",
        input: "",
        answer: "what workloads can be compared on, with limits and sources",
    },
    Operation {
        method: "GET",
        path: "/api/v1/reports",
        input: "",
        answer: "the reports there are, with what they answer and their parameters",
    },
    Operation {
        method: "GET",
        path: "/api/v1/reports/{name}",
        input: "?period, or from and to; provider, resource, filter=dimension=value, limit, and what the list says",
        answer: "the rows of a report, with what its columns mean and how they are worked out",
    },
    Operation {
        method: "GET",
        path: "/api/v1/bills",
        input: "",
        answer: "the bills that were issued, by period, provider and revision",
    },
    Operation {
        method: "GET",
        path: "/api/v1/bills/{id}",
        input: "",
        answer: "one issued bill, byte for byte: its lines, its price books, what it was rated on",
    },
    Operation {
        method: "POST",
        path: "/api/v1/bills",
        input: "JSON: period, provider, dry_run",
        answer: "closes a month: its bill, or corrections of it. 201, or 200 if there is nothing to correct",
    },
    Operation {
        method: "GET",
        path: "/api/v1/exports/focus.csv, focus.parquet",
        input: "?period, version=1.2|1.1|1.0, charge_period=day|hour|month, invoice_id, provider, allowances, attribution, account_opened",
        answer: "the charges of a month as FOCUS rows, as a file",
    },
    Operation {
        method: "GET",
        path: "/api/v1/price-books",
        input: "?provider, q=words, on, offset, limit",
        answer: "the price books in force; with words the SKUs that have them in a name, unit, region, source or mark, with the prices of the day",
    },
    Operation {
        method: "GET",
        path: "/api/v1/price-books/{provider}/{service}",
        input: "?q, sku, region, on, offset, limit; from and to",
        answer: "one book: rules, prices of every period with source and mark, allowances, plans; and what changed between two days",
    },
    Operation {
        method: "GET",
        path: "/api/v1/settings",
        input: "",
        answer: "what the server was told: the lake, limits, the agreement, price books of one's own with their problems",
    },
    Operation {
        method: "POST",
        path: "/api/v1/sql",
        input: "one read-only query, as application/sql, or JSON: query, format=json|csv|arrow, max_rows, timeout_ms; Accept also names the format",
        answer: "its rows: JSON objects, CSV or an Arrow IPC stream. 400 for bad SQL, 504 past the deadline, 507 for more memory than it may have, 429 when too many run",
    },
    Operation {
        method: "POST",
        path: "/api/v1/estimate",
        input: "usage described in JSON",
        answer: "what it would cost, by the same rating",
    },
];

#[derive(Template)]
#[template(path = "api.html")]
struct Page {
    origin: String,
    operations: &'static [Operation],
}

/// `GET /api`
pub async fn page(headers: HeaderMap) -> Result<Response, AppError> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    html(&Page { origin: format!("http://{host}"), operations: OPERATIONS })
}
