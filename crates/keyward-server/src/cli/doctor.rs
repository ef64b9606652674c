//! `keyward doctor`: checks of the installation, with a remedy for each fault.
//!
//! Each file below checks one subject. The facts are passed to a pure function, so that every
//! result can be tested.

mod certificates;
mod clock;
mod database;
mod files;
mod key;
mod limits;
mod network;
#[cfg(feature = "postgres")]
mod postgres;

use std::path::{Path, PathBuf};

use clap::Args;
use keyward_cli::client::ServerUrl;
use keyward_cli::connection::{self, Files};
use keyward_cli::environment::Environment;
use keyward_cli::output::{self, Cell, Output, Tone};
use keyward_cli::status::{Complaint, Status};
use serde_json::json;

use crate::settings::{CONFIG_FILE, CONFIG_VARIABLE, Flags, Settings};

use network::Target;

pub(super) const EXAMPLES: [&str; 3] = [
    "keyward doctor",
    "keyward doctor --config /etc/keyward.toml --server https://keys.example",
    "keyward doctor --json | jq '.checks[] | select(.status != \"ok\")'",
];

#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[arg(
        long,
        value_name = "URL",
        value_parser = ServerUrl::parse,
        help = "The server; where the settings let it listen, if not given [env: KEYWARD_SERVER]"
    )]
    server: Option<ServerUrl>,
    #[command(flatten)]
    files: Files,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Values from the sources of the settings that are none.
struct Surroundings {
    /// The settings file, which need not be there.
    config: PathBuf,
    /// How the server is reached.
    target: Target,
}

/// The grade of a checked part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Ok,
    Warn,
    Fail,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    what: &'static str,
    grade: Grade,
    found: String,
    /// The remedy; none, if all is well.
    advice: Option<String>,
}

impl Grade {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Good,
            Self::Warn => Tone::Warning,
            Self::Fail => Tone::Bad,
        }
    }
}

impl Check {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, grade: Grade::Ok, found: found.into(), advice: None }
    }

    fn warn(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, grade: Grade::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { grade: Grade::Fail, ..Self::warn(what, found, advice) }
    }
}

impl Doctor {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let checks = self.look(out);
        let worst = checks.iter().map(|check| check.grade).max().unwrap_or(Grade::Ok);
        if self.json {
            out.json(&json(&checks, worst))?;
        } else {
            print(&checks, out)?;
        }
        if worst == Grade::Fail {
            return Err(Complaint::Told(Status::Failed).into());
        }
        Ok(())
    }

    fn look(&self, out: &Output) -> Vec<Check> {
        let now = out.look().now;
        let mut checks = vec![clock::check(now)];
        let (settings, surroundings) = match self.read() {
            Ok(read) => read,
            Err(error) => {
                // The other checks depend on the settings.
                checks.push(Check::fail("settings", error.to_string(), "correct that setting"));
                return checks;
            }
        };
        let count = settings.rows().len();
        checks.push(Check::ok("settings", format!("all {count} can be used")));
        checks.extend(key::check(&settings));
        checks.extend(files::check(&settings, &surroundings.config));
        checks.extend(certificates::check(&settings, now));
        let (database, is_served) = database::check(&settings, output::now);
        checks.extend(database);
        checks.push(limits::open_files(settings.connections_max.get()));
        checks.extend(network::check(&surroundings.target, &settings, is_served, output::now));
        checks
    }

    fn read(&self) -> anyhow::Result<(Settings, Surroundings)> {
        let environment = Environment::of(std::env::vars_os())?;
        let settings = Settings::read(&self.flags, &environment, Path::new(""))?;
        let named = || environment.find(CONFIG_VARIABLE).map(PathBuf::from);
        let config = self.flags.config.clone().or_else(named);
        let surroundings = Surroundings {
            config: config.unwrap_or_else(|| CONFIG_FILE.into()),
            target: Target {
                server: connection::server(self.server.as_ref(), &environment)?,
                trust: self.files.trust(&environment)?,
                token: self.files.token(&environment).transpose()?,
            },
        };
        Ok((settings, surroundings))
    }
}

/// The value of a setting as it was written, if it was set.
fn setting<'a>(settings: &'a Settings, name: &str) -> Option<&'a str> {
    let row = settings.rows().iter().find(|row| row.name == name)?;
    Some(row.value.as_str()).filter(|value| !matches!(*value, "" | "not set"))
}

fn json(checks: &[Check], worst: Grade) -> serde_json::Value {
    let one = |check: &Check| {
        json!({
            "check": check.what,
            "status": check.grade.word(),
            "found": check.found,
            "advice": check.advice,
        })
    };
    json!({ "status": worst.word(), "checks": checks.iter().map(one).collect::<Vec<_>>() })
}

fn print(checks: &[Check], out: &mut Output) -> std::io::Result<()> {
    let row = |check: &Check| {
        vec![
            Cell::new(check.grade.word(), check.grade.tone()),
            check.what.to_owned().into(),
            check.found.clone().into(),
            check.advice.clone().unwrap_or_default().into(),
        ]
    };
    let rows: Vec<_> = checks.iter().map(row).collect();
    out.table(&["status", "check", "found", "what to do"], &rows)
}

#[cfg(test)]
mod tests {
    use keyward_cli::output::testing::both;

    use super::*;

    #[test]
    fn checks_are_printed_with_their_remedies() {
        let checks = [
            Check::ok("settings", "all 14 can be used"),
            Check::warn("file keyward.db", "others may read it (mode 644)", "chmod 600 keyward.db"),
            Check::fail("clock", "it says 1970-01-01", "set the clock"),
        ];
        insta::assert_snapshot!(both(|out| print(&checks, out)));
        insta::assert_snapshot!(format!("{:#}", json(&checks, Grade::Fail)));
    }
}

#[cfg(test)]
mod testing {
    use super::Check;

    /// A check on one line.
    pub(super) fn line(check: &Check) -> String {
        let advice = check.advice.as_ref().map(|advice| format!(" => {advice}"));
        format!(
            "{} {}: {}{}",
            check.grade.word(),
            check.what,
            check.found,
            advice.unwrap_or_default()
        )
    }
}
