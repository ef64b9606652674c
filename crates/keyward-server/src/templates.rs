//! Which route a path belongs to, before the router is asked.
//!
//! The router knows it only inside, where telling it to the edge would take memory for each
//! request. This is the same search, of the same library, over the same paths.

use std::fmt;

use keyward_admin::routes::Routes;

use crate::metrics::{Requests, TemplateId};

/// The templates of the routes of one listener.
#[derive(Default)]
pub(crate) struct Templates(matchit::Router<TemplateId>);

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Templates")
    }
}

impl Templates {
    /// The templates of these routes, under the numbers that `requests` gives them.
    pub(crate) fn of(routes: &Routes, requests: &Requests) -> Self {
        let mut templates = matchit::Router::new();
        for route in routes.iter() {
            // A path with several methods is there once; the router rejects what is ambiguous.
            let _is_there = templates.insert(route.path(), requests.template(route.path()));
        }
        Self(templates)
    }

    /// The template that a path fits.
    pub(crate) fn find(&self, path: &str) -> TemplateId {
        self.0.at(path).map(|found| *found.value).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use keyward_admin::routes::{Access, route};

    use super::*;

    #[utoipa::path(get, path = "/things/{id}")]
    async fn show_thing() {}

    #[utoipa::path(delete, path = "/things/{id}")]
    async fn delete_thing() {}

    #[utoipa::path(get, path = "/things/all")]
    async fn show_all() {}

    #[test]
    fn a_path_has_the_template_of_its_route() {
        let routes = Routes::new()
            .add(Access::Open, route!(show_thing))
            .add(Access::Open, route!(delete_thing))
            .add(Access::Open, route!(show_all));
        let requests = Requests::default();
        let templates = Templates::of(&routes, &requests);
        assert_eq!(templates.find("/things/7"), requests.template("/things/{id}"));
        assert_eq!(templates.find("/things/all"), requests.template("/things/all"));
        for path in ["/things", "/things/", "/things/7/8", "/", "", "*"] {
            assert_eq!(templates.find(path), TemplateId::default(), "{path}");
        }
        let find = || assert_ne!(templates.find("/things/7"), TemplateId::default());
        assert_eq!(allocation_counter::measure(find).count_total, 0);
    }
}
