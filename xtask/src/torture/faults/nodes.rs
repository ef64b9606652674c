//! Faults of a node.

use anyhow::Result;

use super::{GONE_MS, PAUSE_MS, Scene};

impl Scene<'_> {
    pub(super) fn pause(&mut self) -> Result<()> {
        self.node.pause()?;
        self.wait(PAUSE_MS);
        self.node.go_on()
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        self.node.kill()?;
        self.wait(GONE_MS);
        self.node.start()?;
        self.node.wait_until_ready()
    }

    /// The schema comes to the newer version first, while all nodes are of the older one.
    pub(super) fn change_version(&mut self) -> Result<()> {
        self.store()?.upgrade()?;
        self.node.change_version();
        self.restart()
    }

    pub(super) fn restart(&mut self) -> Result<()> {
        self.node.stop();
        self.wait(GONE_MS);
        self.node.start()?;
        self.node.wait_until_ready()
    }
}
