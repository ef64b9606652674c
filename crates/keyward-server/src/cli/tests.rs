//! The command line: help, examples, and rejected usage.

use super::*;

/// The help of a command and of all below it, a page each.
fn help(command: &mut clap::Command, pages: &mut Vec<String>) {
    let name = command.get_bin_name().unwrap_or("keyward");
    pages.push(format!("$ {name} --help\n{}\n", command.clone().render_long_help()));
    // The command `help` lists all of them once more.
    for command in command.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        help(command, pages);
    }
}

/// The commands that a feature adds, and whether it is there.
const ADDED: [(&str, bool); 2] =
    [("articles", cfg!(feature = "news")), ("migrate", cfg!(feature = "postgres"))];

/// The help of every command, with that of the commands that a feature adds apart.
fn help_pages() -> (Vec<String>, Vec<String>) {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut pages = Vec::new();
    help(&mut command, &mut pages);
    let is_added = |page: &String| {
        ADDED.iter().any(|(name, _)| page.starts_with(&format!("$ keyward {name} ")))
    };
    pages.into_iter().partition(|page| !is_added(page))
}

#[test]
fn help_of_every_command() {
    let (mut pages, _) = help_pages();
    for (name, is_there) in ADDED {
        let begins = format!("  {name} ");
        let (of_it, others): (Vec<_>, Vec<_>) =
            pages[0].lines().partition(|line| line.starts_with(&begins));
        assert_eq!(!of_it.is_empty(), is_there, "{}", pages[0]);
        pages[0] = others.join("\n") + "\n";
    }
    insta::assert_snapshot!(pages.concat());
}

#[test]
fn help_of_commands_that_features_add() {
    let (_, pages) = help_pages();
    for (name, is_there) in ADDED {
        let begins = format!("$ keyward {name} ");
        let of_it: Vec<_> =
            pages.iter().filter(|page| page.starts_with(&begins)).map(String::as_str).collect();
        assert_eq!(!of_it.is_empty(), is_there);
        if is_there {
            insta::assert_snapshot!(format!("help_of_{name}"), of_it.concat());
        }
    }
}

#[test]
fn no_parser_speaks_of_digits() {
    for words in [
        &["serve", "--after-restore=x"][..],
        &["key", "show", "x"],
        &["key", "list", "--limit", "x"],
        &["key", "edit", "7", "--if-version", "x"],
        &["audit", "list", "--limit", "x"],
        &["usage", "--top", "x"],
    ] {
        let error = Cli::try_parse_from([&["keyward"], words].concat()).unwrap_err().to_string();
        assert!(error.contains("whole number"), "{error}");
    }
}

#[test]
fn help_is_a_command_as_well() {
    for words in [&["help"][..], &["help", "key", "issue"], &["help", "import"], &["key", "help"]] {
        let parsed = Cli::try_parse_from([&["keyward"], words].concat());
        let error = parsed.unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{words:?}");
        let named = format!("Usage: keyward {}", words[1..].join(" "));
        assert!(words[0] != "help" || error.to_string().contains(named.trim_end()), "{error}");
    }
}

