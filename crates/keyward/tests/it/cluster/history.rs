//! Acknowledged changes, and the verdicts that they forbid.

use keyward::KeyId;
use keyward::memory::MemoryCluster;
use keyward::record::KeyState;

/// A key that was issued, and the changes to it.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) id: KeyId,
    pub(crate) secret: String,
    /// The step in which a revocation was acknowledged first.
    revoked: Option<u64>,
    /// The step in which a suspension was acknowledged that no resumption can have undone.
    suspended: Option<u64>,
    /// A revocation began.
    is_ending: bool,
    /// The last failovers after which the database lacked a revocation, and a suspension.
    unrevoked: u64,
    unsuspended: u64,
    /// Resumptions that ever began, and that are under way.
    resumed: u64,
    resuming: u64,
}

/// A change that began.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Issue,
    /// With the failovers that had been.
    Revoke(usize, u64),
    /// With the failovers that had been, and the resumptions that had begun; `None` if one was under
    /// way.
    Suspend(usize, u64, Option<u64>),
    Resume(usize),
}

/// All keys, in the order in which they were issued.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) keys: Vec<Issued>,
    failovers: u64,
}

impl History {
    /// A key was issued, and its caller told so: no other one has that id, whatever was lost.
    pub(crate) fn issued(&mut self, id: KeyId, secret: String) -> Result<(), String> {
        if self.keys.iter().any(|key| key.id == id) {
            return Err(format!("id {id} was given to two keys"));
        }
        let (revoked, suspended, resumed, resuming) = (None, None, 0, 0);
        self.keys.push(Issued {
            id,
            secret,
            revoked,
            suspended,
            is_ending: false,
            unrevoked: 0,
            unsuspended: 0,
            resumed,
            resuming,
        });
        Ok(())
    }

    /// How many keys no change began to revoke.
    pub(crate) fn living(&self) -> usize {
        self.keys.iter().filter(|key| !key.is_ending).count()
    }

    /// Keys whose ends were acknowledged, the last of them.
    pub(crate) fn ended(&self) -> impl Iterator<Item = usize> {
        let is_ended = |key: &Issued| key.revoked.is_some() || key.suspended.is_some();
        let keys = self.keys.iter().enumerate().rev().filter(move |(_, key)| is_ended(key));
        keys.map(|(at, _)| at).take(4)
    }

    pub(crate) fn revoke(&mut self, key: usize) -> Change {
        self.keys[key].is_ending = true;
        Change::Revoke(key, self.failovers)
    }

    pub(crate) fn suspend(&self, key: usize) -> Change {
        let it = &self.keys[key];
        Change::Suspend(key, self.failovers, (it.resuming == 0).then_some(it.resumed))
    }

    pub(crate) fn resume(&mut self, key: usize) -> Change {
        let it = &mut self.keys[key];
        it.resumed += 1;
        it.resuming += 1;
        it.suspended = None;
        Change::Resume(key)
    }

    /// A change was acknowledged. If the database does not have it, it was lost meanwhile; if a
    /// failover lost it, another change like it may have been made since, which promises nothing
    /// before it is acknowledged itself.
    pub(crate) fn acknowledged(&mut self, change: Change, step: u64, cluster: &MemoryCluster) {
        match change {
            Change::Issue => {}
            Change::Revoke(key, begun) => {
                let it = &mut self.keys[key];
                if it.unrevoked <= begun && it.word_by(cluster) == "revoked" {
                    it.revoked.get_or_insert(step);
                }
            }
            Change::Suspend(key, begun, resumed) => {
                let it = &mut self.keys[key];
                let is_its_own = it.unsuspended <= begun && resumed == Some(it.resumed);
                if is_its_own && it.word_by(cluster) == "suspended" {
                    it.suspended.get_or_insert(step);
                }
            }
            Change::Resume(key) => self.keys[key].resuming -= 1,
        }
    }

    /// It is not known whether the change was made.
    pub(crate) fn failed(&mut self, change: Change) {
        match change {
            Change::Issue | Change::Revoke(..) | Change::Suspend(..) => {}
            Change::Resume(key) => self.keys[key].resuming -= 1,
        }
    }

    /// The database failed over: what it lost is no promise any more, not even when a node makes it
    /// again.
    pub(crate) fn failed_over(&mut self, cluster: &MemoryCluster) {
        self.failovers += 1;
        for key in &mut self.keys {
            let word = key.word_by(cluster);
            key.revoked = key.revoked.filter(|_| word == "revoked");
            key.suspended = key.suspended.filter(|_| word == "suspended" || word == "revoked");
            if word != "revoked" {
                key.unrevoked = self.failovers;
            }
            if word != "suspended" && word != "revoked" {
                key.unsuspended = self.failovers;
            }
        }
    }

    /// Checks a request that arrived in the step `begun` and was let in. A failover may have lost
    /// an acknowledged change, which is then no promise any more.
    pub(crate) fn check(
        &self,
        key: usize,
        begun: u64,
        cluster: &MemoryCluster,
    ) -> Result<(), String> {
        let it = &self.keys[key];
        let is_before = |end: Option<u64>| end.is_some_and(|end| end < begun);
        let word = it.word_by(cluster);
        if is_before(it.revoked) && word == "revoked" {
            return Err(format!("key {key} was let in after its revocation was acknowledged"));
        }
        if is_before(it.suspended) && word == "suspended" {
            return Err(format!("key {key} was let in after its suspension was acknowledged"));
        }
        Ok(())
    }
}

impl Issued {
    /// The verdict by the rows of the database.
    pub(crate) fn word_by(&self, cluster: &MemoryCluster) -> &'static str {
        let digest =
            keyward::digest::Digest::of(keyward::key::Presented::parse(&self.secret).unwrap());
        let found = cluster.find_key(self.id).filter(|found| found.key.secret.digest == digest);
        match found.map(|found| found.key.state) {
            Some(KeyState::Active) => "allowed",
            Some(KeyState::Suspended) => "suspended",
            Some(KeyState::Revoked { .. }) => "revoked",
            None => "unknown",
        }
    }
}
