//! Turning the text of a setting into its value. An error states the fault and its remedy.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use http::HeaderValue;
use keyward::key::Prefix;
use keyward::network::Network;
use keyward_axum::RateLimitHeaders;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::LogFormat;
use super::table::Form;
use keyward_admin::people::secure_url;

pub(super) fn address(text: &str, _: &Form) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is not an IP address with a port; write it like 127.0.0.1:8000")
    })
}

/// Most networks in one setting. Each is compared for each request.
const NETWORKS_MAX: usize = 64;

/// Takes networks separated by commas.
pub(super) fn networks(text: &str, _: &Form) -> Result<Vec<Network>, String> {
    let network = |part: &str| {
        let part = part.trim();
        part.parse().map_err(|problem| format!("`{part}` does not fit: {problem}"))
    };
    let networks: Vec<_> = text.split(',').map(network).collect::<Result<_, _>>()?;
    if NETWORKS_MAX < networks.len() {
        return Err(format!("has more than {NETWORKS_MAX} networks; use wider ones"));
    }
    Ok(networks)
}

/// Which origins pages may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    /// Every one.
    Any,
    /// The listed origins.
    These(Vec<HeaderValue>),
}

/// Most origins in one setting. Each is compared for each request of a page.
const ORIGINS_MAX: usize = 64;

/// Takes `*`, or origins separated by commas, as browsers write them.
pub(super) fn origins(text: &str, _: &Form) -> Result<Origins, String> {
    if text == "*" {
        return Ok(Origins::Any);
    }
    let origin = |part: &str| {
        let part = part.trim();
        // A browser sends no pattern, so a pattern would allow no origin.
        let url = Url::parse(part)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()) && !part.contains('*'));
        let written = url.map(|url| url.origin().ascii_serialization());
        match written {
            Some(written) if written == part => Ok(HeaderValue::try_from(written)),
            Some(written) => Err(format!("`{part}` is no origin; write it like `{written}`")),
            None => {
                Err(format!("`{part}` is no origin; write it like https://app.example, or `*`"))
            }
        }
    };
    let origins: Vec<_> = text.split(',').map(origin).collect::<Result<_, _>>()?;
    if ORIGINS_MAX < origins.len() {
        return Err(format!("has more than {ORIGINS_MAX} origins"));
    }
    let origins: Result<_, _> = origins.into_iter().collect();
    origins.map(Origins::These).map_err(|_| "is no text that fits a header".to_owned())
}

/// Where GitHub publishes the keys that sign its reports.
const GITHUB_KEYS: &str = "https://api.github.com/meta/public_keys/secret_scanning";

/// Takes `off`, `on`, or the URL of the public keys.
pub(super) fn github_leaks(text: &str, _: &Form) -> Result<Option<Url>, String> {
    match text {
        "off" => Ok(None),
        "on" => secure_url(GITHUB_KEYS).map(Some),
        other => secure_url(other).map(Some).map_err(|problem| {
            format!("is neither `off` nor `on`, and as the URL of GitHub's keys it {problem}")
        }),
    }
}

pub(super) fn prefix(text: &str, _: &Form) -> Result<Prefix, String> {
    text.parse().map_err(|problem| format!("`{text}` does not fit: {problem}"))
}

/// Takes a whole number and its unit: `500ms`, `5s`, `2m`, `1h`.
pub(super) fn duration(text: &str, form: &Form) -> Result<Duration, String> {
    let advice = || format!("`{text}` is not a duration; write it like 500ms, 5s, 2m or 1h");
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(advice()),
    };
    let number: u64 = number.parse().map_err(|_| advice())?;
    let millis = number.checked_mul(unit_ms).ok_or_else(advice)?;
    form.check(millis).map_err(|range| format!("`{text}` is out of range; use {range}"))?;
    Ok(Duration::from_millis(millis))
}

/// Takes `auto` for what other settings imply.
pub(super) fn duration_or_auto(text: &str, form: &Form) -> Result<Option<Duration>, String> {
    if text == "auto" {
        return Ok(None);
    }
    let given = duration(text, form).map_err(|problem| format!("{problem}, or `auto`"))?;
    Ok(Some(given))
}

