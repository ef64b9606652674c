//! The package for Debian and Ubuntu, made by `dpkg-deb` from the files of `deploy/debian`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tools;

use super::program::Program;
use super::{Parts, fresh, notices, printed, put, sorted, write};

const FILES: &str = "deploy/debian";
const MAINTAINER: &str = "The Keyward authors <keyward@users.noreply.github.com>";
/// The scripts that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
/// Files of this repository that are installed as they are.
const INSTALLED: [(&str, &str); 4] = [
    ("deploy/systemd/keyward.service", "usr/lib/systemd/system/keyward.service"),
    ("deploy/debian/keyward.sysusers", "usr/lib/sysusers.d/keyward.conf"),
    ("deploy/debian/keyward.toml", "etc/keyward/keyward.toml"),
    ("deploy/debian/lintian-overrides", "usr/share/lintian/overrides/keyward"),
];
/// Pages for the shells, and their folders in Debian.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash/keyward", "usr/share/bash-completion/completions/keyward"),
    ("zsh/_keyward", "usr/share/zsh/vendor-completions/_keyward"),
    ("fish/keyward.fish", "usr/share/fish/vendor_completions.d/keyward.fish"),
];

/// Makes the package, and returns its path.
pub(crate) fn make(parts: &Parts, program: &Program) -> Result<PathBuf> {
    tools::apt(&["dpkg-dev"])?;
    let root = parts.folder.join("deb");
    fresh(&root)?;
    program.install(&root.join("usr/bin/keyward"))?;
    for (from, to) in INSTALLED {
        put(Path::new(from), &root.join(to))?;
    }
    for (from, to) in COMPLETIONS {
        put(&parts.pages.join(from), &root.join(to))?;
    }
    for section in ["man1", "man5"] {
        for page in sorted(&parts.pages.join(section))? {
            let name = page.file_name().unwrap_or_default();
            put(&page, &root.join("usr/share/man").join(section).join(name))?;
        }
    }
    documents(parts, program, &root)?;
    let control = control(parts, &root)?;
    write(&root.join("DEBIAN/control"), control.text)?;
    write(&root.join("DEBIAN/conffiles"), "/etc/keyward/keyward.toml\n")?;
    for script in SCRIPTS {
        put(&Path::new(FILES).join(script), &root.join("DEBIAN").join(script))?;
    }
    finish(parts, &root)?;
    let Control { architecture, .. } = control;
    let package = parts.folder.join(format!("keyward_{}_{architecture}.deb", parts.version));
    let mut build = Command::new("dpkg-deb");
    build.args([program.compression(), "--root-owner-group", "--build"]);
    build.arg(&root).arg(&package);
    printed(build.env("SOURCE_DATE_EPOCH", &parts.epoch))?;
    Ok(package)
}

/// Makes the package twice, which gives the same bytes, and has Debian's own checker look at it.
pub(crate) fn check(parts: &Parts, program: &Program) -> Result<()> {
    let package = make(parts, program)?;
    let first = fs::read(&package).context("reading the package")?;
    ensure!(fs::read(make(parts, program)?)? == first, "a second package has other bytes");
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on", "error,warning", "--tag-display-limit=0"]);
    tools::check(lintian.arg(&package))?;
    println!(
        "{}: {} KiB, twice the same, and lintian is content",
        package.display(),
        first.len() / 1_024
    );
    Ok(())
}

/// The folder that Debian looks for licences and changes in.
fn documents(parts: &Parts, program: &Program, root: &Path) -> Result<()> {
    let folder = root.join("usr/share/doc/keyward");
    let mut copyright = fs::read_to_string(Path::new(FILES).join("copyright"))?;
    copyright.push_str(&licence("MIT", &fs::read_to_string("LICENSE-MIT")?));
    copyright.push_str(APACHE);
    write(&folder.join("copyright"), copyright)?;
    write(&folder.join("THIRD-PARTY"), notices::text(program.target())?)?;
    put(Path::new("CHANGELOG.md"), &folder.join("CHANGELOG.md"))?;
    let date = format!("--date=@{}", parts.epoch);
    let date = printed(Command::new("date").args(["--utc", "--rfc-email"]).arg(date))?;
    let version = &parts.version;
    let changes = "  * /usr/share/doc/keyward/CHANGELOG.md.gz lists the changes.";
    let entry = format!(
        "keyward ({version}) unstable; urgency=medium\n\n{changes}\n\n -- {MAINTAINER}  {date}\n"
    );
    write(&folder.join("changelog"), entry)
}

const APACHE: &str = "\nLicense: Apache-2.0\n On Debian systems, the text of this licence is in\n \
                      /usr/share/common-licenses/Apache-2.0.\n";

/// A licence in the form that machines read.
fn licence(name: &str, text: &str) -> String {
    let line = |line: &str| if line.is_empty() { " .\n".to_owned() } else { format!(" {line}\n") };
    format!("License: {name}\n{}", text.lines().map(line).collect::<String>())
}

struct Control {
    text: String,
    architecture: String,
}

fn control(parts: &Parts, root: &Path) -> Result<Control> {
    let architecture = printed(Command::new("dpkg").arg("--print-architecture"))?;
    let size = printed(Command::new("du").args(["--summarize", "--apparent-size"]).arg(root))?;
    let size = size.split_whitespace().next().unwrap_or_default();
    // It wants a source package around it.
    let folder = parts.folder.join("shlibdeps");
    write(
        &folder.join("debian/control"),
        "Source: keyward\n\nPackage: keyward\nArchitecture: any\n",
    )?;
    let mut libraries = Command::new("dpkg-shlibdeps");
    libraries.arg("-O").arg(root.join("usr/bin/keyward")).current_dir(&folder);
    let libraries = printed(&mut libraries)?;
    let libraries = libraries.strip_prefix("shlibs:Depends=").context("it names libraries")?;
    let text = fs::read_to_string(Path::new(FILES).join("control"))?;
    let text = text
        .replace("@VERSION@", &parts.version)
        .replace("@ARCHITECTURE@", &architecture)
        .replace("@MAINTAINER@", MAINTAINER)
        .replace("@SIZE@", size)
        .replace("@DEPENDS@", libraries);
    Ok(Control { text, architecture })
}

/// Compresses what Debian wants compressed, notes the sums, and sets modes and times.
fn finish(parts: &Parts, root: &Path) -> Result<()> {
    let script = "\
        gzip -9n usr/share/man/man?/* usr/share/doc/keyward/[!c]* \
                 usr/share/doc/keyward/changelog\n\
        chmod -R u=rwX,go=rX .\n\
        chmod 644 DEBIAN/* && chmod 755 DEBIAN/postinst DEBIAN/prerm DEBIAN/postrm\n\
        find etc usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums";
    tools::check(Command::new("sh").args(["-euc", script]).current_dir(root))?;
    parts.age(root)
}
