//! `keyward key suspend` and `keyward key resume`.

use serde_json::Value;

use crate::client::Route;

use super::OneKey;
use crate::output::{Output, list, member};

pub(super) fn suspend(key: &OneKey, out: &mut Output) -> anyhow::Result<()> {
    let answer = key.common.client()?.act(&Route::key(key.id).join("suspend"))?.body;
    print(key, &answer, "Suspended", out)
}

pub(super) fn resume(key: &OneKey, out: &mut Output) -> anyhow::Result<()> {
    let answer = key.common.client()?.act(&Route::key(key.id).join("resume"))?.body;
    print(key, &answer, "Resumed", out)
}

fn print(key: &OneKey, answer: &Value, done: &str, out: &mut Output) -> anyhow::Result<()> {
    if key.common.json {
        return Ok(out.json(answer)?);
    }
    Ok(out.line(&text(key.id, answer, done))?)
}

fn text(id: u64, answer: &Value, done: &str) -> String {
    let by_owner = list(answer, "suspended_by").iter().any(|by| by == "owner");
    let state = member(answer, "state");
    let then = match (state.as_str(), done) {
        ("active", _) => "Its next request is judged as usual.".to_owned(),
        ("suspended", "Suspended") => {
            format!("No request with it is accepted until `keyward key resume {id}`.")
        }
        ("suspended", _) if by_owner => {
            let owner = member(answer, "owner");
            format!("It stays suspended, since its owner is: `keyward owner resume {owner}`.")
        }
        (state, _) => format!("It is {state}, so no request with it is accepted."),
    };
    format!("{done} key {id}. {then}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_follows_is_said_for_every_state() {
        let told = |state: &str, by: &[&str], done| {
            let answer = json!({"state": state, "suspended_by": by, "owner": "acme"});
            text(7, &answer, done)
        };
        let all = [
            told("suspended", &["key"], "Suspended"),
            told("suspended", &["key", "owner"], "Suspended"),
            told("expired", &[], "Suspended"),
            told("active", &[], "Resumed"),
            told("suspended", &["owner"], "Resumed"),
            told("expired", &[], "Resumed"),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
