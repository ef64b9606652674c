//! The description of everything that is served, as OpenAPI 3.1, and the pages to read it on.
//!
//! A handler describes its own parts, next to its code; [`complete()`] adds the common parts of all
//! responses, so that no handler repeats them.

mod complete;
mod pages;
mod part;
mod rejections;
mod security;
#[cfg(test)]
pub(crate) mod tests;

use keyward_api::rejection::{Invalid, InvalidProblem, Problem, Refused};
use serde_json::Value;
use utoipa::OpenApi;

use self::complete::complete;
pub(crate) use self::pages::{Document, add_routes};
pub(crate) use self::part::Part;

/// Every handler, one line each.
#[derive(OpenApi)]
#[openapi(
    info(title = "Keyward", description = include_str!("openapi/description.md")),
    // Relative to the document, so that it is true under the path of a proxy as well.
    servers((url = ".")),
    paths(
        crate::health::show_health,
        crate::health::show_readiness,
        crate::own_key::show_own_key,
        crate::admin::keys::issue::issue_key,
        crate::admin::keys::list::list_keys,
        crate::admin::keys::identify::identify_keys,
        crate::admin::keys::show::find_key,
        crate::admin::keys::edit::edit_key,
        crate::admin::keys::life::revoke_key,
        crate::admin::keys::life::suspend_key,
        crate::admin::keys::life::resume_key,
        crate::admin::keys::rotate::rotate_key,
        crate::admin::keys::usage::show_usage,
        crate::admin::keys::usage::show_top,
        crate::admin::keys::show::list_prefixes,
        crate::admin::owners::list_owners,
        crate::admin::owners::show_owner,
        crate::admin::owners::suspend_owner,
        crate::admin::owners::resume_owner,
        crate::admin::owners::edit_owner,
        crate::admin::tiers::list_tiers,
        crate::admin::tiers::show_tier,
        crate::admin::tiers::put_tier,
        crate::admin::tiers::delete_tier,
        crate::admin::audit::list_audit,
        crate::admin::import::import_keys,
        crate::admin::export::export_keys,
        crate::admin::backup::back_up,
        crate::leaks::report::report_leaks,
        crate::leaks::github::report_github_leaks,
        pages::show_openapi,
        pages::show_docs,
        pages::show_docs_file,
    ),
    components(schemas(
        Refused, Problem, Invalid, InvalidProblem,
    )),
    tags(
        (name = "caller", description = "What a caller may know of its own key."),
        (name = "keys", description = "The life of a key."),
        (name = "usage", description = "What became of requests."),
        (name = "owners", description = "Customers to whom keys belong."),
        (name = "tiers", description = "Named plans: sets of limits that keys share."),
        (name = "audit", description = "Who changed what, and when."),
        (name = "moving", description = "Taking keys in and out, and copies of everything."),
        (name = "leaks", description = "Keys that were found in public."),
        (name = "articles", description = "The protected API: news."),
        (name = "health", description = "What watches the server asks."),
        (name = "description", description = "This document, and a page to browse it."),
    ),
)]
struct Described;

/// The description of a listener that serves this part of everything.
pub(crate) fn document(part: Part) -> Value {
    let mut described = Described::openapi();
    #[cfg(feature = "news")]
    described.merge(keyward_news::describe());
    #[cfg(not(feature = "news"))]
    described.tags.iter_mut().for_each(|tags| tags.retain(|tag| tag.name != "articles"));
    let mut document = serde_json::to_value(described).expect("a description is plain JSON");
    complete(&mut document);
    part.leave_out_others(&mut document);
    document
}
