//! The shown fields of a key that has changed since.

use super::*;

/// Whatever becomes of the key meanwhile.
#[test]
fn a_caller_and_a_denial_show_the_key_as_it_was() {
    let long = "n".repeat(100);
    let before = OneKey::changed(|key| {
        key.owner = Some(long.parse().unwrap());
        key.expires_at = Some(UnixMillis(2_000_000));
    });
    let (caller, denied) = (before.verify(READ, NOW).unwrap(), before.ask(3).unwrap_err());
    let digest = Digest::of(Presented::parse(TEXT).unwrap());
    let (id, name) = (KeyId::new(7).unwrap(), "Another".parse().unwrap());
    let key = Key::plain(id, name, "other".parse().unwrap(), digest);
    let tier = Tier::new("other".parse().unwrap(), Limits::of(None));
    let after = Entry::new(&key, std::sync::Arc::new(tier));
    before.index.replace(after, &|| NOW);
    let shown = |caller: &Caller| {
        let owner = caller.owner().map(str::to_owned);
        let scopes: Vec<_> = caller.scopes().map(str::to_owned).collect();
        let name = caller.name().to_owned();
        (name, caller.tier().to_owned(), owner, scopes, caller.expires_at())
    };
    let scopes = vec!["articles:read".to_owned()];
    let (name, tier) = ("Reader".to_owned(), "basic".to_owned());
    let expected = (name, tier, Some(long.clone()), scopes, Some(UnixMillis(2_000_000)));
    assert_eq!(shown(&caller), expected);
    let key = denied.key().unwrap();
    assert_eq!((key.tier(), key.owner()), ("basic", Some(&*long)));
    let now = before.verify(None, NOW).unwrap();
    let expected = ("Another".to_owned(), "other".to_owned(), None, Vec::new(), None);
    assert_eq!(shown(&now), expected);
    let counts = Counts::from([(Outcome::Allowed, 2), (Outcome::Limited, 1)]);
    assert_eq!(before.counted(), counts, "and its counts go on");
}
