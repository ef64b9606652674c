//! Rules by which other scanners find our keys.
//!
//! They go by the form alone: no regular expression can compute a checksum.

use clap::ValueEnum;
use keyward::key::Prefix;

/// Another scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// A whole `.gitleaks.toml`, which adds rules to those of gitleaks
    Gitleaks,
    /// Custom detectors in YAML, for its flag `--config`
    Trufflehog,
}

/// The rules for keys with these prefixes, as a whole file.
pub(crate) fn rules(tool: Tool, prefixes: &[Prefix]) -> String {
    let (head, rule): (_, fn(&Prefix) -> String) = match tool {
        Tool::Gitleaks => (GITLEAKS_HEAD, gitleaks_rule),
        Tool::Trufflehog => (TRUFFLEHOG_HEAD, trufflehog_rule),
    };
    let rules: String = prefixes.iter().map(rule).collect();
    format!("{head}{rules}")
}

const GITLEAKS_HEAD: &str = "\
# Keys of Keyward, for gitleaks 8. Printed by `keyward scan --rules gitleaks`.
title = \"gitleaks with the keys of Keyward\"

[extend]
useDefault = true
";

const TRUFFLEHOG_HEAD: &str = "\
# Keys of Keyward, for TruffleHog 3. Printed by `keyward scan --rules trufflehog`.
detectors:
";

fn gitleaks_rule(prefix: &Prefix) -> String {
    let (name, pattern, prefix) = (name(prefix), pattern(prefix), prefix.as_str());
    format!(
        "\n[[rules]]\nid = \"{name}\"\n\
         description = \"A Keyward API key with the prefix {prefix}\"\n\
         regex = '''{pattern}'''\nsecretGroup = 1\nkeywords = [\"{prefix}_\"]\n\
         tags = [\"key\", \"keyward\"]\n"
    )
}

fn trufflehog_rule(prefix: &Prefix) -> String {
    let (name, pattern, prefix) = (name(prefix), pattern(prefix), prefix.as_str());
    // Between single quotes, YAML leaves backslashes alone.
    format!(
        "  - name: {name}\n    keywords:\n      - {prefix}_\n    regex:\n      key: '{pattern}'\n"
    )
}

fn name(prefix: &Prefix) -> String {
    format!("keyward-{}", prefix.as_str().replace('_', "-"))
}

/// A regular expression for Go's engine; its only group is the key.
///
/// A key may begin where a word does, behind an underscore, or behind an escape sequence, whose
/// letters would otherwise run into it. That engine cannot look ahead, so that behind a key there
/// is a word boundary or an underscore.
fn pattern(prefix: &Prefix) -> String {
    let prefix = prefix.as_str();
    let before = r"(?:\b|_|\\[abefnrtv0]|\\u[0-9A-Fa-f]{4}|(?:\\x|%)[0-9A-Fa-f]{2})";
    format!(r"{before}({prefix}_[0-9A-Za-z]{{49}})(?:\b|_)")
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    const DIGITS: &str = "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";

    fn prefixes() -> Vec<Prefix> {
        ["kw", "acme_live"].map(|prefix| prefix.parse().unwrap()).to_vec()
    }

    /// The patterns as each tool would read them from its file.
    fn patterns() -> Vec<Vec<Regex>> {
        let gitleaks: toml::Table = rules(Tool::Gitleaks, &prefixes()).parse().unwrap();
        let gitleaks = gitleaks["rules"].as_array().unwrap().iter();
        let gitleaks = gitleaks.map(|rule| rule["regex"].as_str().unwrap().to_owned());
        let trufflehog = rules(Tool::Trufflehog, &prefixes());
        let trufflehog = trufflehog.lines().filter_map(|line| {
            let quoted = line.strip_prefix("      key: '")?.strip_suffix('\'')?;
            assert!(!quoted.contains('\''), "it would end the quotation");
            Some(quoted.to_owned())
        });
        [gitleaks.collect::<Vec<_>>(), trufflehog.collect()]
            .map(|patterns| patterns.iter().map(|text| Regex::new(text).unwrap()).collect())
            .to_vec()
    }

    /// Whether the first pattern of each tool finds exactly the key of the prefix `kw`.
    #[track_caller]
    fn check(text: &str, is_found: bool) {
        for patterns in patterns() {
            let key = patterns[0].captures(text).map(|found| found[1].to_owned());
            let expected = is_found.then(|| format!("kw_{DIGITS}"));
            assert_eq!(key, expected, "{text}");
        }
    }

    #[test]
    fn a_key_is_found_wherever_it_is() {
        for before in
            ["", "x-", "\"", "=", "Bearer ", "\n", "+", "%20", "%3D", "\\n", "\\u0022", "A_"]
        {
            check(&format!("{before}kw_{DIGITS}"), true);
        }
        for after in ["\n", "\"", "\\n", "%22", "_2", ".", "&x=1"] {
            check(&format!("kw_{DIGITS}{after}"), true);
        }
    }

    #[test]
    fn what_is_no_key_is_not_found() {
        check(&format!("kw_{DIGITS}0"), false);
        check(&format!("kw_{}", &DIGITS[1..]), false);
        check(&format!("kw-{DIGITS}"), false);
        check(&format!("xkw_{DIGITS}"), false);
        check(&format!("ab_{DIGITS}"), false);
        check(&format!("KW_{DIGITS}"), false);
    }

    #[test]
    fn each_prefix_has_its_rule() {
        for patterns in patterns() {
            let text = format!("acme_live_{DIGITS}");
            let matches: Vec<_> = patterns.iter().map(|one| one.is_match(&text)).collect();
            assert_eq!(matches, [false, true]);
        }
    }

    #[test]
    fn rules_for_gitleaks() {
        insta::assert_snapshot!(rules(Tool::Gitleaks, &prefixes()));
    }

    #[test]
    fn rules_for_trufflehog() {
        insta::assert_snapshot!(rules(Tool::Trufflehog, &prefixes()));
    }
}
