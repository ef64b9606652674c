//! The authentication of the control plane: from where it may be used, by whom, and in which role.
//!
//! The rights of a role are stated where a route is registered.

mod error;
mod oidc;
mod tokens;

#[cfg(feature = "fuzzing")]
pub(crate) use self::oidc::fuzzing;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use keyward::Now;
use keyward::audit::Actor;
use keyward::network::Network;
use keyward_axum::throttle::Throttle;
use keyward_axum::{Guard, Rejection};

use self::error::AccessError;
use self::oidc::Oidc;
use self::oidc::verdict::{Person, TokenError};
use self::tokens::GoodTokens;
use crate::admin_key::{AdminKeyDigests, WhichKey};
use crate::counts::{AccessCounts, Reason};
use crate::misplaced_key;
use crate::people::People;
use crate::role::Role;

/// The header field of the admin key in a request.
pub const X_ADMIN_KEY: HeaderName = HeaderName::from_static("x-admin-key");
/// Every address.
const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];
/// How many wrong admin keys, and how many wrong tokens, one address may present a minute.
const FAILURES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).expect("10 is not zero");

/// Who may use the control plane, and from where. These options may change while it serves.
///
/// By default there is neither an admin key nor an issuer, so that every request is rejected.
///
/// ```
/// use keyward_admin::AccessOptions;
/// use keyward_admin::admin_key::{AdminKey, AdminKeyDigests};
///
/// // From this machine and the office alone.
/// let options = AccessOptions {
///     admin_keys: AdminKeyDigests::only(&AdminKey::parse("an-admin-key-of-an-example")?),
///     networks: vec!["127.0.0.0/8".parse()?, "192.0.2.0/24".parse()?],
///     ..AccessOptions::default()
/// };
/// assert!(options.people.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AccessOptions {
    /// The admin keys, which open everything; none by default.
    pub admin_keys: AdminKeyDigests,
    /// The issuer whose tokens identify people, each with a role; none by default.
    pub people: Option<People>,
    /// The networks from which requests are taken; all by default. A request from elsewhere, or
    /// from an unknown address, is rejected before its credential is looked at.
    pub networks: Vec<Network>,
}

impl Default for AccessOptions {
    fn default() -> Self {
        let networks = EVERYWHERE.iter().filter_map(|network| network.parse().ok());
        let (admin_keys, people) = (AdminKeyDigests::default(), None);
        Self { admin_keys, people, networks: networks.collect() }
    }
}

/// Who uses the control plane. A request that has passed authentication has one among its
/// extensions.
///
/// ```
/// use axum::Extension;
/// use keyward_admin::access::Who;
///
/// /// A handler of [`with_route`](keyward_admin::Control::with_route).
/// async fn greet(Extension(who): Extension<Who>) -> String {
///     format!("Hello, {} at {}!", who.actor.as_text(), who.address)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Who they are: the holder of the admin key, or a person whom the issuer's token names by a
    /// verified mail address or by its id.
    pub actor: Actor,
    /// What they may do.
    pub role: Role,
    /// Where they are.
    pub address: IpAddr,
}

/// The authentication. A clone shares everything.
#[derive(Clone)]
pub(crate) struct Authentication(Arc<Inner>);

struct Inner {
    rules: ArcSwap<Rules>,
    key_throttle: Throttle,
    /// Counts wrong tokens by themselves: they are no wrong admin keys, nor the other way round.
    token_throttle: Throttle,
    good_tokens: GoodTokens,
    counts: AccessCounts,
}

/// The parts that change when the settings are read anew.
struct Rules {
    admin_keys: AdminKeyDigests,
    people: Option<Arc<Oidc>>,
    networks: Vec<Network>,
}

impl Rules {
    /// The rules of these options. The known keys of an unchanged issuer are kept.
    fn of(options: AccessOptions, before: Option<&Self>, counts: &AccessCounts) -> Self {
        let AccessOptions { admin_keys, people, networks } = options;
        let known = before.and_then(|before| before.people.clone());
        let known = known.filter(|oidc| Some(oidc.people()) == people.as_ref());
        let people =
            known.or_else(|| people.map(|people| Arc::new(Oidc::new(people, &counts.key_fetches))));
        Self { admin_keys, people, networks }
    }

    fn people(&self) -> Option<&People> {
        self.people.as_deref().map(Oidc::people)
    }
}

/// The changes after the settings were read anew, in addition to the ones that their rows show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The admin key.
    pub admin_key: bool,
    /// The next one.
    pub admin_key_next: bool,
    /// Who vouches for people, and how.
    pub people: bool,
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.0.rules.load_full();
        f.debug_struct("Authentication").field("networks", &rules.networks).finish_non_exhaustive()
    }
}

impl Authentication {
    /// The authentication that these options ask for. Nothing is read from the issuer yet.
    pub(crate) fn new(options: AccessOptions) -> Self {
        let counts = AccessCounts::default();
        Self(Arc::new(Inner {
            rules: ArcSwap::from_pointee(Rules::of(options, None, &counts)),
            key_throttle: Throttle::new(Some(FAILURES_PER_MINUTE)),
            token_throttle: Throttle::new(Some(FAILURES_PER_MINUTE)),
            good_tokens: GoodTokens::default(),
            counts,
        }))
    }

    /// Takes these options from now on, and returns the changes. A request that is being
    /// authenticated meanwhile is judged by the old ones or by the new ones.
    pub(crate) fn set(&self, options: AccessOptions) -> Changed {
        let before = self.0.rules.load_full();
        let rules = Arc::new(Rules::of(options, Some(&before), &self.0.counts));
        self.0.rules.store(Arc::clone(&rules));
        Changed {
            admin_key: before.admin_keys.first != rules.admin_keys.first,
            admin_key_next: before.admin_keys.next != rules.admin_keys.next,
            people: before.people() != rules.people(),
        }
    }

