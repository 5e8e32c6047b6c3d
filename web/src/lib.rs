//! Pages and JSON API.
//!
//! [`serve`] runs the server, [`router`] is the same without a socket, for tests. A page is one file in `pages/` and one
//! template; a resource of the API is one file in `api/`. Both ask the same [`Engine`](paygrain_query::Engine).

mod address;
mod api;
mod app;
mod assets;
mod assumption_fields;
mod bill_query;
mod chart;
mod compare_query;
mod comparing;
mod comparison_csv;
mod comparison_view;
mod config;
mod cost_kind;
mod csv_text;
mod day_range;
mod declared;
mod difference;
mod error;
mod explore_query;
mod explore_view;
mod failures;
mod filters;
mod memory_view;
mod metadata;
mod middleware;
mod names;
mod number;
mod pages;
mod params;
mod postgres;
mod price_books;
mod receive;
mod recorded_fields;
mod routes;
mod running;
mod scenarios;
mod search_words;
mod server;
mod sorting;
mod sql_answer;
mod staircase;
mod submission;

pub use app::App;
pub use config::{WebConfig, WebError};
pub use postgres::{Credentials, PostgresConfig, PostgresError, PostgresServer, TlsFiles};
pub use routes::router;
pub use server::{bind, serve, serve_on};
