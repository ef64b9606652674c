//! Which route a path belongs to, before the router is asked.
//!
//! The router knows it only inside, where telling it to the edge would take memory for each
//! request. This is the same search, of the same library, over the same paths.

use std::fmt;

use keyward_admin::routes::Routes;

use crate::metrics::{Requests, TemplateId};

/// The templates of the routes of one listener.
#[derive(Default)]
pub(crate) struct Templates(matchit::Router<Template>);

/// The template of a route.
#[derive(Debug)]
pub(crate) struct Template {
    /// Its number.
    pub(crate) id: TemplateId,
    /// Its text.
    pub(crate) path: String,
}

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
            // A path with several methods is there once; the router rejects ambiguous paths.
            let id = requests.template(route.path());
            for pattern in route.patterns() {
                let path = route.path().to_owned();
                let _is_there = templates.insert(pattern, Template { id, path });
            }
        }
        Self(templates)
    }

    /// The template that a path fits, if it fits one.
    pub(crate) fn find(&self, path: &str) -> Option<&Template> {
        self.0.at(path).ok().map(|found| found.value)
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

    #[utoipa::path(get, path = "/doors/nginx")]
    async fn ask() {}

    #[utoipa::path(get, path = "/things/all")]
    async fn show_all() {}

    #[test]
    fn a_path_has_the_template_of_its_route() {
        let routes = Routes::new()
            .add(Access::Open, route!(show_thing))
            .add(Access::Open, route!(delete_thing))
            .add(Access::Open, route!(show_all))
            .add(Access::Door, route!(ask).with_paths_below());
        let requests = Requests::default();
        let templates = Templates::of(&routes, &requests);
        for (path, template) in [
            ("/things/7", "/things/{id}"),
            ("/things/all", "/things/all"),
            ("/doors/nginx", "/doors/nginx"),
            ("/doors/nginx/", "/doors/nginx"),
            ("/doors/nginx/scope/a:b", "/doors/nginx"),
        ] {
            let found = templates.find(path).unwrap();
            assert_eq!((found.id, found.path.as_str()), (requests.template(template), template));
        }
        for path in ["/things", "/things/", "/things/7/8", "/", "", "*"] {
            assert!(templates.find(path).is_none(), "{path}");
        }
        let find = || assert!(templates.find("/things/7").is_some());
        assert_eq!(allocation_counter::measure(find).count_total, 0);
    }
}
