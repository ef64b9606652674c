//! The table of credentials that the clients in other languages pass, too.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use keyward_http::{Form, Required, credentials, testing};
use serde_json::Value;

/// The headers of a case, in which a character is a byte.
fn headers_of(case: &Value) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    for line in case["lines"].as_array().unwrap() {
        let bytes: Vec<u8> =
            line[1].as_str().unwrap().chars().map(|c| u8::try_from(c).unwrap()).collect();
        let name: HeaderName = line[0].as_str().unwrap().parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(&bytes)?);
    }
    Ok(headers)
}

#[tokio::test]
async fn the_clients_and_the_server_find_the_same_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/cases.json");
    let table: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let cases = table["cases"].as_array().unwrap();
    assert!(80 < cases.len(), "the table is whole");
    // It has no keys, so that each key that is found is an unknown one.
    let (authenticator, _clock) = testing::authenticator().await;
    for case in cases {
        let headers = headers_of(case);
        assert_eq!(headers.is_err(), case["unsendable"] == true, "{case}");
        let Ok(mut headers) = headers else { continue };
        if let Some(key) = case["key"].as_str() {
            assert_eq!(credentials::find(&mut headers), Ok(Some(key)), "{case}");
        }
        let rejected = case["rejected"].as_str().unwrap_or("unknown");
        let expected = &table["rejections"][rejected];
        let decided = authenticator.authenticate(&mut headers, None, Required::default());
        let response: Response<Bytes> = decided.unwrap_err().respond(Form::Plain);
        assert_eq!(response.status(), status(&expected["status"]), "{case}");
        assert_eq!(response.headers()[WWW_AUTHENTICATE], expected["challenge"].as_str().unwrap());
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["detail"], expected["detail"], "{case}");
    }
}

fn status(number: &Value) -> StatusCode {
    StatusCode::from_u16(number.as_u64().unwrap().try_into().unwrap()).unwrap()
}
