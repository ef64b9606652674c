//! The image for containers, made without a daemon from the last stage of `deploy/oci/Dockerfile`.

mod stage;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::tools;

use super::program::Program;
use super::{IMAGE, Parts, fresh, notices, printed, put, write};
use stage::Stage;

const DOCKERFILE: &str = "deploy/oci/Dockerfile";
/// The user of the image: it has no name elsewhere.
const OWNER: &str = "65532:65532";

/// Makes the image as a folder in the layout of OCI, and returns its path.
pub(crate) fn make(parts: &Parts, program: &Program) -> Result<PathBuf> {
    tools::apt(&IMAGE)?;
    let stage = Stage::read(Path::new(DOCKERFILE))?;
    let (root, image) = (parts.folder.join("oci-root"), parts.folder.join("oci"));
    fresh(&root)?;
    fresh(&image)?;
    program.install(&root.join("bin/keyward"))?;
    put(Path::new("deploy/oci/passwd"), &root.join("etc/passwd"))?;
    write(&root.join("usr/share/doc/keyward/THIRD-PARTY"), notices::text(program.target())?)?;
    std::fs::create_dir_all(root.join("data")).context("making the folder of the database")?;
    tools::check(Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(&root))?;
    tools::check(Command::new("chown").args(["-R", "0:0"]).arg(&root))?;
    tools::check(Command::new("chown").arg(OWNER).arg(root.join("data")))?;
    parts.age(&root)?;
    let layout = image.join("layout");
    let tag = format!("{}:{}", layout.display(), parts.version);
    let created = format!("--date=@{}", parts.epoch);
    let created = printed(Command::new("date").args(["--utc", "+%FT%TZ"]).arg(created))?;
    umoci(&["init", "--layout"], &[&layout.display().to_string()])?;
    umoci(&["new", "--image"], &[&tag])?;
    let history = format!("--history.created={created}");
    umoci(&["insert", &history, "--image"], &[&tag, &root.display().to_string(), "/"])?;
    let created = format!("--created={created}");
    let mut words = vec!["--architecture=amd64", "--os=linux", &created, &history];
    let flags = stage.flags();
    words.extend(flags.iter().map(String::as_str));
    umoci(&["config", "--image", &tag], &words)?;
    Ok(layout)
}

fn umoci(words: &[&str], rest: &[&str]) -> Result<()> {
    printed(Command::new("umoci").args(words).args(rest)).map(drop)
}

/// Makes the image, looks at it as registries do, unpacks it, and runs the program in it.
pub(crate) fn check(parts: &Parts, program: &Program) -> Result<()> {
    let layout = make(parts, program)?;
    let image = format!("oci:{}:{}", layout.display(), parts.version);
    let mut inspect = Command::new("skopeo");
    inspect.args(["inspect", "--config", &image]);
    let found: Value = serde_json::from_str(&printed(&mut inspect)?).context("a config is JSON")?;
    for (path, expected) in [
        ("/config/User", r#""65532:65532""#),
        ("/config/Entrypoint", r#"["/bin/keyward"]"#),
        ("/config/Cmd", r#"["serve"]"#),
        ("/config/WorkingDir", r#""/data""#),
        ("/config/Volumes", r#"{"/data":{}}"#),
        ("/config/ExposedPorts", r#"{"8000/tcp":{}}"#),
    ] {
        let found = found.pointer(path).map(Value::to_string);
        ensure!(found.as_deref() == Some(expected), "{path} is {found:?}, not {expected}");
    }
    let bundle = parts.folder.join("oci/bundle");
    let tag = format!("{}:{}", layout.display(), parts.version);
    umoci(&["unpack", "--image"], &[&tag, &bundle.display().to_string()])?;
    try_program(&bundle.join("rootfs"))?;
    println!("{}: the program of the image serves", layout.display());
    Ok(())
}

/// Runs the program as the image does: with nothing around it, and as its user.
fn try_program(root: &Path) -> Result<()> {
    let mut serve = Command::new("chroot");
    serve.arg(format!("--userspec={OWNER}")).arg(root).args(["/bin/keyward", "serve"]);
    serve.env_clear().env("PATH", "/usr/sbin:/usr/bin").env("KEYWARD_LISTEN", "127.0.0.1:0");
    serve.env("DATABASE_URL", "sqlite:/data/keyward.db");
    super::serve::try_to(&mut serve)?;
    ensure!(root.join("data/keyward.db").is_file(), "the database is not in the volume");
    Ok(())
}
