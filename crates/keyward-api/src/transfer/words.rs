//! Faults of JSON, in plain words rather than in those of a parser.

use serde_json::error::Category;

/// The messages of the parser about a text that is no JSON, by their beginnings, each with its
/// plain form.
const SYNTAX: [(&str, &str); 8] = [
    ("EOF while parsing", "it ends too early"),
    ("expected value", "a value is missing, or is not written as JSON has it"),
    ("expected ident", "a value is missing, or is not written as JSON has it"),
    ("trailing comma", "a comma stands before the closing bracket"),
    ("trailing characters", "something follows its end"),
    ("key must be a string", "a name is not in quotation marks"),
    ("control character", "a text has a control character in it"),
    ("invalid number", "a number is not written as JSON has it"),
];
/// Kinds of values.
const KINDS: [(&str, &str); 11] = [
    ("a string", "a text"),
    ("string", "a text"),
    ("a sequence", "a list"),
    ("sequence", "a list"),
    ("a map", "an object"),
    ("map", "an object"),
    ("integer", "a number"),
    ("floating", "a number"),
    ("boolean", "true or false"),
    ("a boolean", "true or false"),
    ("struct Fields", "an object"),
];

/// The fault, without the values: one of them may be a secret in the wrong field.
pub fn json_fault(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let text = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(text, _)| text);
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => {
            let found = SYNTAX.iter().find(|(begin, _)| text.starts_with(begin));
            found.map_or(text, |(_, words)| words).to_owned()
        }
        Category::Data => {
            match (text.strip_prefix("invalid type: "), text.rsplit_once(", expected ")) {
                (Some(found), Some((_, expected))) => {
                    let found = found.split([' ', ',']).next().unwrap_or_default();
                    format!("{} stands where {} should", kind(found), kind(expected))
                }
                _ => text.to_owned(),
            }
        }
    }
}

fn kind(name: &str) -> &str {
    KINDS.iter().find(|(known, _)| *known == name).map_or(name, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    #[test]
    fn faults_are_told_without_a_parsers_words_or_the_value() {
        let syntax = |text| json_fault(&serde_json::from_str::<Value>(text).unwrap_err());
        let texts = ["", "{", "{x", "[1,]", "[1] 2", "{'a':1}", "\"a\u{1}\"", "[01]", "{\"a\" 1}"];
        let object = serde_json::from_str::<Map<String, Value>>("\"secret\"").unwrap_err();
        let list = serde_json::from_str::<Vec<String>>("{\"a\":1}").unwrap_err();
        let text = serde_json::from_str::<Vec<String>>("[7]").unwrap_err();
        let types = [&object, &list, &text].map(json_fault);
        insta::assert_snapshot!([&texts.map(syntax)[..], &types].concat().join("\n"));
    }
}
