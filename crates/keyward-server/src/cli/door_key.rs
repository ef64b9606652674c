//! `keyward door-key`: a new credential for a client of the doors, such as a proxy.

use anyhow::Context as _;
use clap::Args;
use keyward_cli::output::Output;
use keyward_doors::DoorKey;
use serde_json::json;

pub(super) const EXAMPLES: [&str; 2] =
    ["keyward door-key edge-1", "keyward door-key edge-1 --json"];

/// Makes a door key.
#[derive(Args, Debug)]
pub(super) struct DoorKeyCommand {
    /// What to call it: 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl DoorKeyCommand {
    /// Prints the door key, which is kept nowhere, and its line.
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).context("asking the operating system for randomness")?;
        let text: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = DoorKey::of(&self.name, &text)
            .with_context(|| format!("`{}` is no name of a door key", self.name))?;
        if self.json {
            return Ok(out.json(&json!({ "door_key": text, "line": line.to_string() }))?);
        }
        out.line(&format!("door key  {text}"))?;
        out.line(&format!("line      {line}"))?;
        out.line("")?;
        out.line(
            "Give the door key to the client, which sends it as X-Keyward-Door. It is shown once.",
        )?;
        let next = "Add the line to the file of `door_keys_file`, and send the server SIGHUP.";
        Ok(out.line(next)?)
    }
}
