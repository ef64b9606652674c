//! The issuer's public keys, and verifying signatures with them (RFC 7517, RFC 7518, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::{Map, Value};

use super::token::{Algorithm, KEY_ID_LEN_MAX, Token};
use super::verdict::Invalid;

/// Most keys of an issuer that are kept; issuers that rotate have two or three. A token without a
/// key id is tried with all of them, at some 30 µs each.
const KEYS_MAX: usize = 16;
/// Bytes of a coordinate on P-256, and of a point on Ed25519.
const POINT_LEN: usize = 32;

/// The keys with which the issuer signs, as far as we can use them.
#[derive(Debug, Default)]
pub(super) struct Jwks(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    public: PublicKey,
}

#[derive(Debug)]
enum PublicKey {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256 { point: Vec<u8> },
    Ed25519 { point: Vec<u8> },
}

impl Jwks {
    /// Takes the keys of a JWK set; `None` if it is none. Keys that are for something else, or of
    /// a kind that we do not know, are left out.
    pub(super) fn parse(set: &Value) -> Option<Self> {
        let keys = set.get("keys")?.as_array()?;
        let known = keys.iter().filter_map(Value::as_object).filter_map(Key::parse);
        Some(Self(known.take(KEYS_MAX).collect()))
    }

    /// Whether there is a key that may have signed this token.
    pub(super) fn have_one_for(&self, token: &Token<'_>) -> bool {
        self.for_token(token).next().is_some()
    }

    /// Verifies the signature, and returns the signed payload.
    ///
    /// # Errors
    ///
    /// Returns [`Invalid`] if none of the keys that it may be has signed it.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<Vec<u8>, Invalid> {
        if !self.have_one_for(token) {
            return Err(Invalid::Key);
        }
        if self.for_token(token).any(|key| key.public.has_signed(token)) {
            Ok(token.claims.clone())
        } else {
            Err(Invalid::Signature)
        }
    }

    /// The keys that the token's algorithm fits, and of the id that it names, if it names one.
    fn for_token(&self, token: &Token<'_>) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(|key| {
            key.public.algorithm() == token.algorithm
                && (token.key_id.is_none() || key.id == token.key_id)
        })
    }
}

impl Key {
    fn parse(jwk: &Map<String, Value>) -> Option<Self> {
        // A field that is `null` counts as absent: some issuers write every field.
        let field = |name: &str| jwk.get(name).filter(|value| !value.is_null());
        let text = |name: &str| field(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let point = |name: &str| bytes(name).filter(|bytes| bytes.len() == POINT_LEN);
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                PublicKey::Rsa { modulus: unsigned(&bytes("n")?), exponent: unsigned(&bytes("e")?) }
            }
            ("EC", Some("P-256")) => {
                // Uncompressed, as SEC 1 writes it.
                PublicKey::P256 { point: [&[4][..], &point("x")?, &point("y")?].concat() }
            }
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519 { point: point("x")? },
            _ => return None,
        };
        // A key that is for encryption, or for another algorithm, signs nothing for us.
        let is_for_signing = field("use").is_none_or(|it| it.as_str() == Some("sig"));
        let fits = field("alg")
            .is_none_or(|it| it.as_str().and_then(Algorithm::parse) == Some(public.algorithm()));
        let may_verify = field("key_ops").is_none_or(|it| {
            it.as_array().is_some_and(|list| list.iter().any(|one| one.as_str() == Some("verify")))
        });
        let id = match field("kid") {
            None => None,
            Some(id) => Some(id.as_str().filter(|id| id.len() <= KEY_ID_LEN_MAX)?.to_owned()),
        };
        (is_for_signing && fits && may_verify).then_some(Self { id, public })
    }
}

impl PublicKey {
    /// The one algorithm that the key is for: the header of a token never chooses how a key is
    /// used.
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256 { .. } => Algorithm::Es256,
            Self::Ed25519 { .. } => Algorithm::EdDsa,
        }
    }

    fn has_signed(&self, token: &Token<'_>) -> bool {
        let (signed, signature) = (token.signed.as_bytes(), &token.signature);
        let verified = match self {
            Self::Rsa { modulus, exponent } => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
            Self::P256 { point } => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            Self::Ed25519 { point } => {
                UnparsedPublicKey::new(&ED25519, point).verify(signed, signature)
            }
        };
        verified.is_ok()
    }
}

