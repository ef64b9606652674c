//! The description of routes, as OpenAPI 3.1.
//!
//! A handler describes its own parts, next to its code; `complete` adds the common parts of all
//! responses, so that no handler repeats them.

mod complete;
mod needed;
mod rejections;
mod security;

use std::collections::BTreeMap;

use keyward_api::rejection::{Invalid, InvalidProblem, Problem, Refused};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::tag::Tag;

use self::complete::complete;
use crate::routes::Route;

/// The document of the control plane by itself, without its routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "Keyward", description = "The control plane of Keyward."),
    // Relative to the document, so that it is true under the path of a proxy as well.
    servers((url = ".")),
    tags(
        (name = "keys", description = "The life of a key."),
        (name = "usage", description = "What became of requests."),
        (name = "owners", description = "Customers to whom keys belong."),
        (name = "tiers", description = "Named plans: sets of limits that keys share."),
        (name = "audit", description = "Who changed what, and when."),
        (name = "moving", description = "Taking keys in and out, and copies of everything."),
        (name = "leaks", description = "Keys that were found in public."),
    ),
)]
struct ControlPlane;

/// The bodies of rejections.
#[derive(OpenApi)]
#[openapi(components(schemas(Refused, Problem, Invalid, InvalidProblem)))]
struct Rejections;

/// The document of the control plane by itself, without its routes.
pub(crate) fn front() -> utoipa::openapi::OpenApi {
    ControlPlane::openapi()
}

/// The tags of the routes of the control plane, for the document of an app that mounts it.
#[must_use]
pub fn tags() -> Vec<Tag> {
    front().tags.unwrap_or_default()
}

/// The document that has the title, the servers and the tags of `front`, and these routes.
///
/// Ways to authenticate, rejections and headers follow from the access of each route: those of
/// `Access::Key` have the rejections of a guard, and those of `Access::Admin` the rejections of the
/// control plane. Tags and components that no route needs are left out.
///
/// # Panics
///
/// Panics if a description in `front` is no JSON, which no type of `utoipa` allows.
pub fn document<'a>(
    mut front: utoipa::openapi::OpenApi,
    routes: impl IntoIterator<Item = &'a Route>,
) -> Value {
    front.merge(Rejections::openapi());
    let mut access = BTreeMap::new();
    for route in routes {
        route.describe(&mut front);
        let operation = (route.path().to_owned(), route.method().to_ascii_lowercase());
        access.insert(operation, route.access());
    }
    let mut document = serde_json::to_value(front).expect("a description is plain JSON");
    complete(&mut document, &access);
    needed::leave_out_others(&mut document);
    document
}
