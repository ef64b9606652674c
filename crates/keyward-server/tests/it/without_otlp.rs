//! The program without the feature `otlp`: the setting says what to build.

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, command};

#[test]
fn the_setting_is_rejected_with_what_to_build() {
    let folder = tempdir().unwrap();
    let environment = [
        ("ADMIN_API_KEY", ADMIN_KEY),
        // Would be the next reason not to start, so that this test ends in any case.
        ("DATABASE_URL", "sqlite:no-folder/keyward.db"),
        ("KEYWARD_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
    ];
    let rejected = command(folder.path(), &environment).output().unwrap();
    assert!(!rejected.status.success());
    let said = String::from_utf8(rejected.stderr).unwrap();
    for part in [
        "setting `otlp_endpoint` (environment variable KEYWARD_OTLP_ENDPOINT)",
        "`cargo build --release --features otlp`",
    ] {
        assert!(said.contains(part), "{said}");
    }
}
