//! Ids as other systems write them.

/// The fault of a text that is not an id.
const RULE: &str = "an id is a whole number";
const GROUPED: &str = "an id is a whole number without separators; whether this is a thousand \
                       times as much cannot be known";
const SHORTENED: &str = "a spreadsheet shortened this number; give its column the format of a \
                         number without decimals, and save it once more";

/// Reads an id: `3001`, `3001.0` as pandas writes a column in which one is missing, and
/// `1,234,567` where nothing else can be meant.
///
/// # Errors
///
/// Returns the remedy.
pub(super) fn id(text: &str) -> Result<u64, &'static str> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let whole = |digits: &str| digits.parse().map_err(|_| RULE);
    if is_digits(text) {
        return whole(text);
    }
    let exponent = text.split_once(['e', 'E']);
    if exponent.is_some_and(|(digits, _)| digits.starts_with(|c: char| c.is_ascii_digit())) {
        return Err(SHORTENED);
    }
    if let Some((digits, zeros)) = text.split_once(['.', ',']) {
        let is_zero = !zeros.is_empty() && zeros.len() != 3 && zeros.bytes().all(|b| b == b'0');
        if is_digits(digits) && is_zero {
            return whole(digits);
        }
    }
    grouped(text)
}

/// Digits in groups of three. One group can be decimals as well, in some country: `1.000` and
/// `1,000` may be one or a thousand. But no id has decimals that are not zero.
fn grouped(text: &str) -> Result<u64, &'static str> {
    let Some(separator) = text.chars().find(|c| !c.is_ascii_digit()) else { return Err(RULE) };
    if !matches!(separator, ',' | '.' | '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}') {
        return Err(RULE);
    }
    let groups: Vec<&str> = text.split(separator).collect();
    let has_digits = |group: &&str| group.bytes().all(|b| b.is_ascii_digit());
    let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return Err(RULE) };
    let are_groups = groups.iter().skip(1).all(|group| group.len() == 3);
    if !(1..=3).contains(&first.len()) || !are_groups || !groups.iter().all(has_digits) {
        return Err(RULE);
    }
    let may_be_decimals = groups.len() == 2 && matches!(separator, ',' | '.');
    if may_be_decimals && (separator == '.' || *last == "000") {
        return Err(GROUPED);
    }
    groups.concat().parse().map_err(|_| RULE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_where_nothing_else_can_be_meant() {
        for text in ["3001", "3001.0", "3001.00", "3001,0", "3,001", "3 001", "3'001", "3\u{a0}001"]
        {
            assert_eq!(id(text), Ok(3_001), "{text}");
        }
        assert_eq!(id("1.234.567"), Ok(1_234_567));
        assert_eq!(id("12,000,000"), Ok(12_000_000));
        for text in ["1.000", "1,000", "3.001"] {
            assert_eq!(id(text), Err(GROUPED), "{text}");
        }
        assert_eq!(id("1.5E+07"), Err(SHORTENED));
        for text in ["", "seven", "-1", "3001.5", "1,23", "1,2345", ",001", "1;000", "1.0.0", "0x7"]
        {
            assert_eq!(id(text), Err(RULE), "{text}");
        }
    }
}
