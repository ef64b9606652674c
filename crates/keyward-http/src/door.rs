//! Doors: the ways on which a request asks for a verdict.

use std::fmt;

use crate::words::words;

words! {
    /// A way on which a request asks for a verdict. Every door gets the same decision; metrics,
    /// logs and traces name the door.
    ///
    /// ```
    /// use keyward_http::Door;
    ///
    /// assert_eq!(Door::default(), Door::Guard);
    /// assert_eq!(Door::ALL.map(Door::as_str)[0], "guard");
    /// ```
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum Door {
        /// None: the request itself is guarded, in a service of Rust.
        #[default]
        Guard = "guard",
        /// `POST /verify`, for a service in any language.
        Verify = "verify",
        /// Forward authentication as Traefik and Caddy ask for it.
        Forwarded = "forwarded",
        /// nginx's `auth_request`.
        Nginx = "nginx",
        /// HAProxy, by a script in Lua.
        Haproxy = "haproxy",
        /// Envoy's external authorization over HTTP.
        Envoy = "envoy",
        /// Envoy's external authorization over gRPC.
        Grpc = "grpc",
        /// Token introspection (RFC 7662).
        Introspect = "introspect",
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