/// Takes a whole number.
pub(super) fn whole(text: &str, form: &Form) -> Result<u32, String> {
    let number = text.parse().map_err(|_| format!("`{text}` is not a whole number"))?;
    form.check(u64::from(number))
        .map_err(|range| format!("`{text}` is out of range; use {range}"))?;
    Ok(number)
}

pub(super) fn count(text: &str, form: &Form) -> Result<NonZeroU32, String> {
    NonZeroU32::new(whole(text, form)?).ok_or_else(|| "0 is out of range; use 1 or more".to_owned())
}

/// Takes 0 for «no limit».
pub(super) fn count_or_none(text: &str, form: &Form) -> Result<Option<NonZeroU32>, String> {
    whole(text, form).map(NonZeroU32::new)
}

/// Takes `all` for no end.
pub(super) fn usage_days(text: &str, form: &Form) -> Result<Option<NonZeroU32>, String> {
    if text == "all" {
        return Ok(None);
    }
    let days = count(text, form).map_err(|problem| format!("{problem}, or `all`"))?;
    Ok(Some(days))
}

/// Takes `auto` for one thread a core.
pub(super) fn threads(text: &str, form: &Form) -> Result<Option<NonZeroUsize>, String> {
    if text == "auto" {
        return Ok(None);
    }
    let threads = count(text, form).map_err(|problem| format!("{problem}, or `auto`"))?;
    // A thread count that fits 32 bits fits `usize` on every platform with threads.
    NonZeroUsize::try_from(threads).map(Some).map_err(|_| "is too large".to_owned())
}

pub(super) fn log_filter(text: &str, _: &Form) -> Result<String, String> {
    EnvFilter::try_new(text).map_err(|_| {
        format!("`{text}` is not a log filter; write it like `info` or `warn,keyward=debug`")
    })?;
    Ok(text.to_owned())
}

pub(super) fn rate_limit_headers(text: &str, _: &Form) -> Result<RateLimitHeaders, String> {
    match text {
        "standard" => Ok(RateLimitHeaders::Standard),
        "x-ratelimit" => Ok(RateLimitHeaders::XRateLimit),
        "both" => Ok(RateLimitHeaders::Both),
        "none" => Ok(RateLimitHeaders::Neither),
        _ => Err(format!("`{text}` is no choice; use `both`, `standard`, `x-ratelimit` or `none`")),
    }
}

/// Takes `on` or `off`.
pub(super) fn switch(text: &str, _: &Form) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`{text}` is neither `on` nor `off`")),
    }
}

