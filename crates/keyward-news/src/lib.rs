//! A news API behind Keyward: articles, and the feeds they come from.
//!
//! [`routes()`] serves `GET /articles` to callers with a key; [`admin_routes()`] takes batches of
//! articles; [`feed::read`] makes such batches of RSS, Atom and JSON Feed; [`describe()`] says all
//! this in OpenAPI. This crate knows nothing of how keys are kept; its tables may live in the same
//! SQLite file.
//!
//! Each module uses only those above it in this list.

pub mod article;

mod text;

pub mod feed;

mod batch;

mod page;

mod error;

mod migrations;

mod rows;

mod workers;

pub mod articles;

pub mod routes;

mod describe;

pub use article::{Article, NewArticle};
pub use articles::Articles;
pub use describe::describe;
pub use error::ArticlesError;
pub use routes::{admin_routes, routes};
pub use rows::Imported;
