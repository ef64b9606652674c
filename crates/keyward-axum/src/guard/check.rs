//! The decision about a request: its key is found, judged, and a refusal put into words.

use std::net::{IpAddr, Ipv6Addr};

use http::Extensions;
use http::header::HeaderMap;
use keyward::limit::Cost;
use keyward::time::Now;
use keyward::{Asked, Denied};
use keyward_http::answer::{DeniedAs, Refusal};
use keyward_http::credentials::{self, CredentialsError};

use super::Guard;

impl Guard {
    /// Decides about the key that a request presents, which nothing prints from here on.
    pub(crate) fn check(
        &self,
        headers: &mut HeaderMap,
        extensions: &Extensions,
        asking: Asking,
    ) -> Checked {
        let from = self.client_address(headers, extensions);
        let text = match credentials::find(headers) {
            Ok(Some(text)) => text,
            Ok(None) => return Checked::NoKey,
            Err(CredentialsError::Several) => return Checked::Refused(Refusal::several_keys()),
            Err(CredentialsError::BadFormat) => return Checked::Refused(Refusal::bad_format()),
        };
        let now = self.0.clock.now();
        let Asking { scope, cost } = asking;
        let asked = Asked { text, scope, from, cost };
        match self.0.gate.verify(&asked, now) {
            Ok(caller) => Checked::Allowed(caller, now),
            Err(denied) => Checked::Refused(self.refuse(&denied, &asked, now)),
        }
    }

    fn refuse(&self, denied: &Denied, asked: &Asked<'_>, now: Now) -> Refusal {
        match Refusal::denied(denied, asked.scope, now.unix, self.rate_limit_headers()) {
            DeniedAs::KeyThatWorks(refusal) => refusal,
            DeniedAs::WrongKey(refusal) => {
                // Those whose address nobody knows are limited together.
                let address = asked.from.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
                let counted = self.0.failures.count(address, now.steady);
                counted.map_or_else(Refusal::limited, |()| refusal)
            }
        }
    }
}

/// What a route asks of a request with a key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asking {
    /// The scope that the key has to have, if there is one.
    pub(crate) scope: Option<&'static str>,
    /// How many ordinary requests it counts as for the limits of the key.
    pub(crate) cost: Cost,
}

/// What [`Guard::check`] found.
pub(crate) enum Checked {
    /// The request presents no key at all.
    NoKey,
    /// The key works.
    Allowed(keyward::Caller, Now),
    /// It does not, or it is not one key.
    Refused(Refusal),
}
