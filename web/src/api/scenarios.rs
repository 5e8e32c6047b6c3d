//! `/api/v1/scenarios`

use axum::Json;
use axum::extract::{Path, State};
use paygrain_query::Compared;
use serde_json::{Value, json};

use crate::app::App;
use crate::compare_query::CompareQuery;
use crate::comparing;
use crate::error::AppError;
use crate::params::Params;
use crate::scenarios::Scenario;

/// `GET`: the described workloads that come with the program.
pub async fn list(params: Params) -> Result<Json<Value>, AppError> {
    params.only(&[])?;
    let shown = Scenario::all()?.iter().map(|scenario| {
        let published = scenario.description.published.as_ref().map(|published| {
            json!({
                "amount": published.amount.as_str(),
                "currency": published.currency,
                "what": published.what,
                "source": published.source,
            })
        });
        json!({
            "name": scenario.name,
            "title": scenario.description.title,
            "story": scenario.story,
            "known": scenario.known,
            "assumed": scenario.assumed,
            "functions": scenario.description.functions.iter().map(|function| &function.name).collect::<Vec<_>>(),
            "published": published,
            "source": scenario.text,
        })
    });
    Ok(Json(json!({ "scenarios": shown.collect::<Vec<_>>() })))
}

/// `GET /{name}`: one of them on every deployment, in the shape of `paygrain compare FILE --format json`.
pub async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Json<Compared>, AppError> {
    let scenario = Scenario::find(&name)?;
    let (month, query) = CompareQuery::scenario(scenario, &params, false)?;
    comparing::scenario(&app, scenario, month, query).await?.map(Json).ok_or(AppError::NoExecutions)
}
