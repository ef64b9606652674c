//! Tiers: named plans.

use keyward::limit::Limits;
use keyward::stored::TierRow;
use keyward::tier::TierName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body;
use crate::limit::LimitView;
use crate::shapes::TierText;

/// The content of a tier.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutTierBody {
    /// None is no limit.
    #[schema(value_type = Vec<LimitView>, max_items = 8)]
    pub limits: Limits,
}

body!(PutTierBody as PutTierDraft { limits });

/// A tier: a named plan.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct TierView {
    pub name: TierText,
    /// None is no limit.
    #[schema(max_items = 8)]
    pub limits: Vec<LimitView>,
}

impl TierView {
    /// A tier as it is shown.
    #[must_use]
    pub fn of(name: &TierName, limits: &Limits) -> Self {
        Self { name: TierText(name.clone()), limits: LimitView::all(limits) }
    }
}

/// A tier, and how much it is used.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ListedTier {
    #[serde(flatten)]
    pub tier: TierView,
    /// How many keys have it that are not revoked.
    pub keys: u64,
}

/// All tiers.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct TierList {
    /// How many there are.
    pub count: usize,
    pub tiers: Vec<ListedTier>,
}

impl TierList {
    /// These tiers as they are shown.
    #[must_use]
    pub fn of(tiers: &[TierRow]) -> Self {
        let listed = |row: &TierRow| ListedTier {
            tier: TierView::of(&row.name, &row.limits),
            keys: row.keys,
        };
        Self { count: tiers.len(), tiers: tiers.iter().map(listed).collect() }
    }
}
