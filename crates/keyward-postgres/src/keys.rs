//! Listing and counting keys.
//!
//! PostgreSQL takes no hints, and where a rare condition meets an order and a limit its planner
//! likes to walk along the order to the end. So each statement here says where it begins, where it
//! ends and by how many rows, along the one index that has that order.

pub(crate) mod filter;

pub(crate) mod drive;

pub(crate) mod list;

pub(crate) mod count;
