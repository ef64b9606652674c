//! Asking servers whose answers we rely on: the issuer that vouches for people, and GitHub.

use std::time::Duration;

use keyward_tls::Trust;
use ureq::Agent;
use url::Url;

/// What asks them. Nobody else can answer for the server at this URL: redirections are not
/// followed, and where the URL is `https:`, so is whatever else is asked, and somebody who is
/// trusted vouches for it.
///
/// A proxy that the environment names is taken for `https:` alone, where it cannot read along.
/// `http:` is for loopback, and a proxy's loopback is another machine's: whoever answers there
/// could make keys.
pub(crate) fn agent(url: &Url, answer_within: Duration, trust: &Trust) -> Agent {
    let is_https = url.scheme() == "https";
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .https_only(is_https)
        .timeout_global(Some(answer_within));
    let config = if is_https { config.tls_config(trust.tls()) } else { config.proxy(None) };
    config.build().into()
}
