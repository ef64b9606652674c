//! A news API that Keyward protects: articles, and the feeds they come from.
//!
//! [`list_articles`] serves `GET /articles` to callers with a key;
//! [`import_articles`] takes batches of articles; both describe themselves in OpenAPI.
//! [`feed::read`] makes such batches of RSS, Atom and JSON Feed, [`tutorial`] of the tutorial's
//! database. This crate knows nothing of how keys are kept; its tables may live in the same SQLite
//! file.
//!
//! Each module uses only those above it in this list.

pub mod article;

mod text;

mod date;

mod decode;

mod draft;

mod xml;

mod names;

mod syndication;

mod json_feed;

pub mod feed;

pub mod tutorial;

mod batch;

mod page;

mod error;

mod shelf;

mod migrations;

mod rows;

mod workers;

#[cfg(feature = "postgres")]
mod postgres;

pub mod articles;

pub mod routes;

pub use article::{Article, NewArticle};
pub use articles::Articles;
pub use error::ArticlesError;
#[cfg(feature = "postgres")]
pub use postgres::ADDITION;
pub use routes::{IMPORT_BODY_MAX, import_articles, list_articles};
pub use shelf::Imported;
