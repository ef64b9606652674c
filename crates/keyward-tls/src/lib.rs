//! Who may vouch for servers: the authorities that the system trusts, or those of a file; and what
//! a server proves its name with.

mod flaw;
mod identity;

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

pub use flaw::Flaw;
pub use identity::{Identity, IdentityFault};

/// Most bytes of a file with certificates. All that a system trusts are some 300 KB.
const FILE_LEN_MAX: u64 = 4 * 1_024 * 1_024;
/// The variables that name other authorities than those of the system, as for OpenSSL.
const SYSTEM_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
/// How a DER structure of more than 127 bytes begins.
const DER_SEQUENCE: u8 = 0x30;

/// Who may vouch for servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that the system trusts.
    #[default]
    System,
    /// The authorities of a file, and no others.
    File(Authorities),
    /// The authorities of a file, too: for public content that proves nothing.
    Both(Authorities),
}

/// The certificates of authorities, from one file.
///
/// Holding one proves at least one, each of which can be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorities(Arc<[Vec<u8>]>);

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities").field("count", &self.0.len()).finish()
    }
}

impl Authorities {
    /// Reads certificates in PEM from a file. Its other content is left out.
    ///
    /// # Errors
    ///
    /// Returns the fault of the file and the remedy, and nothing of its content.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let bytes =
            read_bounded(path).map_err(|error| format!("file {shown} cannot be read: {error}"))?;
        Self::parse(&bytes).map_err(|problem| format!("file {shown} {problem}"))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.first() == Some(&DER_SEQUENCE) {
            return Err("is not PEM but binary, such as DER; write a certificate anew with \
                        `openssl x509 -inform der -in FILE -out NEW.pem`"
                .to_owned());
        }
        let (mut certificates, mut has_key) = (Vec::new(), false);
        for item in parse_pem(bytes) {
            match item {
                Ok(PemItem::Certificate(certificate)) => {
                    certificates.push(certificate.der().to_vec());
                }
                Ok(PemItem::PrivateKey(_)) => has_key = true,
                Ok(_) => {}
                Err(_) => {
                    let number = certificates.len() + 1;
                    return Err(format!(
                        "is damaged at its certificate {number}; copy it anew, from `-----BEGIN \
                         CERTIFICATE-----` to `-----END CERTIFICATE-----`"
                    ));
                }
            }
        }
        if certificates.is_empty() {
            return Err(match has_key {
                true => {
                    "holds a private key, which belongs to a server; give the file with the \
                         certificate of the authority"
                }
                false => "holds no certificate; one begins with `-----BEGIN CERTIFICATE-----`",
            }
            .to_owned());
        }
        let mut store = RootCertStore::empty();
        for (number, der) in (1..).zip(&certificates) {
            store.add(CertificateDer::from(der.as_slice())).map_err(|_| {
                format!("has a certificate, number {number}, that is none; export it anew")
            })?;
        }
        Ok(Self(certificates.into()))
    }

    fn certificates(&self) -> impl Iterator<Item = Certificate<'static>> + '_ {
        self.0.iter().map(|der| Certificate::from_der(der).to_owned())
    }
}

impl Trust {
    /// Those of this file alone, or else those of the system.
    pub fn of(file: Option<Authorities>) -> Self {
        file.map_or(Self::System, Self::File)
    }

    /// The same for public content: a file adds to the system's.
    pub fn for_anywhere(self) -> Self {
        match self {
            Self::File(authorities) => Self::Both(authorities),
            other => other,
        }
    }

    /// The configuration of a client for `https:`. The certificates of the system are read each
    /// time.
    pub fn tls(&self) -> TlsConfig {
        let roots = match self {
            Self::System => system().map_or(RootCerts::WebPki, RootCerts::from),
            Self::File(authorities) => authorities.certificates().into(),
            Self::Both(authorities) => {
                system().into_iter().flatten().chain(authorities.certificates()).into()
            }
        };
        TlsConfig::builder().root_certs(roots).build()
    }
}

/// The authorities that the system trusts; `None` where it has no such list, as in a container
/// without `ca-certificates`.
///
/// A configured list that is empty stays so: an operator who wants to trust fewer must not trust
/// all of the web for a typing error.
fn system() -> Option<Vec<Certificate<'static>>> {
    let is_named = SYSTEM_VARIABLES.into_iter().any(|name| std::env::var_os(name).is_some());
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<_> =
        found.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    Some(certificates).filter(|certificates| is_named || !certificates.is_empty())
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let len = File::open(path)?.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    if usize::try_from(FILE_LEN_MAX).is_ok_and(|len_max| len_max < len) {
        return Err(io::Error::other(format!("it is longer than {FILE_LEN_MAX} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
