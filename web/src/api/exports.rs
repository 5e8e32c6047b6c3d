//! `/api/v1/exports`

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use paygrain_query::{FocusFormat, FocusRequest, FocusVersion};

use crate::app::App;
use crate::bill_query::BillQuery;
use crate::error::AppError;
use crate::params::Params;

const PARAMETERS: [&str; 8] =
    ["period", "version", "charge_period", "invoice_id", "provider", "allowances", "account_opened", "attribution"];

/// `GET …/focus.csv` and `…/focus.parquet`: the charges of a month as FOCUS rows, as `paygrain export focus` writes them.
pub async fn focus(State(app): State<App>, Path(file): Path<String>, params: Params) -> Result<Response, AppError> {
    let (format, content_type) = match file.as_str() {
        "focus.csv" => (FocusFormat::Csv, "text/csv; charset=utf-8"),
        "focus.parquet" => (FocusFormat::Parquet, "application/vnd.apache.parquet"),
        _ => return Err(AppError::NoSuchPage { path: format!("/api/v1/exports/{file}") }),
    };
    params.only(&PARAMETERS)?;
    let expected = "a month as `YYYY-MM`, for example `2026-10`";
    let period = params.period()?.ok_or(AppError::MissingParameter { name: "period", expected })?;
    let version = params.get("version").map(str::parse).transpose()?.unwrap_or(FocusVersion::default());
    let mut request = FocusRequest::new(BillQuery::read(&params, period)?.request);
    request.charge_period = params.get("charge_period").map(str::parse).transpose()?.unwrap_or_default();
    request.invoice_id = params.text("invoice_id");
    let export = app.engine().focus(&request).await?;
    let mut bytes = Vec::new();
    export.write(format, version, &mut bytes)?;
    let extension = file.rsplit('.').next().unwrap_or_default();
    let name = format!("attachment; filename=\"focus-{}-{period}.{extension}\"", version.name());
    let headers = [(header::CONTENT_TYPE, content_type.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}
