//! The two files of a server's identity, and what may be wrong with them.

use std::fs;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, date_time_ymd};
use tempfile::TempDir;

use super::*;

/// A certificate that expires with the year 2040, and its key, in PEM.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = date_time_ymd(2041, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Reads an identity from files with these texts, and cuts their directory from the fault.
fn read(certificate: &str, key: &str) -> Result<Identity, String> {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let read = Identity::read(&file("server.pem", certificate), &file("server.key", key));
    read.map_err(|fault| {
        let (which, problem) = match fault {
            IdentityFault::Certificate(problem) => ("certificate", problem),
            IdentityFault::Key(problem) => ("key", problem),
        };
        let directory = format!("{}/", folder.path().display());
        format!("{which}: {}", problem.replace(&directory, ""))
    })
}

#[test]
fn a_certificate_and_its_key_are_an_identity() {
    let (certificate, key) = pair();
    let (other, _) = pair();
    let identity = read(&certificate, &key).unwrap();
    assert_eq!(identity.expires_at(), 2_240_611_200);
    assert_eq!(read(&certificate, &key).unwrap(), identity);
    // The certificates of authorities follow; one file may hold everything.
    let all = format!("{certificate}{other}{key}");
    assert_ne!(read(&all, &all).unwrap(), identity);
    let config = identity.server(None, &[b"h2", b"http/1.1"]).unwrap();
    assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(!format!("{identity:?}").contains("key"));
}

#[test]
fn keys_of_several_kinds_are_taken() {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    assert!(read(&certificate, &key.serialize_pem()).is_ok());
}

#[test]
fn a_fault_names_the_file_and_the_remedy() {
    let (certificate, key) = pair();
    let (_, other) = pair();
    let fault = |certificate: &str, key: &str| read(certificate, key).unwrap_err();
    let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nAA==\n\
               -----END RSA PRIVATE KEY-----\n";
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bad_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let all = [
        fault("", &key),
        fault(&key, &key),
        fault(&certificate[..certificate.len() / 2], &key),
        fault(nonsense, &key),
        fault(&certificate, ""),
        fault(&certificate, &certificate),
        fault(&certificate, &key[..key.len() / 2]),
        fault(&certificate, &encrypted),
        fault(&certificate, old),
        fault(&certificate, bad_key),
        fault(&certificate, &other),
    ];
    insta::assert_snapshot!(all.join("\n"));
    let missing = Identity::read(Path::new("no/such.pem"), Path::new("no/such.key")).unwrap_err();
    let IdentityFault::Certificate(problem) = missing else { panic!("{missing:?}") };
    assert!(problem.starts_with("file no/such.pem cannot be read: "), "{problem}");
}
