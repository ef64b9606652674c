//! Tiers on their way in: added where the server has none of that name, and never changed.

use std::collections::HashMap;

use keyward_api::tier::{ListedTier, PutTierDraft, TierList};
use keyward_api::transfer::Tier;
use serde_json::{Value, json};

use crate::client::{Client, Route};

use super::rejection;

/// The tiers of the server, once they were asked for, and the notes about the tiers of the file.
pub(super) struct Tiers<'a> {
    client: &'a Client,
    dry_run: bool,
    /// Each by its name, with its limits.
    known: Option<HashMap<String, Value>>,
    notes: Vec<String>,
}

impl<'a> Tiers<'a> {
    pub(super) fn new(client: &'a Client, dry_run: bool) -> Self {
        Self { client, dry_run, known: None, notes: Vec::new() }
    }

    /// Adds a tier if it is missing. The inner error is the server's rejection of this one.
    pub(super) fn take(&mut self, tier: &Tier) -> anyhow::Result<Result<(), String>> {
        let Tier { name, limits } = tier;
        match self.known()?.get(name).map(|known| known == limits) {
            Some(true) => return Ok(Ok(())),
            Some(false) => {
                self.notes.push(format!("the tier `{name}` keeps its limits, which are others"));
                return Ok(Ok(()));
            }
            None => {}
        }
        if self.dry_run {
            self.notes.push(format!(
                "the tier `{name}` would be added first; this dry run rejects its keys without it"
            ));
        } else {
            let route = Route::of(["admin", "tiers", name]);
            let body = PutTierDraft { limits: Some(limits.clone()) };
            if let Err(error) = self.client.put::<Value>(&route, &body) {
                return Ok(Err(rejection(error)?));
            }
            self.notes.push(format!("added the tier `{name}`"));
        }
        self.known()?.insert(name.clone(), limits.clone());
        Ok(Ok(()))
    }

    /// The notes about the tiers.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    fn known(&mut self) -> anyhow::Result<&mut HashMap<String, Value>> {
        if self.known.is_none() {
            let tiers = self.client.get::<TierList>("/admin/tiers")?.body.tiers.into_iter();
            let tier = |ListedTier { tier, .. }: ListedTier| {
                (tier.name.0.as_str().to_owned(), json!(tier.limits))
            };
            self.known = Some(tiers.map(tier).collect());
        }
        Ok(self.known.get_or_insert_default())
    }
}
