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
