//! The page `docs/settings.md`, written from the table.

use std::fmt::Write as _;

use super::table::{ALL, Form, Setting, is_live};

const OPENING: &str = "\
# Settings

<!-- Written from the table in crates/keyward-server/src/settings/table.rs by a test; see there. -->

A flag of `keyward serve` wins over an environment variable, which wins over the settings file, which wins over the default.
`keyward settings` prints each value that is in force, and its source.

The settings file is `keyward.toml` in the working directory, if there is one, or the file that `--config FILE` or `KEYWARD_CONFIG` names:

```toml
listen = \"127.0.0.1:8000\"
database = \"sqlite:keyward.db\"
connections_max = 1024
```

An unknown name is rejected, in the file and among the variables that begin with `KEYWARD_`, so that a typing error cannot turn a limit off.
An empty variable counts as not set.
A duration is a whole number with its unit: `500ms`, `5s`, `2m`, `1h`.

On SIGHUP (`kill -HUP PID`) the server reads the settings file again, and the files that it names.
The log lists the settings that have changed, and the changes that need a restart.
If any setting is invalid, the server keeps all settings as they were, and the log gives the reason.

";

/// The page as it should be.
fn page() -> String {
    let mut page = OPENING.to_owned();
    page.push_str("| setting | default | effect |\n|---|---|---|\n");
    for setting in ALL {
        let Setting { name, doc, .. } = setting;
        let default = default_text(setting);
        let _infallible = writeln!(page, "| [`{name}`](#{name}) | {default} | {doc} |");
    }
    for setting in ALL {
        let Setting { name, flag, variable, doc, extremes, .. } = setting;
        let flag = flag.map_or("none".to_owned(), |flag| format!("`--{flag}`"));
        let _infallible = writeln!(page, "\n## `{name}`\n\n{doc}.\n{extremes}\n");
        let _infallible = writeln!(page, "- flag: {flag}\n- variable: `{variable}`");
        let _infallible = writeln!(page, "- value: {}", value_text(&setting.form));
        let _infallible = writeln!(page, "- default: {}", default_text(setting));
        let when = if is_live(name) { "after SIGHUP" } else { "after a restart" };
        let _infallible = writeln!(page, "- a change takes effect: {when}");
    }
    page
}

fn default_text(setting: &Setting) -> String {
    setting.default.map_or("not set".to_owned(), |default| format!("`{default}`"))
}

fn value_text(form: &Form) -> String {
    match (form, form.range()) {
        (_, Some(range)) => format!("{}, {range}", form.word()),
        (Form::Text(word), None) => format!("`{word}`"),
        (Form::Secret | Form::Count(_) | Form::Duration(_), None) => form.word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");

    #[test]
    fn settings_page_is_up_to_date() {
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(PATH, page()).unwrap();
        }
        let written = fs::read_to_string(PATH).unwrap_or_default();
        assert!(
            written == page(),
            "docs/settings.md is out of date; \
             run `UPDATE_DOCS=1 cargo test -p keyward-server settings_page` and look at the diff"
        );
    }
}
