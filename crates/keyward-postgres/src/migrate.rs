//! The work of the owner of a schema: making it, bringing it to the present, and settings that all
//! nodes have in common. All that changes is on record, in the first entry of a trail and later.

use std::time::Duration;

use keyward::UnixMillis;
use keyward::audit::{Audit, AuditEntry, ChangeId, Verb};
use keyward::rules::{self, Progress, Subject};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::addition::Addition;
use crate::columns::{get, get_number, millis, number};
use crate::migrate_error::MigrateError;
use crate::open_error::OpenError;
use crate::pg_error::PgError;
use crate::schema::{self, LEVEL, Migrated};
use crate::session::{Connector, Purpose};
use crate::sql::{Value, execute, query, query_one};
use crate::{audit, look};

/// The shortest lease: below it, a pause of a busy machine would make a node deny requests.
pub const LEASE_MIN: Duration = Duration::from_secs(2);
/// The longest lease: a revocation may have to wait for it.
pub const LEASE_MAX: Duration = Duration::from_secs(20);
/// The lease of a new schema, unless another one is asked for.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(5);

/// The wanted changes of the schema; the default is to make it, or to bring it to the present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migration {
    /// The role that serves, if it is another one than the owner of the schema: it gets the rights
    /// that this takes. It can neither alter nor delete an entry of the trail, nor delete a key.
    pub serve_role: Option<String>,
    /// How long a node may decide from memory after it last heard from the database:
    /// [`LEASE_MIN`] to [`LEASE_MAX`], in whole milliseconds. `None` leaves it as it is.
    pub lease: Option<Duration>,
    /// Whether an update of all nodes is to be finished: from then on, older versions cannot run.
    pub finish: bool,
    /// Tables of other parts of the program, which are made or brought to the present as well.
    pub additions: Vec<Addition>,
}

impl Migration {
    /// Whether all of it is within its bounds.
    pub(crate) fn check(&self) -> Result<(), MigrateError> {
        let fits = |lease: &Duration| (LEASE_MIN..=LEASE_MAX).contains(lease);
        if self.lease.as_ref().is_none_or(fits) { Ok(()) } else { Err(MigrateError::Lease) }
    }
}

/// The result of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationDone {
    /// The steps of the schema.
    pub schema: Migrated,
    /// The schemas of additions, each with the number of its last step before and now.
    pub additions: Vec<(String, u32, u32)>,
    /// The lease now.
    pub lease: Duration,
    /// The lease before, if there was another one.
    pub lease_before: Option<Duration>,
    /// The vocabulary that nodes may write now.
    pub level: u32,
    /// The one before, if it was another one.
    pub level_before: Option<u32>,
    /// The entry of the trail that has all this, if anything changed.
    pub entry: Option<ChangeId>,
}

/// The facts about a schema that entries of the trail tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    schema: u32,
    lease_ms: u32,
    level: u32,
}

/// Makes the wanted changes, all or nothing; programs that come together take turns.
pub(crate) async fn run(
    connector: &Connector,
    without_fsync: bool,
    migration: &Migration,
) -> Result<MigrationDone, MigrateError> {
    migration.check()?;
    let work = Work::begin(connector, without_fsync).await?;
    let done = work.migrate(migration).await?;
    work.commit().await?;
    Ok(done)
}

/// A transaction of the owner.
pub(crate) struct Work<'a> {
    connector: &'a Connector,
    pub(crate) client: Client,
}

impl<'a> Work<'a> {
    /// Opens a connection and begins. Without [`Work::commit`], nothing is done.
    pub(crate) async fn begin(
        connector: &'a Connector,
        without_fsync: bool,
    ) -> Result<Self, MigrateError> {
        let client = connector.check(Purpose::Migrating, without_fsync).await?;
        let work = Self { connector, client };
        work.execute("BEGIN").await?;
        Ok(work)
    }

    /// Keeps all changes, and tells all nodes.
    pub(crate) async fn commit(&self) -> Result<(), MigrateError> {
        let channel = self.connector.schema.as_str();
        self.execute(&format!("NOTIFY {channel}; COMMIT")).await
    }

    /// The error of a statement.
    pub(crate) fn failed(&self, error: impl Into<PgError>) -> MigrateError {
        match error.into() {
            PgError::Rejected(rejected) if rejected.code == SqlState::LOCK_NOT_AVAILABLE => {
                MigrateError::Busy { address: self.address() }
            }
            PgError::Rejected(rejected) if rejected.lacks_locks() => {
                MigrateError::Locks { address: self.address() }
            }
            error => OpenError::failed(&self.connector.address, error).into(),
        }
    }

    pub(crate) fn connector(&self) -> &Connector {
        self.connector
    }

    /// Waits until no other program migrates this schema.
    pub(crate) async fn take_turn(&self) -> Result<(), MigrateError> {
        let turn = schema::take_turn(&self.client, &self.connector.schema).await;
        turn.map_err(|error| self.failed(error))
    }

