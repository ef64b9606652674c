//! Whether the server responds and accepts the admin key, and whether the issuer of access tokens
//! can be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use jiff::Timestamp;
use keyward::json;
use keyward_admin::people::People;
use keyward_api::access_token::AccessToken;
use keyward_cli::client::{
    Client, ClientError, Credential, FetchError, Fetcher, ServerUrl, complaint, knock,
};
use keyward_tls::Trust;
use serde_json::Value;

use crate::listener::ListenerName;
use crate::settings::Settings;

use super::{Check, clock, limits};

/// Most bytes of an issuer's metadata that are read.
const METADATA_LEN_MAX: usize = 256 * 1_024;

/// The remedy if no trusted authority has certified the issuer.
const GIVE_AUTHORITY: &str = "set `oidc_ca_file` to a file with the certificate of its authority";

/// How the server is reached, and the access token to use in addition to the admin key.
pub(super) struct Target {
    /// The server, if one is named.
    pub(super) server: Option<ServerUrl>,
    pub(super) trust: Trust,
    pub(super) token: Option<AccessToken>,
}

/// Checks everything that is reached over a socket; `clock` reads this machine's clock.
pub(super) fn check(
    target: &Target,
    settings: &Settings,
    is_served: bool,
    clock: impl Fn() -> Timestamp,
) -> Vec<Check> {
    let (listeners, secure): (Vec<_>, Vec<_>) = match &target.server {
        Some(url) => (vec![Listener { url: url.clone(), is_admin: true }], vec![]),
        None => own_listeners(settings.listen, settings.admin_listen)
            .into_iter()
            .partition(|listener| !is_secure(listener, settings)),
    };
    let mut checks: Vec<_> = listeners
        .iter()
        .flat_map(|listener| listener_checks(listener, target, settings, is_served, &clock))
        .collect();
    if !secure.is_empty() {
        // Its certificate is for a name that the settings do not have.
        let found = "it speaks TLS, so none was checked; name it with --server https://NAME";
        checks.push(Check::ok("server", found));
    } else if listeners.is_empty() {
        checks.push(Check::ok("server", "its port is chosen at its start, so none was checked"));
    }
    checks.extend(settings.people.as_ref().map(issuer_check));
    checks
}

/// A listener of a server.
struct Listener {
    url: ServerUrl,
    /// It serves the admin routes.
    is_admin: bool,
}

/// The listeners of the server that the settings describe.
fn own_listeners(listen: SocketAddr, admin_listen: Option<SocketAddr>) -> Vec<Listener> {
    let listener = |address, is_admin| {
        let url = ServerUrl::parse(&own_url(address)?).ok()?;
        Some(Listener { url, is_admin })
    };
    let public = listener(listen, admin_listen.is_none());
    public.into_iter().chain(admin_listen.and_then(|address| listener(address, true))).collect()
}

fn is_secure(listener: &Listener, settings: &Settings) -> bool {
    let is_apart = listener.is_admin && settings.admin_listen.is_some();
    let name = if is_apart { ListenerName::Admin } else { ListenerName::Public };
    name.identity(&settings.tls).is_some()
}

fn own_url(listen: SocketAddr) -> Option<String> {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(ip, listen.port());
    Some(format!("http://{address}")).filter(|_| listen.port() != 0)
}

fn listener_checks(
    listener: &Listener,
    target: &Target,
    settings: &Settings,
    is_served: bool,
    clock: impl Fn() -> Timestamp,
) -> Vec<Check> {
    let before = clock();
    let date = match knock(&listener.url, &target.trust) {
        Ok(date) => date,
        Err(error) => return vec![unreachable(&error, is_served)],
    };
    let after = clock();
    let mut checks = vec![Check::ok("server", format!("{} responds", listener.url.as_str()))];
    let not_ready = complaint(&listener.url, &target.trust);
    checks.extend(not_ready.map(|why| Check::fail("ready", why, "look into the server's log")));
    if listener.is_admin {
        let key = settings.admin_key.clone().map(Credential::AdminKey);
        let token = target.token.clone().map(Credential::Token);
        let credentials = key.into_iter().chain(token);
        checks.extend(credentials.flat_map(|one| admin_checks(&listener.url, &target.trust, one)));
        checks.extend(date.and_then(|date| clock::skew(&date, before, after)));
    }
    checks
}

fn admin_checks(server: &ServerUrl, trust: &Trust, credential: Credential) -> Vec<Check> {
    let (what, taken) = match credential {
        Credential::AdminKey(_) => ("admin routes", "the server takes the admin key"),
        Credential::Token(_) => ("access token", "the server takes it"),
    };
    match Client::new(server.clone(), trust, credential).get("/admin/tiers") {
        Ok(answer) if what == "admin routes" => {
            vec![Check::ok(what, taken), limits::of_tiers(&answer.body)]
        }
        Ok(_) => vec![Check::ok(what, taken)],
        Err(error) => vec![rejected(what, &error)],
    }
}

