//! The audit trail: who changed what, and when.

use std::num::NonZeroU32;

use keyward::KeyId;
use keyward::audit::{AuditEntry, ChainDigest, ChangeId};
use keyward::query::{AuditFilter, AuditPage, AuditQuery};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::{IntoParams, ToSchema};

use crate::query;
use crate::query::PageLen;
use crate::shapes::{DigestText, KeyNumber, OwnerText, TierText, Time, TimeText};
use crate::words::{OrderWord, VerbWord};

/// Entries on one page, unless the request says otherwise.
const PAGE_DEFAULT: u32 = 100;
/// Most entries on one page.
pub const PAGE_MAX: u32 = 1_000;

/// Which entries, and which page of them.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListAuditQuery {
    /// Only entries after this one, in the requested order.
    pub after: Option<KeyNumber>,
    /// Only about this key.
    pub key_id: Option<KeyNumber>,
    /// Only by this actor, such as `oidc:ada@example.com`.
    pub actor: Option<String>,
    /// Only of this kind.
    pub verb: Option<VerbWord>,
    /// Only changes that were requested at this time or later.
    pub since: Option<TimeText>,
    /// Only changes that were requested before this time.
    pub until: Option<TimeText>,
    /// Most entries on the page.
    #[param(value_type = u32, minimum = 1, maximum = 1_000, default = 100, required = false)]
    pub limit: Option<PageLen<PAGE_MAX>>,
    /// Which come first: the oldest (`asc`) or the newest (`desc`).
    #[param(inline)]
    pub order: Option<OrderWord>,
}

query!(ListAuditQuery { after, key_id, limit, since, until, verb, order, actor });

impl From<ListAuditQuery> for AuditQuery {
    fn from(asked: ListAuditQuery) -> Self {
        let max = asked.limit.map_or(PAGE_DEFAULT, |limit| limit.0);
        let filter = AuditFilter {
            key_id: asked.key_id.and_then(|id| KeyId::new(id.0)),
            actor: asked.actor,
            verb: asked.verb.map(|verb| verb.0),
            since: asked.since.map(|since| since.0),
            until: asked.until.map(|until| until.0),
        };
        Self {
            filter,
            after: asked.after.map(|after| ChangeId(after.0)),
            descending: asked.order.is_some_and(|order| order.0),
            max: NonZeroU32::new(max).unwrap_or(NonZeroU32::MIN),
        }
    }
}

/// A page of the audit trail.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct AuditPageView {
    /// Entries on this page.
    pub count: usize,
    #[schema(max_items = 1_000)]
    pub entries: Vec<AuditView>,
    /// The `after` of the next page; `null` if there is none. A page may hold
    /// few entries, or none, and not be the last: looking for more would have taken too long.
    #[schema(required)]
    pub next_after: Option<KeyNumber>,
    /// The newest change as it is known apart from the trail, which must have its entry; `null` if
    /// there was no change, or it is unknown.
    #[schema(required)]
    pub newest: Option<NewestView>,
}

impl AuditPageView {
    /// A page, and the newest change as it is known apart from the trail.
    #[must_use]
    pub fn of(page: AuditPage, newest: Option<(ChangeId, ChainDigest)>) -> Self {
        let entries: Vec<_> = page.entries.into_iter().map(AuditView::of).collect();
        let newest = newest.map(|(id, digest)| NewestView {
            id: KeyNumber(id.0),
            digest: DigestText(digest.to_string()),
        });
        let next_after = page.next.map(|next| KeyNumber(next.0));
        Self { count: entries.len(), entries, next_after, newest }
    }
}

/// The newest change as the ledger next to the database knows it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct NewestView {
    /// The number of the change.
    pub id: KeyNumber,
    /// The digest of its entry.
    pub digest: DigestText,
}

/// One change.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct AuditView {
    /// The number of the change. Later ones have higher numbers.
    pub id: KeyNumber,
    /// When it was requested.
    pub at: Time,
    /// The actor: `admin-key`, `oidc:` and a person, `github`, `leak-report` or `program`.
    #[schema(example = "admin-key")]
    pub actor: String,
    /// The address of the client, if the request came over a network.
    #[schema(required, example = "192.0.2.1")]
    pub address: Option<String>,
    /// The verb of the change.
    #[schema(value_type = VerbWord)]
    pub verb: String,
    /// The changed key.
    #[schema(required)]
    pub key_id: Option<KeyNumber>,
    /// The changed tier.
    #[schema(required, value_type = Option<TierText>)]
    pub tier: Option<String>,
    /// The changed owner.
    #[schema(required, value_type = Option<OwnerText>)]
    pub owner: Option<String>,
    /// The id of its request.
    #[schema(required)]
    pub request_id: Option<String>,
    /// The values before and after; its fields depend on the verb.
    #[schema(required, value_type = Option<Object>)]
    pub details: Option<Box<RawValue>>,
    /// The digest of the entry before it.
    pub previous: DigestText,
    /// SHA-256 over all the above.
    pub digest: DigestText,
}

impl AuditView {
    /// An entry as it is shown.
    #[must_use]
    pub fn of(entry: AuditEntry) -> Self {
        // As it was written, to the letter, since the digest is taken over that. Something that is
        // no JSON was put there by hand; it is shown as a text, and its digest will not fit.
        let details = entry.details.map(|details| {
            let raw = RawValue::from_string(details.clone()).ok();
            // White space around it would get lost.
            let raw = raw.filter(|raw| raw.get().len() == details.len());
            raw.or_else(|| to_raw_value(&details).ok()).unwrap_or_default()
        });
        Self {
            id: KeyNumber(entry.id.0),
            at: Time(entry.at),
            actor: entry.actor,
            address: entry.address,
            verb: entry.verb,
            key_id: entry.key_id.map(KeyNumber),
            tier: entry.tier,
            owner: entry.owner,
            request_id: entry.request_id,
            details,
            previous: DigestText(entry.previous.to_string()),
            digest: DigestText(entry.digest.to_string()),
        }
    }
}
