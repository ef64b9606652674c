//! Why a server is not believed to be who it says it is.

use std::fmt;

use rustls::CertificateError;

/// The flaw of a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// No trusted authority vouches for it.
    Unknown,
    /// It is another server's.
    Name,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYet,
    /// It is wrong in some other way.
    Unusable,
    /// There is none: the server speaks no TLS.
    NoTls,
}

impl Flaw {
    /// The flaw that this error is about, if it is about one.
    pub fn of(error: &ureq::Error) -> Option<Self> {
        let error = match error {
            ureq::Error::Rustls(error) => error,
            // Where the connection is made, TLS speaks through errors of input and output.
            ureq::Error::Io(error) => error.get_ref()?.downcast_ref()?,
            _ => return None,
        };
        match error {
            rustls::Error::InvalidCertificate(error) => Some(Self::of_certificate(error)),
            rustls::Error::InvalidMessage(_) => Some(Self::NoTls),
            _ => None,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            // Two authorities may have the same name, such as one and the one before it.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Unknown,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::Name
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYet
            }
            _ => Self::Unusable,
        }
    }

    /// What to do; `give` says how to name an authority.
    pub fn advice(self, give: &str) -> &str {
        match self {
            Self::Unknown => give,
            Self::Name => "name it as its certificate does, or give it another certificate",
            Self::Expired => "renew its certificate, or set the clock of this machine",
            Self::NotYet => "set the clock of this machine, or give it another certificate",
            Self::Unusable => "give it a certificate that an authority made for a server",
            Self::NoTls => "write http:// if it speaks plain HTTP, or name another port",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no authority that is trusted here made its certificate",
            Self::Name => "its certificate is for another name",
            Self::Expired => "its certificate has expired",
            Self::NotYet => "its certificate is not valid yet",
            Self::Unusable => "its certificate cannot be used",
            Self::NoTls => "it does not speak TLS",
        })
    }
}
