//! The address of the client of a request, with or without proxies in between.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use http::header::{HeaderMap, HeaderName};
use keyward::network::Network;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks of proxies whose `X-Forwarded-For` is believed.
///
/// There are none by default, since any client can send that header. Clones share the networks, so
/// a change applies to all of them at once.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use keyward_http::origin::TrustedProxies;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
/// let peer = Some([10, 0, 0, 1].into());
/// // By default, that header is ignored: the client may have made it up.
/// assert_eq!(TrustedProxies::default().client_address(&headers, peer), peer);
/// let trusted = TrustedProxies::new(vec!["10.0.0.0/8".parse()?]);
/// assert_eq!(trusted.client_address(&headers, peer), Some([192, 0, 2, 7].into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    networks: ArcSwap<Vec<Network>>,
    /// Whether there are any networks. Most services have none, and then a request does not load
    /// them.
    any: AtomicBool,
}

impl TrustedProxies {
    /// Trusts the proxies in these networks.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use keyward_http::origin::TrustedProxies;
    ///
    /// let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse()?, "2001:db8::1".parse()?]);
    /// // A proxy that forwards no address is the client itself.
    /// let proxy = Some([10, 0, 0, 1].into());
    /// assert_eq!(proxies.client_address(&HeaderMap::new(), proxy), proxy);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        let proxies = Self::default();
        proxies.set(networks);
        proxies
    }

    /// Trusts the proxies in these networks from now on, and no others. A request that is processed
    /// meanwhile is judged by the old networks or by the new ones, never by both.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue};
    /// use keyward_http::origin::TrustedProxies;
    ///
    /// let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse()?]);
    /// let in_use = proxies.clone();
    /// proxies.set(Vec::new());
    ///
    /// // The clone that an authenticator uses trusts none from now on, too.
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
    /// let peer = Some([10, 0, 0, 1].into());
    /// assert_eq!(in_use.client_address(&headers, peer), peer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&self, networks: Vec<Network>) {
        let any = !networks.is_empty();
        self.0.networks.store(Arc::new(networks));
        // After the networks are stored: a reader that sees `any` set also sees the networks.
        self.0.any.store(any, Ordering::Release);
    }

    /// The address of the client whose connection comes from `peer`: the peer, or if the peer is a
    /// trusted proxy, the right-most address in `X-Forwarded-For` that is not a trusted proxy's.
    /// The client may have made up the addresses left of it.
    ///
    /// `None` if it is not known: the peer is not known, or a trusted proxy forwarded a value that
    /// is not an address.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue};
    /// use keyward_http::origin::TrustedProxies;
    ///
    /// let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
    ///
    /// // A trusted proxy names the client.
    /// let of = |peer: &str| proxies.client_address(&headers, peer.parse().ok());
    /// assert_eq!(of("10.0.0.1"), "192.0.2.7".parse().ok());
    /// // Any other peer is the client itself, and its `X-Forwarded-For` is ignored.
    /// assert_eq!(of("198.51.100.9"), "198.51.100.9".parse().ok());
    /// ```
    #[must_use]
    pub fn client_address(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        let peer = peer?.to_canonical();
        if !self.0.any.load(Ordering::Acquire) {
            return Some(peer);
        }
        let networks = self.0.networks.load();
        if !are_in(&networks, peer) {
            return Some(peer);
        }
        nearest(headers, &networks, Some(peer))
    }

    /// The address of the client on whose behalf a proxy asks: the right-most address in
    /// `X-Forwarded-For` that is not a trusted proxy's. The peer is never the client.
    ///
    /// `None` if it is not known: there is no such line, or a value in it is not an address.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue};
    /// use keyward_http::origin::TrustedProxies;
    ///
    /// let proxies = TrustedProxies::default();
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(proxies.forwarded_address(&headers), None);
    /// headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.9, 192.0.2.7"));
    /// assert_eq!(proxies.forwarded_address(&headers), "192.0.2.7".parse().ok());
    /// ```
    #[must_use]
    pub fn forwarded_address(&self, headers: &HeaderMap) -> Option<IpAddr> {
        nearest(headers, &self.0.networks.load(), None)
    }

    /// Whether this is the address of a proxy that is trusted.
    ///
    /// ```
    /// use keyward_http::origin::TrustedProxies;
    ///
    /// let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse()?]);
    /// assert!(proxies.trust([10, 0, 0, 1].into()));
    /// assert!(!proxies.trust([192, 0, 2, 7].into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn trust(&self, address: IpAddr) -> bool {
        are_in(&self.0.networks.load(), address.to_canonical())
    }
}

