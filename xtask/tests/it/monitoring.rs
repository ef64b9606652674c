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

/// Whether a name in a query can have it.
fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// The words of a text that are names of metrics by their beginning.
fn asked(text: &str) -> BTreeSet<String> {
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

/// What the types of `cargo xtask monitoring` do not say.
#[test]
fn panels_of_the_dashboard_have_their_places_and_names() {
    let dashboard = dashboard();
    // Grafana brings an old form up to date, and cannot read a newer one than its own.
    assert_eq!(dashboard["schemaVersion"], 39);
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "no id is there twice");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        let place = |field: &str| panel["gridPos"][field].as_u64().unwrap();
        assert!(0 < place("w") && 0 < place("h"), "{title} has a size");
        assert!(place("x") + place("w") <= 24, "{title} is on the page");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} lies on another panel");
            }
        }
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title} asks for something");
        let refs: BTreeSet<_> = targets.iter().map(|it| it["refId"].as_str().unwrap()).collect();
        assert_eq!(refs.len(), targets.len(), "{title}");
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        assert_eq!(annotation["expr"], annotation["target"]["expr"], "of old and new Grafana");
    }
}

/// Names after `$`, with or without braces. What follows in the braces is no part of the name.
fn variables(text: &str) -> BTreeSet<&str> {
    let after = text.split('$').skip(1).map(|text| text.strip_prefix('{').unwrap_or(text));
    after.map(|text| text.split(|c| !is_of_word(c)).next().unwrap()).collect()
}

/// An import asks for nothing: the data source is a variable of the dashboard.
#[test]
fn variables_of_the_dashboard_are_those_that_it_has() {
    let text = text("docs/monitoring/keyward-dashboard.json");
    let dashboard = dashboard();
    let list = dashboard["templating"]["list"].as_array().unwrap();
    let declared: BTreeSet<_> = list.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(declared.len(), list.len(), "no name is there twice");
    // Grafana's own begin so.
    let asked: BTreeSet<_> =
        variables(&text).into_iter().filter(|name| !name.starts_with("__")).collect();
    assert_eq!(asked, declared);
    assert_eq!((&list[0]["name"], &list[0]["query"]), (&"ds".into(), &"prometheus".into()));
    assert!(!text.contains("__inputs"), "a variable takes its place");
}

/// The labels of a metric: the page has them, and others are added to each series.
fn labels(name: &str, page: &str) -> BTreeSet<String> {
    let base = ["_bucket", "_count", "_sum"];
    let base = base.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    let row =
        page.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`{base}`")));
    let labels = row.map(|row| row.split('|').nth(2).unwrap()).unwrap_or_default();
    let labels = labels.split(':').next().unwrap().split('`').skip(1).step_by(2);
    labels.chain(["job", "instance", "le"]).map(str::to_owned).collect()
}

/// A label that a metric does not have leaves a panel empty, and no tool finds that.
#[test]
fn queries_of_the_dashboard_ask_for_labels_that_there_are() {
    let (page, dashboard) = (text("docs/monitoring.md"), dashboard());
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut count = 0;
    for target in targets.chain(dashboard["annotations"]["list"].as_array().unwrap()) {
        let query = target["expr"].as_str().unwrap();
        assert!(query.contains("{job=\"$job\""), "of the chosen job: {query}");
        let has: BTreeSet<_> = asked(query).iter().flat_map(|name| labels(name, &page)).collect();
        // Between braces, quoted values left out; and after `by`.
        let unquoted: String = query.split('"').step_by(2).collect();
        let matched = unquoted.split('{').skip(1).map(|text| text.split('}').next().unwrap());
        let grouped = unquoted.split(" by (").skip(1).map(|text| text.split(')').next().unwrap());
        let legend = target["legendFormat"].as_str().unwrap_or_default();
        let legend = legend.split("{{").skip(1).map(|text| text.split("}}").next().unwrap());
        let words = |text: &str| -> Vec<String> {
            text.split(|c| !is_of_word(c)).filter(|it| !it.is_empty()).map(str::to_owned).collect()
        };
        let by: BTreeSet<_> = grouped.flat_map(words).collect();
        for label in matched.flat_map(words).chain(by.iter().cloned()) {
            assert!(has.contains(&label), "`{label}` is none of {has:?}: {query}");
            count += 1;
        }
        for label in legend {
            assert!(by.contains(label), "the name of a line has `{label}`: {query}");
        }
    }
    assert!(40 < count, "labels are found: {count}");
}
