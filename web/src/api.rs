//! The JSON API, one file per resource. It answers what the pages show, with every digit.

pub mod bills;
pub mod charges;
pub mod compare;
pub mod estimate;
pub mod events;
pub mod explain;
pub mod exports;
pub mod metadata;
pub mod overview;
pub mod periods;
pub mod price_books;
pub mod quarantine;
pub mod reconcile;
pub mod reports;
pub mod scenarios;
pub mod settings;
pub mod sql;
pub mod uploads;
pub mod what_if;
