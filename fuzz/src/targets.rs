//! The parsers of untrusted bytes, and what must hold for any input of theirs.
//!
//! No panic is the least of it. A parsed value is written and parsed again, and is the same; bytes
//! in pieces give the same as the whole; no limit is exceeded. The targets of private parsers are
//! next to those parsers: `keyward_server::fuzzing`.

mod credentials;
mod feed;
mod forwarded;
mod key_text;

use std::fmt;

use keyward_server::fuzzing;

/// A parser and its properties.
pub struct Target {
    /// Its name, and that of its folder of seeds.
    pub name: &'static str,
    /// What its inputs are made of, in addition to bytes.
    pub words: &'static [&'static [u8]],
    /// Tries an input, and panics if a property does not hold. Returns the class of the outcome:
    /// inputs of one class are equally interesting.
    pub run: fn(&[u8]) -> String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "key_text", words: key_text::WORDS, run: key_text::run },
    Target { name: "credentials", words: credentials::WORDS, run: credentials::run },
    Target { name: "forwarded", words: forwarded::WORDS, run: forwarded::run },
    Target { name: "csv", words: CSV, run: fuzzing::csv },
    Target { name: "json_lines", words: JSON_LINES, run: fuzzing::json_lines },
    Target { name: "heads", words: HEADS, run: fuzzing::heads },
    Target { name: "token", words: TOKEN, run: fuzzing::token },
    Target { name: "feed", words: feed::WORDS, run: feed::run },
];

const CSV: &[&[u8]] = &[
    b"name,digest\n",
    b"id,key_hash,name,rate_limit_tier,is_active,created_at,last_used_at\n",
    b"name",
    b"digest",
    b"key_id",
    b"tier",
    b"owner",
    b"scopes",
    b"networks",
    b"limit",
    b"metadata",
    b"state",
    b"expires_at",
    b"created_at",
    b"hint",
    b"sep=;\n",
    b"\"\"",
    b"\\\"",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"n\0a\0m\0e\0",
    b"NULL",
    b"\\N",
    b"abababababababababababababababababababababababababababababababab",
    b"2030-01-31T12:00:00Z",
    b"2024-05-01 12:34:56.123456+02",
    b"1714566896.5",
    b"infinity",
    b"100 per 60s burst 200",
    b"10.0.0.0/8",
    b"{\"\"a\"\":1e400}",
    b"{\"\"a\"\":12345678901234567890123}",
    b"revoked",
    b"t",
];

const JSON_LINES: &[&[u8]] = &[
    b"{\"name\":\"a\",\"digest\":\"",
    b"\"tier\":{\"name\":\"gold\",\"limits\":[]}",
    b"{\"suspended_owner\":\"acme\"}\n",
    b"\"owner_limits\":{\"owner\":\"acme\",\"limits\":[]}",
    b"\"secrets\":[",
    b"\"ends_at\":",
    b"\"metadata\":{",
    b"\"scopes\":[\"articles:read\"],",
    b"\"networks\":[\"10.0.0.0/8\"],",
    b"\"state\":\"revoked\",",
    b"\"is_active\":0,",
    b"\"key_id\":4503599627370495,",
    b"\"expires_at\":\"2030-01-31T12:00:00Z\",",
    b"\"revoked_at\":1714566896,",
    b"null",
    b"\\u0000",
    b"\\ud83d\\ude00",
    b"\\ud800",
    b"1e400",
    b"-0.0",
    b"12345678901234567890123",
    b"0.1000000000000000055511151231257827",
    b"\xef\xbb\xbf",
    b"[[[[[[[[[[[[[[[[",
];

const HEADS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"POST /admin/api-keys?a=b HTTP/1.0\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"http://a.example:80/",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"host: a\r\n",
    b"content-length: 5\r\n",
    b"Content-Length: 18446744073709551615\r\n",
    b"content-length: +5\r\n",
    b"content-length: 5, 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"transfer-encoding: chunked, identity\r\n",
    b"transfer-encoding:\x0bchunked\r\n",
    b"0\r\n\r\n",
    b" folded\r\n",
    b"a: b\r\n",
];

const TOKEN: &[&[u8]] = &[
    b"{\"alg\":\"RS256\",\"kid\":\"a\"}\n",
    b"{\"alg\":\"none\"}\n",
    b"\"alg\":\"EdDSA\"",
    b"\"alg\":\"ES256\"",
    b"\"crit\":[]",
    b"\"kid\":null",
    b"\"iss\":\"https://login.example.com/\"",
    b"\"aud\":[\"keyward\"]",
    b"\"client_id\":\"keyward\"",
    b"\"exp\":1800000060",
    b"\"nbf\":1e300",
    b"\"iat\":-1",
    b"\"sub\":\"7f3c\"",
    b"\"email\":\"a@b.example\"",
    b"\"email_verified\":true",
    b"\"preferred_username\":\"a\"",
    b"\"roles\":[\"a\",\"v\"]",
    b"null",
    b"\\u202e",
    b"eyJhbGciOiJSUzI1NiJ9.e30.AA",
];
