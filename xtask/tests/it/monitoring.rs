//! Rules and the dashboard name metrics that there are, and the page for the person on call has
//! every alert.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::tidy::{read, root};

/// The names and types of the real page, which a test of the program keeps.
const SNAPSHOT: &str = "crates/keyward-server/tests/it/snapshots/\
                        it__metrics__names_types_and_descriptions_are_kept.snap";

fn text(path: &str) -> String {
    read(&root().join(path))
}

/// Every name that a query may ask for.
fn exported() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text(SNAPSHOT).lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["#", "TYPE", name, kind] = words[..] {
            let suffixes: &[&str] =
                if kind == "histogram" { &["_bucket", "_count", "_sum"] } else { &[""] };
            names.extend(suffixes.iter().map(|suffix| format!("{name}{suffix}")));
        }
    }
    assert!(20 < names.len(), "the names are found");
    names
}

/// The words of a text that are names of metrics by their beginning.
fn asked(text: &str) -> BTreeSet<String> {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c| !is_of_word(c));
    let prefixes = ["keyward_", "http_server_", "process_"];
    let is_name = |word: &&str| prefixes.iter().any(|prefix| word.starts_with(prefix));
    words.filter(is_name).map(str::to_owned).collect()
}

/// The dashboard.
fn dashboard() -> Value {
    serde_json::from_str(&text("docs/monitoring/keyward-dashboard.json")).unwrap()
}

/// The texts of all queries in it.
fn queries(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(list) => list.iter().flat_map(queries).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == "expr" || name == "query" => vec![text.as_str()],
                _ => queries(value),
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are() {
    let exported = exported();
    let dashboard = dashboard();
    let queries = queries(&dashboard).join("\n");
    // A rule is also asked for by its tests.
    let rules = ["keyward-rules.yml", "keyward-rules.test.yml"];
    let rules = rules.map(|name| text(&format!("docs/monitoring/{name}"))).join("\n");
    for (place, text, least) in [("the rules", rules, 7), ("the dashboard", queries, 12)] {
        let asked = asked(&text);
        assert!(least < asked.len(), "names are found in {place}: {asked:?}");
        let missing: Vec<_> = asked.difference(&exported).collect();
        assert!(missing.is_empty(), "{place} ask for {missing:?}");
    }
}

#[test]
fn every_metric_is_documented() {
    let page = text("docs/monitoring.md");
    for line in text(SNAPSHOT).lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split_whitespace().next().unwrap();
        let is_there = name.starts_with("process_") || page.contains(name);
        assert!(is_there, "docs/monitoring.md has {name}");
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let page = text("docs/operating.md");
    let rules = text("docs/monitoring/keyward-rules.yml");
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut count = 0;
    for alert in alerts {
        assert!(page.contains(&format!("**`{alert}`**")), "docs/operating.md has {alert}");
        count += 1;
    }
    assert!(10 < count);
}

/// The fields without which Grafana does not load a dashboard as it was meant (its schema v39).
#[test]
fn the_dashboard_has_the_form_that_grafana_loads() {
    let dashboard = dashboard();
    assert_eq!(dashboard["schemaVersion"], 39);
    for field in ["title", "uid", "refresh"] {
        assert!(dashboard[field].is_string(), "{field}");
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(
        (&variables[0]["name"], &variables[0]["type"]),
        (&"ds".into(), &"datasource".into())
    );
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "no id is there twice");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(["stat", "timeseries"].contains(&panel["type"].as_str().unwrap()), "{title}");
        assert_eq!(panel["datasource"]["uid"], "${ds}", "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}");
        let place = |field: &str| panel["gridPos"][field].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title} is on the page");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} lies on another panel");
            }
        }
        let targets = panel["targets"].as_array().unwrap();
        let refs: BTreeSet<_> = targets.iter().map(|it| it["refId"].as_str().unwrap()).collect();
        assert_eq!(refs.len(), targets.len(), "{title}");
        for target in targets {
            let query = target["expr"].as_str().unwrap();
            assert!(query.contains("job=\"$job\""), "{title} is about the chosen job: {query}");
            let count = |c: char| query.chars().filter(|other| *other == c).count();
            assert_eq!((count('('), count('{')), (count(')'), count('}')), "{title}");
        }
    }
}
