//! `keyward key suspend` and `keyward key resume`.

use keyward::record::Stage;
use keyward_api::key::KeyView;
use keyward_api::words::{StageWord, Word};

use crate::client::Route;

use super::{OneKey, view};
use crate::output::{Output, shown};
use crate::status::late;

pub(super) fn suspend(key: &OneKey, out: &mut Output) -> anyhow::Result<()> {
    change(key, "suspend", out)
}

pub(super) fn resume(key: &OneKey, out: &mut Output) -> anyhow::Result<()> {
    change(key, "resume", out)
}

fn change(key: &OneKey, verb: &str, out: &mut Output) -> anyhow::Result<()> {
    let response = key.common.client()?.act(&Route::key(key.id).join(verb))?;
    key.common.print(&response, out, |body, out| out.line(&text(key.id, body, verb)))
}

fn text(id: u64, key: &KeyView, verb: &str) -> String {
    let is_resumed = verb == "resume";
    let then = if key.state == Word::Known(StageWord(Stage::Active)) {
        "Its next request is judged as usual.".to_owned()
    } else if view::is_suspended(key) && !is_resumed {
        format!("No request with it is accepted until `keyward key resume {id}`.")
    } else if view::is_suspended(key) && view::is_by_owner(key) {
        let owner = shown(&key.owner);
        format!("It stays suspended, since its owner is: `keyward owner resume {owner}`.")
    } else {
        format!("It is {}, so no request with it is accepted.", shown(&key.state))
    };
    let done = if is_resumed { "Resumed" } else { "Suspended" };
    let late = late(key.everywhere).map(|note| format!(" {note}")).unwrap_or_default();
    format!("{done} key {id}. {then}{late}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::view::testing::{bare_key, of};
    use super::*;

    #[test]
    fn what_follows_is_said_for_every_state() {
        let told = |state: &str, by: &[&str], done| {
            let mut key = bare_key(7, state, by);
            key["owner"] = json!("acme");
            text(7, &of(key).body, done)
        };
        let all = [
            told("suspended", &["key"], "suspend"),
            told("suspended", &["key", "owner"], "suspend"),
            told("expired", &[], "suspend"),
            told("active", &[], "resume"),
            told("suspended", &["owner"], "resume"),
            told("expired", &[], "resume"),
        ];
        insta::assert_snapshot!(all.join("\n"));
        let mut key = bare_key(7, "active", &[]);
        key["everywhere"] = json!(false);
        let told = text(7, &of(key).body, "resume");
        assert!(told.contains(" Not every node knows of it yet"), "{told}");
    }
}
