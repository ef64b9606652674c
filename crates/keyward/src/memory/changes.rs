//! Changes of keys, tiers and owners, each with its entry.

use serde_json::{Value, json};

use crate::audit::{Audit, Verb};
use crate::change::{ChangeRefusal, Changed, KeyChange, KeyEdit};
use crate::details::{Version, Versions};
use crate::digest::Digest;
use crate::issue::NewRecord;
use crate::query::OwnerDetails;
use crate::record::{KeyId, KeyState, Owner};
use crate::store::{Inserted, StoreError, TierDeleted, TierRecord};
use crate::tier::TierName;
use crate::transfer::{KeyCopy, SecretCopy};

use super::tables::{OwnerRow, Row, Subject, Tables};
use super::told;

impl Tables {
    pub(super) fn put_tier(&mut self, tier: TierRecord, audit: &Audit) -> bool {
        let there = self.tiers.iter_mut().find(|there| there.name == tier.name);
        let before = there.as_ref().map(|there| there.limits.clone());
        if before.as_ref() == Some(&tier.limits) {
            return false;
        }
        let told = json!({
            "before": before.as_ref().map(|limits| told::limits(limits)),
            "after": told::limits(&tier.limits),
        });
        let name = tier.name.clone();
        match there {
            Some(there) => there.limits = tier.limits,
            None => self.tiers.push(tier),
        }
        self.record(audit, Verb::PutTier, &Subject::Tier(&name), &told);
        before.is_none()
    }

    pub(super) fn delete_tier(&mut self, name: &TierName, audit: &Audit) -> TierDeleted {
        let uses = self.uses_of(name);
        if 0 < uses {
            return TierDeleted::Used(uses);
        }
        let Some(at) = self.tiers.iter().position(|tier| tier.name == *name) else {
            return TierDeleted::Unknown;
        };
        let tier = self.tiers.remove(at);
        for row in self.keys.values_mut().filter(|row| row.copy.tier == *name) {
            row.copy.tier_gone = true;
        }
        let told = json!({ "before": told::limits(&tier.limits), "after": null });
        self.record(audit, Verb::DeleteTier, &Subject::Tier(name), &told);
        TierDeleted::Done
    }

    pub(super) fn accept_clock(&mut self, audit: &Audit) {
        let before = self.latest_reading.replace(audit.at);
        let told = json!({
            "before": { "latest_at": before.map(|before| before.0) },
            "after": { "latest_at": audit.at.0 },
        });
        self.record(audit, Verb::AcceptClock, &Subject::Clock, &told);
    }

    pub(super) fn insert(&mut self, new: NewRecord, audit: &Audit) -> Result<Inserted, StoreError> {
        let NewRecord { key, digest, hint } = new;
        if let Some(earlier) = self.earlier(audit) {
            return Ok(Inserted::Earlier(earlier));
        }
        if !self.has_tier(&key.tier) {
            return Ok(Inserted::UnknownTier);
        }
        let owner = key.owner.as_ref().map(|owner| self.owner_row(owner)).unwrap_or_default();
        if owner.suspended_at.is_some() {
            return Ok(Inserted::OwnerSuspended);
        }
        self.check_new(&digest)?;
        let id = self.next_id();
        let copy = KeyCopy {
            id: Some(id),
            name: key.name,
            tier: key.tier,
            tier_gone: false,
            owner: key.owner,
            scopes: key.scopes,
            networks: key.networks,
            limits: key.limits,
            metadata: key.metadata,
            state: KeyState::Active,
            revoked_reason: None,
            expires_at: key.expires_at,
            created_at: audit.at,
            last_used_at: None,
            secret: SecretCopy { digest, hint, created_at: audit.at },
            former: Vec::new(),
        };
        self.add(id, copy, audit, Verb::Issue);
        self.keep(audit, id);
        Ok(Inserted::Done { id, owner_version: owner.version })
    }

    /// Refuses a secret that there is or was: two keys would have it.
    fn check_new(&self, digest: &Digest) -> Result<(), StoreError> {
        match self.digests.contains_key(digest.as_bytes()) {
            true => Err(StoreError::Inconsistent("the new secret is one that there is".to_owned())),
            false => Ok(()),
        }
    }

    /// Adds a key that nothing speaks against.
    pub(super) fn add(&mut self, id: KeyId, copy: KeyCopy, audit: &Audit, verb: Verb) {
        let told = json!({ "before": null, "after": told::members(&copy) });
        let former = copy.former.iter().map(|(secret, _)| secret);
        for secret in former.chain([&copy.secret]) {
            self.digests.insert(*secret.digest.as_bytes(), id);
        }
        self.keys.insert(id, Row { version: Version::FIRST, copy });
        self.record(audit, verb, &Subject::Key(id), &told);
    }

