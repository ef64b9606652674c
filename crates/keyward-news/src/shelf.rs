//! Where articles are: what a store of them does.

use async_trait::async_trait;
use keyward_axum::keyward::UnixMillis;
use serde::Serialize;
use utoipa::ToSchema;

use crate::article::{Article, NewArticle};
use crate::error::ArticlesError;
use crate::page::PageQuery;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Imported {
    /// Articles that were not there before.
    pub added: u64,
    /// Articles that were there and have changed.
    pub updated: u64,
    /// Articles that were there, just like that.
    pub skipped: u64,
}

/// What became of one article of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Added,
    Updated,
    Skipped,
}

impl Imported {
    pub(crate) fn count(&mut self, stored: Stored) {
        let count = match stored {
            Stored::Added => &mut self.added,
            Stored::Updated => &mut self.updated,
            Stored::Skipped => &mut self.skipped,
        };
        *count += 1;
    }
}

/// A store of articles. A clone of [`Articles`](crate::Articles) is the same one.
#[async_trait]
pub(crate) trait Shelf: Send + Sync {
    /// The articles that the query asks for, newest first, and one more if there is a next page.
    async fn list(&self, query: PageQuery) -> Result<Vec<Article>, ArticlesError>;

    /// Stores a batch, all or nothing.
    async fn import(
        &self,
        batch: Vec<NewArticle>,
        now: UnixMillis,
    ) -> Result<Imported, ArticlesError>;
}

/// An article that is there.
pub(crate) struct Known {
    pub(crate) old: Article,
    /// Nothing said of which feed it is, until now.
    pub(crate) is_adopted: bool,
}

impl Known {
    pub(crate) fn is_adopted(is_adopted: bool) -> impl Fn(Article) -> Self {
        move |old| Self { old, is_adopted }
    }

    /// When the article was published, as of a new version of it.
    pub(crate) fn published_at(&self, new: &NewArticle) -> UnixMillis {
        new.published_at.unwrap_or(self.old.published_at)
    }

    /// Whether all of it is as it was.
    pub(crate) fn is_unchanged(&self, new: &NewArticle) -> bool {
        let old = &self.old;
        (&new.title, &new.url, &new.description) == (&old.title, &old.url, &old.description)
            && (&new.source, &new.category) == (&old.source, &old.category)
            && self.published_at(new) == old.published_at
    }
}

/// The host of a URL in its normal form.
pub(crate) fn host(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split('/').next()?;
    Some(host.strip_prefix("www.").unwrap_or(host))
}
