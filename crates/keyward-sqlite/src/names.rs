//! Folded names as the index over their parts takes them.

pub(crate) use keyward::columns::fold;

/// A folded name as `key_names` takes it: its tokenizer would stop at a NUL.
pub(crate) fn indexed(folded: &str) -> String {
    folded.replace('\0', "\u{fffd}")
}

/// Most trigrams of a part: each costs as much as the last, and narrows less.
const TRIGRAMS_MAX: usize = 8;

/// The query for `key_names`: trigrams that cover a folded part, or as much of its end as they
/// reach, each quoted. Every name with the part has them all, and some others do too. None if the
/// part is too short to have one.
pub(crate) fn trigrams(folded: &str) -> Vec<String> {
    let characters: Vec<char> = indexed(folded).chars().collect();
    // The ones at the end matter as much as the ones at the beginning: numbers are there.
    let windows = characters.windows(3);
    let ends = windows.clone().rev().take(1).chain(windows.rev().skip(3).step_by(3));
    let mut trigrams: Vec<String> = ends
        .take(TRIGRAMS_MAX)
        .map(|trigram| format!("\"{}\"", trigram.iter().collect::<String>().replace('"', "\"\"")))
        .collect();
    trigrams.sort_unstable();
    trigrams.dedup();
    trigrams
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_trigrams_each_once() {
        assert_eq!(trigrams("abcde"), [r#""cde""#]);
        assert_eq!(trigrams("abcdef"), [r#""abc""#, r#""def""#]);
        assert_eq!(trigrams(&"abcdef".repeat(9)), [r#""abc""#, r#""def""#]);
        assert_eq!(trigrams("aaaaa"), [r#""aaa""#]);
        assert_eq!(trigrams("a\"b"), [r#""a""b""#]);
        assert_eq!(trigrams("ab"), [""; 0]);
    }
}
