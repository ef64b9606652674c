//! The files that are accepted as certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};

use super::*;

fn problem(text: impl AsRef<[u8]>) -> String {
    Authorities::parse(text.as_ref()).unwrap_err()
}

/// A certificate in PEM.
fn certificate() -> String {
    let key = KeyPair::generate().unwrap();
    CertificateParams::default().self_signed(&key).unwrap().pem()
}

/// The bytes in the first section of a PEM text.
fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().skip(1).take_while(|line| !line.starts_with("-----END"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

#[test]
fn every_certificate_of_a_file_counts_once_it_can_be_read() {
    let (one, other) = (certificate(), certificate());
    let key = KeyPair::generate().unwrap().serialize_pem();
    let count = |text: &str| Authorities::parse(text.as_bytes()).unwrap().0.len();
    assert_eq!(count(&one), 1);
    assert_eq!(count(&format!("# ours\r\n{}\n{other}", one.replace('\n', "\r\n"))), 2);
    assert_eq!(count(&format!("{key}{one}")), 1, "a key next to it is left out");
}

#[test]
fn a_file_without_certificates_is_refused_for_what_it_is() {
    let pem = certificate();
    let key = KeyPair::generate().unwrap().serialize_pem();
    let cut = &pem[..pem.len() / 2];
    let none = pem.replace(&STANDARD.encode(&der(&pem)[..24]), &STANDARD.encode([b'x'; 24]));
    assert_ne!(none, pem);
    let all = [
        problem(""),
        problem("<html>"),
        problem(&key),
        problem(der(&pem)),
        problem(cut),
        problem(format!("{pem}{cut}")),
        problem(format!("{pem}{none}")),
        problem(pem.replace('M', "?")),
    ];
    insta::assert_snapshot!(all.join("\n"));
    let missing = Authorities::read(Path::new("no/such/file.pem")).unwrap_err();
    assert!(missing.starts_with("file no/such/file.pem cannot be read: "), "{missing}");
    let endless = Authorities::read(Path::new("/dev/zero")).unwrap_err();
    assert!(endless.contains("is longer than"), "{endless}");
}

#[test]
fn a_file_takes_the_place_of_the_systems_authorities_where_it_matters() {
    let authorities = Authorities::parse(certificate().as_bytes()).unwrap();
    let roots = |trust: &Trust| match trust.tls().root_certs() {
        RootCerts::Specific(certificates) => certificates.len(),
        _ => 0,
    };
    let system = roots(&Trust::System);
    let file = Trust::of(Some(authorities));
    assert_eq!(roots(&file), 1);
    assert_eq!(roots(&file.for_anywhere()), system + 1);
    assert_eq!(Trust::of(None).for_anywhere(), Trust::System);
}
