//! Forwarded addresses: whom a request comes from, whatever a client writes.
//!
//! The first line of an input is the peer, each other one a field `X-Forwarded-For`.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use keyward::network::Network;
use keyward_axum::origin::TrustedProxies;

pub(super) const WORDS: &[&[u8]] = &[
    b"10.0.0.1",
    b"\n",
    b", ",
    b"198.51.100.7",
    b"198.51.100.7:443",
    b"[2001:db8::1]:443",
    b"[2001:db8::1]",
    b"::ffff:192.0.2.1",
    b"::1",
    b"fe80::1%eth0",
    b"unknown",
    b"_hidden",
    b"0x7f.1",
    b"010.0.0.1",
    b"for=",
];

pub(super) fn run(bytes: &[u8]) -> String {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let peer = lines.next().and_then(|line| str::from_utf8(line).ok()?.parse().ok());
    let peer: IpAddr = peer.unwrap_or(IpAddr::from([10, 0, 0, 1]));
    let lines: Vec<_> = lines.filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let networks = ["10.0.0.0/8", "::1"].map(|text| text.parse::<Network>().expect("a network"));
    let is_ours = |address: IpAddr| networks.iter().any(|network| network.contains(address));
    let client = |lines: &[HeaderValue]| address(&networks, peer, lines);
    let found = client(&lines);
    assert_eq!(address(&[], peer, &lines), Some(peer.to_canonical()), "no proxy is trusted");
    if !is_ours(peer.to_canonical()) {
        assert_eq!(found, Some(peer.to_canonical()), "a peer that is not trusted is the client");
    }
    assert_eq!(found.map(|address| address.to_canonical()), found, "addresses have one form");
    // A client writes what it likes on the left of what proxies add.
    if found.is_some_and(|address| !is_ours(address)) {
        for invented in ["192.0.2.9", "nonsense", "", "10.0.0.1"] {
            let first = HeaderValue::from_str(invented).expect("visible");
            let more: Vec<_> = [first].into_iter().chain(lines.iter().cloned()).collect();
            assert_eq!(client(&more), found, "{invented:?} on the left changes nothing");
        }
    }
    // Several fields are one list (RFC 9110, section 5.3).
    if !lines.is_empty() {
        let values: Vec<_> = lines.iter().map(HeaderValue::as_bytes).collect();
        let joined = HeaderValue::from_bytes(&values.join(&b","[..])).expect("fields in one");
        assert_eq!(client(&[joined]), found, "in one field");
    }
    let kind = found.map(|address| (address.is_ipv4(), is_ours(address)));
    format!("{kind:?}, {} fields", lines.len().min(4))
}

fn address(networks: &[Network], peer: IpAddr, lines: &[HeaderValue]) -> Option<IpAddr> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(HeaderName::from_static("x-forwarded-for"), line.clone());
    }
    TrustedProxies::new(networks.to_vec()).client_address(&headers, Some(peer))
}
