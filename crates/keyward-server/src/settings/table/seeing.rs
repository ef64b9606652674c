//! The settings by which an operator sees what the program does.

use super::{Form, Setting};

pub(crate) const METRICS_LISTEN: Setting = Setting {
    name: "metrics_listen",
    variable: "KEYWARD_METRICS_LISTEN",
    form: Form::Text("ADDRESS:PORT"),
    default: None,
    doc: "A separate listener for `/metrics`, with `/healthz` and `/readyz`",
    extremes: "If it is not set, `/metrics` is on the listener that `admin_listen` names, and \
               without that nowhere: the public listener always responds with 404 there. Metrics \
               name no key and no owner, but the tiers and how many keys there are; every client \
               that reaches the listener can read them.",
};

pub(crate) const ACCESS_LOG: Setting = Setting {
    name: "access_log",
    variable: "KEYWARD_ACCESS_LOG",
    form: Form::Switch,
    default: Some("off"),
    doc: "Whether each request is logged, in a line of the level `info`",
    extremes: "The line has the listener, the method, the template of the route, the status, the \
               verdict, the id of the key, the door, the duration, the request id and the trace \
               id; never a key or a path. A log that cannot keep up loses lines, and says how \
               many; no request waits for it.",
};

pub(crate) const OTLP_ENDPOINT: Setting = Setting {
    name: "otlp_endpoint",
    variable: "KEYWARD_OTLP_ENDPOINT",
    form: Form::Text("URL"),
    default: None,
    doc: "The collector that gets a span for each request, by OTLP over HTTP",
    extremes: "Such as `http://127.0.0.1:4318`; a URL without a path gets `/v1/traces`. It needs a \
               program that was built with the feature `otlp`. `https:` needs a certificate of an \
               authority that the system trusts. Spans that the collector does not take are \
               dropped and counted; no request waits for it.",
};
