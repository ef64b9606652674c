//! Owners: customers to whom keys belong.

use keyward::limit::Limits;
use keyward::record::Owner;
use keyward::stored::OwnerRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::body::Given;
use crate::limit::LimitView;
use crate::query::PageLen;
use crate::shapes::OwnerText;
use crate::words::Word;
use crate::{body, query};

/// Most owners on one page.
pub const PAGE_MAX: u32 = 1_000;

/// Which page of the owners that are suspended.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListOwnersQuery {
    /// Only owners after this one.
    pub after: Option<OwnerText>,
    /// Most owners on the page.
    #[param(value_type = u32, minimum = 1, maximum = 1_000, default = 100, required = false)]
    pub limit: Option<PageLen<PAGE_MAX>>,
}

query!(ListOwnersQuery { after, limit });

/// A page of the owners that are suspended.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct OwnerPage {
    /// Owners on this page.
    pub count: usize,
    #[schema(max_items = 1_000)]
    pub suspended_owners: Vec<OwnerText>,
    /// The `after` of the next page; `null` if there is none.
    #[schema(required)]
    pub next_after: Option<OwnerText>,
}

impl OwnerPage {
    /// A page of at most `max` owners: one that is full may not be the last.
    #[must_use]
    pub fn of(owners: Vec<Owner>, max: u32) -> Self {
        let is_full = usize::try_from(max).is_ok_and(|max| owners.len() == max);
        let suspended_owners: Vec<_> = owners.into_iter().map(OwnerText).collect();
        let next_after = suspended_owners.last().filter(|_| is_full).cloned();
        Self { count: suspended_owners.len(), suspended_owners, next_after }
    }
}

/// The fields of an owner that are to change.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "limits": [{ "name": "requests", "amount": 1000, "per": "60s", "burst": 1000 }],
}))]
pub struct EditOwnerBody {
    /// The limits that all of its keys share, on top of the limits of each, in place of the present
    /// ones;
    /// `[]` and `null` are no limit. They begin full.
    #[schema(value_type = Option<Vec<LimitView>>, max_items = 8)]
    pub limits: Given<Option<Limits>>,
}

body!(EditOwnerBody as EditOwnerDraft { limits } IS_KEPT: bool = true);

/// A customer to whom keys belong.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct OwnerView {
    pub owner: OwnerText,
    #[schema(value_type = OwnerState)]
    pub state: Word<OwnerState>,
    /// How many keys it has, revoked ones too.
    pub keys: u64,
    /// The limits that all of its keys share, on top of the limits of each. None is no limit.
    #[serde(default)]
    #[schema(required, max_items = 8)]
    pub limits: Vec<LimitView>,
    /// How often it was suspended, resumed or edited.
    #[serde(default)]
    #[schema(required)]
    pub version: u64,
    /// Of an owner that was just resumed, where several nodes share a database: whether all of them
    /// know it. A node that does not may deny its keys for some seconds more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub everywhere: Option<bool>,
}

/// Whether an owner's keys work.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OwnerState {
    /// They work, unless their own state forbids it.
    Active,
    /// Requests with them are denied until an operator resumes the owner.
    Suspended,
}

impl OwnerView {
    /// An owner as it is shown.
    #[must_use]
    pub fn of(row: &OwnerRow) -> Self {
        let state = if row.is_suspended() { OwnerState::Suspended } else { OwnerState::Active };
        Self {
            owner: OwnerText(row.owner.clone()),
            state: Word::Known(state),
            keys: row.keys,
            limits: LimitView::all(&row.limits),
            version: row.version.0,
            everywhere: None,
        }
    }
}
