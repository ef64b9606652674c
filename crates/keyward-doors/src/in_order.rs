//! Several tasks at once, each of which begins before the next one does.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// A task, and its result once that is there.
enum Slot<F: Future> {
    Running(Pin<Box<F>>),
    Done(Option<F::Output>),
}

/// Runs these tasks together until all have ended. Each is polled first in its order, so that what
/// they ask for before they wait is asked for in that order.
pub(crate) async fn in_order<F: Future>(tasks: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut slots: Vec<_> = tasks.map(|task| Slot::Running(Box::pin(task))).collect();
    poll_fn(|context| {
        let mut are_done = true;
        for slot in &mut slots {
            if let Slot::Running(task) = slot {
                match task.as_mut().poll(context) {
                    Poll::Ready(done) => *slot = Slot::Done(Some(done)),
                    Poll::Pending => are_done = false,
                }
            }
        }
        if are_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let done = slots.into_iter().filter_map(|slot| match slot {
        Slot::Done(done) => done,
        Slot::Running(_) => None,
    });
    done.collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn tasks_begin_in_order_and_run_together() {
        let begun = RefCell::new(Vec::new());
        let (begun, (give, given)) = (&begun, tokio::sync::watch::channel(false));
        let task = |number: usize| {
            let mut given = given.clone();
            let give = (number == 2).then(|| give.clone());
            async move {
                begun.borrow_mut().push(number);
                match give {
                    // The others wait for the last one.
                    Some(give) => drop(give.send_replace(true)),
                    None => drop(given.wait_for(|given| *given).await.unwrap()),
                }
                number * 10
            }
        };
        assert_eq!(in_order((0..3).map(task)).await, [0, 10, 20]);
        assert_eq!(*begun.borrow(), [0, 1, 2]);
    }
}
