//! Fields of keys that are more than a text: how each is read.

use keyward::details::Metadata;
use keyward::digest::Digest;
use keyward::json;
use keyward::network::{NETWORKS_MAX, Networks};
use keyward::record::{SCOPES_MAX, Scopes};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::body::{At, Field, Read, list};
use crate::shapes::{NetworkText, ScopeText};

impl Field for Scopes {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let scopes = list::<ScopeText>(at, value, SCOPES_MAX)?;
        let scopes = Self::new(scopes.into_iter().map(|scope| scope.0).collect());
        scopes.map_err(|error| at.breaks(&error, Value::Null))
    }
}

impl Field for Networks {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let networks = list::<NetworkText>(at, value, NETWORKS_MAX)?;
        let networks = Self::new(networks.into_iter().map(|network| network.0).collect());
        networks.map_err(|error| at.breaks(&error, Value::Null))
    }
}

/// The metadata of a body, which is read once more: all digits of a number are in its text alone.
impl Field for Metadata {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        #[derive(Deserialize)]
        struct Whole<'a> {
            #[serde(borrow)]
            metadata: &'a RawValue,
        }

        let Value::Object(object) = value else {
            return Err(at.fault("dict_type", "Input should be a valid dictionary", value));
        };
        let read = match serde_json::from_slice(json::without_mark(at.whole())) {
            Ok(Whole { metadata }) => metadata.get().parse(),
            // It was read before, so this does not happen.
            Err(_) => Self::try_from(object),
        };
        // A value that is too long to be stored is too long to be sent back.
        read.map_err(|error| at.breaks(&error, Value::Null))
    }
}

/// SHA-256 of a secret. An invalid value may be the secret itself, and is not sent back.
impl Field for Digest {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let rule = "a digest is SHA-256 as 64 hexadecimal digits; never send the secret itself";
        let digest = value.as_str().and_then(Self::from_hex);
        digest.ok_or_else(|| at.breaks(&rule, Value::Null))
    }
}
