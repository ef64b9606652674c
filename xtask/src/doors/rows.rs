//! Where a proxy cannot do as all have to: its own values, each with the reason.
//!
//! The reason is a sentence of the proxy's page, word for word; a test compares them.

mod apache;

use super::cells::Step;
use super::facts::Facts;
use super::proxy::Proxy;

/// A cell, or several, in which a proxy has values of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deviation {
    pub(crate) proxy: Proxy,
    /// The names of the cells; none are all.
    pub(crate) cells: &'static [&'static str],
    pub(crate) reason: &'static str,
    /// Changes the expected facts of the cell's requests.
    pub(crate) change: fn(&mut [Step]),
}

/// Every deviation. They are applied in this order.
pub(crate) fn deviations() -> impl Iterator<Item = &'static Deviation> {
    OF_VERIFYING.iter().chain(&apache::ALL)
}

/// The deviations of one proxy in one cell.
pub(crate) fn deviations_of(proxy: Proxy, cell: &str) -> impl Iterator<Item = &'static Deviation> {
    deviations().filter(move |deviation| {
        let is_meant = deviation.cells.is_empty() || deviation.cells.contains(&cell);
        deviation.proxy == proxy && is_meant
    })
}

/// The proxies that ask for a verdict.
const OF_VERIFYING: [Deviation; 9] = [
    Deviation {
        proxy: Proxy::Nginx,
        cells: &["two Authorization"],
        reason: "nginx itself rejects a request with two `Authorization` lines, with 400 in HTML.",
        change: |steps| {
            all(steps, |facts| {
                facts.set("body", "HTML");
                facts.set("content-type", "text/html");
                facts.remove("www-authenticate");
                facts.remove("shared caches");
            });
        },
    },
    Deviation {
        proxy: Proxy::Caddy,
        cells: &["verifier dead", "verifier silent"],
        reason: "Caddy does not tell whether Keyward or the API failed, so the detail names both.",
        change: |steps| {
            all(steps, |facts| facts.set("body", "Keyward or the API cannot be reached"));
        },
    },
    Deviation {
        proxy: Proxy::Traefik,
        cells: &[],
        reason: "A response of the API has no `RateLimit` fields; only denials have them.",
        change: |steps| {
            all(steps, |facts| {
                if facts.get("api") == Some("1") {
                    without_limits(facts);
                }
            });
        },
    },
    Deviation {
        proxy: Proxy::Traefik,
        cells: &["verifier dead", "verifier silent"],
        reason: "When Keyward cannot be reached, a client gets 500 without a body, after 30 s if \
                 Keyward accepts the connection and does not respond.",
        change: |steps| {
            all(steps, |facts| {
                facts.set("status", "500");
                facts.set("body", "");
                facts.remove("content-type");
                facts.remove("retry-after");
                facts.remove("shared caches");
            });
        },
    },
    Deviation {
        proxy: Proxy::Envoy,
        cells: &["operator's mistake"],
        reason: "A 503 of Keyward's own has the detail `Keyward cannot be reached`, too.",
        change: |steps| all(steps, |facts| facts.set("body", "Keyward cannot be reached")),
    },
    Deviation {
        proxy: Proxy::EnvoyGrpc,
        cells: &["operator's mistake"],
        reason: "A 503 of Keyward's own has the detail `Keyward cannot be reached`, too.",
        change: |steps| all(steps, |facts| facts.set("body", "Keyward cannot be reached")),
    },
    Deviation {
        proxy: Proxy::Envoy,
        cells: &["HEAD without a key"],
        reason: "A denial without a body has no `Content-Type`.",
        change: |steps| all(steps, |facts| facts.remove("content-type")),
    },
    Deviation {
        proxy: Proxy::Envoy,
        cells: &["two Authorization"],
        reason: "Two lines of `Authorization` are malformed: 401, not 400.",
        change: |steps| {
            all(steps, |facts| {
                facts.set("status", "401");
                facts.set("body", "Invalid Authorization format. Use: Bearer YOUR_API_KEY");
            });
        },
    },
    Deviation {
        proxy: Proxy::Envoy,
        cells: &["two X-API-Key"],
        reason: "Envoy joins two lines of `X-API-Key` to one, which is a wrong key: 401, not 400.",
        change: |steps| {
            all(steps, |facts| {
                facts.set("status", "401");
                facts.set("body", "Invalid or inactive API key");
                facts.set("www-authenticate", r#"Bearer error="invalid_token""#);
            });
        },
    },
];

fn all(steps: &mut [Step], change: impl Fn(&mut Facts)) {
    steps.iter_mut().for_each(|step| change(&mut step.expected));
}

fn without_limits(facts: &mut Facts) {
    facts.remove("ratelimit");
    facts.remove("x-ratelimit");
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::doors::cells::{CELLS, SILENT};

    #[test]
    fn each_deviation_is_on_its_page() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for deviation in deviations() {
            // Envoy has one page for both of its ways to ask.
            let name = deviation.proxy.name().trim_end_matches("-grpc");
            let page = format!("docs/proxies/{name}.md");
            let text = fs::read_to_string(root.join(&page)).unwrap();
            assert!(text.contains(deviation.reason), "{page} says: {}", deviation.reason);
        }
    }

    #[test]
    fn each_deviation_is_of_cells_that_exist() {
        let names: Vec<_> = CELLS.iter().chain([&SILENT]).map(|cell| cell.name).collect();
        for deviation in deviations() {
            let unknown = deviation.cells.iter().find(|cell| !names.contains(cell));
            assert_eq!(unknown, None, "{:?}", deviation.proxy);
        }
    }
}
