//! The page `docs/settings.md`, written from the table.

use std::fmt::Write as _;

use super::described::{Described, OPENING, described};

/// The page as it should be.
fn page() -> String {
    let mut page = OPENING.to_owned();
    page.push_str("| setting | default | effect |\n|---|---|---|\n");
    for Described { name, default, effect, .. } in described() {
        let default = default_text(default);
        let _infallible = writeln!(page, "| [`{name}`](#{name}) | {default} | {effect} |");
    }
    for setting in described() {
        let Described { name, variable, effect, extremes, value, .. } = setting;
        let flag = setting.flag.map_or("none".to_owned(), |flag| format!("`{flag}`"));
        let _infallible = writeln!(page, "\n## `{name}`\n\n{effect}.\n{extremes}\n");
        let _infallible = writeln!(page, "- flag: {flag}\n- variable: `{variable}`");
        let _infallible = writeln!(page, "- value: {value}");
        let _infallible = writeln!(page, "- default: {}", default_text(setting.default));
        let when = if setting.is_live { "after SIGHUP" } else { "after a restart" };
        let _infallible = writeln!(page, "- a change takes effect: {when}");
    }
    page
}

fn default_text(default: Option<&str>) -> String {
    default.map_or("not set".to_owned(), |default| format!("`{default}`"))
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
