//! Keys: the bodies of requests and responses about them.

mod change;
mod cursor;
mod fields;
mod identify;
mod list;
mod secret;
mod view;

pub use change::{
    EditKeyBody, KeyDraft, NewKeyBody, NewKeyDraft, RevokeKeyQuery, RotateKeyBody, RotateKeyDraft,
};
pub use cursor::{Sort, SortWord};
pub use identify::{
    DIGESTS_MAX, IdentifyBody, IdentifyDraft, Match, MatchList, PrefixList, SecretView,
};
pub use list::{KeyList, ListKeys, ListKeysQuery, PAGE_MAX};
pub use secret::{SecretText, wiped_json};
pub use view::{
    ExportedKey, ExportedSecret, ExportedState, IssuedKey, KeyView, RotatedKey, SuspendedBy,
};
