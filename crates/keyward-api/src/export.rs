//! Keys on their way to another store.

use keyward::KeyId;
use keyward::record::KEY_ID_MAX;
use keyward::stored::OwnerRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::key::ExportedKey;
use crate::limit::LimitView;
use crate::query;
use crate::query::{PageLen, Parameter, Parameters};
use crate::shapes::{KeyNumber, OwnerText};
use crate::tier::TierView;

/// Most keys on one page.
pub const PAGE_MAX: u32 = 1_000;

/// Which page.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Only keys with a higher id; 0 is the beginning.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    pub after: Option<AfterKey>,
    /// Most keys on the page.
    #[param(value_type = u32, minimum = 1, maximum = 1_000, default = 100, required = false)]
    pub limit: Option<PageLen<PAGE_MAX>>,
}

query!(ExportQuery { after, limit });

/// The key before a page; `None` is the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterKey(pub Option<KeyId>);

impl Parameter for AfterKey {
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
        parameters.integer(name, &(0..=KEY_ID_MAX)).map(KeyId::new).map(Self)
    }
}

/// How keys are taken in.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Report the result for each key, and add none.
    #[param(value_type = bool, required = false, default = false)]
    pub dry_run: Option<bool>,
}

query!(ImportQuery { dry_run });

/// A page of keys, whole.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ExportPage {
    /// All tiers; on the first page only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiers: Option<Vec<TierView>>,
    /// The owners that are suspended; on the first page only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_owners: Option<Vec<OwnerText>>,
    /// The owners of these keys that have limits, and on the first page the owners without keys;
    /// left out if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_limits: Option<Vec<OwnerLimits>>,
    #[schema(max_items = 1_000)]
    pub keys: Vec<ExportedKey>,
    /// The `after` of the next page; `null` if there is none.
    #[schema(required)]
    pub next_after: Option<KeyNumber>,
}

/// The limits that all keys of an owner share.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct OwnerLimits {
    pub owner: OwnerText,
    #[schema(min_items = 1, max_items = 8)]
    pub limits: Vec<LimitView>,
}

impl OwnerLimits {
    /// The limits of an owner as they are shown.
    #[must_use]
    pub fn of(row: &OwnerRow) -> Self {
        Self { owner: OwnerText(row.owner.clone()), limits: LimitView::all(&row.limits) }
    }
}
