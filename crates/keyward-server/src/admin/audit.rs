//! The audit trail on the admin API.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use keyward::audit::{AuditEntry, ChangeId, Verb};
use keyward::query::{AuditFilter, AuditQuery};
use keyward::record::KEY_ID_MAX;
use keyward::store::Reports;
use keyward::{KeyId, UnixMillis};
use keyward_axum::fault::Fault;
use keyward_axum::input::Query;
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::query::time;
use crate::failure::broken;
use keyward_api::shapes::{DigestText, KeyNumber, OwnerText, TierText, Time, TimeText};

/// Entries on one page, unless the request says otherwise.
const PAGE_DEFAULT: u64 = 100;
/// Most entries on one page.
pub(crate) const PAGE_MAX: u64 = 1_000;

/// Lists what was changed, by whom and when: the oldest first, unless told otherwise.
///
/// Each entry carries the digest of the one before it. Whoever walks the whole trail in ascending
/// order and without filters can check that nothing was altered, as `keyward audit verify` does.
#[utoipa::path(get, path = "/admin/audit", tag = "audit", params(ListAuditQuery), responses(
    (status = 200, description = "A page", body = AuditPageView),
))]
pub(crate) async fn list_audit(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    uri: Uri,
) -> Result<Json<AuditPageView>, Refusal> {
    let query = ListAuditQuery::read(uri.query())?;
    // Before the page: what is on record later may be newer, and must not be older.
    let newest = guard.gate().store().newest_change();
    let page = reports.audit_entries(query).await.map_err(broken)?;
    let entries: Vec<_> = page.entries.into_iter().map(AuditView::of).collect();
    let next_after = page.next.map(|next| next.0);
    let newest = newest.map(|(id, digest)| NewestView { id: id.0, digest: digest.to_string() });
    Ok(Json(AuditPageView { count: entries.len(), entries, next_after, newest }))
}

/// A page of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPageView {
    /// Entries on this page.
    count: usize,
    #[schema(max_items = 1_000)]
    entries: Vec<AuditView>,
    /// What to ask for as `after` to get the next page; `null` if there is none. A page may hold
    /// few entries, or none, and not be the last: looking for more would have taken too long.
    #[schema(required, value_type = Option<KeyNumber>)]
    next_after: Option<u64>,
    /// The newest change as it is known apart from the trail, which must have its entry; `null` if
    /// there was no change, or nothing knows.
    #[schema(required)]
    newest: Option<NewestView>,
}

/// The newest change as the ledger beside the database knows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewestView {
    /// The number of the change.
    #[schema(value_type = KeyNumber)]
    id: u64,
    /// The digest of its entry.
    #[schema(value_type = DigestText)]
    digest: String,
}

/// One change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditView {
    /// The number of the change. Later ones have higher numbers.
    #[schema(value_type = KeyNumber)]
    id: u64,
    /// When it was asked for.
    at: Time,
    /// Who made it: `admin-key`, `oidc:` and a person, `github`, `leak-report` or `program`.
    #[schema(example = "admin-key")]
    actor: String,
    /// The address that it was asked for from, if it came over a network.
    #[schema(required, example = "192.0.2.1")]
    address: Option<String>,
    /// What was done.
    #[schema(value_type = VerbText)]
    verb: String,
    /// The key that it was done to.
    #[schema(required, value_type = Option<KeyNumber>)]
    key_id: Option<u64>,
    /// The tier that it was done to.
    #[schema(required, value_type = Option<TierText>)]
    tier: Option<String>,
    /// The owner to whom it was done.
    #[schema(required, value_type = Option<OwnerText>)]
    owner: Option<String>,
    /// The id of the request that asked for it.
    #[schema(required)]
    request_id: Option<String>,
    /// What was before and after; its members depend on the verb.
    #[schema(required, value_type = Option<Object>)]
    details: Option<Box<RawValue>>,
    /// The digest of the entry before it.
    #[schema(value_type = DigestText)]
    previous: String,
    /// SHA-256 over all the above.
    #[schema(value_type = DigestText)]
    digest: String,
}

