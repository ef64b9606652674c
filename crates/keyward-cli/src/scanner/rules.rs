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
    /// A whole `.betterleaks.toml`, which adds rules to those of betterleaks
    Betterleaks,
    /// Custom detectors in YAML, for its flag `--config`
    Trufflehog,
}

/// The rules for keys with these prefixes, as a whole file.
pub(crate) fn rules(tool: Tool, prefixes: &[Prefix]) -> String {
    let (head, rule): (_, fn(&Prefix) -> String) = match tool {
        Tool::Gitleaks => (GITLEAKS_HEAD, gitleaks_rule),
        // It reads the form of gitleaks.
        Tool::Betterleaks => (BETTERLEAKS_HEAD, gitleaks_rule),
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

const BETTERLEAKS_HEAD: &str = "\
# Keys of Keyward, for betterleaks 1. Printed by `keyward scan --rules betterleaks`.
title = \"betterleaks with the keys of Keyward\"

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
         regex = '''{pattern}'''\nkeywords = [\"{prefix}_\"]\n\
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

/// A regular expression for the engines of Go and RE2; its only group is the key, which gitleaks
/// and betterleaks take by default. The latter rejects a `secretGroup`.
///
/// A key may begin anywhere, as for `keyward scan`: the text before it may be an escape sequence or
/// a colour of a terminal, whose letters run into it. Within the key there may be line ends as mail
/// has them, and colours. Those engines cannot look ahead, so that after a key there is a word
/// boundary or an underscore.
fn pattern(prefix: &Prefix) -> String {
    let prefix = prefix.as_str();
    let nothing = r"(?:=\r?\n|\x1b\[[0-9;]*[A-Za-z])*";
    format!(r"({prefix}_{nothing}(?:[0-9A-Za-z]{nothing}){{48}}[0-9A-Za-z])(?:\b|_)")
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
        for before in ["=3D", "\u{1b}[1;33m", "\u{1b}[0m", "x", "33m"] {
            check(&format!("{before}kw_{DIGITS}\u{1b}[0m"), true);
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
        check(&format!("ab_{DIGITS}"), false);
        check(&format!("KW_{DIGITS}"), false);
    }

    #[test]
    fn the_end_of_a_line_or_a_colour_in_a_key_is_passed_over() {
        let (start, end) = DIGITS.split_at(30);
        for between in ["=\r\n", "=\n", "\u{1b}[0m", "\u{1b}[01;31m\u{1b}[K"] {
            let key = format!("kw_{start}{between}{end}");
            let behind = format!("kw_{between}{DIGITS}");
            for patterns in patterns() {
                for key in [&key, &behind] {
                    assert_eq!(
                        patterns[0].captures(key).map(|it| it[1].to_owned()).as_ref(),
                        Some(key)
                    );
                }
            }
        }
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
    fn rules_for_betterleaks() {
        let gitleaks = rules(Tool::Gitleaks, &prefixes());
        let rules = rules(Tool::Betterleaks, &prefixes());
        assert_eq!(
            rules,
            gitleaks
                .replace("gitleaks 8", "betterleaks 1")
                .replace(" gitleaks", " betterleaks")
                .replace("\"gitleaks", "\"betterleaks")
        );
    }

    #[test]
    fn rules_for_trufflehog() {
        insta::assert_snapshot!(rules(Tool::Trufflehog, &prefixes()));
    }
}
