//! Rules about the text of this crate.

use std::fs;
use std::path::{Path, PathBuf};

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn modules_in_order() -> Vec<String> {
    let text = fs::read_to_string(src().join("lib.rs")).unwrap();
    let lines = text.lines().map(|line| line.strip_prefix("pub ").unwrap_or(line));
    lines
        .filter_map(|line| Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned()))
        .collect()
}

#[test]
fn modules_open_with_a_sentence_and_stay_short() {
    for name in modules_in_order() {
        let text = fs::read_to_string(src().join(&name).with_extension("rs")).unwrap();
        assert!(text.starts_with("//! "), "{name}");
        assert!(text.lines().count() <= 400, "{name}");
    }
}

#[test]
fn modules_use_only_those_above_them() {
    let order = modules_in_order();
    for (at, name) in order.iter().enumerate() {
        let text = fs::read_to_string(src().join(name).with_extension("rs")).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for used in line.split("crate::").skip(1) {
                let end = used.find(|c: char| !c.is_alphanumeric() && c != '_');
                let used = &used[..end.unwrap_or(used.len())];
                let used_at = order.iter().position(|other| other == used);
                assert!(used_at.is_none_or(|used_at| used_at <= at), "{name} uses {used}: {line}");
            }
        }
    }
}
