//! The manual of the command line: a page for each command.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use keyward_server::pages::command_line;

use crate::text::verbatim;

/// The pages of all commands, each with the name of its file.
pub(crate) fn pages(date: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut program = command_line().disable_help_subcommand(true);
    program.build();
    let version = program.get_version().unwrap_or_default().to_owned();
    let mut pages = Vec::new();
    add(&program, &format!("keyward {version}"), date, &mut pages)?;
    Ok(pages)
}

fn add(
    command: &Command,
    source: &str,
    date: &str,
    pages: &mut Vec<(String, Vec<u8>)>,
) -> io::Result<()> {
    let name = full_name(command);
    pages.push((format!("{name}.1"), page(command, source, date)?));
    let seen = command.get_subcommands().filter(|command| !command.is_hide_set());
    seen.into_iter().try_for_each(|command| add(command, source, date, pages))
}

fn full_name(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}

fn page(command: &Command, source: &str, date: &str) -> io::Result<Vec<u8>> {
    let name = full_name(command);
    let manual = Man::new(command.clone()).title(name.to_uppercase()).date(date);
    let manual = manual.source(source).manual("Keyward Manual");
    let mut page = Vec::new();
    manual.render_title(&mut page)?;
    manual.render_name_section(&mut page)?;
    manual.render_synopsis_section(&mut page)?;
    manual.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        manual.render_options_section(&mut page)?;
    }
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        manual.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::new();
    let after = command.get_after_long_help().or(command.get_after_help());
    after_help(&mut rest, &after.map(ToString::to_string).unwrap_or_default());
    see_also(&mut rest, &name);
    rest.to_writer(&mut page)?;
    Ok(without_doubled_breaks(&page))
}

/// Clap ends a line before and after an empty one, and mandoc complains.
fn without_doubled_breaks(page: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(page).replace("\n.br\n\n.br\n", "\n.sp\n").into_bytes()
}

/// The text below the help: lines that end with a colon are headings.
fn after_help(page: &mut Roff, text: &str) {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let heading = line.strip_suffix(':').filter(|line| !line.starts_with(' '));
        match heading {
            Some(heading) => page.control("SH", [heading.to_uppercase().as_str()]),
            None if line.is_empty() => continue,
            None => page.control("PP", []),
        };
        let mut block = Vec::new();
        if heading.is_none() {
            block.push(line);
        }
        while let Some(line) = lines.next_if(|line| !line.is_empty()) {
            block.push(line);
        }
        // A block of prose flows; others have columns.
        if heading.is_some() || block.iter().any(|line| line.starts_with(' ')) {
            verbatim(page, block.iter().map(|line| line.strip_prefix("  ").unwrap_or(line)));
        } else {
            page.text([roman(block.join(" "))]);
        }
    }
}

fn see_also(page: &mut Roff, name: &str) {
    page.control("SH", ["SEE ALSO"]);
    let other = if name == "keyward" { "keyward-serve" } else { "keyward" };
    page.text([bold(other), roman("(1), "), bold("keyward.toml"), roman("(5)")]);
}
