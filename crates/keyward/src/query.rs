//! The queries about keys, usage and the audit trail.

use std::num::NonZeroU32;

use crate::audit::{AuditEntry, ChangeId, Verb};
use crate::count::Counts;
use crate::record::{KeyId, Owner, Stage};
use crate::stored::OwnedKey;
use crate::tier::TierName;
use crate::time::{UnixHour, UnixMillis};

/// Fewest characters of a part of a name to look for: shorter ones are in nearly every name, and an
/// index over parts of names holds trigrams.
pub const NAME_PART_CHARS_MIN: usize = 3;

/// Which keys to look for: a key has to match every field that is set.
///
/// ```
/// use keyward::query::KeyFilter;
/// use keyward::record::Stage;
///
/// // The active keys of one owner.
/// let filter = KeyFilter {
///     state: Some(Stage::Active),
///     owner: Some("acme".parse()?),
///     ..KeyFilter::default()
/// };
/// assert_eq!(filter.tier, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// In this state, by the time that [`KeyQuery::now`] says.
    pub state: Option<Stage>,
    /// In this tier.
    pub tier: Option<TierName>,
    /// Of this owner.
    pub owner: Option<Owner>,
    /// With this in their name, letters of either case being the same; at least
    /// [`NAME_PART_CHARS_MIN`] characters.
    pub name_part: Option<String>,
    /// With a hint that begins so.
    pub hint_start: Option<String>,
    /// That expire in the future and before this.
    pub expires_before: Option<UnixMillis>,
    /// That were not used since, and are older than that.
    pub idle_since: Option<UnixMillis>,
    /// Issued at this time or later.
    pub created_from: Option<UnixMillis>,
    /// Issued before this time.
    pub created_before: Option<UnixMillis>,
}

/// The order of keys. Keys that are equal in it are in the order of their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyOrder {
    /// The order of their ids, which is the order in which they were issued here; a key that was
    /// imported with its id is ordered by that.
    #[default]
    Created,
    /// Their names, byte by byte.
    Name,
    /// When they were last used; keys never used count as used before all others.
    LastUsed,
    /// When they expire; keys that never expire come after all others.
    Expires,
}

/// One page of a list of keys.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use keyward::Gate;
/// use keyward::audit::Audit;
/// use keyward::issue::NewKey;
/// use keyward::key::Prefix;
/// use keyward::memory::MemoryStore;
/// use keyward::query::{KeyFilter, KeyOrder, KeyQuery};
/// use keyward::store::Reports as _;
/// use keyward::time::UnixMillis;
///
/// let store = Arc::new(MemoryStore::default());
/// let gate = Gate::open(Arc::clone(&store) as _, Prefix::default()).await?;
/// let at = UnixMillis(1_767_225_600_000);
/// for name in ["weather-bot", "rain-bot"] {
///     let key = NewKey::plain(name.parse()?, "basic".parse()?, None);
///     gate.issue(key, Audit::program(at)).await?;
/// }
/// let mut query = KeyQuery {
///     filter: KeyFilter::default(),
///     order: KeyOrder::Name,
///     descending: false,
///     after: None,
///     max: 1,
///     now: at,
/// };
/// let page = store.list_keys(query.clone()).await?;
/// assert_eq!(page.keys[0].key.name.as_str(), "rain-bot");
/// // The next page begins where this one ended.
/// query.after = page.next;
/// let page = store.list_keys(query).await?;
/// assert_eq!(page.keys[0].key.name.as_str(), "weather-bot");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct KeyQuery {
    /// Which keys.
    pub filter: KeyFilter,
    /// In which order.
    pub order: KeyOrder,
    /// Whether the order is turned round: the latest first.
    pub descending: bool,
    /// Where the page before ended.
    pub after: Option<KeyCursor>,
    /// Most keys on the page.
    pub max: u32,
    /// The time.
    pub now: UnixMillis,
}

/// A cursor in a list of keys: after this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCursor {
    /// The value by which the list is ordered, of the key after which the next page begins: its
    /// name, or a time as a number; empty where the order is that of ids.
    pub value: String,
    /// The key's id.
    pub id: u64,
}

/// Keys, and where to go on.
#[derive(Clone, Debug)]
pub struct KeyPage {
    /// The keys, in order.
    pub keys: Vec<OwnedKey>,
    /// Where the next page begins; `None` if there are no more. A page may hold fewer keys than
    /// asked for, or none, and not be the last: looking for more would have taken too long.
    pub next: Option<KeyCursor>,
}

/// How many keys fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCount {
    /// So many keys fit, and there may be more unless the count is exact.
    pub at_least: u64,
    /// Whether these are all: to look at every key may take too long.
    pub is_exact: bool,
}

impl KeyCount {
    /// So many, and no more.
    #[must_use]
    pub fn exact(keys: u64) -> Self {
        Self { at_least: keys, is_exact: true }
    }
}

/// A span of whole hours: from the first to before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first one.
    pub from: UnixHour,
    /// The hour after the last.
    pub to: UnixHour,
}

/// What usage is summed up by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bucket {
    /// By the hour.
    #[default]
    Hour,
    /// By the day, in UTC.
    Day,
}

/// The measure by which a key is one of the most used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopBy {
    /// All of its requests.
    #[default]
    Requests,
    /// Denied requests.
    Denials,
}

impl TopBy {
    /// How much these counts weigh.
    #[must_use]
    pub fn weight(self, counts: &Counts) -> u64 {
        match self {
            Self::Requests => counts.requests(),
            Self::Denials => counts.denied(),
        }
    }
}

/// The usage of all keys together, and of the keys that had the most.
#[derive(Clone, Debug, Default)]
pub struct UsageTop {
    /// Of all keys.
    pub total: Counts,
    /// The keys with the most, most first, with their names.
    pub top: Vec<(KeyId, String, Counts)>,
}

/// Which audit entries to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this key.
    pub key_id: Option<KeyId>,
    /// By this actor, in the trail's own words.
    pub actor: Option<String>,
    /// Of this kind.
    pub verb: Option<Verb>,
    /// Asked for at this time or later.
    pub since: Option<UnixMillis>,
    /// Asked for before this time.
    pub until: Option<UnixMillis>,
}

/// One page of the audit trail.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// Which entries.
    pub filter: AuditFilter,
    /// After this entry, in the requested order.
    pub after: Option<ChangeId>,
    /// Whether the newest come first.
    pub descending: bool,
    /// Most entries on the page.
    pub max: NonZeroU32,
}

/// Audit entries, and where to go on.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The entries, in order.
    pub entries: Vec<AuditEntry>,
    /// The entry after which the next page begins; as with [`KeyPage::next`].
    pub next: Option<ChangeId>,
}