    fn address(&self) -> String {
        self.connector.address.to_string()
    }

    pub(crate) async fn execute(&self, sql: &str) -> Result<(), MigrateError> {
        self.client.batch_execute(sql).await.map_err(|error| self.failed(error))
    }

    /// Takes the steps of the schema, and changes the settings.
    pub(crate) async fn migrate(
        &self,
        migration: &Migration,
    ) -> Result<MigrationDone, MigrateError> {
        self.check_owner().await?;
        let role = migration.serve_role.as_deref();
        if let Some(role) = role {
            self.check_role(role).await?;
        }
        let schema = schema::take_steps(self.connector, &self.client, role).await?;
        let mut additions = Vec::new();
        for addition in &migration.additions {
            let addition = addition.schema(self.connector);
            let taken = schema::take_addition(self.connector, &self.client, &addition, role).await;
            let (before, now) = taken?;
            additions.push((addition.name.as_str().to_owned(), before, now));
        }
        let found = facts(&self.client, schema.now).await.map_err(|error| self.failed(error))?;
        let mut now = found;
        if let Some(lease) = migration.lease.and_then(|lease| u32::try_from(lease.as_millis()).ok())
            && lease != now.lease_ms
        {
            self.check_alone().await?;
            now.lease_ms = lease;
        }
        if migration.finish && now.level < LEVEL {
            self.check_versions().await?;
            now.level = LEVEL;
        }
        let before = (schema.before != 0).then_some(Facts { schema: schema.before, ..found });
        let entry = self.record(before, now).await.map_err(|error| self.failed(error))?;
        let lease = |facts: Facts| Duration::from_millis(facts.lease_ms.into());
        Ok(MigrationDone {
            schema,
            additions,
            lease: lease(now),
            lease_before: before.map(lease).filter(|before| *before != lease(now)),
            level: now.level,
            level_before: before.map(|it| it.level).filter(|before| *before != now.level),
            entry,
        })
    }

