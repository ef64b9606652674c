//! Keys: issuing, changing, finding and listing them.

pub(crate) mod former;

pub(crate) mod find;

pub(crate) mod terms;

pub(crate) mod late;

pub(crate) mod filter;

pub(crate) mod drive;

pub(crate) mod list;

pub(crate) mod count;
