//! Points in time as feeds write them.
//!
//! RSS asks for RFC 822 and Atom for RFC 3339, and feeds of both contain other forms. Texts
//! accepted here have one meaning only: `3/6/2025` has two, and is no date. A time without a zone
//! is UTC.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{Span, ToSpan as _};
use keyward_axum::keyward::UnixMillis;

use crate::article::unix_millis;

/// Longest text that is looked at.
const LEN_MAX: usize = 100;

/// Hours by which zones are ahead of UTC, and minutes. RFC 822, section 5.1, then the ones with a
/// unique name. All others count as none.
const ZONES: [(&str, i8, i8); 46] = [
    ("z", 0, 0),
    ("ut", 0, 0),
    ("utc", 0, 0),
    ("gmt", 0, 0),
    ("est", -5, 0),
    ("edt", -4, 0),
    ("cst", -6, 0),
    ("cdt", -5, 0),
    ("mst", -7, 0),
    ("mdt", -6, 0),
    ("pst", -8, 0),
    ("pdt", -7, 0),
    ("et", -5, 0),
    ("ct", -6, 0),
    ("mt", -7, 0),
    ("pt", -8, 0),
    ("ast", -4, 0),
    ("adt", -3, 0),
    ("nst", -3, -30),
    ("ndt", -2, -30),
    ("akst", -9, 0),
    ("akdt", -8, 0),
    ("hst", -10, 0),
    ("brt", -3, 0),
    ("wet", 0, 0),
    ("west", 1, 0),
    ("bst", 1, 0),
    ("met", 1, 0),
    ("mest", 2, 0),
    ("mez", 1, 0),
    ("mesz", 2, 0),
    ("cet", 1, 0),
    ("cest", 2, 0),
    ("eet", 2, 0),
    ("eest", 3, 0),
    ("sast", 2, 0),
    ("msk", 3, 0),
    ("msd", 4, 0),
    ("hkt", 8, 0),
    ("sgt", 8, 0),
    ("awst", 8, 0),
    ("jst", 9, 0),
    ("kst", 9, 0),
    ("aest", 10, 0),
    ("aedt", 11, 0),
    ("nzst", 12, 0),
];

/// How the names of months begin, without accents, in the languages of western Europe.
const MONTHS: [(&str, i8); 33] = [
    ("jan", 1),
    ("ene", 1),
    ("gen", 1),
    ("feb", 2),
    ("fev", 2),
    ("mar", 3),
    ("mrt", 3),
    ("maa", 3),
    ("mae", 3),
    ("apr", 4),
    ("avr", 4),
    ("abr", 4),
    ("may", 5),
    ("mai", 5),
    ("mei", 5),
    ("mag", 5),
    ("maj", 5),
    ("jun", 6),
    ("juin", 6),
    ("giu", 6),
    ("jul", 7),
    ("juil", 7),
    ("lug", 7),
    ("aug", 8),
    ("aou", 8),
    ("ago", 8),
    ("sep", 9),
    ("set", 9),
    ("oct", 10),
    ("okt", 10),
    ("ott", 10),
    ("nov", 11),
    ("dec", 12),
];

/// Reads a date, with or without a time; `None` if it is none, has two meanings, or is before 1970.
pub(crate) fn parse(text: &str) -> Option<UnixMillis> {
    let text = text.trim();
    if text.is_empty() || LEN_MAX < text.len() {
        return None;
    }
    let millis = number(text).or_else(|| millis(iso(text).or_else(|| spoken(text))?))?;
    unix_millis(millis)
}

type Local = (DateTime, Offset);

fn millis((at, offset): Local) -> Option<i64> {
    Some(offset.to_timestamp(at).ok()?.as_millisecond())
}

/// Digits alone: seconds or milliseconds since 1970, from 2001 on, or a date without hyphens.
fn number(text: &str) -> Option<i64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i64 = text.parse().ok()?;
    match text.len() {
        10 if 1_000_000_000 <= value => value.checked_mul(1_000),
        13 if 1_000_000_000_000 <= value => Some(value),
        _ => None,
    }
}