impl AuditView {
    pub(crate) fn of(entry: AuditEntry) -> Self {
        // As it was written, to the letter, since the digest is taken over that. Something that is
        // no JSON was put there by hand; it is shown as a text, and its digest will not fit.
        let details = entry.details.map(|details| {
            let raw = RawValue::from_string(details.clone()).ok();
            // White space around it would get lost.
            let raw = raw.filter(|raw| raw.get().len() == details.len());
            raw.or_else(|| to_raw_value(&details).ok()).unwrap_or_default()
        });
        Self {
            id: entry.id.0,
            at: Time(entry.at),
            actor: entry.actor,
            address: entry.address,
            verb: entry.verb,
            key_id: entry.key_id,
            tier: entry.tier,
            owner: entry.owner,
            request_id: entry.request_id,
            details,
            previous: entry.previous.to_string(),
            digest: entry.digest.to_string(),
        }
    }
}

/// What was done: the verb of a change.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "it is a description; `Verb` is what serves")]
pub(crate) enum VerbText {
    Issue,
    Edit,
    Suspend,
    Resume,
    Rotate,
    Revoke,
    Import,
    PutTier,
    DeleteTier,
    SuspendOwner,
    ResumeOwner,
    EditOwner,
    AcceptRestore,
    AcceptClock,
}

/// Which entries, and which page of them.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is a description; `read` makes an `AuditQuery` of it")]
pub(crate) struct ListAuditQuery {
    /// Only entries behind this one, in the order asked for.
    #[param(value_type = Option<KeyNumber>)]
    after: Option<u64>,
    /// Only about this key.
    #[param(value_type = Option<KeyNumber>)]
    key_id: Option<u64>,
    /// Only by this actor, such as `oidc:ada@example.com`.
    actor: Option<String>,
    /// Only of this kind.
    #[param(value_type = Option<VerbText>)]
    verb: Option<String>,
    /// Only asked for at this time or later.
    #[param(value_type = Option<TimeText>)]
    since: Option<String>,
    /// Only asked for before this time.
    #[param(value_type = Option<TimeText>)]
    until: Option<String>,
    /// Most entries on the page.
    #[param(minimum = 1, maximum = 1_000, default = 100, required = false)]
    limit: u32,
    /// Which come first: the oldest (`asc`) or the newest (`desc`).
    #[param(inline, value_type = Option<OrderText>)]
    order: Option<String>,
}

/// Which come first.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it is a description")]
pub(crate) enum OrderText {
    Asc,
    Desc,
}

const PARAMETERS: [&str; 8] =
    ["after", "key_id", "actor", "verb", "since", "until", "limit", "order"];

impl ListAuditQuery {
    fn read(query: Option<&str>) -> Result<AuditQuery, Refusal> {
        let query = Query::parse(query);
        let mut faults = query.unknown(&PARAMETERS);
        let ids = 1..=KEY_ID_MAX;
        let mut id = |name| {
            let found = query.text(name).map(|_| query.integer(name, ids.clone(), 1)).transpose();
            found.map_err(|fault| faults.push(fault)).ok().flatten()
        };
        let after = id("after").map(ChangeId);
        let key_id = id("key_id").and_then(KeyId::new);
        let limit = query.integer("limit", 1..=PAGE_MAX, PAGE_DEFAULT);
        let limit = limit.map_err(|fault| faults.push(fault)).unwrap_or(PAGE_DEFAULT);
        let mut at = |name| time(&query, name).map_err(|fault| faults.push(fault)).ok().flatten();
        let (since, until): (Option<UnixMillis>, _) = (at("since"), at("until"));
        let verbs = Verb::ALL.map(Verb::as_str);
        let verb = one_of(&query, "verb", &verbs, &mut faults).and_then(Verb::of);
        let descending = one_of(&query, "order", &["asc", "desc"], &mut faults) == Some("desc");
        if !faults.is_empty() {
            return Err(Refusal::unprocessable(faults));
        }
        let max = u32::try_from(limit).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        let actor = query.text("actor").map(str::to_owned);
        let filter = AuditFilter { key_id, actor, verb, since, until };
        Ok(AuditQuery { filter, after, descending, max })
    }
}

/// A parameter that must be one of these words, if it is there.
fn one_of<'a>(
    query: &'a Query,
    name: &'static str,
    words: &[&'static str],
    faults: &mut Vec<Fault>,
) -> Option<&'a str> {
    let text = query.text(name)?;
    if words.contains(&text) {
        return Some(text);
    }
    let place = vec!["query".into(), name.into()];
    faults.push(Fault::not_one_of(place, text.into(), words));
    None
}
