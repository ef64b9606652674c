//! The cost of a request.

use thiserror::Error;

/// Most that a request costs.
pub const COST_MAX: u32 = 1_000_000;

/// How many ordinary requests a request counts as, for the limits: 0 to [`COST_MAX`].
///
/// A request that costs nothing is allowed where one that costs 1 would be, and takes nothing.
///
/// ```
/// use keyward::limit::{COST_MAX, Cost};
///
/// // Checked when the program is built.
/// const EXPORT: Cost = Cost::new(5).unwrap();
///
/// assert_eq!(Cost::from(5), EXPORT);
/// assert_eq!(Cost::product(5, 20).map(Cost::get), Ok(100));
/// assert!(Cost::try_from(COST_MAX + 1).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(u32);

/// The error of a number above [`COST_MAX`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a request costs from 0 to 1000000")]
pub struct ParseCostError;

impl Default for Cost {
    fn default() -> Self {
        Self::ONE
    }
}

impl Cost {
    /// Takes nothing.
    pub const NOTHING: Self = Self(0);
    /// The default cost of a request.
    pub const ONE: Self = Self(1);

    /// A cost, unless it is above [`COST_MAX`]. In a constant, `Cost::new(5).unwrap()` is checked
    /// while the program is built.
    #[must_use]
    pub const fn new(cost: u32) -> Option<Self> {
        if COST_MAX < cost { None } else { Some(Self(cost)) }
    }

    /// A cost that is the product of two numbers, such as a price and a number of rows.
    ///
    /// # Errors
    ///
    /// Returns [`ParseCostError`] if the product is above [`COST_MAX`].
    pub fn product(each: u32, number: u32) -> Result<Self, ParseCostError> {
        each.checked_mul(number).and_then(Self::new).ok_or(ParseCostError)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The room that a bucket must have for the request to be allowed.
    pub(super) fn judged(self) -> Self {
        self.max(Self::ONE)
    }
}

impl From<u16> for Cost {
    /// Takes a number whose every value is small enough.
    fn from(cost: u16) -> Self {
        Self(cost.into())
    }
}

impl TryFrom<u32> for Cost {
    type Error = ParseCostError;

    fn try_from(cost: u32) -> Result<Self, Self::Error> {
        Self::new(cost).ok_or(ParseCostError)
    }
}
