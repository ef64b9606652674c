//! The program without the feature `postgres`: it says that it has no PostgreSQL.

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, command};

#[test]
fn a_database_in_postgresql_is_rejected_without_its_password() {
    let folder = tempdir().unwrap();
    let url = "postgres://keyward:hunter2@127.0.0.1/keyward";
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("DATABASE_URL", url)];
    let output = command(folder.path(), &environment).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("feature `postgres`") && !told.contains("hunter2"), "{told}");
}
