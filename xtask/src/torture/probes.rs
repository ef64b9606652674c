//! Questions that are asked of every node right after a change was acknowledged.
//!
//! Each has a task of its own, so that a node that is paused finds such a question when it goes on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use anyhow::Result;

use super::asker::Asker;
use super::board::Credential;
use super::world::World;

/// The tasks of one client that changes.
#[derive(Debug)]
pub(crate) struct Probes(Vec<SyncSender<Arc<Credential>>>);

impl Probes {
    /// Starts them. They end when this is dropped.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        world: &'scope World,
    ) -> (Self, Vec<std::thread::ScopedJoinHandle<'scope, Result<()>>>) {
        let (mut senders, mut tasks) = (Vec::new(), Vec::new());
        for node in &world.nodes {
            let (sender, receiver) = sync_channel(1);
            senders.push(sender);
            tasks.push(scope.spawn(|| answer_all(&mut Asker::new(world, node), receiver)));
        }
        (Self(senders), tasks)
    }

    /// Has every node asked about a key. One that has not responded to the last question is left
    /// out.
    pub(crate) fn ask(&self, credential: &Arc<Credential>) {
        for sender in &self.0 {
            drop(sender.try_send(Arc::clone(credential)));
        }
    }
}

fn answer_all(asker: &mut Asker<'_>, receiver: Receiver<Arc<Credential>>) -> Result<()> {
    receiver.into_iter().try_for_each(|credential| asker.ask(&[credential]))
}