/// ISO 8601 and RFC 3339, and similar forms: `2025-06-03 10:00`, `20250603T100000Z`, `2025`.
fn iso(text: &str) -> Option<Local> {
    let mut rest = Scan(text);
    let year = rest.digits(4, 4)?;
    let separator = rest.one_of(&['-', '/', '.']);
    let (mut month, mut day) = (1, 1);
    match separator {
        Some(separator) => {
            let ordinal = rest.digits(3, 3);
            if let Some(ordinal) = ordinal {
                let new_year = Date::new(i16::try_from(year).ok()?, 1, 1).ok()?;
                let date = new_year.checked_add((ordinal - 1).days()).ok()?;
                (month, day) = (i64::from(date.month()), i64::from(date.day()));
                (1..=i64::from(new_year.days_in_year())).contains(&ordinal).then_some(())?;
            } else {
                month = rest.digits(1, 2)?;
                if rest.one_of(&[separator]).is_some() {
                    day = rest.digits(1, 2)?;
                }
            }
        }
        None => {
            if let Some(found) = rest.digits(2, 2) {
                month = found;
                day = rest.digits(2, 2).unwrap_or(1);
            }
        }
    }
    let date = date(year, month, day)?;
    if rest.0.is_empty() {
        return Some((date.to_datetime(Time::midnight()), Offset::UTC));
    }
    let before = rest.0;
    if rest.one_of(&['T', 't', ' ', '_', ',']).is_none() && rest.digits(1, 1).is_some() {
        rest = Scan(before);
    }
    rest.0 = rest.0.trim_start();
    let Some((time, days)) = rest.time() else {
        // A date may have a zone without a time.
        let offset = offset(rest.0)?;
        return Some((date.to_datetime(Time::midnight()), offset));
    };
    let at = date.checked_add(days).ok()?.to_datetime(time);
    Some((at, tail(rest.0, &mut Vec::new())?))
}

/// RFC 822 and what people write: `Tue, 3 June 2025 10:00 +0200`, `June 3rd, 2025, 10 pm`.
fn spoken(text: &str) -> Option<Local> {
    let (before, time, after) = split_time(text);
    let mut words: Vec<&str> = Vec::new();
    words.extend(before.split(is_gap));
    let (mut clock, mut days, mut offset_found) = (Time::midnight(), Span::new(), Offset::UTC);
    if let Some(time) = time {
        (clock, days) = time;
        let mut more = Vec::new();
        let after = half_day(after, &mut clock)?;
        offset_found = tail(after, &mut more)?;
        words.extend(more);
    }
    let (mut month, mut numbers) = (None, Vec::new());
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        match ordinal(word) {
            Some(number) => numbers.push(number),
            // The last one: `mar.` is a Tuesday in `mar. 3 juin`.
            None => month = month_of(word).or(month),
        }
    }
    let date = match (month, numbers.as_slice()) {
        (Some(month), [day, year]) if day.1 < 3 => date(full_year(*year)?, month, day.0),
        (Some(month), [year, day]) if 3 < year.1 => date(year.0, month, day.0),
        (Some(month), [year]) if year.1 == 4 => date(year.0, month, 1),
        (None, [first, second, year]) if year.1 == 4 && second.1 < 3 => {
            let day_first = before.contains('.') || 12 < first.0 || first.0 == second.0;
            let month_first = 12 < second.0 && !before.contains('.');
            match (day_first, month_first) {
                (_, true) => date(year.0, first.0, second.0),
                (true, false) => date(year.0, second.0, first.0),
                (false, false) => None,
            }
        }
        _ => None,
    }?;
    Some((date.checked_add(days).ok()?.to_datetime(clock), offset_found))
}

fn date(year: i64, month: i64, day: i64) -> Option<Date> {
    let small = |number| i8::try_from(number).ok();
    Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()
}

/// A year of two digits is the one that is nearer to today's feeds.
fn full_year((year, len): (i64, usize)) -> Option<i64> {
    match len {
        4 => Some(year),
        2 if year < 70 => Some(2_000 + year),
        2 => Some(1_900 + year),
        _ => None,
    }
}

fn is_gap(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | '-' | '/' | '.' | '(' | ')' | '\'' | '’')
}

/// A number with how many digits it has, be it `3`, `03` or `3rd`.
fn ordinal(word: &str) -> Option<(i64, usize)> {
    let digits = word.trim_end_matches(|c: char| c.is_alphabetic() || c == 'º');
    let suffix = word.get(digits.len()..)?.to_lowercase();
    let is_number = ["", "st", "nd", "rd", "th", "er", "º"].contains(&suffix.as_str());
    (is_number && digits.len() <= 4).then_some(())?;
    Some((digits.parse().ok()?, digits.len()))
}

fn month_of(word: &str) -> Option<i64> {
    let plain = word.to_lowercase().replace(['é', 'è'], "e").replace('ä', "a").replace('û', "u");
    let found = MONTHS.iter().find(|(name, _)| plain.starts_with(name));
    let dezember = || plain.starts_with("dez") || plain.starts_with("dic");
    found.map(|(_, month)| i64::from(*month)).or_else(|| dezember().then_some(12))
}

/// Splits at the first time with a colon.
fn split_time(text: &str) -> (&str, Option<(Time, Span)>, &str) {
    for (colon, _) in text.match_indices(':') {
        let head = text.get(..colon).unwrap_or_default();
        let digits = head.bytes().rev().take_while(u8::is_ascii_digit).count().min(2);
        let (before, _) = head.split_at(head.len() - digits);
        let mut rest = Scan(text.get(before.len()..).unwrap_or_default());
        if let Some(time) = rest.time() {
            return (before, Some(time), rest.0);
        }
    }
    (text, None, "")
}