fn are_in(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// The right-most address in `X-Forwarded-For` that is not in `trusted`; the left-most if all of
/// them are, and `peer` if there is none.
fn nearest(headers: &HeaderMap, trusted: &[Network], peer: Option<IpAddr>) -> Option<IpAddr> {
    let mut nearest = peer;
    for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        // Each hop by itself: what the client made up must not hide what the proxy wrote.
        for hop in line.as_bytes().rsplit(|byte| *byte == b',') {
            let address = read_hop(str::from_utf8(hop.trim_ascii()).ok()?)?;
            if !are_in(trusted, address) {
                return Some(address);
            }
            nearest = Some(address);
        }
    }
    // Every hop is one of ours: the request began there.
    nearest
}

/// An address as proxies write it: bare, or with a port, and IPv6 then in brackets.
fn read_hop(hop: &str) -> Option<IpAddr> {
    let bare = || hop.parse().ok();
    let with_port = || hop.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare().or_else(with_port).or_else(in_brackets).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, lines: &[&str]) -> Option<String> {
        let proxies = ["10.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(X_FORWARDED_FOR, line);
        }
        let peer = Some(peer.parse().unwrap());
        let address = TrustedProxies::new(proxies.to_vec()).client_address(&headers, peer);
        address.map(|address| address.to_string())
    }

    fn check(peer: &str, lines: &[&str], expected: Option<&str>) {
        assert_eq!(client(peer, lines).as_deref(), expected, "{peer} {lines:?}");
    }

    #[test]
    fn a_stranger_is_believed_nothing() {
        check("192.0.2.1", &[], Some("192.0.2.1"));
        check("192.0.2.1", &["10.0.0.9"], Some("192.0.2.1"));
        check("::ffff:192.0.2.1", &["198.51.100.1"], Some("192.0.2.1"));
    }

    #[test]
    fn behind_proxies_the_right_most_address_that_is_none_of_theirs_counts() {
        check("10.0.0.1", &["198.51.100.7"], Some("198.51.100.7"));
        check("10.0.0.1", &["10.9.9.9, 198.51.100.7, 10.0.0.2"], Some("198.51.100.7"));
        check("10.0.0.1", &["203.0.113.1, 198.51.100.7"], Some("198.51.100.7"));
        check("10.0.0.1", &["203.0.113.1", "198.51.100.7"], Some("198.51.100.7"));
        check("::1", &["[2001:db8::1]:443"], Some("2001:db8::1"));
        check("::1", &["198.51.100.7:443"], Some("198.51.100.7"));
        check("10.0.0.1", &["10.0.0.3,10.0.0.2"], Some("10.0.0.3"));
        check("10.0.0.1", &[], Some("10.0.0.1"));
    }

    #[test]
    fn other_proxies_are_trusted_from_one_request_to_the_next() {
        let proxies = TrustedProxies::default();
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, "192.0.2.1".parse().unwrap())]);
        let peer = Some(IpAddr::from([10, 0, 0, 1]));
        let shared = proxies.clone();
        let address = || shared.client_address(&headers, peer).unwrap().to_string();
        for (networks, expected) in [
            (vec![], "10.0.0.1"),
            (vec!["10.0.0.0/8".parse().unwrap()], "192.0.2.1"),
            (vec!["11.0.0.0/8".parse().unwrap()], "10.0.0.1"),
            (vec!["10.0.0.0/8".parse().unwrap()], "192.0.2.1"),
            (vec![], "10.0.0.1"),
        ] {
            proxies.set(networks);
            assert_eq!(address(), expected);
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_address() {
        check("10.0.0.1", &["unknown"], None);
        check("10.0.0.1", &["198.51.100.7, _hidden"], None);
        check("10.0.0.1", &["198.51.100.7,"], None);
        // The values left of the client's own address are not read.
        check("10.0.0.1", &["nonsense, 198.51.100.7"], Some("198.51.100.7"));
        check("10.0.0.1", &["ü,\u{80}, 198.51.100.7"], Some("198.51.100.7"));
        check("10.0.0.1", &["ü", "198.51.100.7"], Some("198.51.100.7"));
        check("10.0.0.1", &["198.51.100.7, ü"], None);
        assert_eq!(TrustedProxies::default().client_address(&HeaderMap::new(), None), None);
    }
}
