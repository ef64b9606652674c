//! Files that hold one secret, or settings and possibly a secret among them.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use keyward_api::access_token::AccessToken;
use keyward_api::admin_key::AdminKey;
use zeroize::Zeroizing;

/// Most bytes of an admin key file that are read: the longest key and a line end fit twice.
const KEY_FILE_LEN_MAX: u64 = 1_024;
/// Most bytes of a token file that are read: the longest token and a line end fit.
const TOKEN_FILE_LEN_MAX: u64 = 17 * 1_024;

/// Reads an admin key from a file.
///
/// # Errors
///
/// Returns the fault and its remedy, and nothing of the content of the file.
pub fn read_key_file(path: &Path) -> Result<AdminKey, String> {
    let text = read(path, KEY_FILE_LEN_MAX)?;
    AdminKey::parse(without_mark(&text).trim_end_matches(['\r', '\n']))
        .map_err(|problem| format!("the key in file {} {problem}", path.display()))
}

/// Reads an access token from a file.
///
/// # Errors
///
/// Returns the fault and its remedy, and nothing of the content of the file.
pub fn read_token_file(path: &Path) -> Result<AccessToken, String> {
    let text = read(path, TOKEN_FILE_LEN_MAX)?;
    AccessToken::parse(without_mark(&text))
        .map_err(|problem| format!("the token in file {} {problem}", path.display()))
}

fn read(path: &Path, len_max: u64) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    read_bounded(path, len_max).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => format!("file {shown} is not UTF-8; save it as UTF-8"),
        _ => format!("file {shown} cannot be read: {error}"),
    })
}

/// Reads a text of at most so many bytes, whose memory is wiped when it is dropped.
///
/// # Errors
///
/// As for [`fs::read_to_string`], and if the file is longer.
pub fn read_bounded(path: &Path, len_max: u64) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let len = fs::File::open(path)?.take(len_max + 1).read_to_string(&mut text)?;
    if usize::try_from(len_max).is_ok_and(|len_max| len_max < len) {
        return Err(io::Error::other(format!("it is longer than {len_max} bytes")));
    }
    Ok(text)
}

/// The text without the byte order mark that some editors put before UTF-8.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
