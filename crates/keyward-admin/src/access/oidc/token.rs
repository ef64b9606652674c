//! Reading a signed token: its three parts, its algorithm and the id of its key (RFC 7515).
//!
//! Nothing here is to be believed before the signature was verified.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward::json;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::verdict::Invalid;

/// Most bytes of a token: as many as most servers take in a whole request head. Tokens that list
/// the groups of a person are that long.
const TOKEN_LEN_MAX: usize = 16 * 1024;
/// Most bytes of the id of a key.
pub(super) const KEY_ID_LEN_MAX: usize = 256;

/// How tokens are signed. There is no `none`, and no algorithm with a shared secret: with these,
/// anyone with the public key could sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA with SHA-256, PKCS #1 v1.5.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The algorithm of this name (RFC 7518, RFC 8037, RFC 9864).
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A token that has the form of one. Nothing about it has been verified.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// The algorithm that its header names.
    pub(super) algorithm: Algorithm,
    /// The id of the key that signed it, if its header names one.
    pub(super) key_id: Option<String>,
    /// The signed text, byte for byte.
    pub(super) signed: &'a str,
    /// The signature.
    pub(super) signature: Vec<u8>,
    /// Its claims, as JSON.
    pub(super) claims: Vec<u8>,
}

/// A field that occurs twice makes it malformed: two readers must not see two headers.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Reads the parts of a token.
    pub(super) fn parse(text: &'a str) -> Result<Self, Invalid> {
        if TOKEN_LEN_MAX < text.len() {
            return Err(Invalid::Form);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Invalid::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(Invalid::Form)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Invalid::Form);
        let header: Header = json::from_slice(&decode(header)?).map_err(|_| Invalid::Form)?;
        if header.crit.is_some() {
            return Err(Invalid::Critical);
        }
        let algorithm = Algorithm::parse(&header.alg).ok_or(Invalid::Algorithm)?;
        if header.kid.as_ref().is_some_and(|id| KEY_ID_LEN_MAX < id.len()) {
            return Err(Invalid::Key);
        }
        let (claims, signature) = (decode(claims)?, decode(signature)?);
        Ok(Self { algorithm, key_id: header.kid, signed, signature, claims })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(header: &str) -> Result<Option<String>, Invalid> {
        let text = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
        Token::parse(&text).map(|token| token.key_id)
    }

    #[test]
    fn only_signatures_with_a_public_key_are_taken() {
        assert_eq!(parsed(r#"{"alg":"RS256","kid":"a"}"#), Ok(Some("a".to_owned())));
        assert_eq!(parsed(r#"{"alg":"EdDSA"}"#), Ok(None));
        assert_eq!(parsed(r#"{"alg":"Ed25519","kid":null}"#), Ok(None));
        for name in ["none", "None", "", "HS256", "RS512", "PS256", "ES384", "rs256", "Ed448"] {
            let header = format!(r#"{{"alg":"{name}"}}"#);
            assert_eq!(parsed(&header), Err(Invalid::Algorithm), "{name}");
        }
    }

    #[test]
    fn an_unknown_critical_extension_is_rejected() {
        for crit in ["[\"b64\"]", "[]", "{}", "\"exp\""] {
            let header = format!(r#"{{"alg":"RS256","crit":{crit}}}"#);
            assert_eq!(parsed(&header), Err(Invalid::Critical), "{crit}");
        }
    }

    #[test]
    fn no_field_may_occur_twice() {
        assert_eq!(parsed(r#"{"alg":"none","alg":"RS256"}"#), Err(Invalid::Form));
        assert_eq!(parsed(r#"{"alg":"RS256","kid":"a","kid":"b"}"#), Err(Invalid::Form));
    }

    #[test]
    fn a_token_has_three_parts_without_padding() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
        for text in [
            String::new(),
            "..".to_owned(),
            header.clone(),
            format!("{header}.e30"),
            format!("{header}.e30.AA.AA"),
            format!("{header}.e30.AA.AA.AA"),
            format!("{header}.e30=.AA"),
            format!("{header}.e30.A+"),
            format!("{header}.e30.AB"),
            format!("{header}. e30.AA"),
            format!("{header}.e30.{}", "A".repeat(TOKEN_LEN_MAX)),
        ] {
            assert_eq!(Token::parse(&text).map(|_| ()), Err(Invalid::Form), "{text}");
        }
    }
}