/// A number without leading zeros, which some issuers write and the verifier rejects.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn usable(jwk: &Value) -> bool {
        Jwks::parse(&json!({ "keys": [jwk] })).is_some_and(|keys| !keys.0.is_empty())
    }

    #[test]
    fn keys_for_something_else_are_left_out() {
        let okp = |extra: Value| {
            let mut jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": X });
            jwk.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            usable(&jwk)
        };
        assert!(okp(json!({})));
        assert!(okp(json!({ "use": "sig", "alg": "EdDSA", "kid": "a", "key_ops": ["verify"] })));
        assert!(okp(json!({ "alg": "Ed25519" })));
        assert!(okp(json!({ "use": null, "alg": null, "kid": null, "key_ops": null, "n": null })));
        assert!(!okp(json!({ "use": "enc" })));
        assert!(!okp(json!({ "alg": "RS256" })));
        assert!(!okp(json!({ "alg": "none" })));
        assert!(!okp(json!({ "key_ops": ["encrypt"] })));
        assert!(!okp(json!({ "kid": 7 })));
        assert!(!okp(json!({ "x": "AAAA" })));
        assert!(!okp(json!({ "crv": "X25519" })));
        assert!(!usable(&json!({ "kty": "oct", "k": "c2VjcmV0" })));
        assert!(!usable(&json!({ "kty": "EC", "crv": "P-384", "x": X, "y": X })));
        assert!(!usable(&json!("nonsense")));
        assert!(Jwks::parse(&json!({ "keys": {} })).is_none());
    }

    #[test]
    fn only_so_many_keys_are_kept() {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": X });
        let keys = Jwks::parse(&json!({ "keys": vec![jwk; KEYS_MAX + 1] })).unwrap();
        assert_eq!(keys.0.len(), KEYS_MAX);
    }

    #[test]
    fn a_signature_is_that_of_a_key_with_the_id_that_the_token_names() {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "a" });
        let other = json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "kid": "b" });
        let keys = Jwks::parse(&json!({ "keys": [other, jwk] })).unwrap();
        let verdict = |header: &str| {
            let signed = format!("{}.e30", URL_SAFE_NO_PAD.encode(header));
            let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()).as_ref());
            keys.verify(&Token::parse(&format!("{signed}.{signature}")).unwrap())
        };
        assert_eq!(verdict(r#"{"alg":"EdDSA","kid":"a"}"#), Ok(b"{}".to_vec()));
        assert_eq!(verdict(r#"{"alg":"EdDSA"}"#), Ok(b"{}".to_vec()));
        assert_eq!(verdict(r#"{"alg":"Ed25519","kid":"a"}"#), Ok(b"{}".to_vec()));
        assert_eq!(verdict(r#"{"alg":"EdDSA","kid":"b"}"#), Err(Invalid::Signature));
        assert_eq!(verdict(r#"{"alg":"EdDSA","kid":"c"}"#), Err(Invalid::Key));
        assert_eq!(verdict(r#"{"alg":"ES256","kid":"a"}"#), Err(Invalid::Key));
    }

    #[test]
    fn an_rsa_key_that_can_be_broken_signs_nothing() {
        // 1 024 bits, and a signature that is good. Its private half is gone.
        const N: &str = "4-Bs3HhGPTXypq1If3cEecIUiga9S0RiVOkX5e4MUoKsl31UksySPWK3kbL-xUqSchMYoNh\
                         6l4yikuJY-NrhGBbh8f5v9w4D6bViJA6DlG7OTiGxBrbXWBDtogSXn7RUxSXm7ZWdUOYP0T9\
                         l1VxXD5NHpTINY6YDLx28eetnfE0";
        const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.e30.hqmy3zx2FnjKkTJ2t-6hMsoO2Xa6RsSc4vG967tVa7\
                             IIVemB1ERJmWfqGUotNF3p4BQB2FCEz18JudR1VUbZLRW2aX5xRPdHEONPAqSN51tfr\
                             ky-EoPHB8LAUvOciEyr6NcGfYt0GU3kYDTmml3NIybtFkImG_ppMDvhEDRyQcg";
        let keys = Jwks::parse(&json!({ "keys": [{ "kty": "RSA", "n": N, "e": "AQAB" }] }));
        let verdict = keys.unwrap().verify(&Token::parse(TOKEN).unwrap());
        assert_eq!(verdict, Err(Invalid::Signature));
    }
}
