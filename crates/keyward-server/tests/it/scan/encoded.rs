//! Keys in encodings, as the real program finds them.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::{KEY, scan};

#[test]
fn encoded_keys_are_found_on_the_line_where_they_begin() {
    let directory = TempDir::new().unwrap();
    let basic = STANDARD.encode(format!("user:{KEY}"));
    let docker = STANDARD.encode(format!(r#"{{"auths":{{"a":{{"auth":"{basic}"}}}}}}"#));
    let lines: Vec<_> = docker.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let wide = format!("\u{feff}first\r\nkey={KEY}\r\n");
    let wide = wide.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let texts = [
        ("ansi.log", format!("\u{1b}[1;33m{KEY}\u{1b}[0m\n").into_bytes()),
        ("auth.txt", format!("\nAuthorization: Basic {basic}\n").into_bytes()),
        ("coloured.log", format!("\u{1b}[31mkw_\u{1b}[m\u{1b}[K{}\n", &KEY[3..]).into_bytes()),
        ("mail.eml", format!("a=\r\nkey: {}=\r\n{}\r\n", &KEY[..40], &KEY[40..]).into_bytes()),
        ("secret.yaml", format!("a:\n  {}\n", lines.join("\n  ")).into_bytes()),
        ("url.txt", format!("https://a.example/?k={}\n", KEY.replace('_', "%5F")).into_bytes()),
        ("utf-16.txt", wide),
    ];
    for (name, bytes) in texts {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    insta::assert_snapshot!(scan(directory.path(), &["--offline", "."]), @r"
    ./ansi.log:1: kw_yhjs…
    ./auth.txt:2: kw_yhjs…
    ./coloured.log:1: kw_yhjs…
    ./mail.eml:2: kw_yhjs…
    ./secret.yaml:2: kw_yhjs…
    ./url.txt:1: kw_yhjs…
    ./utf-16.txt:2: kw_yhjs…
    exit status 1
    ");
}
