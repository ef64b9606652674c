//! The settings in words, as pages show them.

use super::table::{ALL, Form, Setting, is_live};

/// The words before the settings, in Markdown.
pub const OPENING: &str = include_str!("page/opening.md");

/// One setting in words.
#[derive(Debug)]
pub struct Described {
    /// Its name in `keyward.toml`.
    pub name: &'static str,
    /// Its environment variable.
    pub variable: &'static str,
    /// Its flag, with its dashes; a secret has none.
    pub flag: Option<String>,
    /// The form of its value, with its range.
    pub value: String,
    /// The value if it is not set.
    pub default: Option<&'static str>,
    /// Its effect, without a full stop.
    pub effect: &'static str,
    /// The effect of extreme values.
    pub extremes: &'static str,
    /// Whether SIGHUP puts a change into effect.
    pub is_live: bool,
}

/// Every setting, in the order in which people read them.
#[must_use]
pub fn described() -> Vec<Described> {
    ALL.into_iter().map(describe).collect()
}

fn describe(setting: &'static Setting) -> Described {
    Described {
        name: setting.name,
        variable: setting.variable,
        flag: setting.flag().map(|flag| format!("--{flag}")),
        value: value_text(&setting.form),
        default: setting.default,
        effect: setting.doc,
        extremes: setting.extremes,
        is_live: is_live(setting.name),
    }
}

fn value_text(form: &Form) -> String {
    match (form, form.range()) {
        (_, Some(range)) => format!("{}, {range}", form.word()),
        (Form::Text(word), None) => format!("`{word}`"),
        (Form::Switch, None) => "`on` or `off`".to_owned(),
        (Form::Secret | Form::Count(_) | Form::Duration(_), None) => form.word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/systemd/keyward.service");

    fn default(name: &str) -> u64 {
        let setting = described().into_iter().find(|setting| setting.name == name).unwrap();
        setting.default.unwrap().trim_end_matches('s').parse().unwrap()
    }

    #[test]
    fn the_unit_leaves_room_for_the_defaults() {
        let unit = fs::read_to_string(UNIT).unwrap();
        let line = |name: &str| {
            let value = unit.lines().find_map(|line| line.strip_prefix(name));
            value.unwrap().parse::<u64>().unwrap()
        };
        // Time for the counts and the database, once the requests have ended.
        // Those of a node of a cluster, which has the longer delay.
        let delay = super::super::stopping::ON_A_CLUSTER.as_secs();
        assert!(delay + default("stop_within") + 10 <= line("TimeoutStopSec="));
        // Four listeners, and the database with its threads.
        assert!(4 * default("connections_max") + 128 <= line("LimitNOFILE="));
    }
}
