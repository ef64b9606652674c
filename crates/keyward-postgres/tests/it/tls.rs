//! TLS in front of the server, which has to prove its name.

mod binding;

use std::io;
use std::sync::Arc;

use keyward::store::KeyStore as _;
use keyward_postgres::{OpenError, OpenOptions, PostgresStore};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;

use crate::server::{Server, block_on, place};

/// The request of a client for TLS, and the response that it may begin.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// An authority, with its certificate in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), directory }
    }

    fn file(&self) -> String {
        self.directory.path().join("ca.pem").display().to_string()
    }

    /// A certificate for this name, with its key.
    fn certify(&self, name: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// What accepts connections over TLS with a certificate for this name.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let (certificate, key) = self.certify(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Serves TLS on a port, with a certificate for this name, in front of the server.
    async fn serve(&self, name: &str) -> u16 {
        let acceptor = self.acceptor(name);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    agree(&mut client).await?;
                    let mut client = acceptor.accept(client).await?;
                    let mut server = UnixStream::connect(Server::shared().socket()).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        port
    }
}

/// Lets a client begin TLS.
async fn agree(client: &mut TcpStream) -> io::Result<()> {
    let mut asked = [0; 8];
    client.read_exact(&mut asked).await?;
    assert_eq!(asked, SSL_REQUEST, "nothing is sent in clear");
    client.write_all(b"S").await
}

/// The same place, over TLS.
fn over_tls(place: &OpenOptions, host: &str, port: u16, more: &str) -> OpenOptions {
    let url = format!("postgres://keyward@{host}:{port}/postgres?sslmode=verify-full{more}");
    OpenOptions { address: url.parse().unwrap(), ..place.clone() }
}

#[test]
fn a_server_proves_its_name_or_is_rejected() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let (ours, theirs) = (Authority::new(), Authority::new());
        let port = ours.serve("localhost").await;
        let file = format!("&sslrootcert={}", ours.file());
        let good = over_tls(&place, "localhost", port, &file);
        assert!(good.address.is_encrypted());
        PostgresStore::open(&good).await.unwrap().ping().await.unwrap();

        let wrong_file = format!("&sslrootcert={}", theirs.file());
        let other_name = ours.serve("db.example").await;
        for bad in [
            over_tls(&place, "localhost", port, &wrong_file),
            over_tls(&place, "localhost", other_name, &file),
            over_tls(&place, "127.0.0.1", port, &file),
        ] {
            let error = PostgresStore::open(&bad).await.unwrap_err();
            let OpenError::Unreachable { source, .. } = error else { panic!("{error:?}") };
            assert!(source.to_string().contains("certificate"), "{source}");
        }
    });
}

#[test]
fn a_file_without_an_authority_is_told() {
    block_on(async {
        let place = place();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        std::fs::write(&file, "nothing").unwrap();
        for path in [file, directory.path().join("absent.pem")] {
            let more = format!("&sslrootcert={}", path.display());
            let error = PostgresStore::open(&over_tls(&place, "localhost", 1, &more)).await;
            let error = error.unwrap_err();
            let OpenError::Authorities { reason } = &error else { panic!("{error:?}") };
            assert!(reason.contains(&path.display().to_string()), "{reason}");
        }
    });
}
