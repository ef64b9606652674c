//! Texts that people read: none that looks empty, and no character that is invisible, or that makes
//! others appear in another order than they have.
//!
//! Such a text is taken for another one in a list, a log or on a page (Unicode Technical Report
//! 36, section 2), and NUL ends it for many a program.

use icu_properties::props::{DefaultIgnorableCodePoint, ExtendedPictographic, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
use thiserror::Error;

/// The error of a text that people read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TextError {
    /// Every character is a space of some kind.
    #[error("no character in it is visible")]
    Blank,
    /// This one is hidden; see [`is_hidden`].
    #[error("U+{:04X} is an invisible, bidirectional or control character", u32::from(*.0))]
    Hidden(char),
}

/// Makes a picture of the one before it, or a plain character.
const VARIATIONS: [char; 2] = ['\u{fe0e}', '\u{fe0f}'];
/// Makes one picture of two.
const JOINER: char = '\u{200d}';
/// The colours of skin that a picture may be given.
const COLOURS: std::ops::RangeInclusive<char> = '\u{1f3fb}'..='\u{1f3ff}';
/// Looks like a space without being one: the cell of Braille without a dot.
const BRAILLE_BLANK: char = '\u{2800}';

/// Whether a character is not visible as itself.
///
/// That is a control or format character (Unicode's general categories Cc and Cf, all bidirectional
/// controls among them), a separator of lines or paragraphs (Zl, Zp), or one that is shown as
/// nothing (`Default_Ignorable_Code_Point`).
///
/// ```
/// use keyward::text::is_hidden;
///
/// assert!(['\0', '\u{202e}', '\u{200b}', '\u{3164}', '\u{ad}'].into_iter().all(is_hidden));
/// assert!(!['a', ' ', '\u{a0}', 'ü', '鍵'].into_iter().any(is_hidden));
/// ```
#[must_use]
pub fn is_hidden(c: char) -> bool {
    if matches!(c, ' '..='~') {
        return false;
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    let is_odd = matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    );
    is_odd || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Checks that a text can be seen as it is.
///
/// One character at least is no space, and none is [hidden](is_hidden). Where an emoji needs one,
/// it may have it: a variation selector after a picture, a joiner between two. The joiners of other
/// scripts are not taken.
///
/// ```
/// use keyward::text::{TextError, check};
///
/// check("weather-bot ❤\u{fe0f}")?;
/// assert_eq!(check("\u{a0}"), Err(TextError::Blank));
/// assert_eq!(check("pay\u{202e}roll"), Err(TextError::Hidden('\u{202e}')));
/// # Ok::<(), TextError>(())
/// ```
///
/// # Errors
///
/// Returns [`TextError`], with the first character that is hidden.
pub fn check(text: &str) -> Result<(), TextError> {
    if let Some((c, _)) = marked(text).find(|(_, is_hidden)| *is_hidden) {
        return Err(TextError::Hidden(c));
    }
    if text.chars().all(is_space) { Err(TextError::Blank) } else { Ok(()) }
}

/// The text with a number such as `U+202E` for each character that [`check`] does not take.
///
/// Of a text that is blank, each one is written so. It is cut to `chars_max` characters. The result
/// passes [`check`], unless the text or `chars_max` is too short for that.
#[must_use]
pub fn spelled_out(text: &str, chars_max: usize) -> String {
    let mut cut = spelled(text, chars_max, check(text) == Err(TextError::Blank));
    // Where an emoji was cut, half of it is left.
    while matches!(check(&cut), Err(TextError::Hidden(_))) {
        cut.pop();
    }
    // The part that was cut off may have been all that was visible.
    if check(&cut).is_ok() { cut } else { spelled(text, chars_max, true) }
}

fn spelled(text: &str, chars_max: usize, all: bool) -> String {
    let (mut spelled, mut left) = (String::new(), chars_max);
    for (c, is_hidden) in marked(text) {
        let is_told = is_hidden || (all && !c.is_ascii_graphic());
        let piece = if is_told { format!("U+{:04X}", u32::from(c)) } else { c.to_string() };
        let chars = piece.chars().count();
        if left < chars {
            break;
        }
        left -= chars;
        spelled.push_str(&piece);
    }
    spelled
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c == BRAILLE_BLANK
}

/// Each character, and whether it is hidden in its position.
fn marked(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut rest = text.chars();
    // Whether a picture ends before the next character, and whether that may be joined to it.
    let (mut is_picture, mut is_joinable) = (false, false);
    std::iter::from_fn(move || {
        let c = rest.next()?;
        let is_joiner = c == JOINER && is_joinable && rest.clone().next().is_some_and(is_emoji);
        let is_variation = is_picture && VARIATIONS.contains(&c);
        let is_coloured = is_picture && COLOURS.contains(&c);
        is_picture = is_emoji(c);
        is_joinable = is_picture || is_variation || is_coloured;
        Some((c, is_hidden(c) && !is_joiner && !is_variation))
    })
}

fn is_emoji(c: char) -> bool {
    !c.is_ascii() && CodePointSetData::new::<ExtendedPictographic>().contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_hidden() {
        let hidden = "\0\t\n\r\u{1b}\u{7f}\u{85}\u{ad}\u{34f}\u{61c}\u{600}\u{6dd}\u{115f}\u{1160}\
            \u{17b4}\u{180b}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\
            \u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2064}\u{2066}\u{2069}\u{206f}\
            \u{3164}\u{fe00}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{110bd}\u{13430}\u{1bca0}\u{1d173}\
            \u{e0001}\u{e0061}\u{e007f}\u{e0100}";
        for c in hidden.chars() {
            assert!(is_hidden(c), "{c:?}");
            assert_eq!(check(&format!("a{c}b")), Err(TextError::Hidden(c)));
        }
        for c in "aß'\u{301} \u{a0}\u{2003}\u{2800}\u{3000}é日اक€\u{e000}\u{fffd}🦀".chars()
        {
            assert!(!is_hidden(c), "{c:?}");
            assert_eq!(check(&format!("a{c}b")), Ok(()));
        }
    }

    #[test]
    fn a_text_of_spaces_is_blank() {
        for blank in ["", " ", "\u{a0}", "\u{2003}\u{3000}", "\u{2800} \u{205f}"] {
            assert_eq!(check(blank), Err(TextError::Blank), "{blank:?}");
        }
        for hidden in ["\u{a0}\u{3164}", "\u{200b}", "\u{115f}"] {
            assert!(matches!(check(hidden), Err(TextError::Hidden(_))), "{hidden:?}");
        }
        assert_eq!(check(" a "), Ok(()));
    }

    #[test]
    fn an_emoji_may_have_what_it_is_made_of() {
        for fits in [
            "❤\u{fe0f}",
            "❤\u{fe0e} a",
            "👩\u{200d}👧",
            "👩🏽\u{200d}🚀",
            "🏳\u{fe0f}\u{200d}🌈",
            "🇩🇪",
            "👍🏿",
        ] {
            assert_eq!(check(fits), Ok(()), "{fits:?}");
        }
        for hides in [
            "a\u{fe0f}",
            "1\u{fe0f}",
            "\u{fe0f}",
            "❤\u{fe0f}\u{fe0f}",
            "👩\u{200d}",
            "👩\u{200d}a",
            "a\u{200d}👧",
            "👩\u{200d}\u{200d}👧",
            "🏴\u{e0067}\u{e007f}",
            "می\u{200c}خواهم",
        ] {
            assert!(matches!(check(hides), Err(TextError::Hidden(_))), "{hides:?}");
        }
    }

    #[test]
    fn what_is_hidden_is_spelled_out() {
        let check_out = |text: &str, max, expected: &str| {
            let spelled = spelled_out(text, max);
            assert_eq!(spelled, expected, "{text:?}");
            assert_eq!(check(&spelled), Ok(()));
        };
        check_out("nul\0inside", 100, "nulU+0000inside");
        check_out("pay\u{202e}roll", 100, "payU+202Eroll");
        check_out(" \u{a0}", 100, "U+0020U+00A0");
        check_out("\u{e0061}", 100, "U+E0061");
        check_out(&"\u{200b}".repeat(100), 100, &"U+200B".repeat(16));
        check_out("❤\u{fe0f} \0", 100, "❤\u{fe0f} U+0000");
        check_out(&format!("{}\0", " ".repeat(99)), 100, &"U+0020".repeat(16));
        check_out("\0👩\u{200d}👧", 8, "U+0000👩");
        check_out("fine", 100, "fine");
    }
}
