//! Networks that a key may be used from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

/// Most networks that one key is allowed in.
pub const NETWORKS_MAX: usize = 32;

/// A range of addresses in CIDR notation (RFC 4632, RFC 4291): `10.0.0.0/8`, `2001:db8::/32`, or a
/// single address, which is a range of one.
///
/// An IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.1`) counts as IPv4, and so does
/// a range of such addresses: `::ffff:10.0.0.0/104` is `10.0.0.0/8`. A shorter range in which they
/// lie with others, such as `::/0`, has the others alone: it is all of IPv6 and nothing of IPv4.
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

/// The error of a text that is no network.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseNetworkError {
    /// The text is neither a range nor an address.
    #[error("a network is an address or a range such as 192.0.2.0/24 or 2001:db8::/32")]
    Form,
    /// Bits after the prefix are set; the author may have meant another network.
    #[error("the address has bits behind the prefix; the network is {network}")]
    HostBits {
        /// The network in which the address lies.
        network: Network,
    },
}

/// Bits before an IPv4 address that is written as an IPv6 one: `::ffff:0:0/96`.
const MAPPED_PREFIX: u8 = 96;

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let network: IpNet = text.parse().map_err(|_| ParseNetworkError::Form)?;
        if network.trunc() != network {
            return Err(ParseNetworkError::HostBits { network: Self::canonical(network.trunc()) });
        }
        Ok(Self::canonical(network))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Network {
    /// The range as addresses are compared with it, which are made canonical, too.
    fn canonical(network: IpNet) -> Self {
        if let IpNet::V6(v6) = network
            && let Some(prefix) = v6.prefix_len().checked_sub(MAPPED_PREFIX)
            && let Some(v4) = v6.addr().to_ipv4_mapped()
            && let Ok(v4) = Ipv4Net::new(v4, prefix)
        {
            return Self(v4.into());
        }
        Self(network)
    }

    /// Whether the address lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.contains_canonical(address.to_canonical())
    }

    /// Compares the bits of the prefix. Every request of a restricted key comes here, and asking
    /// for the first and the last address of the range takes five times as long.
    fn contains_canonical(&self, address: IpAddr) -> bool {
        match (self.0, address) {
            (IpNet::V4(network), IpAddr::V4(address)) => {
                let differs = network.addr().to_bits() ^ address.to_bits();
                u32::from(network.prefix_len()) <= differs.leading_zeros()
            }
            (IpNet::V6(network), IpAddr::V6(address)) => {
                let differs = network.addr().to_bits() ^ address.to_bits();
                u32::from(network.prefix_len()) <= differs.leading_zeros()
            }
            (IpNet::V4(_), IpAddr::V6(_)) | (IpNet::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// The networks that a key is allowed in, at most [`NETWORKS_MAX`]. None at all is everywhere: a
/// restriction is always an explicit choice.
///
/// ```
/// use keyward::network::Networks;
///
/// let networks = Networks::new(vec!["192.0.2.0/24".parse()?])?;
/// assert!(networks.allow(Some("192.0.2.7".parse()?)));
/// assert!(!networks.allow(Some("198.51.100.9".parse()?)));
/// // An address that is not known lies in no network.
/// assert!(!networks.allow(None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

/// The error of more than [`NETWORKS_MAX`] networks for a key.
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
        let within = |address: IpAddr| {
            let address = address.to_canonical();
            self.0.iter().any(|network| network.contains_canonical(address))
        };
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
        check("::ffff:192.0.2.1/128", "192.0.2.1/32");
        check("::ffff:10.0.0.0/104", "10.0.0.0/8");
        check("::ffff:0:0/96", "0.0.0.0/0");
        check("::fffe:0:0/95", "::fffe:0:0/95");
        check("::/96", "::/96");
        for text in ["", "10.0.0.0/33", "10.0.0/8", "example.com", "10.0.0.0/", " 10.0.0.0/8"] {
            assert_eq!(text.parse::<Network>(), Err(ParseNetworkError::Form), "{text}");
        }
    }

    #[test]
    fn bits_behind_the_prefix_are_refused_with_what_was_meant() {
        let error = "10.1.2.3/8".parse::<Network>().unwrap_err();
        let told = "the address has bits behind the prefix; the network is 10.0.0.0/8";
        assert_eq!(error.to_string(), told);
        let error = "::ffff:10.1.2.3/104".parse::<Network>().unwrap_err();
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

    #[test]
    fn a_range_ends_with_its_last_address() {
        let check = |network: &str, address: &str, within| {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), within, "{network} {address}");
        };
        for (network, first, last, before, after) in [
            ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
            ("192.0.2.4/31", "192.0.2.4", "192.0.2.5", "192.0.2.3", "192.0.2.6"),
            ("192.0.2.4", "192.0.2.4", "192.0.2.4", "192.0.2.3", "192.0.2.5"),
            (
                "2001:db8::/33",
                "2001:db8::",
                "2001:db8:7fff::",
                "2001:db7:ffff::",
                "2001:db8:8000::",
            ),
            ("::2", "::2", "::2", "::1", "::3"),
            (
                "::ffff:10.0.0.0/104",
                "10.0.0.0",
                "::ffff:10.255.255.255",
                "9.255.255.255",
                "::ffff:11.0.0.0",
            ),
        ] {
            check(network, first, true);
            check(network, last, true);
            check(network, before, false);
            check(network, after, false);
        }
        check("0.0.0.0/0", "255.1.2.3", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "2001:db8::", true);
        check("::/0", "255.1.2.3", false);
    }
}
