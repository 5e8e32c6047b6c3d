//! `/api/v1/explain`

use axum::Json;
use axum::extract::State;
use paygrain_query::Explanation;

use crate::app::App;
use crate::error::AppError;
use crate::pages::explain::ExplainQuery;
use crate::params::Params;

/// `GET`: everything behind one charge.
pub async fn show(State(app): State<App>, params: Params) -> Result<Json<Explanation>, AppError> {
    params.only(&["charge", "allowances", "account_opened", "attribution", "offset", "limit"])?;
    Ok(Json(ExplainQuery::read(&params)?.answer(&app).await?))
}
