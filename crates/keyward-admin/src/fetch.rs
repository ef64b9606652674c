//! Requests to servers whose responses are relied on: the OIDC issuer, and GitHub.

use std::time::Duration;

use keyward_tls::Trust;
use ureq::Agent;
use url::Url;

/// The client for them. No other server can respond for the one at this URL: redirections are not
/// followed, and for an `https:` URL all requests use `https:`, with a certificate of a trusted
/// authority.
///
/// A proxy that the environment names is taken for `https:` alone, where it cannot read along.
/// `http:` is for loopback, and a proxy's loopback is another machine's: a server there could make
/// up keys.
pub(crate) fn agent(url: &Url, response_within: Duration, trust: &Trust) -> Agent {
    let is_https = url.scheme() == "https";
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .https_only(is_https)
        .timeout_global(Some(response_within));
    let config = if is_https { config.tls_config(trust.tls()) } else { config.proxy(None) };
    config.build().into()
}
