//! Keys that come from elsewhere.

use std::collections::HashSet;

use crate::audit::{Audit, Verb};
use crate::record::KeyId;
use crate::transfer::{ImportRefusal, ImportedKey, KeyCopy};

use super::tables::Tables;

impl Tables {
    pub(super) fn import(&mut self, keys: Vec<KeyCopy>, audit: &Audit) -> Vec<ImportedKey> {
        keys.into_iter().map(|key| self.import_one(key, audit)).collect()
    }

    fn import_one(&mut self, mut copy: KeyCopy, audit: &Audit) -> ImportedKey {
        match self.place_of(&copy) {
            Err(refusal) => ImportedKey::Refused(refusal),
            Ok(Place::There(id)) => ImportedKey::Skipped(id),
            Ok(Place::Free(id)) => {
                copy.id = Some(id);
                copy.tier_gone |= !self.has_tier(&copy.tier);
                self.add(id, copy, audit, Verb::Import);
                let row = self.keys.get(&id).expect("it was just added");
                ImportedKey::Added(Box::new(self.stored(id, row)))
            }
        }
    }

    fn place_of(&self, copy: &KeyCopy) -> Result<Place, ImportRefusal> {
        let former = copy.former.iter().map(|(secret, _)| secret);
        let digests = former.chain([&copy.secret]).map(|secret| *secret.digest.as_bytes());
        let digests: Vec<_> = digests.collect();
        let holders: Vec<_> = digests.iter().map(|digest| self.digests.get(digest)).collect();
        if let Some(Some(first)) = holders.first()
            && holders.iter().all(|holder| *holder == Some(first))
        {
            return Ok(Place::There(**first));
        }
        let is_revoked = copy.state.is_revoked();
        if !is_revoked && (copy.tier_gone || !self.has_tier(&copy.tier)) {
            return Err(ImportRefusal::UnknownTier);
        }
        if copy.id.is_some_and(|id| self.keys.contains_key(&id)) {
            return Err(ImportRefusal::IdTaken);
        }
        if let Some(holder) = holders.into_iter().flatten().next() {
            return Err(ImportRefusal::DigestTaken(*holder));
        }
        if digests.iter().collect::<HashSet<_>>().len() < digests.len() {
            return Err(ImportRefusal::DigestTwice);
        }
        Ok(Place::Free(copy.id.unwrap_or_else(|| self.next_id())))
    }
}

/// Where a key belongs.
enum Place {
    There(KeyId),
    Free(KeyId),
}