    /// The counts.
    pub(crate) fn counts(&self) -> &AccessCounts {
        &self.0.counts
    }

    /// The admin keys that there are.
    pub(crate) fn admin_keys(&self) -> AdminKeyDigests {
        self.0.rules.load().admin_keys.clone()
    }

    /// Decides who a request is from.
    ///
    /// Its address comes first, so that clients elsewhere learn nothing else. Then an admin key
    /// decides, if there is one: a wrong one is rejected even next to a good token, so that no
    /// request is authenticated as another person than it claims. Only then a token is checked.
    async fn decide(
        &self,
        address: Option<IpAddr>,
        headers: &HeaderMap,
        now: Now,
    ) -> Result<Who, AccessError> {
        let Inner { rules, key_throttle, .. } = &*self.0;
        let rules = rules.load_full();
        let Rules { admin_keys, people, networks } = &*rules;
        let address = address.ok_or(AccessError::Address)?;
        if !networks.iter().any(|network| network.contains(address)) {
            return Err(AccessError::Address);
        }
        if admin_keys.are_none() && people.is_none() {
            return Err(AccessError::NotConfigured);
        }
        let mut presented = headers.get_all(X_ADMIN_KEY).iter();
        match (presented.next(), presented.next()) {
            (Some(presented), None) => {
                let found = admin_keys.find(presented.as_bytes());
                if found == Some(WhichKey::Replaced) {
                    tracing::debug!(%address, "Let in with the admin key that is being replaced");
                }
                if found.is_some() {
                    return Ok(Who { actor: Actor::AdminKey, role: Role::Admin, address });
                }
                tracing::debug!(%address, "Refused an admin key");
                key_throttle.count(address, now.steady).map_err(AccessError::TooMany)?;
                return Err(AccessError::WrongKey);
            }
            (Some(_), Some(_)) => return Err(AccessError::AdminKey),
            (None, _) => {}
        }
        let Some(people) = people else { return Err(AccessError::AdminKey) };
        if !headers.contains_key(AUTHORIZATION) {
            return Err(AccessError::AdminKey);
        }
        let token = bearer(headers).ok_or(AccessError::Token)?;
        let person = self.identify(people, token, address, now).await?;
        let Some(role) = person.role else {
            tracing::debug!(%address, "The token names none of the roles in `oidc_roles`");
            return Err(AccessError::Role);
        };
        Ok(Who { actor: Actor::Person(person.name), role, address })
    }

    /// Returns the person of a token. Verifying one takes up to a millisecond of the processor, so
    /// an address with too many wrong ones has to wait, but for tokens that were good before.
    async fn identify(
        &self,
        people: &Oidc,
        token: &str,
        address: IpAddr,
        now: Now,
    ) -> Result<Person, AccessError> {
        let Inner { token_throttle, good_tokens, .. } = &*self.0;
        let digest = tokens::digest(token);
        if !good_tokens.contain(&digest) {
            token_throttle.check(address, now.steady).map_err(AccessError::TooManyTokens)?;
        }
        match people.identify(token, now).await {
            Ok(person) => {
                good_tokens.add(digest);
                Ok(person)
            }
            Err(TokenError::Invalid(reason)) => {
                tracing::debug!(%reason, %address, "Rejected an access token");
                token_throttle.count(address, now.steady).map_err(AccessError::TooManyTokens)?;
                Err(AccessError::Token)
            }
            Err(TokenError::Unknown) => Err(AccessError::Issuer),
        }
    }
}

/// Lets a request pass whose sender is known, and notes who it is. It is asked before anything
/// else is looked at.
pub(crate) async fn identify(
    State((authentication, guard)): State<(Authentication, Guard)>,
    request: Request,
    next: Next,
) -> Result<Response, Rejection> {
    let now = guard.now();
    // A body cannot be shared between threads, as the wait for the issuer may be: only the request
    // head is used.
    let (mut parts, body) = request.into_parts();
    // Before anything may log or keep a part of the request.
    if let Some(rejection) =
        misplaced_key::rejection(&authentication.admin_keys(), &parts.uri, &parts.headers)
    {
        return Err(rejection);
    }
    let address = guard.client_address(&parts.headers, &parts.extensions);
    let decided = authentication.decide(address, &parts.headers, now).await;
    let counts = authentication.counts();
    let who = decided.inspect_err(|rejected| counts.rejected(rejected.reason()))?;
    parts.extensions.insert(who);
    parts.extensions.insert(counts.clone());
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Lets a request pass whose sender has the role. An unidentified sender has none.
pub(crate) async fn require_role(
    State(role): State<Role>,
    request: Request,
    next: Next,
) -> Result<Response, Rejection> {
    let extensions = request.extensions();
    match extensions.get::<Who>() {
        Some(who) if role <= who.role => Ok(next.run(request).await),
        Some(who) => {
            let (needed, has) = (role.as_str(), who.role.as_str());
            let actor = who.actor.as_text();
            tracing::debug!(%actor, needed, has, "Rejected a request that needs the role {needed}");
            if let Some(counts) = extensions.get::<AccessCounts>() {
                counts.rejected(Reason::NoRole);
            }
            Err(AccessError::Role.into())
        }
        None => Err(AccessError::Role.into()),
    }
}

/// The token of the one `Authorization: Bearer` line.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}
