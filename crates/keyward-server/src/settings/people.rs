//! Who people are: the settings of the OpenID Connect issuer that vouches for them.

use keyward_admin::people::{IssuerUrl, People, RoleNames, TEXT_CHARS_MAX};
use keyward_tls::{Authorities, Trust};

use super::SettingsError;
use super::sources::Sources;
use super::table::{self, Form};

/// Reads the settings of the issuer; `None` if there is none.
pub(super) fn read(sources: &mut Sources<'_>) -> Result<Option<People>, SettingsError> {
    let issuer = |text: &str, _: &Form| IssuerUrl::parse(text);
    let issuer = sources.read_optional(&table::OIDC_ISSUER, issuer)?;
    let audience = sources.read_optional(&table::OIDC_AUDIENCE, plain_text)?;
    let role_claim = sources.read(&table::OIDC_ROLE_CLAIM, plain_text)?;
    let roles = sources.read(&table::OIDC_ROLES, |text, _| RoleNames::parse(text))?;
    let directory = sources.directory();
    let authorities = |text: &str, _: &Form| Authorities::read(&directory.join(text));
    let authorities = sources.read_optional(&table::OIDC_CA_FILE, authorities)?;
    match (issuer, audience) {
        (Some(issuer), Some(audience)) => {
            let trust = Trust::of(authorities);
            Ok(Some(People { issuer, audience, role_claim, roles, trust }))
        }
        (None, None) if authorities.is_some() => {
            let problem = "means nothing without `oidc_issuer`; set both or none";
            Err(sources.reject(&table::OIDC_CA_FILE, problem))
        }
        (None, None) => Ok(None),
        (Some(_), None) => {
            let problem = "needs `oidc_audience` too: without it, a token that the issuer made for \
                           any other service would be accepted";
            Err(sources.reject(&table::OIDC_ISSUER, problem))
        }
        (None, Some(_)) => {
            let problem = "means nothing without `oidc_issuer`; set both or none";
            Err(sources.reject(&table::OIDC_AUDIENCE, problem))
        }
    }
}

fn plain_text(text: &str, _: &Form) -> Result<String, String> {
    let fits = (1..=TEXT_CHARS_MAX).contains(&text.len()) && !text.contains(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("must have 1 to {TEXT_CHARS_MAX} characters"))
    }
}
