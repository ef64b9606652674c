//! The settings of the doors, through which other services ask about requests.

use super::{Form, Range, Setting};

pub(crate) const DOORS_LISTEN: Setting = Setting {
    name: "doors_listen",
    variable: "KEYWARD_DOORS_LISTEN",
    form: Form::Text("ADDRESS:PORT"),
    default: None,
    doc: "The listener of the doors, through which proxies and services ask about requests",
    extremes: "If it is not set, there are no doors. Every client that reaches them says where a \
               request comes from: off loopback, the program does not start unless \
               `door_networks` or `door_keys_file` says who may ask.",
};

pub(crate) const DOOR_NETWORKS: Setting = Setting {
    name: "door_networks",
    variable: "KEYWARD_DOOR_NETWORKS",
    form: Form::Text("CIDR,…"),
    default: None,
    doc: "The networks from which doors may be asked, separated by commas",
    extremes: "If it is not set: every network if `door_keys_file` is set, and this machine alone \
               otherwise. A request from another address gets 403 before a key is looked at. At \
               most 64.",
};

pub(crate) const DOOR_KEYS_FILE: Setting = Setting {
    name: "door_keys_file",
    variable: "KEYWARD_DOOR_KEYS_FILE",
    form: Form::Text("FILE"),
    default: None,
    doc: "A file of door keys, of which a client of a door has to send one as `X-Keyward-Door`",
    extremes: "A line for each, as `keyward door-key NAME` prints it: its name and its SHA-256. If \
               it is not set, no door key is asked for; if `door_networks` is set too, both have \
               to fit. At most 256.",
};

pub(crate) const REQUEST_IDS_MAX: Setting = Setting {
    name: "request_ids_max",
    variable: "KEYWARD_REQUEST_IDS_MAX",
    form: Form::Count(Range { min: 0, max: 16_777_216 }),
    default: Some("65536"),
    doc: "How many asks with a `request_id` are remembered for a minute, to take their cost once",
    extremes: "24 bytes each. An ask that is forgotten takes its cost again: too much is taken, \
               never too little. 0 remembers none.",
};