/// A server that does not run yet is no fault; one that runs and does not respond is.
fn unreachable(error: &ClientError, is_served: bool) -> Check {
    let text = error.to_string();
    let (found, advice) = text.split_once("; ").unwrap_or((&text, "try again"));
    if is_served {
        let advice = "a server has the database open: look into its log, or name it with --server";
        return Check::fail("server", found, advice);
    }
    Check::warn("server", found, advice)
}

fn rejected(what: &'static str, error: &ClientError) -> Check {
    let text = error.to_string();
    let (found, advice) = text.split_once("; ").unwrap_or((&text, "look into the server's log"));
    Check::fail(what, found, advice)
}

fn issuer_check(people: &People) -> Check {
    let issuer = people.issuer.as_str();
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    match Fetcher::new(people.trust.clone()).fetch(&url, METADATA_LEN_MAX) {
        Ok(fetched) => issuer_metadata(issuer, &fetched.bytes),
        Err(FetchError::Untrusted { flaw }) => Check::fail(
            "issuer",
            format!("{url} is not trusted: {flaw}"),
            flaw.advice(GIVE_AUTHORITY),
        ),
        Err(FetchError::Failed(error)) => Check::fail(
            "issuer",
            format!("{url} cannot be fetched: {error}"),
            "check `oidc_issuer` and the network; until then no person can sign in",
        ),
    }
}

fn issuer_metadata(issuer: &str, bytes: &[u8]) -> Check {
    let metadata: Value = json::from_slice(bytes).unwrap_or_default();
    let text = |name| metadata.get(name).and_then(Value::as_str);
    match (text("issuer"), text("jwks_uri")) {
        (Some(theirs), Some(_)) if theirs == issuer => {
            Check::ok("issuer", format!("{issuer} responds"))
        }
        (Some(theirs), Some(_)) => Check::fail(
            "issuer",
            format!("{issuer} calls itself {theirs}"),
            format!("set `oidc_issuer` to {theirs}, to the letter"),
        ),
        _ => Check::fail(
            "issuer",
            format!("{issuer} is no issuer: its metadata lacks `issuer` or `jwks_uri`"),
            "check `oidc_issuer`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    #[test]
    fn our_own_server_is_reached_where_it_listens() {
        let url = |listen: &str| own_url(listen.parse().unwrap());
        assert_eq!(url("0.0.0.0:8000").unwrap(), "http://127.0.0.1:8000");
        assert_eq!(url("[::]:8000").unwrap(), "http://[::1]:8000");
        assert_eq!(url("10.1.2.3:80").unwrap(), "http://10.1.2.3:80");
        assert_eq!(url("127.0.0.1:0"), None);
    }

    #[test]
    fn both_listeners_are_checked_and_one_has_the_admin_routes() {
        let listeners = |listen: &str, admin: Option<&str>| {
            let admin = admin.map(|address| address.parse().unwrap());
            let listeners = own_listeners(listen.parse().unwrap(), admin);
            let listeners = listeners
                .iter()
                .map(|listener| (listener.url.as_str().to_owned(), listener.is_admin));
            listeners.collect::<Vec<_>>()
        };
        let (public, admin) = ("http://127.0.0.1:80".to_owned(), "http://10.0.0.1:81".to_owned());
        assert_eq!(listeners("0.0.0.0:80", None), [(public.clone(), true)]);
        let both = [(public.clone(), false), (admin, true)];
        assert_eq!(listeners("0.0.0.0:80", Some("10.0.0.1:81")), both);
        assert_eq!(listeners("0.0.0.0:80", Some("10.0.0.1:0")), [(public, false)]);
        assert_eq!(listeners("127.0.0.1:0", None), []);
    }

    #[test]
    fn a_silent_server_is_a_fault_only_if_it_runs() {
        let cause = Box::new(ureq::Error::HostNotFound);
        let error = ClientError::Unreachable { server: "http://x".to_owned(), cause };
        let all = [false, true].map(|is_served| line(&unreachable(&error, is_served)));
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn an_issuer_has_to_give_its_own_name() {
        let shown =
            |metadata: &str| line(&issuer_metadata("https://id.example", metadata.as_bytes()));
        let all = [
            r#"{"issuer":"https://id.example","jwks_uri":"https://id.example/keys"}"#,
            r#"{"issuer":"https://id.example/","jwks_uri":"https://id.example/keys"}"#,
            r#"{"issuer":"https://id.example"}"#,
            "<html>",
        ];
        insta::assert_snapshot!(all.map(shown).join("\n"));
    }
}
