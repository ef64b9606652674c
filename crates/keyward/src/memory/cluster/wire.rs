//! A network whose messages arrive, or are lost, when a test says so.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::store::StoreError;

/// The network between nodes and their database. A clone shares everything.
///
/// It delivers at once until [`Wire::hold`] is called.
#[derive(Clone, Debug, Default)]
pub struct Wire(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    holds: bool,
    /// Of the last letter.
    number: u64,
    letters: BTreeMap<u64, Sent>,
}

#[derive(Debug)]
struct Sent {
    letter: Letter,
    arrives: Option<bool>,
    waker: Option<Waker>,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// To the database, which has not seen it yet.
    Request,
    /// Back from the database, which has done what it was asked for.
    Reply,
}

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// By which [`Wire::deliver`] and [`Wire::lose`] know it. Later ones have higher numbers.
    pub number: u64,
    /// The process that sent it, or to which it goes.
    pub process: usize,
    /// The name of the call.
    pub what: &'static str,
    /// Its way.
    pub leg: Leg,
}

impl Wire {
    /// Holds every message from now on until it is delivered or lost.
    pub fn hold(&self) {
        self.lock().holds = true;
    }

    /// Delivers everything, and at once again from now on.
    pub fn release(&self) {
        self.lock().holds = false;
        self.letters().into_iter().for_each(|letter| self.deliver(letter.number));
    }

    /// The messages that are on their way and neither delivered nor lost, oldest first.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        let state = self.lock();
        let held = state.letters.values().filter(|sent| sent.arrives.is_none());
        held.map(|sent| sent.letter).collect()
    }

    /// Lets a message arrive.
    pub fn deliver(&self, number: u64) {
        self.decide(number, true);
    }

    /// Loses a message: the calling process gets an error.
    pub fn lose(&self, number: u64) {
        self.decide(number, false);
    }

    pub(super) fn lose_requests(&self) {
        let requests = self.letters().into_iter().filter(|letter| letter.leg == Leg::Request);
        requests.for_each(|letter| self.lose(letter.number));
    }

    fn decide(&self, number: u64, arrives: bool) {
        let waker = self.lock().letters.get_mut(&number).and_then(|sent| {
            sent.arrives = Some(arrives);
            sent.waker.take()
        });
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) async fn travel(
        &self,
        process: usize,
        what: &'static str,
        leg: Leg,
    ) -> Result<(), StoreError> {
        let number = {
            let mut state = self.lock();
            if !state.holds {
                return Ok(());
            }
            state.number += 1;
            let number = state.number;
            let letter = Letter { number, process, what, leg };
            state.letters.insert(number, Sent { letter, arrives: None, waker: None });
            number
        };
        // However the wait ends, also when the process is killed.
        let _gone = Gone(self, number);
        let arrives = poll_fn(|context| {
            let mut state = self.lock();
            match state.letters.get_mut(&number) {
                Some(Sent { arrives: Some(arrives), .. }) => Poll::Ready(*arrives),
                Some(sent) => {
                    sent.waker = Some(context.waker().clone());
                    Poll::Pending
                }
                None => Poll::Ready(false),
            }
        })
        .await;
        if arrives {
            return Ok(());
        }
        Err(StoreError::Unavailable(format!("the {leg:?} of {what} was lost").into()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a letter away when it is not waited for any more.
struct Gone<'a>(&'a Wire, u64);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.lock().letters.remove(&self.1);
    }
}