    /// Whether the role may change the schema, or make it.
    async fn check_owner(&self) -> Result<(), MigrateError> {
        const OWNER: &str = "SELECT r.rolname::text, pg_has_role(n.nspowner, 'USAGE'), \
            EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid), \
            EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid \
                    AND c.relname = 'keyward_migrations') \
            FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = $1";
        const MAY_CREATE: &str = "SELECT has_database_privilege(current_database(), 'CREATE')";
        let schema = self.connector.schema.as_str().to_owned();
        let name = [Value::Text(schema.clone())];
        let read = async || -> Result<_, PgError> {
            let found = query(&self.client, OWNER, &name).await?;
            let Some(row) = found.first() else {
                let row = query_one(&self.client, MAY_CREATE, &[]).await?;
                return Ok((None, get::<bool>(&row, 0)?));
            };
            let owner: (String, bool) = (get(row, 0)?, get(row, 1)?);
            let is_foreign = get::<bool>(row, 2)? && !get::<bool>(row, 3)?;
            Ok((Some((owner, is_foreign)), true))
        };
        let (found, may_create) = read().await.map_err(|error| self.failed(error))?;
        let address = self.address();
        match found {
            Some(((owner, false), _)) => Err(MigrateError::NotOwner { address, schema, owner }),
            Some((_, true)) => Err(MigrateError::Foreign { address, schema }),
            None if !may_create => Err(MigrateError::MayNotCreate { address, schema }),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a role is there, and rights are all that it has.
    async fn check_role(&self, role: &str) -> Result<(), MigrateError> {
        const MIGHT: &str = "SELECT rolsuper OR pg_has_role(oid, current_user, 'MEMBER') \
            FROM pg_roles WHERE rolname = $1";
        let found = query(&self.client, MIGHT, &[Value::Text(role.to_owned())]).await;
        let found = found.map_err(|error| self.failed(error))?;
        let role = role.to_owned();
        let Some(row) = found.first() else {
            return Err(MigrateError::NoRole { address: self.address(), role });
        };
        if get::<bool>(row, 0).map_err(|error| self.failed(error))? {
            return Err(MigrateError::MightyRole { role });
        }
        Ok(())
    }

    /// Keeps others from reading or joining the cluster until the end of the transaction, since a
    /// statement that waits for this reads the rows as of after it.
    pub(crate) async fn keep_out(&self) -> Result<(), MigrateError> {
        self.execute(
            "SET LOCAL lock_timeout = 5000; LOCK TABLE cluster, node IN ACCESS EXCLUSIVE MODE",
        )
        .await
    }

    /// The names of nodes for which this is so.
    pub(crate) async fn nodes(&self, condition: &str) -> Result<Option<String>, MigrateError> {
        let sql = format!("SELECT name FROM node WHERE {condition} ORDER BY name LIMIT 20");
        let rows = query(&self.client, &sql, &[]).await.map_err(|error| self.failed(error))?;
        let names: Result<Vec<&str>, _> = rows.iter().map(|row| get(row, 0)).collect();
        let names = names.map_err(|error| self.failed(error))?;
        Ok((!names.is_empty()).then(|| names.join(", ")))
    }

    /// Whether no node runs. A node goes by the lease that it joined with, and waits for others by
    /// it: with two of them, a revocation would be reported before every node knows of it.
    async fn check_alone(&self) -> Result<(), MigrateError> {
        self.keep_out().await?;
        match self.nodes("true").await? {
            Some(nodes) => Err(MigrateError::NodesRun { nodes }),
            None => Ok(()),
        }
    }

    /// Whether each node knows the vocabulary of this version.
    async fn check_versions(&self) -> Result<(), MigrateError> {
        self.keep_out().await?;
        match self.nodes(&format!("version < {LEVEL}")).await? {
            Some(nodes) => Err(MigrateError::OldNodes { nodes }),
            None => Ok(()),
        }
    }

    /// Writes the facts, and the entry of the facts that differ. A trail without an entry gets its
    /// first: without one, no node could be told how far it is.
    async fn record(&self, before: Option<Facts>, now: Facts) -> Result<Option<ChangeId>, PgError> {
        let row = self.client.query_one(look::LOCK, &[]).await?;
        let progress = look::progress(&row)?;
        if before == Some(now) && progress.change.0 != 0 {
            return Ok(None);
        }
        const SET: &str = "UPDATE cluster SET lease_ms = $1::bigint, level = $2::bigint";
        let values = [now.lease_ms, now.level].map(|number| Value::Number(number.into()));
        execute(&self.client, SET, &values).await?;
        let before = before.filter(|_| progress.change.0 != 0);
        self.append(&progress, details(before, now)).await.map(Some)
    }

    /// Adds an entry about the database itself to the trail.
    pub(crate) async fn append(
        &self,
        progress: &Progress,
        details: String,
    ) -> Result<ChangeId, PgError> {
        // No entry is older than the one before it, whatever became of the server's clock.
        const AT: &str = "SELECT greatest( \
            floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, \
            (SELECT max(at_ms) FROM audit WHERE id = $1))";
        let newest = [Value::Number(number(progress.change.0)?)];
        let at = UnixMillis(get_number(&query_one(&self.client, AT, &newest).await?, 0)?);
        let audit = Audit::program(at);
        let entry = rules::seal(progress, &audit, Verb::Migrate, Subject::Store, details)?;
        write(&self.client, entry).await
    }
}

/// Writes an entry as the newest one.
async fn write(client: &Client, entry: AuditEntry) -> Result<ChangeId, PgError> {
    const HOUR: &str = "INSERT INTO audit_hours AS h (hour, first_id, last_id) \
        VALUES ($1, $2, $2) ON CONFLICT (hour) DO UPDATE SET last_id = excluded.last_id";
    const ADVANCE: &str = "UPDATE cluster SET change_id = $1, digest = $2";
    let (id, at, digest) = (number(entry.id.0)?, entry.at, entry.digest);
    millis(at)?;
    let change = entry.id;
    let mut rows = audit::Rows::default();
    rows.push(entry)?;
    client.execute(audit::ADD, &rows.values()).await?;
    let hour = Value::Number(at.hour().0.into());
    execute(client, HOUR, &[hour, Value::Number(id)]).await?;
    let digest = Value::Bytes(digest.0.to_vec());
    execute(client, ADVANCE, &[Value::Number(id), digest]).await?;
    Ok(change)
}

/// The facts about a schema at this step.
async fn facts(client: &Client, schema: u32) -> Result<Facts, PgError> {
    const FACTS: &str = "SELECT lease_ms, level FROM cluster";
    let row = query_one(client, FACTS, &[]).await?;
    let number = |at| -> Result<u32, PgError> {
        let number: i32 = get(&row, at)?;
        u32::try_from(number).map_err(|error| PgError::in_column("cluster", error))
    };
    Ok(Facts { schema, lease_ms: number(0)?, level: number(1)? })
}

/// The facts that differ, as the details of an entry.
fn details(before: Option<Facts>, now: Facts) -> String {
    let facts = |facts: Facts, other: Option<Facts>| {
        let fields = |facts: Facts| {
            [("schema", facts.schema), ("lease_ms", facts.lease_ms), ("level", facts.level)]
        };
        let others = other.map(fields);
        let differ = fields(facts)
            .into_iter()
            .enumerate()
            .filter(|(at, field)| others.is_none_or(|others| others.get(*at) != Some(field)));
        let members: Vec<_> =
            differ.map(|(_, (name, number))| format!("\"{name}\":{number}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let told = before.map_or_else(|| "null".to_owned(), |before| facts(before, Some(now)));
    format!("{{\"before\":{told},\"after\":{}}}", facts(now, before))
}
