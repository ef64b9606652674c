//! Tests of the edge's parts.

use keyward::Secret;
use keyward::key::Prefix;

use super::*;

#[test]
fn only_what_callers_get_may_be_kept() {
    for path in
        ["/admin", "/admin/", "/admin/a/b", "/leaks", "/leaks/github", "/healthz", "/metrics"]
    {
        assert!(is_uncached(path), "{path}");
    }
    for path in ["/", "", "/articles", "/key", "/docs/admin", "/administer", "/openapi.json"] {
        assert!(!is_uncached(path), "{path}");
    }
}

#[test]
fn a_path_is_text_once_it_is_unescaped() {
    for path in ["/", "/a%20b", "/%C3%A4", "/%00", "/%", "/%zz", "/100%25"] {
        assert!(is_text(path), "{path}");
    }
    for path in ["/%ff", "/a/%C3", "/%e4b"] {
        assert!(!is_text(path), "{path}");
    }
}

#[test]
fn a_key_in_a_path_is_shown_as_its_hint() {
    let secret = Secret::generate(&Prefix::default()).unwrap();
    let (text, hint) = (secret.expose(), secret.hint());
    assert_eq!(shown(&format!("/articles/{text}/a%20b")), format!("/articles/{hint}…/a b"));
    let escaped = text.replace('_', "%5F");
    assert_eq!(shown(&format!("/%0A{escaped}")), format!("/{hint}…"));
    for path in ["/", "/articles", "/a%20b", "/%ff"] {
        assert_eq!(shown(path), path);
    }
}
