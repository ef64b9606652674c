//! The part of the document that a listener serves.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A part of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// The routes that are not under `/admin`.
    Callers,
    /// The routes under `/admin`, and the routes of every listener.
    Operators,
}

impl Part {
    fn has(self, path: &str) -> bool {
        let is_admin = path == "/admin" || path.starts_with("/admin/");
        let is_everywhere = ["/healthz", "/readyz", "/openapi.json", "/docs"].contains(&path)
            || path.starts_with("/docs/");
        match self {
            Self::Whole => true,
            Self::Callers => !is_admin,
            Self::Operators => is_admin || is_everywhere,
        }
    }

    /// Leaves out the paths of other parts, and the components that only they need.
    pub(super) fn leave_out_others(self, document: &mut Value) {
        if self == Self::Whole {
            return;
        }
        let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
        paths.retain(|path, _| self.has(path));
        let mut needed = BTreeSet::new();
        let paths = Value::Object(std::mem::take(paths));
        gather(&paths, document, &mut needed);
        let components = document.get_mut("components").and_then(Value::as_object_mut);
        for (kind, of_kind) in components.into_iter().flatten() {
            if let Some(of_kind) = of_kind.as_object_mut() {
                of_kind.retain(|name, _| needed.contains(&format!("#/components/{kind}/{name}")));
            }
        }
        if let Some(tags) = document.get_mut("tags").and_then(Value::as_array_mut) {
            tags.retain(|tag| {
                let name = tag.get("name").and_then(Value::as_str).unwrap_or_default();
                needed.contains(&tag_of(name))
            });
        }
        if let Some(document) = document.as_object_mut() {
            document.insert("paths".to_owned(), paths);
        }
    }
}

/// How a tag is noted among references, which all begin with `#`.
fn tag_of(name: &str) -> String {
    format!("tag {name}")
}

/// Notes everything in the document to which `value` leads, at however many removes.
fn gather(value: &Value, document: &Value, needed: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| gather(value, document, needed)),
        Value::Object(members) => {
            note_named(members, needed);
            let reference = members.get("$ref").and_then(Value::as_str);
            if let Some(reference) = reference
                && needed.insert(reference.to_owned())
                && let Some(target) = document.pointer(reference.trim_start_matches('#'))
            {
                gather(target, document, needed);
            }
            members.values().for_each(|value| gather(value, document, needed));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Notes the components that an operation names without a reference: ways to authenticate, and
/// tags.
fn note_named(members: &Map<String, Value>, needed: &mut BTreeSet<String>) {
    let list = |name| members.get(name).and_then(Value::as_array).into_iter().flatten();
    for scheme in list("security").filter_map(Value::as_object).flat_map(Map::keys) {
        needed.insert(format!("#/components/securitySchemes/{scheme}"));
    }
    needed.extend(list("tags").filter_map(Value::as_str).map(tag_of));
}
