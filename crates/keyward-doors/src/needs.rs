//! What a route needs, as the path of a door says: `/scope/articles:read/cost/5`.

use std::borrow::Cow;

use keyward::limit::Cost;
use keyward_api::verify::{NeededScope, SCOPES_MAX};
use percent_encoding::percent_decode_str;
use thiserror::Error;

/// What a route needs of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Needs<'a> {
    /// All of them, at most [`SCOPES_MAX`].
    pub(crate) scopes: Vec<Cow<'a, str>>,
    pub(crate) cost: Cost,
}

/// Why a path says nothing: the operator has to mend it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum NeedsError {
    #[error("The path of the door has to go on with /scope/SCOPE or /cost/NUMBER")]
    Word,
    #[error("The path of the door names no scope, or one that is not resource:action")]
    Scope,
    #[error("The path of the door names more than 8 scopes")]
    Scopes,
    #[error("The path of the door names no cost from 0 to 1000000, or two of them")]
    Cost,
}

/// The end of the part of a path that an operator wrote; what follows is the client's.
const END: &str = "-";

impl<'a> Needs<'a> {
    /// Reads what follows the name of the door: nothing, or pairs of a word and a value.
    pub(crate) fn parse(path: &'a str) -> Result<Self, NeedsError> {
        let (mut needs, mut cost) = (Self { scopes: Vec::new(), cost: Cost::ONE }, None);
        let mut segments = segments(path);
        while let Some(word) = segments.next() {
            match word {
                "scope" => needs.add_scope(segments.next())?,
                "cost" if cost.is_none() => cost = Some(read_cost(segments.next())?),
                "cost" => return Err(NeedsError::Cost),
                _ => return Err(NeedsError::Word),
            }
        }
        needs.cost = cost.unwrap_or(needs.cost);
        Ok(needs)
    }

    /// Reads a path that goes on with the client's own. So that the client can only make the route
    /// need more, all scopes count, the highest cost, and at least one. [`END`] ends the reading.
    pub(crate) fn parse_before_path(path: &'a str) -> Result<Self, NeedsError> {
        let mut needs = Self { scopes: Vec::new(), cost: Cost::ONE };
        let mut segments = segments(path);
        while let Some(word) = segments.next() {
            match word {
                "scope" => needs.add_scope(segments.next())?,
                "cost" => needs.cost = needs.cost.max(read_cost(segments.next())?),
                END => break,
                // A word of the operator's that is misspelt must not drop what the route needs.
                _ if segments.any(|segment| segment == END) => return Err(NeedsError::Word),
                _ => break,
            }
        }
        Ok(needs)
    }

    fn add_scope(&mut self, scope: Option<&'a str>) -> Result<(), NeedsError> {
        let scope = percent_decode_str(scope.unwrap_or_default()).decode_utf8();
        let scope = scope.map_err(|_| NeedsError::Scope)?;
        scope.parse::<NeededScope>().map_err(|_| NeedsError::Scope)?;
        if self.scopes.len() == SCOPES_MAX {
            return Err(NeedsError::Scopes);
        }
        self.scopes.push(scope);
        Ok(())
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').into_iter().flat_map(|path| path.split('/'))
}

fn read_cost(text: Option<&str>) -> Result<Cost, NeedsError> {
    let text = text.filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let cost = text.and_then(|text| text.parse().ok()).and_then(Cost::new);
    cost.ok_or(NeedsError::Cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(needs: Result<Needs<'_>, NeedsError>) -> Result<(String, u32), NeedsError> {
        needs.map(|needs| (needs.scopes.join(" "), needs.cost.get()))
    }

    #[test]
    fn a_path_names_scopes_and_a_cost_in_any_order() {
        let check = |path: &str, scopes: &str, cost| {
            assert_eq!(shown(Needs::parse(path)), Ok((scopes.to_owned(), cost)), "{path}");
        };
        check("", "", 1);
        check("/scope/articles:read", "articles:read", 1);
        check("/scope/articles%3Aread/cost/0", "articles:read", 0);
        check("/cost/1000000/scope/a:b/scope/c:d", "a:b c:d", 1_000_000);
    }

    #[test]
    fn a_path_that_says_nothing_is_a_fault() {
        let check = |path: &str, error| assert_eq!(Needs::parse(path), Err(error), "{path}");
        for path in ["/", "//", "/scopes/a:b", "/Scope/a:b", "/scope/a:b/", "/a:b", "/-"] {
            check(path, NeedsError::Word);
        }
        for path in ["/scope", "/scope/", "/scope/a", "/scope/*", "/scope/a:*", "/scope/%ff:a"] {
            check(path, NeedsError::Scope);
        }
        for path in ["/cost", "/cost/", "/cost/-1", "/cost/+1", "/cost/1.0", "/cost/1000001"] {
            check(path, NeedsError::Cost);
        }
        check("/cost/1/cost/1", NeedsError::Cost);
        check(&"/scope/a:b".repeat(9), NeedsError::Scopes);
    }

    #[test]
    fn a_client_can_only_need_more() {
        let check = |path: &str, scopes: &str, cost| {
            let needs = shown(Needs::parse_before_path(path));
            assert_eq!(needs, Ok((scopes.to_owned(), cost)), "{path}");
        };
        check("", "", 1);
        check("/v1/articles", "", 1);
        check("/scope/a:b/cost/5/-/cost/9/scope/c:d", "a:b", 5);
        // The operator wrote `/scope/a:b` and left out the end.
        check("/scope/a:b/cost/0", "a:b", 1);
        check("/scope/a:b/scope/c:d/v1", "a:b c:d", 1);
        check("/cost/5/cost/1", "", 5);
        check("/-/scop/a:b/-/v1", "", 1);
        for path in ["/scop/a:b/-", "/scope/a:b/costs/5/-/v1", "/v1/-/x"] {
            assert_eq!(Needs::parse_before_path(path), Err(NeedsError::Word), "{path}");
        }
        check("/cost/0/-/v1", "", 1);
        assert_eq!(Needs::parse_before_path("/scope/x"), Err(NeedsError::Scope));
    }
}
