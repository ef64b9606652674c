//! Networks that a key may be used from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

/// Most networks that one key is allowed in.
pub const NETWORKS_MAX: usize = 32;

/// A range of addresses in CIDR notation (RFC 4632, RFC 4291): `10.0.0.0/8`, `2001:db8::/32`, or a
/// single address, which is a range of one.
///
/// An IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.1`) counts as IPv4.
///
/// ```
/// use keyward::network::Network;
///
/// let network: Network = "192.0.2.0/24".parse()?;
/// assert!(network.contains("192.0.2.7".parse()?));
/// assert!("192.0.2.7/24".parse::<Network>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

/// Says that a text is no network.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseNetworkError {
    /// The text is neither a range nor an address.
    #[error("a network is an address or a range such as 192.0.2.0/24 or 2001:db8::/32")]
    Form,
    /// Bits behind the prefix are set; whoever wrote it may have meant something else.
    #[error("the address has bits behind the prefix; the network is {network}")]
    HostBits {
        /// The network in which the address lies.
        network: Network,
    },
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let network: IpNet = text.parse().map_err(|_| ParseNetworkError::Form)?;
        if network.trunc() != network {
            return Err(ParseNetworkError::HostBits { network: Self(network.trunc()) });
        }
        Ok(Self(network))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Network {
    /// Whether the address lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// The networks that a key is allowed in, at most [`NETWORKS_MAX`]. None at all is everywhere: a
/// restriction is something that somebody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

/// Says that a key was given more than [`NETWORKS_MAX`] networks.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a key has at most 32 networks")]
pub struct TooManyNetworksError;

impl Networks {
    /// Takes the networks as they are, in their order.
    ///
    /// # Errors
    ///
    /// Returns [`TooManyNetworksError`] if there are more than [`NETWORKS_MAX`].
    pub fn new(networks: Vec<Network>) -> Result<Self, TooManyNetworksError> {
        if NETWORKS_MAX < networks.len() {
            return Err(TooManyNetworksError);
        }
        Ok(Self(networks))
    }

    /// Whether a request from this address may use the key. An address that is not known lies in
    /// no network.
    #[must_use]
    pub fn allow(&self, address: Option<IpAddr>) -> bool {
        let within = |address| self.0.iter().any(|network| network.contains(address));
        self.0.is_empty() || address.is_some_and(within)
    }

    /// Whether there are none, which allows every address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The networks in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_ranges_or_single_addresses() {
        let check = |text: &str, shown: &str| {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        };
        check("10.0.0.0/8", "10.0.0.0/8");
        check("192.0.2.1", "192.0.2.1/32");
        check("2001:db8::/32", "2001:db8::/32");
        check("::1", "::1/128");
        check("::ffff:192.0.2.1", "192.0.2.1/32");
        for text in ["", "10.0.0.0/33", "10.0.0/8", "example.com", "10.0.0.0/", " 10.0.0.0/8"] {
            assert_eq!(text.parse::<Network>(), Err(ParseNetworkError::Form), "{text}");
        }
    }

    #[test]
    fn bits_behind_the_prefix_are_refused_with_what_was_meant() {
        let error = "10.1.2.3/8".parse::<Network>().unwrap_err();
        let told = "the address has bits behind the prefix; the network is 10.0.0.0/8";
        assert_eq!(error.to_string(), told);
    }

    #[test]
    fn none_allow_all_and_some_allow_theirs() {
        let networks =
            Networks::new(vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]).unwrap();
        let allow = |address: &str| networks.allow(Some(address.parse().unwrap()));
        assert!(allow("10.255.0.1") && allow("::1") && allow("::ffff:10.0.0.1"));
        assert!(!allow("11.0.0.1") && !allow("::2") && !networks.allow(None));
        assert!(Networks::default().allow(None));
    }
}
