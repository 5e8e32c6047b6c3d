//! `/api/v1/price-books`

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::app::App;
use crate::error::AppError;
use crate::pages::{price_book, price_books};
use crate::params::Params;
use crate::price_books::find;

/// `GET`: every price book in force; with `q` those with SKUs that fit, and the SKUs.
pub async fn list(State(app): State<App>, params: Params) -> Result<Json<Value>, AppError> {
    let answer = price_books::Answer::of(&app, &params)?;
    let mut document = json!({ "offset": answer.query.offset, "total": answer.total, "price_books": answer.books });
    if answer.query.words.is_some() {
        document["on"] = json!(answer.query.day());
        document["skus"] = json!(answer.skus);
    }
    Ok(Json(document))
}

/// `GET …/{provider}/{service}`: one book, and with `from` and `to` what changed between two days.
pub async fn show(
    State(app): State<App>,
    Path((provider, service)): Path<(String, String)>,
    params: Params,
) -> Result<Json<Value>, AppError> {
    let book = find(app.engine().catalogue(), &provider, &service)?;
    Ok(Json(price_book::Answer::of(book, &params)?.document(book)))
}
