//! The components and tags that a document needs.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Leaves out the components and tags that no operation needs.
pub(super) fn leave_out_others(document: &mut Value) {
    let Some(paths) = document.get_mut("paths") else { return };
    let mut needed = BTreeSet::new();
    let paths = paths.take();
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

/// How a tag is noted among references, which all begin with `#`.
fn tag_of(name: &str) -> String {
    format!("tag {name}")
}

/// Notes everything in the document to which `value` leads, at however many removes.
fn gather(value: &Value, document: &Value, needed: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| gather(value, document, needed)),
        Value::Object(fields) => {
            note_named(fields, needed);
            let reference = fields.get("$ref").and_then(Value::as_str);
            if let Some(reference) = reference
                && needed.insert(reference.to_owned())
                && let Some(target) = document.pointer(reference.trim_start_matches('#'))
            {
                gather(target, document, needed);
            }
            fields.values().for_each(|value| gather(value, document, needed));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Notes the components that an operation names without a reference: ways to authenticate, and
/// tags.
fn note_named(fields: &Map<String, Value>, needed: &mut BTreeSet<String>) {
    let list = |name| fields.get(name).and_then(Value::as_array).into_iter().flatten();
    for scheme in list("security").filter_map(Value::as_object).flat_map(Map::keys) {
        needed.insert(format!("#/components/securitySchemes/{scheme}"));
    }
    needed.extend(list("tags").filter_map(Value::as_str).map(tag_of));
}
