//! `cargo xtask deploy`: the files of `deploy/`, each checked by the tool that reads it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tools;

const UNIT: &str = "deploy/systemd/keyward.service";
/// Ten times the exposure that systemd may find at most: 10 is the worst of its levels.
const EXPOSURE: &str = "--threshold=15";

const MANIFESTS: &str = "deploy/kubernetes";
/// It has the schemas of Kubernetes inside. The rest is what it needs.
const VALIDATOR: [&str; 10] = [
    "kubernetes-validate==1.37.0",
    "attrs==26.1.0",
    "importlib_resources==7.1.0",
    "jsonschema==4.26.0",
    "jsonschema-specifications==2025.9.1",
    "packaging==26.3",
    "PyYAML==6.0.3",
    "referencing==0.37.0",
    "rpds-py==2026.9.1",
    "typing_extensions==4.16.0",
];
/// What the level `restricted` of Kubernetes asks of a pod, which no schema holds, and a file
/// system that the program cannot write to.
const RESTRICTED: [&str; 6] = [
    "runAsNonRoot: true",
    "type: RuntimeDefault",
    "allowPrivilegeEscalation: false",
    "drop: [\"ALL\"]",
    "readOnlyRootFilesystem: true",
    "replicas: 1\n",
];

/// Checks all of them.
pub(crate) fn run() -> Result<()> {
    check_unit()?;
    check_manifests()
}

/// Compares the manifests with the schemas of Kubernetes, in which no unknown field may be.
fn check_manifests() -> Result<()> {
    let folder = Path::new(MANIFESTS);
    let read = |name: &str| {
        fs::read_to_string(folder.join(name)).with_context(|| format!("reading {name}"))
    };
    let (list, pod) = (read("kustomization.yaml")?, read("stateful-set.yaml")?);
    for line in RESTRICTED {
        ensure!(pod.contains(line), "stateful-set.yaml has no `{line}`");
    }
    let python = tools::venv("kubernetes", &VALIDATOR)?;
    let mut validate = Command::new(&python);
    validate.arg(python.with_file_name("kubernetes-validate")).args(["--strict", "--no-warn"]);
    for entry in fs::read_dir(folder).context("listing the manifests")? {
        let path = entry.context("listing the manifests")?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name != "kustomization.yaml" {
            ensure!(list.contains(&format!("- {name}\n")), "kustomization.yaml lacks {name}");
            validate.arg(&path);
        }
    }
    tools::check(&mut validate)
}

/// Sees to it that systemd's programs are there.
pub(crate) fn install() -> Result<bool> {
    tools::apt(&["systemd"])
}

/// Has systemd read the unit, and measure what the program may do in it.
fn check_unit() -> Result<()> {
    if !install()? {
        return Ok(());
    }
    let folder = tools::target()?.join("deploy");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    // The program need not be installed here.
    let unit = fs::read_to_string(UNIT).with_context(|| format!("reading {UNIT}"))?;
    let copy = folder.join("keyward.service");
    fs::write(&copy, unit.replace("/usr/bin/keyward ", "/bin/true ")).context("copying it")?;
    read_whole(&copy)?;
    let mut measure = Command::new("systemd-analyze");
    measure.args(["security", "--offline=true", EXPOSURE, UNIT]);
    let output = measure.output().context("`systemd-analyze` does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{UNIT} exposes too much:\n{text}");
    println!("{}", text.lines().last().unwrap_or_default());
    Ok(())
}

/// Warnings count: systemd ignores a line that it does not know.
fn read_whole(unit: &Path) -> Result<()> {
    let mut verify = Command::new("systemd-analyze");
    let output = verify.args(["verify", "--man=no"]).arg(unit).output();
    let output = output.context("`systemd-analyze` does not start")?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && complaints.is_empty(), "{UNIT}: {complaints}");
    Ok(())
}
