//! An OpenID Connect issuer on loopback, with keys of its own. Unit tests use this file as well.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};

/// Made with `openssl genpkey` for these tests; the other kinds are made anew each time.
const RSA_PEM: &str = include_str!("issuer/test-only-rsa.pem");
const ANOTHER_RSA_PEM: &str = include_str!("issuer/test-only-rsa-2.pem");
/// The header that `openssl` writes before a public RSA key of 2048 bits (RFC 5280).
const SPKI_OF_RSA_2048: [u8; 24] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00,
];

/// The issuer. Its thread ends with the test's process.
pub(crate) struct FakeIssuer {
    pub(crate) address: SocketAddr,
    /// Its URL for clients.
    base: String,
    /// While it is locked, requests to the issuer wait.
    pub(crate) state: Arc<Mutex<State>>,
}

/// The data of the issuer's responses.
pub(crate) struct State {
    /// The `issuer` that it announces.
    name: String,
    keys: Vec<Value>,
    is_down: bool,
    /// The number of requests for its keys.
    asked: usize,
    /// The number of all requests.
    pub(crate) requests: usize,
    /// The URL that it announces for its keys.
    pub(crate) jwks_uri: String,
    /// A path that redirects to `/elsewhere`, which has its content.
    pub(crate) moved: Option<&'static str>,
    /// The least bytes of its keys; spaces fill them up.
    pub(crate) keys_len_min: usize,
}

impl FakeIssuer {
    /// An issuer that publishes these keys.
    pub(crate) fn start(keys: &[&SigningKey]) -> Self {
        Self::start_as(None, keys)
    }

    /// An issuer whose name differs from its URL, if a name is given.
    pub(crate) fn start_as(name: Option<&str>, keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let name = name.map_or(format!("http://{address}/realms/test"), str::to_owned);
        let state = State {
            name,
            keys: Vec::new(),
            is_down: false,
            asked: 0,
            requests: 0,
            jwks_uri: format!("http://{address}/keys"),
            moved: None,
            keys_len_min: 0,
        };
        let base = format!("http://{address}");
        let issuer = Self { address, base, state: Arc::new(Mutex::new(state)) };
        issuer.publish(keys);
        let state = Arc::clone(&issuer.state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                respond(stream.unwrap(), &state);
            }
        });
        issuer
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("{}/realms/test", self.base)
    }

    /// The same issuer for clients that reach it at this URL.
    pub(crate) fn at(self, base: String) -> Self {
        {
            let mut state = self.state.lock().unwrap();
            state.name = format!("{base}/realms/test");
            state.jwks_uri = format!("{base}/keys");
        }
        Self { base, ..self }
    }

    /// Publishes these keys, and no others.
    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        self.state.lock().unwrap().keys = keys.iter().map(|key| key.jwk()).collect();
    }

    /// Responds with 500 only from now on, or normally again.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// The number of requests for its keys.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    /// Good claims, except for these; `null` leaves one out.
    pub(crate) fn claims(&self, changes: &Value) -> Value {
        let now = Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.url(), "aud": ["account", "keyward"], "sub": "7f3c", "roles": ["admin"],
            "iat": now, "nbf": now, "exp": now + 300,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    /// A token with good claims, except for these.
    pub(crate) fn token(&self, key: &SigningKey, changes: &Value) -> String {
        key.sign(&key.header(), &self.claims(changes))
    }
}

fn respond(stream: TcpStream, state: &Mutex<State>) {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while stream.read_line(&mut request).unwrap_or(0) > 2 {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let mut state = state.lock().unwrap();
    state.requests += 1;
    let (status, body) = if state.is_down {
        ("500 X".to_owned(), String::new())
    } else if state.moved == Some(path) {
        (format!("302 X\r\nlocation: /elsewhere{path}"), String::new())
    } else {
        ("200 X".to_owned(), state.document(path.strip_prefix("/elsewhere").unwrap_or(path)))
    };
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}", body.len());
    // The client may be gone.
    drop(write!(stream.get_mut(), "{head}\r\n\r\n{body}"));
}

impl State {
    fn document(&mut self, path: &str) -> String {
        match path {
            "/realms/test/.well-known/openid-configuration" => {
                json!({ "issuer": self.name, "jwks_uri": self.jwks_uri,
                        "token_endpoint": "https://x/" })
                .to_string()
            }
            "/keys" => {
                self.asked += 1;
                let keys = json!({ "keys": self.keys }).to_string();
                let spaces = " ".repeat(self.keys_len_min.saturating_sub(keys.len()));
                keys + &spaces
            }
            other => panic!("no client asks for {other}"),
        }
    }
}

/// A key that an issuer signs with.
pub(crate) struct SigningKey {
    id: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    pub(crate) fn rsa(id: &'static str) -> Self {
        Self::rsa_of(id, RSA_PEM)
    }

    /// Another key of the same kind.
    pub(crate) fn another_rsa(id: &'static str) -> Self {
        Self::rsa_of(id, ANOTHER_RSA_PEM)
    }

    fn rsa_of(id: &'static str, pem: &str) -> Self {
        let lines = pem.lines().skip_while(|line| !line.starts_with("-----BEGIN")).skip(1);
        let text: String = lines.take_while(|line| !line.starts_with("-----END")).collect();
        let der = STANDARD.decode(text).unwrap();
        Self { id, pair: Pair::Rsa(RsaKeyPair::from_pkcs8(&der).unwrap()) }
    }

    pub(crate) fn p256(id: &'static str) -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let der = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, der.as_ref(), &random).unwrap();
        Self { id, pair: Pair::P256(pair) }
    }

    pub(crate) fn ed25519(id: &'static str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { id, pair: Pair::Ed25519(Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap()) }
    }

    /// The header of a token that this key signs.
    pub(crate) fn header(&self) -> Value {
        let algorithm = match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        };
        json!({ "alg": algorithm, "typ": "at+jwt", "kid": self.id })
    }

    /// The public half, as issuers publish it.
    pub(crate) fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Rsa(pair) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id,
                        "n": text(&n), "e": text(&e) })
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id,
                        "x": text(&point[1..33]), "y": text(&point[33..]) })
            }
            Pair::Ed25519(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": text(point) })
            }
        }
    }

    /// Tokens that pass a verifier that lets a token choose how a key is used: the public half of
    /// an RSA key, which every client can have, is the shared secret of HS256.
    pub(crate) fn hs256_forgeries(&self, claims: &Value) -> [String; 4] {
        let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": self.id });
        let signed = unsigned(&header, claims);
        self.rsa_forms().map(|secret| {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
        })
    }

    /// The public half of an RSA key in every form in which a verifier may hold it: the bare
    /// number, two kinds of DER, and the text of a PEM file.
    fn rsa_forms(&self) -> [Vec<u8>; 4] {
        let Pair::Rsa(pair) = &self.pair else { panic!("{} is no RSA key", self.id) };
        let PublicKeyComponents::<Vec<u8>> { n, .. } = pair.public().into();
        let pkcs1 = pair.public().as_ref().to_vec();
        let spki = [&SPKI_OF_RSA_2048[..], &pkcs1].concat();
        let text = STANDARD.encode(&spki);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(<[u8]>::to_vec).collect();
        let (begin, end) = ("-----BEGIN PUBLIC KEY-----\n", "\n-----END PUBLIC KEY-----\n");
        let pem = [begin.as_bytes(), &lines.join(&b'\n'), end.as_bytes()].concat();
        [n, pkcs1, spki, pem]
    }

    /// A token with this header and any claims.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::P256(pair) => {
                pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The signed part of a token.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}
