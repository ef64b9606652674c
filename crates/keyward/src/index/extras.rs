//! The scopes, networks, own limits and metadata of a key, which only some keys have.

use std::net::IpAddr;

use triomphe::Arc;

use crate::details::Metadata;
use crate::limit::{Limits, Revision};
use crate::network::Networks;
use crate::record::Scopes;
use crate::stored::Key;

/// One pointer, which is empty for a key without any of them. Cloning shares them.
#[derive(Clone, Default)]
pub(super) struct Extras(Option<Arc<Inner>>);

struct Inner {
    scopes: Scopes,
    networks: Networks,
    /// Its own, which replace the tier's.
    limits: Option<Limits>,
    metadata: Metadata,
    /// When its own limits or its tier were changed, on a cluster.
    revision: Revision,
}

impl Extras {
    pub(super) fn of(key: &Key, revision: Revision) -> Self {
        let Key { scopes, networks, limits, notes, .. } = key;
        let is_plain = scopes.is_empty() && networks.is_empty() && limits.is_none();
        if is_plain && notes.metadata.is_empty() && revision == Revision::default() {
            return Self(None);
        }
        let (scopes, networks) = (scopes.clone(), networks.clone());
        let (limits, metadata) = (limits.clone(), notes.metadata.clone());
        Self(Some(Arc::new(Inner { scopes, networks, limits, metadata, revision })))
    }

    /// Whether the key may do what `asked` names.
    #[inline]
    pub(super) fn grants(&self, asked: &str) -> bool {
        self.0.as_ref().is_some_and(|extras| extras.scopes.grants(asked))
    }

    /// The scopes, in the order in which they were given.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|extras| extras.scopes.iter()).map(|scope| scope.as_str())
    }

    /// Whether the key may be used from this address.
    #[inline]
    pub(super) fn allow(&self, address: Option<IpAddr>) -> bool {
        self.0.as_ref().is_none_or(|extras| extras.networks.allow(address))
    }

    /// A JSON object, compact.
    pub(super) fn metadata(&self) -> &str {
        self.0.as_ref().map_or("{}", |extras| extras.metadata.as_str())
    }

    pub(super) fn revision(&self) -> Revision {
        self.0.as_ref().map(|extras| extras.revision).unwrap_or_default()
    }

    #[inline]
    pub(super) fn limits(&self) -> Option<&Limits> {
        self.0.as_ref()?.limits.as_ref()
    }
}
