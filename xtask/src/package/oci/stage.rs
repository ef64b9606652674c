//! The last stage of a Dockerfile, as far as it says how its image runs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Its instructions, each with its arguments.
#[derive(Debug)]
pub(crate) struct Stage {
    instructions: Vec<(String, String)>,
}

impl Stage {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
        Self::parse(&text?)
    }

    fn parse(text: &str) -> Result<Self> {
        let (_, stage) = text.rsplit_once("\nFROM ").context("a Dockerfile has a stage")?;
        let mut instructions = Vec::new();
        for line in stage.lines().skip(1).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (name, arguments) = line.split_once(' ').context("an instruction has arguments")?;
            match name {
                "COPY" => {}
                "USER" | "WORKDIR" | "VOLUME" | "ENV" | "EXPOSE" | "ENTRYPOINT" | "CMD" => {
                    instructions.push((name.to_owned(), arguments.to_owned()));
                }
                _ => bail!("`{name}` of the last stage has no meaning here"),
            }
        }
        Ok(Self { instructions })
    }

    /// The same as flags of `umoci config`.
    pub(crate) fn flags(&self) -> Vec<String> {
        self.instructions.iter().flat_map(|(name, arguments)| flags(name, arguments)).collect()
    }
}

fn flags(name: &str, arguments: &str) -> Vec<String> {
    let flag = match name {
        "USER" => "user",
        "WORKDIR" => "workingdir",
        "VOLUME" => "volume",
        "ENV" => "env",
        "EXPOSE" => "exposedports",
        "ENTRYPOINT" => "entrypoint",
        _ => "cmd",
    };
    // Lists are JSON; each of their words is a flag.
    let words: Vec<String> =
        serde_json::from_str(arguments).unwrap_or_else(|_| vec![arguments.to_owned()]);
    words.iter().map(|word| format!("--config.{flag}={word}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_becomes_flags() {
        let text =
            "FROM a AS b\nRUN c\n\nFROM scratch\nCOPY x /\n# d\nUSER 1:2\nCMD [\"e\", \"f\"]\n";
        let flags = Stage::parse(text).unwrap().flags();
        assert_eq!(flags, ["--config.user=1:2", "--config.cmd=e", "--config.cmd=f"]);
        assert!(Stage::parse("FROM a\n\nFROM scratch\nRUN x\n").is_err());
    }
}
