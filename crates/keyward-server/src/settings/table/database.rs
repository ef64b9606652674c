//! The settings of the database, and of the nodes that share one.

use super::{Form, Setting};

pub(crate) const DATABASE: Setting = Setting {
    name: "database",
    variable: "DATABASE_URL",
    form: Form::Text("URL"),
    default: Some("sqlite:keyward.db"),
    doc: "The database of keys and usage: `sqlite:` and the path of a file, or the `postgres://` \
          URL of a database of PostgreSQL",
    extremes: "A file is created if it does not exist; a relative path starts in the working \
               directory. A schema in PostgreSQL is made by `keyward migrate`. Off this machine, \
               the server of PostgreSQL has to prove its name: `?sslrootcert=FILE` names the \
               authorities that vouch for it, if the system does not know them. A URL with a \
               password is never a flag; the password is not shown.",
};

pub(crate) const DATABASE_SCHEMA: Setting = Setting {
    name: "database_schema",
    variable: "KEYWARD_DATABASE_SCHEMA",
    form: Form::Text("NAME"),
    default: Some("keyward"),
    doc: "The schema of everything in PostgreSQL",
    extremes: "At most 48 lower-case letters, digits and `_`, beginning with a letter. Two schemas \
               of one database have nothing to do with each other. With a file it has no effect.",
};

pub(crate) const CLUSTER: Setting = Setting {
    name: "cluster",
    variable: "KEYWARD_CLUSTER",
    form: Form::Switch,
    default: Some("off"),
    doc: "Whether this process is one of several over its database, as `docs/cluster.md` describes",
    extremes: "It needs a database of PostgreSQL. With `off`, the program does not start while \
               another one runs over the same schema: a key that one revokes would work at the \
               other. All nodes have `on`, or one node runs alone.",
};

pub(crate) const LEDGER: Setting = Setting {
    name: "ledger",
    variable: "KEYWARD_LEDGER",
    form: Form::Text("FILE"),
    default: None,
    doc: "The file in which this node notes how far it has applied the changes of a database of \
          PostgreSQL: by it a start notices that the database went back in time, as after a \
          restored backup",
    extremes: "It is made if it does not exist; a relative path starts in the working directory. \
               Each node has a file of its own, on a disk that is not the database's. If it is not \
               set, only a node that is running notices. A database in a file has its ledger next \
               to it, and rejects this setting.",
};

pub(crate) const NODE_NAME: Setting = Setting {
    name: "node_name",
    variable: "KEYWARD_NODE_NAME",
    form: Form::Text("NAME"),
    default: None,
    doc: "The name of this process among the nodes of a cluster, for people",
    extremes: "The name of the machine if it is not set. 1 to 100 visible characters; it may be \
               that of another node: nodes are told apart without it. With a file it has no \
               effect.",
};
