//! An OpenID Connect issuer on loopback, with keys of its own. Unit tests use this file as well.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};

/// Made with `openssl genpkey` for these tests; the other kinds are made anew each time.
const RSA_PEM: &str = include_str!("issuer/test-only-rsa.pem");

/// The issuer. Its thread ends with the test's process.
pub(crate) struct FakeIssuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    /// What it calls itself.
    name: String,
    keys: Vec<Value>,
    is_down: bool,
    /// How often its keys were asked for.
    asked: usize,
}

impl FakeIssuer {
    /// An issuer that publishes these keys.
    pub(crate) fn start(keys: &[&SigningKey]) -> Self {
        Self::start_as(None, keys)
    }

    /// One that calls itself otherwise than where it is, if a name is given.
    pub(crate) fn start_as(name: Option<&str>, keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let name = name.map_or(format!("http://{address}/realms/test"), str::to_owned);
        let state = State { name, keys: Vec::new(), is_down: false, asked: 0 };
        let issuer = Self { address, state: Arc::new(Mutex::new(state)) };
        issuer.publish(keys);
        let state = Arc::clone(&issuer.state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), address, &state);
            }
        });
        issuer
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/realms/test", self.address)
    }

    /// Publishes these keys, and no others.
    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        self.state.lock().unwrap().keys = keys.iter().map(|key| key.jwk()).collect();
    }

    /// Answers nothing but 500 from now on, or all again.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// How often its keys were asked for.
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

fn answer(stream: TcpStream, address: SocketAddr, state: &Mutex<State>) {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while stream.read_line(&mut request).unwrap_or(0) > 2 {}
    let mut state = state.lock().unwrap();
    let (status, body) = match request.split(' ').nth(1) {
        _ if state.is_down => (500, json!({})),
        Some("/realms/test/.well-known/openid-configuration") => {
            let keys = format!("http://{address}/keys");
            (200, json!({ "issuer": state.name, "jwks_uri": keys, "token_endpoint": "https://x/" }))
        }
        Some("/keys") => {
            state.asked += 1;
            (200, json!({ "keys": state.keys }))
        }
        _ => (404, json!({})),
    };
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}", body.len());
    // Whoever asked may be gone.
    drop(write!(stream.get_mut(), "{head}\r\n\r\n{body}"));
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
        let lines = RSA_PEM.lines().skip_while(|line| !line.starts_with("-----BEGIN")).skip(1);
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

    /// A token with this header and these claims, whatever they say.
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

/// What is signed of a token.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}