/// Takes `AM` or `PM` from the beginning of the text after a time.
fn half_day<'a>(after: &'a str, clock: &mut Time) -> Option<&'a str> {
    let trimmed = after.trim_start();
    let lower = trimmed.to_ascii_lowercase();
    let found = ["a.m.", "p.m.", "am", "pm"].into_iter().find(|half| lower.starts_with(half));
    let Some(half) = found else { return Some(after) };
    let hour = match (half.starts_with('p'), clock.hour()) {
        (false, 12) => 0,
        (true, hour) if hour < 12 => hour + 12,
        (_, hour) => hour,
    };
    *clock = Time::new(hour, clock.minute(), clock.second(), 0).ok()?;
    trimmed.get(half.len()..)
}

/// Reads the zone that follows a time, and gathers other parts that follow, such as the year.
fn tail<'a>(after: &'a str, more: &mut Vec<&'a str>) -> Option<Offset> {
    let mut found = None;
    for word in after.split_whitespace() {
        if word.starts_with('(') {
            continue;
        }
        let word = word.trim_matches([',', '.', ';']);
        let is_year = word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
        if found.is_none() && !is_year {
            found = offset(word);
        }
        if found.is_none() || is_year {
            more.extend(word.split(is_gap));
        }
    }
    Some(found.unwrap_or(Offset::UTC))
}

/// A zone: `Z`, `+02:00`, `-0500`, `+2`, `EST`, `GMT+1`.
fn offset(word: &str) -> Option<Offset> {
    let lower = word.to_ascii_lowercase();
    let name_len = lower.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(lower.len());
    let (name, numbers) = lower.split_at_checked(name_len)?;
    let named = ZONES.iter().find(|(zone, ..)| *zone == name);
    let named = named.map(|(_, hours, minutes)| Span::new().hours(*hours).minutes(*minutes));
    if numbers.is_empty() {
        return seconds(named?);
    }
    if !name.is_empty() && !matches!(name, "utc" | "gmt" | "ut" | "z") {
        return None;
    }
    let sign = match numbers.chars().next()? {
        '+' => 1,
        '-' | '−' => -1,
        _ => return None,
    };
    let mut digits = Scan(numbers.trim_start_matches(['+', '-', '−']));
    let hours = digits.digits(1, 2)?;
    digits.one_of(&[':']);
    let minutes = digits.digits(2, 2).unwrap_or_default();
    (digits.0.is_empty() && hours < 24 && minutes < 60).then_some(())?;
    seconds(Span::new().hours(sign * hours).minutes(sign * minutes))
}

fn seconds(span: Span) -> Option<Offset> {
    let seconds = span.get_hours() * 3_600;
    let minutes = i32::try_from(span.get_minutes()).ok()?;
    Offset::from_seconds(seconds + minutes * 60).ok()
}

/// The unread rest.
struct Scan<'a>(&'a str);

impl Scan<'_> {
    /// Takes as many digits as there are up to `max`, if there are `min`.
    fn digits(&mut self, min: usize, max: usize) -> Option<i64> {
        let len = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if len < min || min == max && max == 3 && len != 3 {
            return None;
        }
        let (digits, rest) = self.0.split_at_checked(len.min(max))?;
        self.0 = rest;
        digits.parse().ok()
    }

    fn one_of(&mut self, wanted: &[char]) -> Option<char> {
        let first = self.0.chars().next().filter(|first| wanted.contains(first))?;
        self.0 = self.0.get(first.len_utf8()..)?;
        Some(first)
    }

    /// Takes a time, and says which days to add: 24:00 is the next day's 0:00.
    fn time(&mut self) -> Option<(Time, Span)> {
        let before = self.0;
        let time = self.try_time();
        if time.is_none() {
            self.0 = before;
        }
        time
    }

    fn try_time(&mut self) -> Option<(Time, Span)> {
        let hour = self.digits(1, 2)?;
        let colon = self.one_of(&[':']).is_some();
        let minute = if colon { self.digits(1, 2)? } else { self.digits(2, 2).unwrap_or_default() };
        let has_second = if colon { self.one_of(&[':']).is_some() } else { true };
        // A leap second has no number of its own.
        let second = if has_second { self.digits(1, 2).unwrap_or_default().min(59) } else { 0 };
        let mut nanosecond = 0;
        let fraction = self.0.strip_prefix(['.', ',']);
        if let Some(fraction) = fraction.filter(|it| it.starts_with(|c: char| c.is_ascii_digit())) {
            let len = fraction.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, rest) = fraction.split_at_checked(len)?;
            let padded = format!("{digits:0<9}");
            nanosecond = padded.get(..9)?.parse().ok()?;
            self.0 = rest;
        }
        let small = |number| i8::try_from(number).ok();
        if (hour, minute, second) == (24, 0, 0) {
            return Some((Time::midnight(), 1.day()));
        }
        let time = Time::new(small(hour)?, small(minute)?, small(second)?, nanosecond).ok()?;
        Some((time, Span::new()))
    }
}

#[cfg(test)]
mod tests;
