//! The chain: whole trails fit, and alterations show.

use super::*;

fn trail(entries: u64) -> Vec<AuditEntry> {
    let mut previous = ChainDigest::START;
    let entry = |id: u64| {
        let mut entry = AuditEntry {
            id: ChangeId(id),
            at: UnixMillis(1_000 + id),
            actor: "admin-key".to_owned(),
            address: Some("192.0.2.1".to_owned()),
            verb: "issue".to_owned(),
            key_id: Some(id),
            tier: None,
            owner: None,
            request_id: None,
            details: Some(r#"{"after":{"name":"a"}}"#.to_owned()),
            previous,
            digest: ChainDigest::START,
        };
        entry.digest = entry.seal();
        previous = entry.digest;
        entry
    };
    (1..=entries).map(entry).collect()
}

fn walk(trail: &[AuditEntry]) -> Result<Chain, ChainError> {
    let mut chain = Chain::default();
    trail.iter().try_for_each(|entry| chain.follow(entry))?;
    Ok(chain)
}

#[test]
fn a_trail_as_it_was_written_fits() {
    let trail = trail(5);
    let chain = walk(&trail).unwrap();
    assert_eq!((chain.entries(), chain.head()), (5, trail[4].digest));
}

/// A trail whose numbers begin with `first`, after the entries of another one.
fn go_on(mut trail: Vec<AuditEntry>, first: u64, verb: Verb) -> Vec<AuditEntry> {
    let last = trail.last().unwrap();
    let verb = verb.as_str().to_owned();
    let mut entry = AuditEntry { id: ChangeId(first), verb, previous: last.digest, ..last.clone() };
    entry.digest = entry.seal();
    trail.push(entry);
    trail
}

#[test]
fn entries_that_were_cut_off_show_when_another_one_follows() {
    let cut = go_on(trail(5), 11, Verb::Issue);
    assert_eq!(walk(&cut).unwrap_err(), ChainError::Missing(ChangeId(11)));
    assert_eq!(walk(&go_on(trail(5), 6, Verb::Issue)).unwrap().entries(), 6);
    // An operator accepted that a store lacks them.
    let accepted = go_on(trail(5), 11, Verb::AcceptRestore);
    assert_eq!(walk(&accepted).unwrap().entries(), 6);
    let diverged = go_on(accepted.clone(), 21, Verb::Diverged);
    assert_eq!(walk(&diverged).unwrap().entries(), 7);
    let again = go_on(accepted, 13, Verb::Issue);
    assert_eq!(walk(&again).unwrap_err(), ChainError::Missing(ChangeId(13)));
    let beginning = AuditEntry { previous: ChainDigest::START, ..trail(3)[2].clone() };
    let beginning = AuditEntry { digest: beginning.seal(), ..beginning };
    assert_eq!(walk(&[beginning]).unwrap_err(), ChainError::Missing(ChangeId(3)));
}

#[test]
fn an_entry_has_the_digest_that_it_always_had() {
    let [first, plain] = trail(2).try_into().unwrap();
    let full = AuditEntry {
        tier: Some("basic".to_owned()),
        owner: Some("org_1".to_owned()),
        request_id: Some("r1".to_owned()),
        ..first.clone()
    };
    let bare = AuditEntry { key_id: None, address: None, details: None, ..first.clone() };
    let digests = [first.digest, plain.digest, full.seal(), bare.seal()];
    let digests = digests.map(|digest| digest.to_string());
    assert_eq!(
        digests,
        [
            "a7ca2f0b2480e5e62c7317fdeec6109f45d4b7ee7084e234e289605a76933aca",
            "f0c39a8d8931c207c6b61122a02112c1b07314e1aa2dc5acfe393cf3a48b291b",
            "05aff8623ae8ae8a2372550f7bcdb039cc7023ecb34aa0368ed4e63f7c0de9d0",
            "3fbe37b816d0262ee2ce32128338afafa53d10e91118b6ca764cc8a2d2c970eb",
        ]
    );
}

#[test]
fn an_altered_entry_shows() {
    let changes: [fn(&mut AuditEntry); 11] = [
        |entry| entry.at.0 += 1,
        |entry| entry.actor.push('x'),
        |entry| entry.address = None,
        |entry| entry.verb = "edit".to_owned(),
        |entry| entry.key_id = Some(99),
        |entry| entry.key_id = None,
        |entry| entry.tier = Some("basic".to_owned()),
        |entry| entry.owner = Some("basic".to_owned()),
        |entry| entry.request_id = Some(String::new()),
        |entry| entry.details = None,
        |entry| entry.digest.0[0] ^= 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut trail = trail(5);
        change(&mut trail[2]);
        assert_eq!(walk(&trail).unwrap_err(), ChainError::Altered(ChangeId(3)), "{number}");
    }
}

#[test]
fn an_altered_entry_that_was_sealed_again_shows_behind_it() {
    let mut trail = trail(5);
    trail[2].actor = "nobody".to_owned();
    trail[2].digest = trail[2].seal();
    assert_eq!(walk(&trail).unwrap_err(), ChainError::Unlinked(ChangeId(4)));
}

#[test]
fn a_removed_entry_shows() {
    for at in [0, 2] {
        let mut trail = trail(5);
        trail.remove(at);
        let next = ChangeId(at as u64 + 2);
        assert_eq!(walk(&trail).unwrap_err(), ChainError::Unlinked(next));
    }
}

#[test]
fn entries_that_changed_places_show() {
    let mut trail = trail(5);
    trail.swap(2, 3);
    assert_eq!(walk(&trail).unwrap_err(), ChainError::Unlinked(ChangeId(4)));
    let twice = [trail[0].clone(), trail[0].clone()];
    assert_eq!(walk(&twice).unwrap_err(), ChainError::OutOfOrder(ChangeId(1)));
}

#[test]
fn members_do_not_run_into_each_other() {
    let mut entry = trail(1).remove(0);
    entry.actor = "ab".to_owned();
    entry.verb = "c".to_owned();
    let before = entry.seal();
    entry.actor = "a".to_owned();
    entry.verb = "bc".to_owned();
    assert_ne!(entry.seal(), before);
}

#[test]
fn a_link_is_read_as_it_is_shown() {
    let link = trail(1)[0].digest;
    assert_eq!(ChainDigest::from_hex(&link.to_string()), Some(link));
    assert_eq!(ChainDigest::from_hex("00"), None);
    assert_eq!(ChainDigest::from_hex(&"+".repeat(64)), None);
}

#[test]
fn every_verb_has_its_word() {
    for verb in Verb::ALL {
        assert_eq!(Verb::of(verb.as_str()), Some(verb));
    }
    assert_eq!(Verb::of("destroy"), None);
}
