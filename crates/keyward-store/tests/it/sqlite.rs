//! What only a file can show: surviving, sharing, refusing and breaking.

mod changes;
mod open;
