//! Keeping keys that were not there before.

use std::collections::{BTreeMap, HashMap, HashSet};

use keyward::KeyId;
use keyward::UnixMillis;
use keyward::audit::{Audit, Verb};
use keyward::details::{KeyDetails, Version};
use keyward::issue::NewRecord;
use keyward::key::Prefix;
use keyward::query::OwnerDetails;
use keyward::record::{KeyState, Owner, Record};
use keyward::store::Inserted;
use keyward::tier::TierName;
use keyward::transfer::{KeyCopy, SecretCopy};
use rusqlite::{CachedStatement, Connection, Statement, params};

use super::{beside, former, late, members};
use crate::audit::{Change, Subject, Trail};
use crate::fault::Fault;
use crate::once;
use crate::record::{limits_text, networks_text, scopes_text};
use crate::{owners, spans, tiers};

/// Keeps a key that was just issued.
pub(crate) fn issue(
    connection: &Connection,
    new: NewRecord,
    audit: &Audit,
) -> Result<Inserted, Fault> {
    let NewRecord { key, digest, hint } = new;
    if let Some(earlier) = once::earlier(connection, audit)? {
        return Ok(Inserted::Earlier(earlier));
    }
    if tiers::number(connection, &key.tier)?.is_none() {
        return Ok(Inserted::UnknownTier);
    }
    let owner = key.owner.as_ref().map(|owner| owners::read(connection, owner)).transpose()?;
    if owner.as_ref().is_some_and(|owner| owner.suspended_at.is_some()) {
        return Ok(Inserted::OwnerSuspended);
    }
    // That it is no present one is seen to by `keys_digest`.
    if former::holder(connection, &digest)?.is_some() {
        return Err(Fault::in_column("keys.digest", "the new secret is one that there was"));
    }
    let copy = KeyCopy {
        id: None,
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
    let mut adder = Adder::open(connection, Verb::Issue, audit)?;
    let key = adder.add(copy)?;
    adder.finish()?;
    once::keep(connection, audit, key.record.id)?;
    Ok(Inserted::Done { id: key.record.id, owner_version: owner.map_or(0, |it| it.version) })
}

const KEY: &str = "INSERT INTO keys \
    (id, version, name, tier_id, gone_tier, owner, state, created_at_ms, expires_at_ms, \
     revoked_at_ms, revoked_reason, digest, hint, secret_created_at_ms, grace_until_ms, \
     scopes, networks, limits, metadata) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
            ?19)";
const USED: &str = "INSERT INTO key_uses (key_id, last_used_at_ms) VALUES (?1, ?2)";

/// A tier as a job found it.
struct TierSeen {
    /// `None` if there is none.
    number: Option<i64>,
    /// Keys that are not revoked and that the job gave it.
    added: i64,
}

/// An owner as a job found it.
struct OwnerSeen {
    known: OwnerDetails,
    /// Keys that the job gave it.
    added: i64,
    /// Those of them that are revoked.
    revoked: i64,
}

/// Adds the keys of one job, and remembers what many of them share. It grows with the job.
pub(crate) struct Adder<'a> {
    connection: &'a Connection,
    verb: Verb,
    trail: Trail<'a>,
    key: CachedStatement<'a>,
    /// The highest id of the keys of which nothing waits.
    last_listed: u64,
    tiers: HashMap<TierName, TierSeen>,
    owners: HashMap<Owner, OwnerSeen>,
    prefixes: HashSet<String>,
    /// The first and the last id of each hour in which keys were issued.
    hours: BTreeMap<u32, (u64, u64)>,
}

impl<'a> Adder<'a> {
    /// Begins. Nobody else writes until the job has ended.
    pub(crate) fn open(
        connection: &'a Connection,
        verb: Verb,
        audit: &'a Audit,
    ) -> Result<Self, Fault> {
        Ok(Self {
            connection,
            verb,
            trail: Trail::open(connection, audit)?,
            key: connection.prepare_cached(KEY)?,
            last_listed: late::last_listed(connection)?,
            tiers: HashMap::new(),
            owners: HashMap::new(),
            prefixes: HashSet::new(),
            hours: BTreeMap::new(),
        })
    }

    /// Whether there is such a tier.
    pub(crate) fn is_tier(&mut self, tier: &TierName) -> Result<bool, Fault> {
        Ok(self.tier(tier)?.number.is_some())
    }

    fn tier(&mut self, tier: &TierName) -> Result<&mut TierSeen, Fault> {
        let seen = match self.tiers.remove(tier) {
            Some(seen) => seen,
            None => TierSeen { number: tiers::number(self.connection, tier)?, added: 0 },
        };
        Ok(self.tiers.entry(tier.clone()).or_insert(seen))
    }

