//! The flags of `keyward serve`, made from the table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::table::{self, Form};

/// The settings that the command line gave. There is no flag for a secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// The settings file.
    pub config: Option<PathBuf>,
    /// Texts by the name of their setting.
    pub values: BTreeMap<&'static str, String>,
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help(format!("The settings file [env: {}]", table::CONFIG_VARIABLE))
            .help_heading("Settings");
        let flags = table::ALL.into_iter().filter_map(|setting| {
            let flag = setting.flag()?;
            let default = setting.default.map(|text| format!(" [default: {text}]"));
            let default = default.unwrap_or_default();
            let help = format!("{}{default} [env: {}]", setting.doc, setting.variable);
            let arg = Arg::new(setting.name).long(flag).value_name(setting.form.word());
            let long_help = format!("{help}\n{}", setting.extremes);
            let arg = match setting.form {
                Form::Switch => arg.num_args(0..=1).default_missing_value("on"),
                Form::Text(_) | Form::Secret | Form::Count(_) | Form::Duration(_) => arg,
            };
            Some(arg.help(help).long_help(long_help).help_heading("Settings"))
        });
        command.arg(config).args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = table::ALL.into_iter().filter(|setting| setting.flag().is_some());
        let values = flags.filter_map(|setting| {
            Some((setting.name, matches.get_one::<String>(setting.name)?.clone()))
        });
        Ok(Self { values: values.collect(), config: matches.get_one("config").cloned() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
