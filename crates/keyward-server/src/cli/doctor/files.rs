//! Whether other users can read digests or the admin key, or replace them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::settings::{Settings, Source};

use super::{Check, setting};

/// The settings that name files with secrets, or their digests.
const PRIVATE: [&str; 7] = [
    "admin_api_key_file",
    "admin_api_key_next_file",
    "tls_key",
    "admin_tls_key",
    "doors_tls_key",
    "metrics_tls_key",
    "ledger",
];

/// Looks at the files that there are, and at the directories that they are in; `config` is the
/// settings file.
pub(super) fn check(settings: &Settings, config: &Path) -> Vec<Check> {
    let database = settings.database.file();
    let beside = |path: &Path, suffix: &str| {
        let mut path = path.as_os_str().to_owned();
        path.push(suffix);
        PathBuf::from(path)
    };
    let files = |path: &Path| ["", "-wal", "-shm"].map(|suffix| beside(path, suffix));
    let mut private: Vec<_> = database.map(files).into_iter().flatten().collect();
    for file in PRIVATE {
        private.extend(setting(settings, file).map(PathBuf::from));
    }
    let mut open = Vec::new();
    if holds_secret(settings) { &mut private } else { &mut open }.push(config.to_owned());

    // A user with write access to a directory can replace the files in it. The directory of the
    // database exists before the database does.
    let files = private.iter().chain(&open).filter(|path| mode(path).is_some());
    let directories: BTreeSet<_> =
        files.map(PathBuf::as_path).chain(database).map(directory).collect();

    let private = private.iter().filter_map(|path| Some(private_file(path, mode(path)?)));
    let open = open.iter().map(PathBuf::as_path).chain(directories);
    let seen = open.filter_map(|path| Some(others_write(path, mode(path)?)));
    private.chain(seen).chain(cfg!(windows).then(unseen)).collect()
}

/// Windows has lists of access instead of modes, and a file inherits that of its directory.
fn unseen() -> Check {
    let found = "who may open the files is not looked at on Windows";
    let advice = "give the directories of the database and of the admin key to the account that \
                  runs keyward, and to no other";
    Check::warn("file permissions", found, advice)
}

/// Whether an admin key itself is in the settings file, and not in a file that it names, or the
/// password of the database.
fn holds_secret(settings: &Settings) -> bool {
    let is_in_file = |name: &str| {
        let row = settings.rows().iter().find(|row| row.name == name);
        row.is_some_and(|row| matches!(row.source, Source::File(_)))
    };
    is_in_file("admin_api_key") && !is_in_file("admin_api_key_file")
        || is_in_file("admin_api_key_next") && !is_in_file("admin_api_key_next_file")
        || is_in_file("database") && settings.database.has_password()
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|directory| *directory != "").unwrap_or(Path::new("."))
}

/// The permission bits of a file or directory, if it is there.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;

    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o1777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

/// Checks a file that no other user may read.
fn private_file(path: &Path, mode: u32) -> Check {
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

/// Checks a file that other users may read, and should not be able to write to. A group may be one
/// person's.
fn others_write(path: &Path, mode: u32) -> Check {
    let shown = path.display();
    let advice = format!("chmod go-w '{shown}'");
    let found = |who| format!("{who} may write to {shown} (mode {mode:03o})");
    // In a sticky directory, such as `/tmp`, no user can replace another user's files.
    let is_sticky = mode & 0o1000 != 0;
    match (mode & 0o020, mode & 0o002) {
        (0, 0) => Check::ok("file permissions", format!("only its owner may write to {shown}")),
        (_, 0) => Check::warn("file permissions", found("its group"), advice),
        _ if is_sticky => Check::warn("file permissions", found("everybody"), advice),
        _ => Check::fail("file permissions", found("everybody"), advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;
    #[cfg(unix)]
    use keyward_cli::environment::Environment;

    use crate::settings::Flags;

    /// A check on one line, without the common subject of all checks.
    fn shown(check: &Check) -> String {
        line(check).replace("file permissions: ", "")
    }

    #[test]
    fn files_that_others_can_open_are_noticed() {
        let shown = |mode| line(&private_file(Path::new("keyward.db"), mode));
        insta::assert_snapshot!([0o600, 0o400, 0o644, 0o640, 0o660, 0o666].map(shown).join("\n"));
    }

    #[test]
    fn files_that_others_can_write_to_are_noticed() {
        let shown = |mode| shown(&others_write(Path::new("/etc/keyward"), mode));
        let all = [0o755, 0o644, 0o775, 0o664, 0o1777, 0o777, 0o646];
        insta::assert_snapshot!(all.map(shown).join("\n"), @r"
        ok only its owner may write to /etc/keyward
        ok only its owner may write to /etc/keyward
        warn its group may write to /etc/keyward (mode 775) => chmod go-w '/etc/keyward'
        warn its group may write to /etc/keyward (mode 664) => chmod go-w '/etc/keyward'
        warn everybody may write to /etc/keyward (mode 1777) => chmod go-w '/etc/keyward'
        fail everybody may write to /etc/keyward (mode 777) => chmod go-w '/etc/keyward'
        fail everybody may write to /etc/keyward (mode 646) => chmod go-w '/etc/keyward'
        ");
    }

    /// The paths that are checked in a directory with these settings, each with its state.
    #[cfg(unix)]
    fn checked(config: &str, mode: u32) -> Vec<String> {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let permit = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        std::fs::write(path("key"), "an-admin-key").unwrap();
        permit(&path("key"), 0o600);
        let config = config.replace("DIR", directory.path().to_str().unwrap());
        let database = format!("database = \"sqlite:{}\"\n", path("a.db").display());
        std::fs::write(path("keyward.toml"), format!("{database}{config}\n")).unwrap();
        permit(&path("keyward.toml"), mode);
        permit(directory.path(), 0o700 | (mode & 0o022));
        let none = Environment::of::<&str, &str>([]).unwrap();
        let settings = Settings::read(&Flags::default(), &none, directory.path()).unwrap();
        let checks = check(&settings, &path("keyward.toml"));
        let masked =
            |check: &Check| shown(check).replace(directory.path().to_str().unwrap(), "DIR");
        checks.iter().map(masked).collect()
    }

    #[cfg(unix)]
    #[test]
    fn a_settings_file_may_be_read_unless_the_key_is_in_it() {
        let key = "admin_api_key = \"an-admin-key\"";
        let file = "admin_api_key_file = \"DIR/key\"";
        insta::assert_snapshot!(checked(key, 0o644).join("\n"), @r"
        warn others may read DIR/keyward.toml (mode 644) => chmod 600 'DIR/keyward.toml'
        ok only its owner may write to DIR
        ");
        insta::assert_snapshot!(checked(file, 0o644).join("\n"), @r"
        ok DIR/key is its owner's alone
        ok only its owner may write to DIR/keyward.toml
        ok only its owner may write to DIR
        ");
        insta::assert_snapshot!(checked("", 0o646).join("\n"), @r"
        fail everybody may write to DIR/keyward.toml (mode 646) => chmod go-w 'DIR/keyward.toml'
        fail everybody may write to DIR (mode 702) => chmod go-w 'DIR'
        ");
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
