//! Owners on their way in: suspended ones, and ones with limits.

use http::StatusCode;
use keyward_api::owner::{EditOwnerDraft, OwnerView};
use keyward_api::transfer::OwnerLimits;
use serde_json::{Value, json};

use crate::client::{Client, ClientError, Route};

use super::rejection;

/// The note about a server that knows no limits of owners.
const OLDER: &str = "this server knows no limits of owners; it is older than the export";

/// The owners of a file, and the notes about them.
pub(super) struct Owners<'a> {
    client: &'a Client,
    dry_run: bool,
    notes: Vec<String>,
}

impl<'a> Owners<'a> {
    pub(super) fn new(client: &'a Client, dry_run: bool) -> Self {
        Self { client, dry_run, notes: Vec::new() }
    }

    /// Suspends an owner. The server suspends keys that come later with their owner, so once is
    /// enough, and none of them works in between. The inner error is the server's rejection of this
    /// one.
    pub(super) fn suspend(&self, owner: &str) -> anyhow::Result<Result<(), String>> {
        if self.dry_run {
            return Ok(Ok(()));
        }
        match self.client.act_again(&Route::of(["admin", "owners", owner, "suspend"])) {
            Ok(()) => Ok(Ok(())),
            Err(error) => Ok(Err(rejection(error)?)),
        }
    }

    /// Gives an owner its limits if it has none. Limits that are there stay, as those of a tier do.
    /// The inner error is the server's rejection of this one.
    pub(super) fn limit(&mut self, one: &OwnerLimits) -> anyhow::Result<Result<(), String>> {
        let OwnerLimits { owner, limits } = one;
        let route = Route::of(["admin", "owners", owner]);
        let (present, etag) = match self.client.get::<OwnerView>(&route) {
            Ok(owner) => (json!(owner.body.limits), owner.etag),
            Err(ClientError::NotFound { .. }) => (json!([]), None),
            Err(error) => return Ok(Err(rejection(error)?)),
        };
        if present == *limits {
            return Ok(Ok(()));
        }
        if present != json!([]) {
            self.notes.push(format!("the owner `{owner}` keeps its limits, which are others"));
            return Ok(Ok(()));
        }
        if self.dry_run {
            self.notes.push(format!("the owner `{owner}` would get its limits"));
            return Ok(Ok(()));
        }
        match self.set(&route, limits, etag.as_deref()) {
            Ok(()) => {
                self.notes.push(format!("the owner `{owner}` has its limits now"));
                Ok(Ok(()))
            }
            Err(ClientError::Rejected { status, .. })
                if status == StatusCode::METHOD_NOT_ALLOWED =>
            {
                Ok(Err(OLDER.to_owned()))
            }
            Err(ClientError::Rejected { status, detail, .. })
                if status == StatusCode::PRECONDITION_FAILED =>
            {
                Ok(Err(detail))
            }
            Err(error) => Ok(Err(rejection(error)?)),
        }
    }

    /// Sets the limits of an owner that is as it was seen: with this `ETag`, or not there.
    fn set(&self, route: &str, limits: &Value, etag: Option<&str>) -> Result<(), ClientError> {
        let body = EditOwnerDraft { limits: Some(limits.clone()) };
        match etag {
            Some(etag) => self.client.patch::<Value>(route, &body, etag).map(drop),
            None => self.client.patch_new::<Value>(route, &body).map(drop),
        }
    }

    /// The notes about the owners.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }
}
