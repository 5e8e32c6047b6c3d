//! `/api/v1/compare` and `/api/v1/deployments`

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use paygrain_query::Compared;
use serde_json::{Value, json};

use crate::app::App;
use crate::compare_query::{CompareQuery, this_month};
use crate::comparing;
use crate::error::AppError;
use crate::params::Params;

/// `GET`: recorded executions on every deployment, in the shape of `paygrain compare --format json`.
pub async fn show(State(app): State<App>, params: Params) -> Result<Json<Compared>, AppError> {
    let query = CompareQuery::recorded(&params, false)?;
    comparing::recorded(&app, query).await?.map(Json).ok_or(AppError::NoExecutions)
}

/// `POST`: a described workload on every deployment, in the same shape. JSON, or TOML as `application/toml`.
pub async fn create(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Compared>, AppError> {
    let body = body.map_err(|rejection| AppError::BadBody { problem: rejection.body_text() })?;
    let query = CompareQuery::read(&params, &["period"], false)?;
    let month = params.period()?.unwrap_or_else(this_month);
    comparing::described(&app, (&headers, &body), month, query).await?.map(Json).ok_or(AppError::NoExecutions)
}

/// `GET /api/v1/deployments`: what workloads can be compared on.
pub async fn deployments(State(app): State<App>, params: Params) -> Result<Json<Value>, AppError> {
    params.only(&[])?;
    let deployments = app.engine().deployments()?;
    let shown = deployments.all().iter().map(|one| {
        let largest_mb = one.memory.largest_mb();
        json!({
            "name": one.name,
            "title": one.title,
            "kind": one.kind,
            "provider": one.provider,
            "region": one.region,
            "note": one.note,
            "memory_mb": largest_mb,
            "vcpu_milli": one.vcpu.of_memory(largest_mb),
            "scaling": one.scaling,
            "concurrency": one.concurrency,
            "start_ms": one.start_us / 1000,
            "tail_s": one.tail_us / 1_000_000,
            "minimum_instances": one.minimum_instances,
            "longest_run_s": one.limits.longest_run_s,
            "sources": one.sources,
        })
    });
    Ok(Json(json!({ "deployments": shown.collect::<Vec<_>>() })))
}