    /// Keeps a key with all that belongs to it, and the audit entry. Its tier is there or the key
    /// is revoked, and none of its digests is there.
    pub(crate) fn add(&mut self, mut key: KeyCopy) -> Result<KeyDetails, Fault> {
        if key.state.is_revoked() {
            key.tier_gone |= !self.is_tier(&key.tier)?;
        }
        let tier = if key.tier_gone { None } else { self.count_in_tier(&key)? };
        let (owner_suspended, owner_version) = self.count_for_owner(&key)?;
        let id = insert(&mut self.key, &key, tier)?;
        self.list(id, &key)?;
        for (secret, ends_at) in &key.former {
            former::add(self.connection, id, secret, *ends_at)?;
            self.add_prefix(&secret.hint)?;
        }
        self.add_prefix(&key.secret.hint)?;
        self.note_hour(id, key.created_at);
        let grace_until = key.former.last().map(|(_, ends_at)| *ends_at);
        let details = KeyDetails {
            record: Record {
                id,
                name: key.name,
                owner: key.owner,
                scopes: key.scopes,
                networks: key.networks,
                limits: key.limits,
                state: key.state,
                owner_suspended,
                owner_version,
                expires_at: key.expires_at,
            },
            tier: key.tier,
            tier_gone: key.tier_gone,
            hint: key.secret.hint,
            metadata: key.metadata,
            version: Version::FIRST,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            rotated_at: grace_until.map(|_| key.secret.created_at),
            grace_until,
            revoked_reason: key.revoked_reason,
        };
        let (verb, subject) = (self.verb, Subject::Key(id));
        self.trail.record(Change { verb, subject, details: members::new(&details)? })?;
        Ok(details)
    }

    /// Writes what lists need of a key, unless that can wait.
    fn list(&self, id: KeyId, key: &KeyCopy) -> Result<(), Fault> {
        let is_late = self.last_listed < id.get();
        if !is_late || key.last_used_at.is_some() {
            let at = key.last_used_at.map_or(-1, |at| i64::try_from(at.0).unwrap_or(i64::MAX));
            self.connection.prepare_cached(USED)?.execute((id.get(), at))?;
        }
        if !is_late {
            let mut name = self.connection.prepare_cached(beside::ADD_NAME)?;
            beside::add_name(&mut name, id.get(), key.name.as_str())?;
        }
        Ok(())
    }

    /// Counts a key of a tier that is there, and returns the tier's number.
    fn count_in_tier(&mut self, key: &KeyCopy) -> Result<Option<i64>, Fault> {
        let tier = self.tier(&key.tier)?;
        tier.added += i64::from(!key.state.is_revoked());
        Ok(tier.number)
    }

    /// Counts a key of an owner, and returns whether that is suspended, and its version.
    fn count_for_owner(&mut self, key: &KeyCopy) -> Result<(bool, u64), Fault> {
        let Some(owner) = &key.owner else { return Ok((false, 0)) };
        let mut seen = match self.owners.remove(owner) {
            Some(seen) => seen,
            None => {
                OwnerSeen { added: 0, revoked: 0, known: owners::read(self.connection, owner)? }
            }
        };
        seen.added += 1;
        seen.revoked += i64::from(key.state.is_revoked());
        let state = (seen.known.suspended_at.is_some(), seen.known.version);
        self.owners.insert(owner.clone(), seen);
        Ok(state)
    }

    fn add_prefix(&mut self, hint: &str) -> Result<(), Fault> {
        let Some(prefix) = Prefix::of_hint(hint) else { return Ok(()) };
        if self.prefixes.contains(prefix.as_str()) {
            return Ok(());
        }
        beside::add_prefix(self.connection, hint)?;
        self.prefixes.insert(prefix.as_str().to_owned());
        Ok(())
    }

    /// Remembers in which hour the id was given. Ids of imported keys may lie behind either end.
    fn note_hour(&mut self, id: KeyId, at: UnixMillis) {
        let id = id.get();
        let (first, last) = self.hours.entry(at.hour().0).or_insert((id, id));
        (*first, *last) = (id.min(*first), id.max(*last));
    }

    /// Writes how many keys tiers and owners got, notes in which hours keys were issued, and ends
    /// the trail. Without this owners would have no row, and keys would not be found by time.
    ///
    /// Keys that are issued are few in one job and of the present hour; others may be any.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        let is_issue = self.verb == Verb::Issue;
        if !is_issue {
            spans::KEYS.close(self.connection)?;
            late::list_all(self.connection)?;
        }
        for (tier, seen) in self.tiers.iter().filter(|(_, seen)| seen.added != 0) {
            tiers::count(self.connection, tier, seen.added)?;
        }
        for (owner, seen) in &self.owners {
            owners::count(self.connection, owner, seen.added, seen.revoked)?;
        }
        for (hour, (first, last)) in self.hours {
            if is_issue {
                spans::KEYS.go_on(self.connection, hour, first)?;
            } else {
                spans::KEYS.widen(self.connection, hour, (first, last))?;
            }
        }
        self.trail.finish()
    }
}

/// Writes the row of a key, with the statement [`KEY`], and returns its id.
fn insert(statement: &mut Statement<'_>, key: &KeyCopy, tier: Option<i64>) -> Result<KeyId, Fault> {
    let row = params![
        key.id.map(KeyId::get),
        Version::FIRST.get(),
        key.name.as_str(),
        tier,
        tier.is_none().then(|| key.tier.as_str()),
        key.owner.as_ref().map(Owner::as_str),
        key.state.as_str(),
        key.created_at.0,
        key.expires_at.map(|at| at.0),
        key.state.revoked_at().map(|at| at.0),
        key.revoked_reason.as_ref().map(|reason| reason.as_str()),
        key.secret.digest.as_bytes(),
        key.secret.hint,
        key.secret.created_at.0,
        key.former.last().map(|(_, ends_at)| ends_at.0),
        scopes_text(&key.scopes),
        networks_text(&key.networks),
        limits_text(key.limits.as_ref()),
        key.metadata.as_str(),
    ];
    let id = u64::try_from(statement.insert(row)?).ok().and_then(KeyId::new);
    id.ok_or_else(|| Fault::in_column("keys.id", "not an id"))
}
