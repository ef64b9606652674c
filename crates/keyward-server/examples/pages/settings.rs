//! The manual of the settings: `keyward.toml(5)`, from the table that the program reads.

use std::io;

use clap_mangen::roff::{Roff, bold, roman};
use keyward_server::pages::{Described, OPENING, described};

use crate::text::{inline, verbatim};

/// The page.
pub(crate) fn page(date: &str) -> io::Result<Vec<u8>> {
    let mut page = Roff::new();
    let source = format!("keyward {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["KEYWARD.TOML", "5", date, &source, "Keyward Manual"]);
    page.control("SH", ["NAME"]);
    page.text([roman("keyward.toml - the settings of keyward serve")]);
    page.control("SH", ["DESCRIPTION"]);
    opening(&mut page, OPENING);
    page.control("SH", ["SETTINGS"]);
    for setting in described() {
        describe(&mut page, &setting);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("keyward"), roman("(1), "), bold("keyward-serve"), roman("(1), ")]);
    page.text([bold("keyward-settings"), roman("(1)")]);
    let mut bytes = Vec::new();
    page.to_writer(&mut bytes)?;
    Ok(bytes)
}

fn opening(page: &mut Roff, text: &str) {
    let is_prose = |line: &&str| !line.starts_with("# ") && !line.starts_with("<!--");
    let text: Vec<_> = text.lines().filter(is_prose).collect();
    let text = text.join("\n");
    let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    for (at, block) in blocks.enumerate() {
        if at != 0 {
            page.control("PP", []);
        }
        if block.starts_with("```") {
            verbatim(page, block.lines().filter(|line| !line.starts_with("```")));
        } else {
            page.text(inline(&block.replace('\n', " ")));
        }
    }
}

fn describe(page: &mut Roff, setting: &Described) {
    page.control("SS", [setting.name]);
    page.text(inline(&format!("{}. {}", setting.effect, setting.extremes)));
    let default = setting.default.map_or("not set".to_owned(), |text| format!("`{text}`"));
    let flag = setting.flag.as_deref().map_or("none".to_owned(), |flag| format!("`{flag}`"));
    let when = if setting.is_live { "after SIGHUP" } else { "after a restart" };
    for (what, value) in [
        ("Value", setting.value.clone()),
        ("Default", default),
        ("Variable", format!("`{}`", setting.variable)),
        ("Flag", flag),
        ("A change takes effect", when.to_owned()),
    ] {
        page.control("TP", []);
        page.text([roman(format!("{what}:"))]);
        page.text(inline(&value));
    }
}
