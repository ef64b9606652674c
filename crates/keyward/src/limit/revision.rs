//! When limits were last changed.

/// The number of the audit entry that last changed the terms of a limit; 0 is that they are as they
/// were at first. A rename or a rotation of a key is no such change.
///
/// Where several processes share a store, they tell older terms from newer ones by it.
///
/// ```
/// use keyward::limit::Revision;
///
/// // A key is judged by its own terms and its tier's, and by the later change of both.
/// assert_eq!(Revision(7).max(Revision(5)), Revision(7));
/// assert_eq!(Revision::default(), Revision(0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);