#[test]
fn every_command_has_examples_and_exit_statuses() {
    fn check(command: &clap::Command) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let is_leaf = command.get_subcommands().next().is_none();
        assert!(!is_leaf || after.contains("Examples:\n  keyward"), "{command}");
        assert!(after.contains("Exit status:"), "{command}");
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn no_flag_takes_a_secret() {
    for words in [
        &["keyward", "serve", "--admin-api-key", "hunter2"][..],
        &["keyward", "key", "revoke", "--secret", "hunter2"],
        &["keyward", "key", "identify", "hunter2"],
    ] {
        let parsed = Cli::try_parse_from(words);
        assert_eq!(parsed.unwrap_err().kind(), clap::error::ErrorKind::UnknownArgument);
    }
    let secret = Cli::try_parse_from(["keyward", "key", "revoke", "kw_secret"]);
    assert_eq!(secret.unwrap_err().kind(), clap::error::ErrorKind::ValueValidation);
}

#[test]
fn an_edit_is_consistent_in_itself() {
    for words in [
        &["--owner", "a", "--clear-owner"][..],
        &["--expires-in", "9d", "--never-expires"],
        &["--expires-in", "9d", "--expires-at", "2030-01-01"],
        &["--limit", "1 per 1s", "--unlimited"],
        &["--limit", "1 per 1s", "--tier-limits"],
        &["--unlimited", "--tier-limits"],
        &["--scope", "a:b", "--no-scopes"],
        &["--network", "::/0", "--any-network"],
    ] {
        let parsed = Cli::try_parse_from([&["keyward", "key", "edit", "7"], words].concat());
        let kind = parsed.unwrap_err().kind();
        assert_eq!(kind, clap::error::ErrorKind::ArgumentConflict, "{words:?}");
    }
}

#[test]
fn a_key_is_revoked_by_its_id_or_by_its_secret() {
    let parses = |words: &[&str]| {
        Cli::try_parse_from([&["keyward", "key", "revoke"], words].concat()).is_ok()
    };
    assert!(parses(&["7"]) && parses(&["--stdin"]));
    assert!(!parses(&[]) && !parses(&["7", "--stdin"]));
}

/// The commands of ours on a line for a shell, word by word.
///
/// It knows as much of a shell as our examples use: quotation marks, pipes, redirections, comments,
/// and `KEY=$(…)`.
fn typed(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut rest = line;
    while let Some(start) = rest.chars().next() {
        let command = commands.last_mut().unwrap();
        let len = start.len_utf8();
        rest = match start {
            ' ' => &rest[len..],
            '#' | '&' => break,
            '|' => {
                commands.push(Vec::new());
                &rest[len..]
            }
            // Where it reads from or writes to is the shell's business.
            '<' | '>' => {
                let file = rest[len..].trim_start();
                &file[file.find(' ').unwrap_or(file.len())..]
            }
            '\'' | '"' => {
                let (word, after) = rest[len..].split_once(start).unwrap();
                command.push(word.to_owned());
                after
            }
            _ => {
                let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
                let word = word.split_once("=$(").map_or(word, |(_, word)| word);
                command.push(word.trim_end_matches(')').to_owned());
                after
            }
        };
    }
    commands.retain(|words| words.first().is_some_and(|word| word == "keyward"));
    commands
}

#[test]
fn a_line_for_a_shell_is_taken_apart() {
    let words = |line| typed(line).iter().map(|words| words.join("|")).collect::<Vec<_>>();
    assert_eq!(words("keyward a 'b c' \"d e\"   # f"), ["keyward|a|b c|d e"]);
    assert_eq!(words("KEY=$(keyward a --quiet)   # b"), ["keyward|a|--quiet"]);
    assert_eq!(words("x < y | keyward a < b | jq 'c | keyward d'"), ["keyward|a"]);
    assert_eq!(words("keyward a > b | keyward c -"), ["keyward|a", "keyward|c|-"]);
    assert_eq!(words("# keyward a"), [""; 0]);
}

/// How many commands of ours are on the line; each can be typed.
#[track_caller]
fn check_commands(line: &str, may_be_names: bool) -> usize {
    use clap::error::ErrorKind::{DisplayHelp, MissingRequiredArgument};

    // A digest that is cut short in a document is whole where it is used.
    let line = line.replace("7f0c…", &"7f".repeat(32));
    let line = line.replace("cargo run --release -- ", "keyward ");
    let line = line.replace("cargo run --release --quiet -- ", "keyward ");
    let commands = typed(&line);
    let is_there = |words: &&Vec<String>| {
        cfg!(feature = "news") || words[1..].first().is_none_or(|word| word != "articles")
    };
    for words in commands.iter().filter(is_there) {
        if let Err(error) = Cli::try_parse_from(words) {
            let is_name = may_be_names && error.kind() == MissingRequiredArgument;
            assert!(is_name || error.kind() == DisplayHelp, "{line}\n{error}");
        }
    }
    commands.len()
}

#[test]
fn every_example_can_be_typed() {
    fn check(command: &clap::Command) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let typed: usize = after.lines().map(|line| check_commands(line, false)).sum();
        assert!(0 < typed || command.get_subcommands().next().is_some(), "{command}");
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn every_command_of_the_documents_can_be_typed() {
    for (name, least) in
        [("README.md", 8), ("docs/operating.md", 40), ("docs/leaks.md", 10), ("docs/moving.md", 7)]
    {
        let path = format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let (commands, rest): (Vec<_>, Vec<_>) =
            text.lines().partition(|line| line.starts_with("$ ") || line.starts_with("  grep "));
        let commands =
            commands.iter().map(|line| check_commands(line.trim_start_matches("$ "), false));
        // In sentences, between backticks, there are names of commands as well.
        let spans = rest.iter().flat_map(|line| line.split('`').skip(1).step_by(2));
        let spans = spans.filter(|span| span.contains("keyward ") && !span.contains("HEAD"));
        let typed: usize = commands.chain(spans.map(|span| check_commands(span, true))).sum();
        assert!(least <= typed, "{name} has {typed}");
    }
}

#[test]
fn a_secret_where_none_belongs_is_not_repeated() {
    let own = "kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";
    let foreign = "tutorial-T0ken_Xq7Zk2mNv8Rb4Ly6Wp1Ds3Fg5Hj9";
    for secret in [own, foreign] {
        for words in [
            &["key", "identify"][..],
            &["key", "revoke"],
            &["key", "revoke", "7", "--reason=x"],
            &["key", "rotate", "--grace"],
            &["serve", "--admin-api-key"],
            &[],
        ] {
            for last in [secret.to_owned(), format!("--secret={secret}")] {
                let words = [&["keyward"], words, &[&*last]].concat();
                let told = complaint(&Cli::try_parse_from(words).unwrap_err());
                let parts = [&secret[4..16], &secret[10..20], &secret[secret.len() - 10..]];
                assert!(parts.iter().all(|part| !told.contains(part)), "{told}");
                assert!(told.starts_with("error: "), "{told}");
            }
        }
    }
    let wrong = Cli::try_parse_from(["keyward", "key", "revoke", own]).unwrap_err();
    insta::assert_snapshot!(complaint(&wrong), @r"
    error: invalid value 'kw_yhjs…' for '[ID]': an id is a whole number, such as 7

    For more information, try '--help'.
    ");
}
