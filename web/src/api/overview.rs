//! `/api/v1/overview`

use axum::Json;
use axum::extract::State;
use paygrain_query::Overview;

use crate::app::App;
use crate::error::AppError;
use crate::params::Params;

/// `GET`: the numbers of the overview page; `null` while there is no usage at all.
pub async fn show(State(app): State<App>, params: Params) -> Result<Json<Option<Overview>>, AppError> {
    params.only(&["period"])?;
    Ok(Json(app.engine().overview(params.period()?).await?))
}
