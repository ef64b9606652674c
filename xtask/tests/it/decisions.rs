//! Decisions stop the build: enums of decisions are exhaustive, and so is each match on them.
//!
//! The compiler leads the author of a new variant to all code that has to handle it. A wildcard
//! would decide there in silence.

use std::path::Path;

use crate::tidy::{every_file, read};

/// The enums of decisions, and of the reasons that one was not made. Reasons that something cannot
/// be opened are passed on whole, so that `OpenError` is none of them; nor is `Decided`, of which
/// the caller of one change takes the variant of that one, and any other is a fault of the store.
const DECISIONS: [&str; 28] = [
    "Actor",
    "ChainError",
    "Change",
    "ChangeError",
    "DeleteTierError",
    "Denied",
    "DeniedAs",
    "Earlier",
    "FileLost",
    "ImportRejection",
    "Imported",
    "IssueError",
    "KeyChange",
    "KeyState",
    "KeyWrite",
    "LimitError",
    "LimitsError",
    "Lookup",
    "Loss",
    "Outcome",
    "OwnerChange",
    "PutTierError",
    "Rejection",
    "Stage",
    "StoreError",
    "TakeError",
    "TierBefore",
    "Verb",
];

#[test]
fn no_enum_is_open() {
    for file in every_file() {
        let code = code(&read(&file));
        for after in code.split("#[non_exhaustive]").skip(1) {
            let item = after.split_whitespace().find(|word| matches!(*word, "enum" | "struct"));
            assert_ne!(item, Some("enum"), "{}: match it exhaustively", file.display());
        }
    }
}

/// A test may say of one variant that it is the one.
#[test]
fn no_decision_is_matched_with_a_wildcard() {
    let is_test = |file: &Path| {
        let mut parts = file.iter().filter_map(|part| part.to_str());
        parts.any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "conformance"))
    };
    let files = every_file().into_iter().filter(|file| !is_test(file));
    let faults = files.flat_map(|file| {
        let faults = faults(&code(&read(&file))).into_iter();
        faults.map(move |fault| format!("{}: {fault}", file.display())).collect::<Vec<_>>()
    });
    let faults: Vec<_> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A text without comments, without text in quotation marks, and without its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(|line| [line, "\n"]).collect();
    let code = code.replace("\\\"", "").replace("'\"'", "").replace("'{'", "").replace("'}'", "");
    code.split('"').step_by(2).collect()
}

/// The faults of the matches in some code.
fn faults(code: &str) -> Vec<String> {
    let macros = code.split("matches!(").skip(1).map(|rest| balanced(rest, '(', ')'));
    let asked = macros.filter(|inside| names_decision(inside));
    let mut faults: Vec<_> = asked.map(|inside| format!("matches!({inside})")).collect();
    for rest in code.split("match ").skip(1) {
        let Some((head, body)) = rest.split_once('{') else { continue };
        let patterns = patterns(balanced(body, '{', '}'));
        let decides = patterns.iter().any(|pattern| names_decision(pattern));
        for pattern in patterns.iter().filter(|_| decides) {
            // `Err(_)` is one where another arm is `Err(Decision::…)`.
            let (around, inside) = pattern.rsplit_once('(').unwrap_or(("", pattern));
            let beside = |other: &String| {
                let held = other.strip_prefix(around).and_then(|rest| rest.strip_prefix('('));
                held.is_some_and(|held| names_decision(first_word(held)))
            };
            let names_it = around.is_empty() || patterns.iter().any(beside);
            if takes_all(inside.trim_end_matches(')')) && names_it && around.len() < 5 {
                faults.push(format!("match {}: {pattern} =>", head.trim()));
            }
        }
    }
    faults
}

/// Whether a pattern is `_` or a name for any value.
fn takes_all(pattern: &str) -> bool {
    pattern.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && pattern.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && !["true", "false"].contains(&pattern)
}

/// A path without its content: `KeyState::Revoked` of `KeyState::Revoked { at }`.
fn first_word(text: &str) -> &str {
    text.split([' ', '(', ')', '{']).next().unwrap_or_default()
}

fn names_decision(pattern: &str) -> bool {
    let words = pattern.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let enums = words.filter_map(|path| path.rsplit_once("::")?.0.rsplit("::").next());
    enums.into_iter().any(|name| DECISIONS.contains(&name))
}

/// The text before the bracket that closes the one before `text`.
fn balanced(text: &str, open: char, close: char) -> &str {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == open) - i32::from(c == close);
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// The patterns of a match's arms, alternatives apart and guards left out.
fn patterns(arms: &str) -> Vec<String> {
    let (mut depth, mut pattern, mut patterns, mut in_pattern) = (0, String::new(), vec![], true);
    let mut before = ' ';
    for c in arms.chars() {
        let outside = depth == 0;
        depth += i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
        if in_pattern && outside && before == '=' && c == '>' {
            pattern.pop();
            // The condition of a guard is no variant that the arm takes.
            let (taken, guard) = pattern.split_once(" if ").unwrap_or((&pattern, ""));
            let alternatives = taken.split(" | ").map(str::trim);
            let alternatives = alternatives.filter(|it| guard.is_empty() || !takes_all(it));
            patterns.extend(alternatives.map(|it| it.trim_start_matches("| ").to_owned()));
            (pattern, in_pattern) = (String::new(), false);
        } else if in_pattern {
            pattern.push(c);
        } else if depth == 0 && (c == ',' || c == '}') {
            // An arm ends with a comma, or with the brace of its block.
            in_pattern = true;
        }
        if in_pattern && pattern.trim() == "," {
            pattern.clear();
        }
        before = c;
    }
    patterns
}

#[test]
fn wildcards_on_decisions_are_noticed() {
    let noticed = |text: &str| faults(&code(text)).len();
    assert_eq!(noticed("match a { Denied::Unknown => 1, _ => 2, }"), 1);
    assert_eq!(noticed("match a { Denied::Unknown => { f(1); } _ => 2 }"), 1);
    assert_eq!(
        noticed("match a {\n    Err(TakeError::Retired) => 1,\n    Ok(_) | Err(_) => 2,\n}"),
        1
    );
    assert_eq!(noticed("match a { (Stage::Active, 1) | (Stage::Expired, _) => 1,\n _ => 2 }"), 1);
    assert_eq!(noticed("a.map(|a| matches!(a.state, record::KeyState::Revoked { .. }))"), 1);
    assert_eq!(noticed("match a { Denied::Unknown => 1, other => f(other) }"), 1);
    assert_eq!(noticed("match a { Err(Denied::Unknown) => 1, Ok(a) => 2, Err(b) => 3 }"), 1);
    assert_eq!(
        noticed("match a { Ok(Stage::Active) => 1, Ok(Stage::Expired) => 2, Err(b) => 3 }"),
        0
    );
    assert_eq!(noticed("match a { Denied::Unknown => 1, Denied::Limited(_, _) => 2 }"), 0);
    assert_eq!(noticed("match a { 1 => Stage::Active, _ => Stage::Expired }"), 0);
    assert_eq!(noticed("match a { Stage::Active => match b { 1 => 2, _ => 3 } }"), 0);
    assert_eq!(
        noticed("match a { Ok(Stage::Active) => 1, Ok(Stage::Expired) => 2, Err(_) => 3 }"),
        0
    );
    assert_eq!(noticed("match a { Some(b) if b == Stage::Active => 1, _ => 2 }"), 0);
    assert_eq!(noticed("match a { _ if b => 0, Stage::Active => 1, Stage::Expired => 2 }"), 0);
    assert_eq!(noticed("// match a { Denied::Unknown => 1, _ => 2 }"), 0);
}
