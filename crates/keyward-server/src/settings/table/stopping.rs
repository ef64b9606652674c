//! The settings of an orderly end.

use super::{Form, Range, Setting};

pub(crate) const STOP_DELAY: Setting = Setting {
    name: "stop_delay",
    variable: "KEYWARD_STOP_DELAY",
    form: Form::Duration(Range { min: 0, max: 600_000 }),
    default: Some("auto"),
    doc: "How long the program goes on serving after it is told to stop, with `/readyz` at 503",
    extremes: "`auto` is 5 s with `cluster`, and no time without it. It lets a load balancer learn \
               that this node stops while others take over: keep it above the time that the \
               balancer takes for that. A second signal ends it.",
};

pub(crate) const STOP_WITHIN: Setting = Setting {
    name: "stop_within",
    variable: "KEYWARD_STOP_WITHIN",
    form: Form::Duration(Range { min: 0, max: 600_000 }),
    default: Some("10s"),
    doc: "How long running requests may take to end when the program stops",
    extremes: "`0s` cuts them off at once. Usage counts are flushed either way. Keep it below the \
               time after which your supervisor kills the process.",
};
