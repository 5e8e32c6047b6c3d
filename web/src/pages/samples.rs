//! `/samples`: loads the sample data, so that there is something to look at.

use axum::extract::State;
use axum::response::Redirect;
use paygrain_ingest::samples;

use crate::app::App;
use crate::error::AppError;

/// `POST /samples`
pub async fn load(State(app): State<App>) -> Result<Redirect, AppError> {
    samples::load(app.engine().lake()).await?;
    Ok(Redirect::to("/"))
}
