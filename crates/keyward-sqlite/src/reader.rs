//! The threads that read, while another one writes.
//!
//! A change is acknowledged after its commit, and each statement here sees every commit that came
//! before it: so a reader sees all acknowledged changes.

use rusqlite::Connection;

use crate::worker::Queue;

/// Does jobs until there are no more.
pub(crate) fn run(connection: &Connection, queue: &mut Queue) {
    while let Some(job) = queue.next() {
        job.run(Ok(connection)).send(Ok(()));
    }
}
