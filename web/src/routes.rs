//! Every URL of the server, on one screen.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};

use crate::app::App;
use crate::{api, assets, middleware, pages};

/// The whole server without a socket.
pub fn router(app: App) -> Router {
    let pages = Router::new()
        .route("/", get(pages::overview::page))
        .route("/overview.csv", get(pages::overview::csv))
        .route("/explore", get(pages::explore::page))
        .route("/explore.csv", get(pages::explore::csv))
        .route("/resources", get(pages::resources::page))
        .route("/resources.csv", get(pages::resources::csv))
        .route("/resources/{name}", get(pages::resource::page))
        .route("/bill", get(pages::bill::page))
        .route("/bill.csv", get(pages::bill::csv))
        .route("/explain", get(pages::explain::page))
        .route("/reconcile", get(pages::reconcile::page))
        .route("/reconcile.csv", get(pages::reconcile::csv))
        .route("/quarantine", get(pages::quarantine::page))
        .route("/quarantine.csv", get(pages::quarantine::csv))
        .route("/uploads", get(pages::uploads::page))
        .route("/uploads/{name}", get(pages::upload::page))
        .route("/uploads/{name}/metadata", post(pages::upload::set_metadata))
        .route("/settings", get(pages::settings::page))
        .route("/settings/metadata", post(pages::settings::set_metadata))
        .route("/api", get(pages::api::page))
        .merge(comparisons());

    // In memory: they wait for nothing.
    let files = Router::new().route("/assets/{file}", get(assets::serve)).route("/favicon.ico", get(assets::favicon));

    let api = Router::new()
        .route("/api/v1/periods", get(api::periods::list))
        .route("/api/v1/overview", get(api::overview::show))
        .route("/api/v1/charges", get(api::charges::list))
        .route("/api/v1/explain", get(api::explain::show))
        .route("/api/v1/reconcile", get(api::reconcile::show))
        .route("/api/v1/compare", get(api::compare::show).post(api::compare::create))
        .route("/api/v1/what-if/cron", get(api::what_if::cron))
        .route("/api/v1/what-if/memory", get(api::what_if::memory))
        .route("/api/v1/scenarios", get(api::scenarios::list))
        .route("/api/v1/scenarios/{name}", get(api::scenarios::show))
        .route("/api/v1/deployments", get(api::compare::deployments))
        .route("/api/v1/reports", get(api::reports::list))
        .route("/api/v1/reports/{name}", get(api::reports::show))
        .route("/api/v1/bills", get(api::bills::list).post(api::bills::create))
        .route("/api/v1/bills/{id}", get(api::bills::show))
        .route("/api/v1/exports/{file}", get(api::exports::focus))
        .route("/api/v1/estimate", post(api::estimate::create))
        .route("/api/v1/uploads", get(api::uploads::list))
        .route("/api/v1/uploads/{name}", get(api::uploads::show))
        .route("/api/v1/uploads/{name}/rejected", get(api::uploads::rejected))
        .route("/api/v1/uploads/{name}/rejected/original", get(api::uploads::rejected_original))
        .route("/api/v1/quarantine", get(api::quarantine::show))
        .route("/api/v1/price-books", get(api::price_books::list))
        .route("/api/v1/price-books/{provider}/{service}", get(api::price_books::show))
        .route("/api/v1/settings", get(api::settings::show))
        .route("/api/v1/metadata", get(api::metadata::list).post(api::metadata::create));

    // Queries end at a deadline of their own, and are stopped when nobody waits for them.
    let queries = Router::new()
        .route("/sql", get(pages::sql::page))
        .route("/sql/{file}", get(pages::sql::file))
        .route("/api/v1/sql", post(api::sql::run));

    // As large and as slow as they need to be: they count their own bytes and watch for a sender that has gone quiet.
    let uploads = Router::new()
        .route("/uploads", post(pages::uploads::submit))
        .route("/uploads/{name}", put(pages::uploads::create))
        .route("/samples", post(pages::samples::load))
        .route("/api/v1/uploads/{name}", put(api::uploads::create))
        .route("/api/v1/events", post(api::events::create))
        .layer(DefaultBodyLimit::disable());

    let answers = pages
        .merge(api)
        .layer(from_fn_with_state(app.clone(), middleware::on_answer_threads))
        .layer(from_fn_with_state(app.clone(), middleware::timeout));
    let all = answers
        .merge(files)
        .merge(queries)
        .merge(uploads)
        .fallback(middleware::not_found)
        .method_not_allowed_fallback(middleware::method_not_allowed);
    middleware::around(all, &app).with_state(app)
}

/// The pages of comparisons and of what they rest on.
fn comparisons() -> Router<App> {
    Router::new()
        .route("/compare", get(pages::compare::page))
        .route("/compare.csv", get(pages::compare::csv))
        .route("/compare/staircase.csv", get(pages::compare::course))
        .route("/what-if/staircase.csv", get(pages::what_if::course))
        .route("/what-if", get(pages::what_if::page))
        .route("/what-if.csv", get(pages::what_if::csv))
        .route("/what-if/memory", get(pages::what_if_memory::page))
        .route("/what-if/memory.csv", get(pages::what_if_memory::csv))
        .route("/scenarios/{name}/staircase.csv", get(pages::scenarios::course))
        .route("/scenarios", get(pages::scenarios::list))
        .route("/scenarios/{name}", get(pages::scenarios::page))
        .route("/price-books", get(pages::price_books::page))
        .route("/price-books.csv", get(pages::price_books::csv))
        .route("/price-books/{provider}/{service}", get(pages::price_book::page))
        .route("/price-books/{provider}/{service}/{file}", get(pages::price_book::file))
}
