//! Streams of any changes: facts with writes applied equal facts looked up, and rows keep the
//! invariants that [`Rows`] checks with each write.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["basic", "pro", "org"];

fn any_key() -> impl Strategy<Value = Unkept> {
    let former = proptest::collection::vec(1_u64..20, 0..3);
    let parts = (1_u64..20, 0_usize..4, 0_usize..3, 0_u8..4, proptest::option::of(1_u64..12));
    (parts, former, any::<bool>()).prop_map(
        |((number, owned, name, state, key_id), former, gone)| {
            let state = match state {
                0 => KeyState::Suspended,
                1 => KeyState::Revoked { at: UnixMillis(3) },
                _ => KeyState::Active,
            };
            let former = former.into_iter().map(|number| FormerSecret {
                secret: secret(number, 1),
                ends_at: UnixMillis(50 + number),
            });
            Unkept {
                id: key_id.map(id),
                owner: NAMES.get(owned).map(|name| owner(name)),
                tier: tier(NAMES[name]),
                tier_gone: gone && state != KeyState::Active,
                state,
                former: former.collect(),
                ..key(number)
            }
        },
    )
}

fn any_issue() -> impl Strategy<Value = Change> {
    any_key().prop_map(|new| {
        let state = KeyState::Active;
        issue(Unkept { state, former: Vec::new(), tier_gone: false, ..new })
    })
}

fn any_key_change() -> impl Strategy<Value = Change> {
    let parts = (1_u64..12, 0_u8..6, 0_usize..4, 1_u64..30, 0_u64..40);
    parts.prop_map(|(key, kind, name, number, grace)| match kind {
        0 => change(key, KeyChange::Suspend),
        1 => change(key, KeyChange::Resume),
        2 => revoke(key),
        3 => rotate(key, number, grace),
        4 => edit(key, |edit| edit.tier = NAMES.get(name).map(|name| tier(name))),
        _ => edit(key, |edit| edit.owner = Some(NAMES.get(name).map(|name| owner(name)))),
    })
}

fn any_other() -> impl Strategy<Value = Change> {
    (0_u8..6, 0_usize..3, 1_u32..3).prop_map(|(kind, name, amount)| match kind {
        0 => put_tier(NAMES[name], amount),
        1 => delete_tier(NAMES[name]),
        2 => suspend(NAMES[name]),
        3 => resume(NAMES[name]),
        4 => of_owner(NAMES[name], OwnerChange::Edit { limits: limits(amount) }),
        _ => Change::AcceptClock,
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any_issue(),
        any_key_change(),
        any_key_change(),
        any_other(),
        (proptest::collection::vec(any_key(), 0..6), any::<bool>())
            .prop_map(|(keys, dry_run)| Change::Import { keys, dry_run }),
    ]
}

fn any_audit() -> impl Strategy<Value = Audit> {
    (1_u64..100, proptest::option::of(0_u8..3), 0_u8..2).prop_map(
        |(at, name, request)| match name {
            Some(name) => once(at, &format!("r{name}"), request),
            None => audit(at),
        },
    )
}

/// All of a decision: its rows, its entries and its outcome.
fn shown(decision: &Result<Decision, DecideError>) -> String {
    format!("{decision:?}")
}

proptest! {
    #[test]
    fn facts_that_are_applied_are_facts_that_are_looked_up(
        changes in proptest::collection::vec((any_change(), any_audit(), 0_u8..8), 1..60),
    ) {
        let mut rows = Rows::new_with(&["basic", "pro"]);
        let mut facts = Facts::new(rows.progress);
        for (change, audit, forgets) in changes {
            if forgets == 0 {
                facts.forget_keys();
            }
            let fresh = rows.decide(change.clone(), &audit);
            let known = rows.decide_with(change, &audit, &mut facts);
            prop_assert_eq!(shown(&known), shown(&fresh));
            if let Ok(decision) = known {
                facts.apply(&decision.writes);
                rows.write(&decision.writes);
                prop_assert_eq!(facts.progress(), rows.progress);
            }
        }
    }
}
