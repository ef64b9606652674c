//! A response, as it was sent and as it was read.

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The server's response to a request that it granted.
#[derive(Debug)]
pub struct Response<T> {
    /// The JSON as the server sent it, with fields that this program does not know; `null` if the
    /// response was empty.
    pub json: Value,
    /// The body.
    pub body: T,
    /// The version of the object that was shown, if it has one.
    pub etag: Option<String>,
}

impl<T: DeserializeOwned> Response<T> {
    /// Reads the body of a response.
    ///
    /// # Errors
    ///
    /// Returns the fault if it has another form.
    pub fn read(json: Value, etag: Option<String>) -> serde_json::Result<Self> {
        let body = T::deserialize(&json)?;
        Ok(Self { json, body, etag })
    }

    /// The version of the object, for an edit of no other.
    ///
    /// # Errors
    ///
    /// Returns an error if the server named none.
    pub fn known_etag(&self) -> anyhow::Result<&str> {
        self.etag.as_deref().context("the response has no `ETag`; is it an older server?")
    }

    /// Takes a list of the JSON, by its name.
    pub fn take_list(&mut self, name: &str) -> Vec<Value> {
        let list = self.json.get_mut(name).and_then(Value::as_array_mut);
        list.map(std::mem::take).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use keyward_api::key::{KeyDraft, KeyView, NewKeyBody, NewKeyDraft};
    use keyward_api::limit::LimitView;
    use keyward_api::transfer::json_fault;
    use keyward_api::words::Word;
    use serde_json::json;

    use super::*;

    fn key() -> Value {
        json!({
            "key_id": 7, "name": "a", "tier": "basic", "owner": null, "state": "active",
            "suspended_by": [], "hint": "kw_Ab3d", "scopes": [], "networks": [],
            "limits": [{"name": "requests", "amount": 1, "per": "60s", "burst": 1}],
            "metadata": {}, "version": 1, "created_at": "2026-11-24T09:30:00.000Z",
            "expires_at": null, "last_used_at": null, "rotated_at": null, "grace_until": null,
            "revoked_at": null, "revoked_reason": null,
        })
    }

    #[test]
    fn a_response_of_a_newer_server_is_read_and_kept_as_it_was_sent() {
        let mut sent = key();
        sent["colour"] = json!("blue");
        sent["limits"][0]["per_address"] = json!(true);
        sent["state"] = json!("frozen");
        let read: Response<KeyView> = Response::read(sent.clone(), None).unwrap();
        assert_eq!(read.json, sent);
        assert_eq!(read.body.state, Word::Other("frozen".to_owned()));
        let limit = LimitView { name: "requests".into(), amount: 1, per: "60s".into(), burst: 1 };
        assert_eq!(read.body.limits, Some(vec![limit]));
    }

    #[test]
    fn a_response_without_a_field_is_an_error_that_names_it() {
        let mut sent = key();
        sent.as_object_mut().unwrap().remove("hint");
        let error = Response::<KeyView>::read(sent, None).unwrap_err();
        assert_eq!(json_fault(&error), "missing field `hint`");
    }

    #[test]
    fn a_draft_of_a_new_key_has_the_fields_of_its_body() {
        use keyward::time::SteadyNanos;
        use keyward::{Now, UnixMillis};
        use keyward_api::body::{Known, RequestBody};

        let mut sent = json!(NewKeyDraft { prefix: Some(Value::Null), ..NewKeyDraft::default() });
        KeyDraft::NAMES.iter().for_each(|name| sent[name] = Value::Null);
        let known = Known { tiers: &[], now: Now::new(UnixMillis(0), SteadyNanos(0)) };
        let rejection = NewKeyBody::read(sent.to_string().as_bytes(), known).unwrap_err();
        let told = format!("{rejection:?}");
        assert!(told.contains("name") && !told.contains("extra_forbidden"), "{told}");
    }
}
