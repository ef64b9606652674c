//! Leaked keys: a client that holds a secret may have its key revoked.
//!
//! The text of a secret is in here from the body of a request to its digest, and goes nowhere else:
//! into no log, no response and no reason.

mod book;
mod caught_up;
mod github;
mod reason;
mod report;
mod revoke;

use std::num::NonZeroU32;

use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::MethodRouter;
use keyward::store::StoreError;
use keyward_axum::Guard;
use url::Url;

use self::github::GitHub;
use self::report::Reports;
use crate::counts::Results;
use crate::routes::Routes;

/// The receiver of reports of leaked keys. A clone shares everything.
#[derive(Clone, Debug)]
pub(crate) struct Leaks {
    /// `None` if reports without authentication are off.
    reports: Option<Reports>,
    /// `None` if reports of GitHub are off.
    github: Option<GitHub>,
    /// Of reports without authentication.
    from_anyone: Results,
    from_github: Results,
}

impl Leaks {
    /// Takes reports without authentication, so many a minute from one address, and reports that
    /// are signed with the keys at this URL. Nothing is read from there yet.
    pub(crate) fn new(per_minute: Option<NonZeroU32>, github: Option<&Url>) -> Self {
        Self {
            reports: per_minute.map(Reports::new),
            github: github.map(GitHub::new),
            from_anyone: Results::default(),
            from_github: Results::default(),
        }
    }

    /// Revokes the keys that were reported before: the program may have been killed between a
    /// response and the revocations that it promised. From then on, keys that could not be revoked
    /// when they were reported are tried again.
    pub(crate) async fn start(&self, guard: &Guard) -> Result<(), StoreError> {
        revoke::work_off(guard).await?;
        if let Some(reports) = &self.reports {
            let (late, guard) = (reports.late(), guard.clone());
            tokio::spawn(async move { revoke::work_off_late(&late, &guard).await });
        }
        Ok(())
    }

    /// The routes that are on. The others are as unknown as any.
    pub(crate) fn routes(&self, guard: &Guard) -> Routes {
        let reports = self.reports.iter().map(|reports| report::routes(guard, reports));
        let reports = reports.map(|routes| counted(routes, &self.from_anyone));
        let github = self.github.iter().map(|github| github::routes(guard, github));
        let github = github.map(|routes| counted(routes, &self.from_github));
        reports.chain(github).fold(Routes::new(), Routes::merge)
    }

    /// How many reports there were, by their source and their result.
    pub(crate) fn counts(&self) -> Vec<(&'static str, &'static str, u64)> {
        let sources = [("anyone", &self.from_anyone), ("github", &self.from_github)];
        let both = |(source, results): (&'static str, &Results)| {
            [(source, "accepted", results.ok.get()), (source, "rejected", results.failed.get())]
        };
        sources.into_iter().flat_map(both).collect()
    }

    /// Takes no more reports without authentication, and waits until the keys of earlier ones are
    /// revoked.
    pub(crate) async fn finish(&self) {
        if let Some(reports) = &self.reports {
            reports.finish().await;
        }
    }
}

/// Counts whether reports are accepted.
fn counted(routes: Routes, results: &Results) -> Routes {
    routes.map(|handler: MethodRouter| {
        let results = results.clone();
        handler.route_layer(map_response(move |response: Response| {
            results.count(response.status().is_success());
            async move { response }
        }))
    })
}
