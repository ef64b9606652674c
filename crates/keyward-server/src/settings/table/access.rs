//! The settings of access to the control plane, and of reports without authentication.

use super::{Form, Range, Setting};

pub(crate) const ADMIN_LISTEN: Setting = Setting {
    name: "admin_listen",
    variable: "KEYWARD_ADMIN_LISTEN",
    form: Form::Text("ADDRESS:PORT"),
    default: None,
    doc: "A separate listener for everything under `/admin`",
    extremes: "The public listener then responds with 404 there. Both serve `/healthz` and \
               `/readyz`, and `/openapi.json` and `/docs` for their own routes. If it is not set, \
               one listener serves all routes. Off loopback, the program does not start with a \
               weak or made-up admin key.",
};

pub(crate) const ADMIN_NETWORKS: Setting = Setting {
    name: "admin_networks",
    variable: "KEYWARD_ADMIN_NETWORKS",
    form: Form::Text("CIDR,…"),
    default: Some("0.0.0.0/0,::/0"),
    doc: "The networks from which requests under `/admin` are accepted, separated by commas",
    extremes: "All of them, unless set. A request from another address gets 403 before its key \
               is read. At most 64.",
};

pub(crate) const TRUSTED_PROXIES: Setting = Setting {
    name: "trusted_proxies",
    variable: "KEYWARD_TRUSTED_PROXIES",
    form: Form::Text("CIDR,…"),
    default: None,
    doc: "The networks of the proxies whose `X-Forwarded-For` is trusted, separated by commas",
    extremes: "If it is not set, the address of a client is that of the connection. If it is \
               set, it is the right-most one in that header that belongs to no proxy, and the \
               program does not start with a weak or made-up admin key, since a proxy lets other \
               machines reach even loopback.",
};

pub(crate) const CORS_ORIGINS: Setting = Setting {
    name: "cors_origins",
    variable: "KEYWARD_CORS_ORIGINS",
    form: Form::Text("ORIGIN,…"),
    default: None,
    doc: "The origins whose pages in browsers may send keys to the guarded routes (CORS)",
    extremes: "Such as `https://app.example`, separated by commas, or `*` for every page. The \
               users of a page can read the key that it sends. If it is not set, no page of \
               another origin can send one. No route under `/admin` is ever opened by this. At \
               most 64.",
};

pub(crate) const ADMIN_API_KEY_NEXT: Setting = Setting {
    name: "admin_api_key_next",
    variable: "ADMIN_API_KEY_NEXT",
    form: Form::Secret,
    default: None,
    doc: "A second admin key, which is accepted as well while clients move from the first to it",
    extremes: "It opens the same routes as the first, cannot be set without the first, and has \
               to be as strong. It is never a flag.",
};

pub(crate) const ADMIN_API_KEY_NEXT_FILE: Setting = Setting {
    name: "admin_api_key_next_file",
    variable: "KEYWARD_ADMIN_API_KEY_NEXT_FILE",
    form: Form::Text("FILE"),
    default: None,
    doc: "A file that holds the second admin key",
    extremes: "As for `admin_api_key_file`.",
};

pub(crate) const OIDC_ISSUER: Setting = Setting {
    name: "oidc_issuer",
    variable: "KEYWARD_OIDC_ISSUER",
    form: Form::Text("URL"),
    default: None,
    doc: "The OpenID Connect issuer whose access tokens let people use the control plane",
    extremes: "`https://`, or `http://` on loopback. It has to be the issuer's own name for \
               itself, to the letter. If it is not set, only the admin key is accepted.",
};

pub(crate) const OIDC_AUDIENCE: Setting = Setting {
    name: "oidc_audience",
    variable: "KEYWARD_OIDC_AUDIENCE",
    form: Form::Text("TEXT"),
    default: None,
    doc: "The audience that a token's `aud` has to name, so that tokens for other services fail",
    extremes: "It is required with `oidc_issuer`, and cannot be set without.",
};

pub(crate) const OIDC_ROLE_CLAIM: Setting = Setting {
    name: "oidc_role_claim",
    variable: "KEYWARD_OIDC_ROLE_CLAIM",
    form: Form::Text("CLAIM"),
    default: Some("roles"),
    doc: "The claim that holds a person's roles: a text, or a list of texts",
    extremes: "Dots lead inwards, as in `realm_access.roles`; a claim whose name is the whole text \
               comes first. A person without a known role gets 403.",
};

pub(crate) const OIDC_ROLES: Setting = Setting {
    name: "oidc_roles",
    variable: "KEYWARD_OIDC_ROLES",
    form: Form::Text("ROLE=NAME,…"),
    default: Some("viewer=viewer,issuer=issuer,admin=admin"),
    doc: "The issuer's names of the roles `viewer`, `issuer` and `admin`",
    extremes: "A role may have several names; a role that is left out has none. Of several roles \
               the highest counts. At most 64 names.",
};

pub(crate) const OIDC_CA_FILE: Setting = Setting {
    name: "oidc_ca_file",
    variable: "KEYWARD_OIDC_CA_FILE",
    form: Form::Text("FILE"),
    default: None,
    doc: "A PEM file with the certificates of the authorities that may vouch for the issuer",
    extremes: "It replaces the authorities that the system trusts, which count if it is not set. \
               Where the system has none, those of the public web count. At most 4 MiB.",
};

pub(crate) const LEAK_REPORTS: Setting = Setting {
    name: "leak_reports",
    variable: "KEYWARD_LEAK_REPORTS",
    form: Form::Count(Range { min: 0, max: 1_000_000 }),
    default: Some("0"),
    doc: "The most reports of leaked keys that one address may send to `/leaks` a minute",
    extremes: "0 turns `/leaks` off. A report with a key's text revokes that key.",
};

pub(crate) const GITHUB_LEAKS: Setting = Setting {
    name: "github_leaks",
    variable: "KEYWARD_GITHUB_LEAKS",
    form: Form::Text("off|on|URL"),
    default: Some("off"),
    doc: "Whether GitHub's secret scanning may report leaked keys to `/leaks/github`",
    extremes: "`on` reads GitHub's public keys at their usual address; a URL names another one, \
               `https://` or `http://` on loopback.",
};