pub(super) fn log_format(text: &str, _: &Form) -> Result<LogFormat, String> {
    match text {
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("`{text}` is no log format; use `human` or `json`")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    #[test]
    fn rate_limit_headers_are_one_of_four_words() {
        let read = |text| rate_limit_headers(text, &table::RATE_LIMIT_HEADERS.form).ok();
        for (text, which) in [
            ("both", RateLimitHeaders::Both),
            ("standard", RateLimitHeaders::Standard),
            ("x-ratelimit", RateLimitHeaders::XRateLimit),
            ("none", RateLimitHeaders::Neither),
        ] {
            assert_eq!(read(text), Some(which));
        }
        assert_eq!(table::RATE_LIMIT_HEADERS.default, Some("both"));
        assert_eq!([read(""), read("Both"), read("all")], [None; 3]);
    }

    #[test]
    fn durations_have_a_unit_and_a_range() {
        let parsed = |text| duration(text, &table::REQUEST_TIMEOUT.form);
        for (text, millis) in
            [("100ms", 100), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000), ("007s", 7_000)]
        {
            assert_eq!(parsed(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "5", "s", "-1s", "1.5s", "5 s", "5S", "1d", "99ms", "61m", "18446744073709551615h"]
        {
            assert!(parsed(text).is_err(), "{text}");
        }
        insta::assert_snapshot!(parsed("5").unwrap_err(), @"`5` is not a duration; write it like 500ms, 5s, 2m or 1h");
        insta::assert_snapshot!(parsed("99ms").unwrap_err(), @"`99ms` is out of range; use 100ms to 1h");
    }

    #[test]
    fn networks_are_separated_by_commas() {
        let parsed = |text: &str| networks(text, &table::ADMIN_NETWORKS.form);
        assert_eq!(parsed("10.0.0.0/8").unwrap().len(), 1);
        assert_eq!(parsed("10.0.0.0/8, 2001:db8::/32,192.0.2.1").unwrap().len(), 3);
        for text in ["", "10.0.0.0/8,", "10.0.0.1/8", "localhost", "10.0.0.0/33"] {
            assert!(parsed(text).is_err(), "{text}");
        }
        assert_eq!(parsed(&vec!["10.0.0.0/8"; 64].join(",")).unwrap().len(), 64);
        assert!(parsed(&vec!["10.0.0.0/8"; 65].join(",")).is_err());
    }

    #[test]
    fn origins_are_written_as_browsers_do() {
        let parsed = |text: &str| origins(text, &table::CORS_ORIGINS.form);
        let these = |list: &[&'static str]| {
            Ok(Origins::These(list.iter().map(|one| HeaderValue::from_static(one)).collect()))
        };
        assert_eq!(parsed("*"), Ok(Origins::Any));
        assert_eq!(parsed("https://app.example"), these(&["https://app.example"]));
        let two = "http://localhost:5173, https://app.example";
        assert_eq!(parsed(two), these(&["http://localhost:5173", "https://app.example"]));
        insta::assert_snapshot!(parsed("https://App.example:443/").unwrap_err(), @"`https://App.example:443/` is no origin; write it like `https://app.example`");
        insta::assert_snapshot!(parsed("app.example").unwrap_err(), @"`app.example` is no origin; write it like https://app.example, or `*`");
        for text in ["", "null", "*,https://a.example", "https://*.a.example", "file:///a"] {
            assert!(parsed(text).is_err(), "{text}");
        }
        let many = |count| parsed(&vec!["https://a.example"; count].join(","));
        assert!(many(ORIGINS_MAX).is_ok() && many(ORIGINS_MAX + 1).is_err());
    }

    #[test]
    fn reports_of_github_are_off_on_or_have_a_url() {
        let parsed = |text| github_leaks(text, &table::GITHUB_LEAKS.form);
        assert_eq!(parsed("off"), Ok(None));
        assert_eq!(parsed("on").unwrap().unwrap().as_str(), GITHUB_KEYS);
        assert!(parsed("http://127.0.0.1:9/keys").unwrap().is_some());
        assert!(parsed("http://example.com/keys").is_err());
        assert!(parsed("yes").is_err());
    }

    #[test]
    fn zero_failures_a_minute_is_no_limit() {
        let form = &table::FAILURES_PER_MINUTE.form;
        assert_eq!(count_or_none("0", form), Ok(None));
        assert_eq!(count_or_none("1", form), Ok(NonZeroU32::new(1)));
    }

    #[test]
    fn counts_end_at_their_bounds() {
        let form = &table::CONNECTIONS_MAX.form;
        for (text, fits) in [("0", false), ("1", true), ("1000000", true), ("1000001", false)] {
            assert_eq!(count(text, form).is_ok(), fits, "{text}");
        }
        assert_eq!(threads("auto", &table::THREADS.form), Ok(None));
        assert_eq!(threads("2", &table::THREADS.form), Ok(NonZeroUsize::new(2)));
        assert!(threads("0", &table::THREADS.form).is_err());
        assert_eq!(usage_days("all", &table::USAGE_DAYS.form), Ok(None));
        assert_eq!(usage_days("400", &table::USAGE_DAYS.form), Ok(NonZeroU32::new(400)));
        let error = usage_days("0", &table::USAGE_DAYS.form).unwrap_err();
        assert_eq!(error, "`0` is out of range; use 1 to 36500, or `all`");
    }
}
