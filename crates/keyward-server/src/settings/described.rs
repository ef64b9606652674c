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
        (Form::Secret | Form::Count(_) | Form::Duration(_), None) => form.word().to_owned(),
    }
}
