//! What a server proves its name with: its certificate and the private key to it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::{Authorities, read_bounded};

/// How a key begins that a passphrase protects, in either form.
const ENCRYPTED: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// The certificate of a server, those of the authorities between it and the one that clients know,
/// and its private key.
///
/// Holding one proves that the key is the certificate's.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    expires_at: u64,
}

/// Which of the two files of an identity has a fault, with the remedy, and nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityFault {
    /// The file with the certificates.
    Certificate(String),
    /// The file with the private key.
    Key(String),
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl PartialEq for Identity {
    /// Whether both have the same certificates.
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

impl Eq for Identity {}

impl Identity {
    /// Reads a certificate, with those of the authorities between after it, and its private key,
    /// both in PEM. One file may be both.
    ///
    /// # Errors
    ///
    /// Returns the fault of one of the files: it cannot be read, holds no such thing, the key has a
    /// passphrase, or the two do not belong together.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, IdentityFault> {
        let read = |path: &Path| {
            let shown = path.display();
            read_bounded(path).map_err(|error| format!("file {shown} cannot be read: {error}"))
        };
        let in_file = |path: &Path, problem: String| format!("file {} {problem}", path.display());
        let chain = read(certificate)
            .and_then(|pem| chain(&pem).map_err(|problem| in_file(certificate, problem)))
            .map_err(IdentityFault::Certificate)?;
        let secret = read(key)
            .and_then(|pem| private_key(&pem).map_err(|problem| in_file(key, problem)))
            .map_err(IdentityFault::Key)?;
        let expires_at = chain.first().and_then(|der| expiry(der)).ok_or_else(|| {
            let problem = "begins with a certificate that is none; export it anew".to_owned();
            IdentityFault::Certificate(in_file(certificate, problem))
        })?;
        let certified = CertifiedKey::from_der(chain, secret, &ring::default_provider());
        let certified = certified.map_err(|error| match error {
            Error::InconsistentKeys(_) => IdentityFault::Key(in_file(key, {
                let certificate = certificate.display();
                format!(
                    "is the key of another certificate than the first one in {certificate}; give \
                     the two that were made together, with the server's certificate first"
                )
            })),
            Error::InvalidCertificate(_) => IdentityFault::Certificate(in_file(certificate, {
                "begins with a certificate that cannot be used; export it anew".to_owned()
            })),
            _ => IdentityFault::Key(in_file(key, {
                "holds a key of a kind that is not supported; use ECDSA (P-256 or P-384), Ed25519 \
                 or RSA of 2048 bits or more"
                    .to_owned()
            })),
        })?;
        Ok(Self { certified: Arc::new(certified), expires_at })
    }

    /// When the certificate expires, in seconds since 1970.
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// The configuration of a server that speaks these protocols (ALPN), the best first. With
    /// `clients`, each client has to present a certificate of one of these authorities.
    ///
    /// # Errors
    ///
    /// Returns the fault of `clients`.
    pub fn server(
        &self,
        clients: Option<&Authorities>,
        protocols: &[&[u8]],
    ) -> Result<ServerConfig, String> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let roots = Arc::new(roots(authorities)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| error.to_string())?)
            }
        };
        let identity = SingleCertAndKey::from(Arc::clone(&self.certified));
        let mut config = builder.with_cert_resolver(Arc::new(identity));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}

fn roots(authorities: &Authorities) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for der in authorities.0.iter() {
        roots.add(CertificateDer::from(der.as_slice())).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut chain = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        chain.push(der.map_err(|_| {
            let number = chain.len() + 1;
            format!(
                "is damaged at its certificate {number}; copy it anew, from `-----BEGIN \
                 CERTIFICATE-----` to `-----END CERTIFICATE-----`"
            )
        })?);
    }
    if chain.is_empty() {
        return Err(match is_empty(pem) {
            true => "is empty; write the server's certificate into it, in PEM",
            false => "holds no certificate; one begins with `-----BEGIN CERTIFICATE-----`",
        }
        .to_owned());
    }
    Ok(chain)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let text = String::from_utf8_lossy(pem);
    if ENCRYPTED.iter().any(|mark| text.contains(mark)) {
        return Err("has a passphrase, for which nothing asks; write it without one, with \
                    `openssl pkey -in FILE -out NEW.pem`, for the server's user alone"
            .to_owned());
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        match is_empty(pem) {
            true => "is empty; write the private key into it, in PEM",
            false => "holds no private key; one begins with `-----BEGIN PRIVATE KEY-----`",
        }
        .to_owned()
    })
}

fn is_empty(pem: &[u8]) -> bool {
    pem.trim_ascii().is_empty()
}

/// When a certificate expires, in seconds since 1970; `None` if it is none.
fn expiry(der: &[u8]) -> Option<u64> {
    let certificate = Certificate::from_der(der).ok()?;
    Some(certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs())
}

#[cfg(test)]
mod tests;
