//! Tiers on their way in: added where the server has none of that name, and never changed.

use anyhow::Context as _;
use keyward_api::transfer::Tier;
use serde_json::{Value, json};

use crate::client::{Client, Route};

use super::refusal;

/// The tiers of the server, once they were asked for, and the notes about the tiers of the file.
pub(super) struct Tiers<'a> {
    client: &'a Client,
    dry_run: bool,
    known: Option<Vec<Value>>,
    notes: Vec<String>,
}

impl<'a> Tiers<'a> {
    pub(super) fn new(client: &'a Client, dry_run: bool) -> Self {
        Self { client, dry_run, known: None, notes: Vec::new() }
    }

    /// Adds a tier if it is missing. The inner error is the server's rejection of this one.
    pub(super) fn take(&mut self, tier: &Tier) -> anyhow::Result<Result<(), String>> {
        let Tier { name, limits } = tier;
        let found = self.known()?.iter().find(|known| known.get("name") == Some(&json!(name)));
        let found = found.map(|known| known.get("limits") == Some(limits));
        match found {
            Some(true) => return Ok(Ok(())),
            Some(false) => {
                self.notes.push(format!("the tier `{name}` keeps its limits, which are others"));
                return Ok(Ok(()));
            }
            None => {}
        }
        if self.dry_run {
            self.notes.push(format!(
                "the tier `{name}` would be added first; this dry run refuses its keys without it"
            ));
        } else {
            let route = Route::of(["admin", "tiers", name]);
            if let Err(error) = self.client.put(&route, &json!({ "limits": limits })) {
                return Ok(Err(refusal(error)?));
            }
            self.notes.push(format!("added the tier `{name}`"));
        }
        self.known()?.push(json!({ "name": name, "limits": limits }));
        Ok(Ok(()))
    }

    /// The notes about the tiers.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    fn known(&mut self) -> anyhow::Result<&mut Vec<Value>> {
        if self.known.is_none() {
            let mut answer = self.client.get("/admin/tiers")?.body;
            let tiers = answer.get_mut("tiers").and_then(Value::as_array_mut);
            let tiers = tiers.context("the answer has no `tiers`; is it a newer server?")?;
            self.known = Some(std::mem::take(tiers));
        }
        Ok(self.known.get_or_insert_default())
    }
}