    pub(super) fn change(
        &mut self,
        id: KeyId,
        change: KeyChange,
        expected: Option<Versions>,
        audit: &Audit,
    ) -> Result<Changed, StoreError> {
        let verb = change.verb();
        if let Some(earlier) = self.earlier(audit) {
            return Ok(Changed::Refused(ChangeRefusal::Earlier(earlier)));
        }
        let Some(Row { version, copy: before }) = self.keys.get(&id).cloned() else {
            return Ok(Changed::Refused(ChangeRefusal::UnknownKey));
        };
        let owner = before.owner.as_ref().map_or(0, |owner| self.owner_row(owner).version);
        if expected.is_some_and(|expected| expected != Versions { key: version, owner }) {
            return Ok(Changed::Refused(ChangeRefusal::Stale { version }));
        }
        let mut row = Row { version, copy: before.clone() };
        if let Err(refusal) = self.changed(&mut row.copy, change, audit) {
            return Ok(Changed::Refused(refusal));
        }
        if row.copy.former.len() != before.former.len() {
            self.check_new(&row.copy.secret.digest)?;
        }
        if row.copy != before {
            row.version = version.next();
            self.digests.insert(*row.copy.secret.digest.as_bytes(), id);
            let told = told::difference(&before, &row.copy);
            self.keys.insert(id, row.clone());
            self.record(audit, verb, &Subject::Key(id), &told);
            self.keep(audit, id);
        }
        Ok(Changed::Done(Box::new(self.stored(id, &row))))
    }

    fn changed(
        &self,
        copy: &mut KeyCopy,
        change: KeyChange,
        audit: &Audit,
    ) -> Result<(), ChangeRefusal> {
        let revoked = copy.state.is_revoked();
        match change {
            KeyChange::Revoke { .. } if revoked => {}
            _ if revoked => return Err(ChangeRefusal::Revoked),
            KeyChange::Revoke { reason } => {
                copy.state = KeyState::Revoked { at: audit.at };
                copy.revoked_reason = reason;
            }
            KeyChange::Suspend => copy.state = KeyState::Suspended,
            KeyChange::Resume => copy.state = KeyState::Active,
            KeyChange::Edit(edit) => return self.edited(copy, *edit),
            KeyChange::Rotate { digest, hint, grace } => {
                let never = copy.expires_at.is_none_or(|expires| audit.at < expires);
                if !never {
                    return Err(ChangeRefusal::Expired);
                }
                for (_, ends_at) in &mut copy.former {
                    *ends_at = audit.at.min(*ends_at);
                }
                let ends_at = audit.at.later_by(grace);
                let ends_at = copy.expires_at.map_or(ends_at, |expires| ends_at.min(expires));
                let next = SecretCopy { digest, hint, created_at: audit.at };
                let before = std::mem::replace(&mut copy.secret, next);
                copy.former.push((before, ends_at));
            }
        }
        Ok(())
    }

    fn edited(&self, copy: &mut KeyCopy, edit: KeyEdit) -> Result<(), ChangeRefusal> {
        let KeyEdit { name, tier, owner, scopes, networks, limits, metadata, expires_at } = edit;
        if tier.as_ref().is_some_and(|tier| !self.has_tier(tier)) {
            return Err(ChangeRefusal::UnknownTier);
        }
        put(&mut copy.name, name);
        put(&mut copy.tier, tier);
        put(&mut copy.owner, owner);
        put(&mut copy.scopes, scopes);
        put(&mut copy.networks, networks);
        put(&mut copy.limits, limits);
        put(&mut copy.metadata, metadata);
        put(&mut copy.expires_at, expires_at);
        Ok(())
    }

    pub(super) fn set_owner_suspended(
        &mut self,
        owner: &Owner,
        suspended: bool,
        audit: &Audit,
    ) -> OwnerDetails {
        let mut details = self.owner(owner);
        let before = details.suspended_at.is_some();
        if before != suspended {
            details.suspended_at = suspended.then_some(audit.at);
            details.version += 1;
            let OwnerDetails { suspended_at, version, .. } = details;
            self.owners.insert(owner.clone(), OwnerRow { version, suspended_at });
            let verb = if suspended { Verb::SuspendOwner } else { Verb::ResumeOwner };
            let told = json!({
                "before": state(before),
                "after": state(suspended),
                "keys": details.keys - details.revoked_keys,
            });
            self.record(audit, verb, &Subject::Owner(owner), &told);
        }
        details
    }
}

fn state(suspended: bool) -> Value {
    json!({ "state": if suspended { "suspended" } else { "active" } })
}

fn put<T>(member: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *member = value;
    }
}
