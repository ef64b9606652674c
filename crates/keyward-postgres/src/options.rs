//! Where a store is.

use crate::address::Address;
use crate::open_error::OpenError;
use crate::session::{Connector, SchemaName};

/// Where a store is, and what may be wrong with it.
///
/// ```
/// use keyward_postgres::OpenOptions;
///
/// let options = OpenOptions::new("postgres://keyward@127.0.0.1/keyward".parse()?);
/// assert_eq!(options.schema, "keyward");
/// assert!(!options.without_fsync);
/// # Ok::<(), keyward_postgres::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The database.
    pub address: Address,
    /// The schema that has everything, `keyward` unless it is set. Several stores in one database
    /// have nothing to do with each other.
    pub schema: String,
    /// Whether a server may lose acknowledged changes with the power: for tests alone.
    pub without_fsync: bool,
    /// Whether several programs may serve from the schema at a time. If not, a gate does not open
    /// while another one's node is registered that is not known to be silent.
    pub several: bool,
    /// What operators call this program; its address, if it is empty.
    pub name: String,
}

impl OpenOptions {
    /// The schema `keyward` of a database whose server keeps what it acknowledges.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            schema: "keyward".to_owned(),
            without_fsync: false,
            several: false,
            name: String::new(),
        }
    }

    pub(crate) fn connector(&self) -> Result<Connector, OpenError> {
        Connector::new(self.address.clone(), SchemaName::new(&self.schema)?)
    }

    /// For the database of limits.
    pub(crate) fn tickets_connector(&self) -> Result<Connector, OpenError> {
        Connector::new(self.address.of_tickets(), SchemaName::new(&self.schema)?)
    }
}
