//! The limits of one key, tier or owner.

use std::fmt;

use thiserror::Error;
use triomphe::Arc;

use super::Limit;

/// Most limits of one key, tier or owner.
pub const LIMITS_MAX: usize = 8;

/// Limits with names of their own, at most [`LIMITS_MAX`], in the order in which they were given.
/// Cloning shares them.
///
/// ```
/// use std::time::Duration;
///
/// use keyward::limit::{Limit, Limits, LimitsError};
///
/// let limit = |name| {
///     Limit::new(name, 100.try_into().unwrap(), Duration::from_secs(60), 100.try_into().unwrap())
/// };
/// let (minute, day) = (limit("minute")?, limit("day")?);
/// assert_eq!(Limits::new(vec![minute, day])?.list().len(), 2);
/// // Each needs a name of its own.
/// assert_eq!(Limits::new(vec![minute, minute]), Err(LimitsError::SameName(minute)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Limits(Arc<[Limit]>);

/// The error of a list of limits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LimitsError {
    /// There are more than [`LIMITS_MAX`].
    #[error("there are at most 8 limits; leave some out")]
    TooMany,
    /// Two have the same name.
    #[error("two limits are called `{}`; each needs a name of its own", .0.name())]
    SameName(Limit),
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Limits").field(&self.list()).finish()
    }
}

impl Limits {
    /// Takes limits as they are, in their order. An empty list is no limit.
    ///
    /// # Errors
    ///
    /// Returns [`LimitsError`] if there are too many, or two have the same name.
    pub fn new(list: Vec<Limit>) -> Result<Self, LimitsError> {
        if LIMITS_MAX < list.len() {
            return Err(LimitsError::TooMany);
        }
        for (at, limit) in list.iter().enumerate() {
            if list.iter().take(at).any(|before| before.name() == limit.name()) {
                return Err(LimitsError::SameName(*limit));
            }
        }
        Ok(Self(Arc::from(list)))
    }

    /// One limit, or none.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use keyward::limit::{Limit, Limits};
    ///
    /// let limit = Limit::new("requests", 9.try_into()?, Duration::from_secs(60), 9.try_into()?)?;
    /// assert_eq!(Limits::of(Some(limit)), Limits::new(vec![limit])?);
    /// assert_eq!(Limits::of(None).list(), []);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of(limit: Option<Limit>) -> Self {
        Self(Arc::from(limit.into_iter().collect::<Vec<_>>()))
    }

    /// The limits themselves.
    #[must_use]
    pub fn list(&self) -> &[Limit] {
        &self.0
    }

    /// The same limits, in memory that is not shared with these.
    pub(crate) fn copied(&self) -> Self {
        Self(Arc::from(self.list().to_vec()))
    }

    /// The limits of an owner by the names that responses to its keys' callers use.
    pub(crate) fn of_owner(&self) -> Self {
        Self(Arc::from(self.list().iter().map(Limit::of_owner).collect::<Vec<_>>()))
    }

    /// Whether buckets that were laid out for these limits fit the others: both have the same names
    /// in the same order, or each has one limit.
    pub(crate) fn are_laid_out_as(&self, others: &Self) -> bool {
        match (self.list(), others.list()) {
            ([_], [_]) => true,
            (these, others) => {
                let names = others.iter().map(Limit::name);
                these.iter().map(Limit::name).eq(names)
            }
        }
    }

    /// Where the bucket of a limit of these was under `before`, if it was there.
    pub(super) fn place_before(&self, at: usize, before: &Self) -> Option<usize> {
        match (self.list(), before.list()) {
            ([_], [_]) => Some(0),
            (after, before) => {
                let name = after.get(at)?.name();
                before.iter().position(|limit| limit.name() == name)
            }
        }
    }
}
