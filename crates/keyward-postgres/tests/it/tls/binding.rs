//! Passwords are bound to the TLS connection: a program in the middle of it, with a certificate that
//! is trusted, logs in nowhere.

use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::process;
use std::sync::Arc;

use keyward::store::KeyStore as _;
use keyward_postgres::{OpenError, OpenOptions, PostgresStore};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::NoTls;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Authority, SSL_REQUEST, agree, over_tls};
use crate::server::{Server, block_on, place};
use crate::starter::Started;

/// The mechanisms that a server offers over TLS, and the rest where binding is hidden.
const OFFERED: &[u8] = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
const HIDDEN: &[u8] = b"SCRAM-SHA-256\0\0";

/// A server that is asked over TLS alone, and by passwords.
struct Encrypted {
    started: Started,
    at: SocketAddr,
}

impl Encrypted {
    /// `None` if this server was built without TLS, and so offers no binding.
    async fn start(authority: &Authority) -> Option<Self> {
        let client = Server::shared().client().await;
        let library = client.query_one("SHOW ssl_library", &[]).await.unwrap();
        if library.get::<_, &str>(0).is_empty() {
            return None;
        }
        // An address that no other program has, so that the port stays free meanwhile.
        let [_, high, middle, low] = process::id().to_be_bytes();
        let free = TcpListener::bind((Ipv4Addr::new(127, high, middle, low), 0)).await.unwrap();
        let at = free.local_addr().unwrap();
        drop(free);
        let parameters =
            ["fsync=off", &format!("listen_addresses={}", at.ip()), &format!("port={}", at.port())];
        let server = Self { started: Started::start(&parameters).unwrap(), at };
        server.encrypt(authority).await;
        Some(server)
    }

    /// The server writes its files itself, so that they are its own.
    async fn encrypt(&self, authority: &Authority) {
        let (certificate, key) = authority.certify(&self.at.ip().to_string());
        let data = self.started.directory.join("data");
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let rules = "local all all trust\nhostssl all all all scram-sha-256";
        let files = [
            ("server.crt", certificate.pem()),
            ("server.key", key.serialize_pem()),
            ("pg_hba.conf", rules.to_owned()),
        ];
        for (name, text) in files {
            let path = data.join(name);
            let lines = format!("SELECT string_to_table($${text}$$, E'\\n')");
            let copy = format!("COPY ({lines}) TO '{}'", path.display());
            client.batch_execute(&copy).await.unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        }
        const APP: &str = "SET password_encryption = 'scram-sha-256'; \
            CREATE ROLE app LOGIN SUPERUSER PASSWORD 'hunter2'; \
            CREATE EXTENSION pg_trgm";
        for statement in [APP, "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"] {
            client.batch_execute(statement).await.unwrap();
        }
    }

    /// Its URL for its superuser.
    fn url(&self) -> String {
        format!("{}&port={}", self.started.url(), self.at.port())
    }

    /// A program between it and its clients: that has a certificate for the server's name, and
    /// passes all on, but for the mechanisms that the server offers.
    async fn intercept(&self, authority: &Authority, hides: bool) -> SocketAddr {
        let acceptor = authority.acceptor(&self.at.ip().to_string());
        let connector = connector(authority);
        let listener = TcpListener::bind((self.at.ip(), 0)).await.unwrap();
        let (at, here) = (self.at, listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, connector) = (acceptor.clone(), connector.clone());
                tokio::spawn(pass_on(client, at, (acceptor, connector), hides));
            }
        });
        here
    }
}

/// What trusts the authority.
fn connector(authority: &Authority) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn pass_on(
    mut client: TcpStream,
    at: SocketAddr,
    (acceptor, connector): (TlsAcceptor, TlsConnector),
    hides: bool,
) -> io::Result<()> {
    agree(&mut client).await?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(at).await?;
    server.write_all(&SSL_REQUEST).await?;
    assert_eq!(server.read_u8().await?, b'S', "the server has TLS");
    let mut server = connector.connect(ServerName::from(at.ip()), server).await?;
    if hides {
        let start_len = client.read_u32().await?;
        server.write_u32(start_len).await?;
        let mut start = vec![0; start_len as usize - 4];
        client.read_exact(&mut start).await?;
        server.write_all(&start).await?;
        // `R`, the length of what follows, 10 for SASL, and the mechanisms.
        let mut request = vec![0; 9 + OFFERED.len()];
        server.read_exact(&mut request).await?;
        assert_eq!(request.get(9..), Some(OFFERED));
        client.write_u8(b'R').await?;
        client.write_u32(u32::try_from(8 + HIDDEN.len()).unwrap()).await?;
        client.write_u32(10).await?;
        client.write_all(HIDDEN).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[test]
fn a_program_in_the_middle_with_a_trusted_certificate_logs_in_nowhere() {
    block_on(async {
        let authority = Authority::new();
        let Some(server) = Encrypted::start(&authority).await else {
            return requires_what_is_not_offered(&authority).await;
        };
        let login = |at: SocketAddr, more: &str| {
            let file = authority.file();
            let url = format!("postgres://app:hunter2@{at}/postgres?sslrootcert={file}{more}");
            let address = format!("{url}&sslmode=verify-full").parse().unwrap();
            OpenOptions { without_fsync: true, ..OpenOptions::new(address) }
        };
        let bound = login(server.at, "&channel_binding=require");
        PostgresStore::migrate(&bound, None).await.unwrap();
        for good in [bound, login(server.at, "")] {
            PostgresStore::open(&good).await.unwrap().ping().await.unwrap();
        }

        for hides in [false, true] {
            let middle = server.intercept(&authority, hides).await;
            let error = PostgresStore::open(&login(middle, "")).await.unwrap_err();
            let OpenError::Failed { source, .. } = error else { panic!("{error:?}") };
            assert!(format!("{source:?}").contains("SCRAM channel binding"), "{source:?}");
        }
    });
}

/// A client that requires binding does not go on with a server that has none to offer, whatever is
/// in front of it.
async fn requires_what_is_not_offered(authority: &Authority) {
    let place = place();
    PostgresStore::migrate(&place, None).await.unwrap();
    let port = authority.serve("localhost").await;
    let file = format!("&sslrootcert={}", authority.file());
    PostgresStore::open(&over_tls(&place, "localhost", port, &file)).await.unwrap();
    let required = format!("{file}&channel_binding=require");
    let error = PostgresStore::open(&over_tls(&place, "localhost", port, &required)).await;
    let error = format!("{:?}", error.unwrap_err());
    assert!(error.contains("channel binding"), "{error}");
}
