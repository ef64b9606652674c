//! Changes and requests at the same time: the operator's decision holds at the end.

use proptest::prelude::*;

use super::*;

const ROUNDS: u64 = 1_000;
const GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
enum Step {
    Rename(&'static str),
    Move(&'static str),
    Suspend,
    Resume,
    Rotate,
    Revoke,
}

impl Step {
    /// Returns the new secret, if there is one. A change of a revoked key is rejected, which is
    /// fine; with a store that loses replies, the change is repeated.
    async fn make(&self, gate: &Gate, id: KeyId) -> Result<Option<Secret>, StoreError> {
        let change = match self {
            Self::Rename(name) => {
                let name = Some(name.parse().unwrap());
                KeyChange::Edit(Box::new(KeyEdit { name, ..KeyEdit::default() }))
            }
            Self::Move(tier) => {
                let tier = Some(tier.parse().unwrap());
                KeyChange::Edit(Box::new(KeyEdit { tier, ..KeyEdit::default() }))
            }
            Self::Suspend => KeyChange::Suspend,
            Self::Resume => KeyChange::Resume,
            Self::Revoke => KeyChange::Revoke { reason: None },
            Self::Rotate => {
                return match gate.rotate(id, GRACE, None, audit(), CLOCK).await {
                    Ok(rotated) => Ok(Some(rotated.secret)),
                    Err(ChangeError::Store(error)) => Err(error),
                    Err(_) => Ok(None),
                };
            }
        };
        match gate.change(id, change, None, audit(), CLOCK).await {
            Err(ChangeError::Store(error)) => Err(error),
            _ => Ok(None),
        }
    }
}

async fn open_unlimited() -> (Arc<AwkwardStore>, Gate) {
    let (store, gate) = open_awkward().await;
    for name in ["basic", "pro"] {
        put(&gate, tier(name, 1_000_000_000)).await.unwrap();
    }
    (store, gate)
}

/// Lets two operators change a key while requests come and usage is flushed, again and again, and
/// checks the result each time.
fn check_rounds(steps: impl Fn(u64) -> [Vec<Step>; 2], check: impl Fn(&Gate, &Issued, u64)) {
    let (_, gate) = on_this_thread(open_unlimited());
    for round in 0..ROUNDS {
        let issued = on_this_thread(issue(&gate));
        let together = Barrier::new(3);
        thread::scope(|scope| {
            let (gate, together, id) = (&gate, &together, issued.key_id);
            let operators = steps(round).map(|steps| {
                scope.spawn(move || {
                    together.wait();
                    for step in steps {
                        on_this_thread(step.make(gate, id)).unwrap();
                    }
                })
            });
            together.wait();
            while operators.iter().any(|operator| !operator.is_finished()) {
                drop(verify_issued(gate, &issued));
                on_this_thread(gate.flush(CLOCK)).unwrap();
            }
        });
        check_agreement(&gate, issued.key_id);
        check(&gate, &issued, round);
    }
}

/// Elsewhere, verifying wrote the whole record back, and so undid what an operator had done.
#[test]
fn the_last_of_the_changes_made_while_requests_come_decides() {
    let steps = |round| {
        let last = if round % 2 == 0 { Step::Suspend } else { Step::Resume };
        [vec![Step::Suspend, Step::Resume, Step::Rename("Last"), last], Vec::new()]
    };
    check_rounds(steps, |gate, issued, round| {
        let name = verify_issued(gate, issued).map(|caller| caller.name().to_owned());
        let expected = if round % 2 == 0 { Err("suspended") } else { Ok("Last".to_owned()) };
        assert_eq!(name, expected);
    });
}

#[test]
fn a_revocation_wins_over_whatever_is_changed_at_the_same_time() {
    let steps = |round| {
        let others = match round % 3 {
            0 => vec![Step::Rename("Other"), Step::Move("pro")],
            1 => vec![Step::Suspend, Step::Resume],
            _ => vec![Step::Rotate, Step::Rotate],
        };
        [vec![Step::Revoke], others]
    };
    check_rounds(steps, |gate, issued, _| {
        assert_eq!(verify_issued(gate, issued).unwrap_err(), "revoked");
    });
}

#[test]
fn two_operators_at_once_leave_memory_as_the_store_is() {
    let steps = |round| {
        let to = if round % 2 == 0 { "pro" } else { "basic" };
        let one = vec![Step::Rename("One"), Step::Suspend, Step::Rotate];
        [one, vec![Step::Resume, Step::Move(to), Step::Rotate]]
    };
    check_rounds(steps, |_, _, _| {});
}

fn any_step() -> impl Strategy<Value = Step> {
    let name = prop_oneof![Just("Ada"), Just("Bob")].prop_map(Step::Rename);
    let tier = prop_oneof![Just("basic"), Just("pro")].prop_map(Step::Move);
    let others = [Step::Suspend, Step::Resume, Step::Rotate, Step::Rotate, Step::Revoke];
    prop_oneof![1 => name, 1 => tier, 4 => prop::sample::select(others.to_vec())]
}

proptest! {
    /// After any changes, and any number of lost replies and repetitions: a gate that opens anew
    /// gives every secret that ever existed the same verdict as the gate that made the changes.
    #[test]
    fn memory_ends_as_a_gate_that_opens_anew(
        steps in prop::collection::vec((any_step(), 0..3_u8), 0..12),
    ) {
        let (store, gate) = on_this_thread(open_unlimited());
        let issued = on_this_thread(issue(&gate));
        let (id, mut secrets) = (issued.key_id, vec![issued.secret]);
        for (step, lost) in steps {
            store.set_loses_answers(true);
            for _ in 0..lost {
                prop_assert!(on_this_thread(step.make(&gate, id)).is_err());
            }
            store.set_loses_answers(false);
            secrets.extend(on_this_thread(step.make(&gate, id)).unwrap());
        }
        let anew = on_this_thread(open(&store));
        for (secret, at) in secrets.iter().flat_map(|secret| [(secret, 5_999), (secret, 6_000)]) {
            let answer = |gate| {
                let caller = verdict_at(gate, secret, at);
                caller.map(|caller| (caller.name().to_owned(), caller.tier().to_owned()))
            };
            prop_assert_eq!(answer(&gate), answer(&anew));
        }
        prop_assert_eq!(gate.index().len(), 1);
        check_agreement(&gate, id);
    }
}
