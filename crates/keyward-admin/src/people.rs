//! The OpenID Connect issuer that vouches for people, and its names of roles.

use std::net::IpAddr;

use keyward_tls::Trust;
use url::{Host, Url};

use crate::role::Role;

/// Most names of roles.
const NAMES_MAX: usize = 64;
/// Most characters of an issuer, an audience or a claim.
pub const TEXT_CHARS_MAX: usize = 512;

/// The OIDC issuer, and the required claims of its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    /// The issuer's name for itself.
    pub issuer: IssuerUrl,
    /// Whom a token has to be for.
    pub audience: String,
    /// Where a token holds roles.
    pub role_claim: String,
    /// The issuer's names of them.
    pub roles: RoleNames,
    /// The authorities that may vouch for the issuer.
    pub trust: Trust,
}

/// Where the issuer is, and the very text that it calls itself.
///
/// Holding one proves that the URL cannot be intercepted on the network: `https://`, or `http://`
/// on loopback, without password, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl {
    text: String,
    location: Url,
}

impl IssuerUrl {
    /// Takes the text as it is; a slash at its end belongs to the name.
    ///
    /// # Errors
    ///
    /// Returns the fault and its remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = secure_url(text)?;
        if url.query().is_some() {
            return Err("an issuer has no query; leave out what follows `?`".to_owned());
        }
        Ok(Self { text: text.to_owned(), location: url })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the issuer is.
    pub fn location(&self) -> &Url {
        &self.location
    }
}

/// Takes a URL from which something that we rely on may be read.
///
/// # Errors
///
/// Returns the fault and its remedy, without the text: it may hold a password.
pub fn secure_url(text: &str) -> Result<Url, String> {
    let advice = "write it like https://login.example.com/realms/main";
    let url = Url::parse(text).map_err(|_| format!("is not a URL; {advice}"))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    };
    let is_secure = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
    if !is_secure {
        return Err("must be https://, since an impostor of that server could make keys; http:// \
                    is only accepted on loopback"
            .to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(format!("has a user, a password or a fragment; {advice}"));
    }
    if TEXT_CHARS_MAX < text.len() {
        return Err(format!("is longer than {TEXT_CHARS_MAX} characters"));
    }
    Ok(url)
}

/// The issuer's name of each role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleNames(Vec<(String, Role)>);

impl RoleNames {
    /// Takes `viewer=NAME,issuer=NAME,admin=NAME`. A role may occur several times, and a name may
    /// be one of LDAP, with its commas.
    ///
    /// # Errors
    ///
    /// Returns the fault and its remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut names: Vec<(String, Role)> = Vec::new();
        for pair in pairs(text) {
            let pair = pair.trim();
            let advice = || {
                format!(
                    "`{pair}` does not fit; write it like viewer=readers,issuer=staff,admin=ops"
                )
            };
            let (role, name) = pair.split_once('=').ok_or_else(advice)?;
            let (role, name) = (Role::parse(role.trim()).ok_or_else(advice)?, name.trim());
            if name.is_empty() {
                return Err(advice());
            }
            if names.iter().any(|(known, _)| known == name) {
                return Err(format!("`{name}` stands there twice; a name is that of one role"));
            }
            names.push((name.to_owned(), role));
        }
        if NAMES_MAX < names.len() {
            return Err(format!("has more than {NAMES_MAX} names"));
        }
        Ok(Self(names))
    }

    /// The role that the issuer calls by this name.
    pub fn find(&self, name: &str) -> Option<Role> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, role)| *role)
    }
}

/// Splits `ROLE=NAME,ROLE=NAME` at its commas, but for those within a name of LDAP, such as
/// `CN=Keyward Admins,OU=Groups,DC=example` (RFC 4514): there a comma is followed by another
/// attribute, or it is escaped.
fn pairs(text: &str) -> Vec<&str> {
    let mut pairs = Vec::new();
    let (mut rest, mut searched) = (text, 0);
    while let Some(at) = rest.get(searched..).and_then(|rest| rest.find(',')) {
        let (pair, behind) = rest.split_at(searched + at);
        let behind = behind.get(1..).unwrap_or_default();
        let name = pair.split_once('=').map_or("", |(_, name)| name);
        let goes_on = is_attribute(name) && (pair.ends_with('\\') || is_attribute(behind));
        if goes_on {
            searched = pair.len() + 1;
        } else {
            pairs.push(pair);
            (rest, searched) = (behind, 0);
        }
    }
    pairs.push(rest);
    pairs
}

/// Whether a text begins with an attribute of a name of LDAP: one of RFC 4514, section 3, another
/// common one of directories, or one by its number.
fn is_attribute(text: &str) -> bool {
    const ATTRIBUTES: [&str; 13] = [
        "CN",
        "L",
        "ST",
        "O",
        "OU",
        "C",
        "STREET",
        "DC",
        "UID",
        "E",
        "EMAIL",
        "EMAILADDRESS",
        "SERIALNUMBER",
    ];
    let Some((attribute, _)) = text.split_once('=') else { return false };
    let attribute = attribute.trim();
    let is_number = attribute.starts_with(|first: char| first.is_ascii_digit())
        && attribute.chars().all(|one| one.is_ascii_digit() || one == '.');
    is_number || ATTRIBUTES.iter().any(|known| known.eq_ignore_ascii_case(attribute))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_safely() {
        for good in [
            "https://login.example.com",
            "https://login.example.com/realms/main/",
            "http://127.0.0.1:8080/realms/main",
            "http://localhost:8080",
            "http://[::1]:1",
        ] {
            assert_eq!(IssuerUrl::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "login.example.com",
            "http://login.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://169.254.169.254/",
            "ftp://127.0.0.1/",
            "https://user:hunter2@login.example.com",
            "https://login.example.com/?a=b",
            "https://login.example.com/#a",
        ] {
            let problem = IssuerUrl::parse(bad).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn roles_have_names_of_their_own() {
        let names = RoleNames::parse("viewer=r, issuer = staff,issuer=desk,admin=kw=ops").unwrap();
        assert_eq!(names.find("r"), Some(Role::Viewer));
        assert_eq!(names.find("desk"), Some(Role::Issuer));
        assert_eq!(names.find("kw=ops"), Some(Role::Admin));
        assert_eq!(names.find("admin"), None);
        for bad in [
            "",
            "viewer",
            "viewer=",
            "owner=x",
            "viewer=a,isuer=b",
            "viewer=CN=a,isuer=b",
            "viewer=a,admin=a",
            "viewer=a,",
        ] {
            assert!(RoleNames::parse(bad).is_err(), "{bad}");
        }
    }
    #[test]
    fn groups_may_have_names_of_ldap() {
        let names = "admin=CN=Keyward Admins,OU=Groups,DC=example, viewer=cn=a, ou=b,issuer=\
                     CN=Staff\\, all,2.5.4.11=x,O=Example,viewer=plain";
        let names = RoleNames::parse(names).unwrap();
        let find = |name: &str| names.find(name);
        assert_eq!(find("CN=Keyward Admins,OU=Groups,DC=example"), Some(Role::Admin));
        assert_eq!(find("cn=a, ou=b"), Some(Role::Viewer));
        assert_eq!(find("CN=Staff\\, all,2.5.4.11=x,O=Example"), Some(Role::Issuer));
        assert_eq!(find("plain"), Some(Role::Viewer));
        assert_eq!(find("CN=Keyward Admins"), None);
    }
}
