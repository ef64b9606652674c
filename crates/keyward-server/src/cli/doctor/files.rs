//! Whether files that hold digests or the admin key are kept from others.

use std::path::{Path, PathBuf};

use crate::settings::{Settings, Source};

use super::{Check, setting};

/// Looks at the files that there are.
pub(super) fn check(settings: &Settings) -> Vec<Check> {
    let database = |suffix: &str| {
        let mut path = settings.database.as_os_str().to_owned();
        path.push(suffix);
        PathBuf::from(path)
    };
    let mut paths: Vec<_> = ["", "-wal", "-shm"].map(database).into();
    paths.extend(setting(settings, "admin_api_key_file").map(PathBuf::from));
    // The settings file is nobody's business if the admin key is in it.
    let key = settings.rows().iter().find(|row| row.name == "admin_api_key");
    if let Some(Source::File(path)) = key.map(|row| &row.source) {
        paths.push(path.clone());
    }
    paths.dedup();
    paths.iter().filter_map(|path| Some(permissions(path, mode(path)?))).collect()
}

/// The permission bits of a file, if it is there.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;

    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

fn permissions(path: &Path, mode: u32) -> Check {
    let shown = path.display();
    let advice = format!("chmod 600 '{shown}'");
    match (mode & 0o022, mode & 0o044) {
        (0, 0) => Check::ok("file permissions", format!("{shown} is its owner's alone")),
        (0, _) => {
            let found = format!("others may read {shown} (mode {mode:03o})");
            Check::warn("file permissions", found, advice)
        }
        _ => {
            let found = format!("others may write to {shown} (mode {mode:03o})");
            Check::fail("file permissions", found, advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    #[test]
    fn files_that_others_can_open_are_noticed() {
        let told = |mode| line(&permissions(Path::new("keyward.db"), mode));
        insta::assert_snapshot!([0o600, 0o400, 0o644, 0o640, 0o660, 0o666].map(told).join("\n"));
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_read_from_the_file() {
        use std::os::unix::fs::PermissionsExt as _;

        let file = tempfile::NamedTempFile::new().unwrap();
        let permissions = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(file.path(), permissions).unwrap();
        assert_eq!(mode(file.path()), Some(0o640));
        assert_eq!(mode(Path::new("/nonexistent")), None);
    }
}
