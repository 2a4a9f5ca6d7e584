//! The catalog: which files make up the store, in an SQLite database of its own behind sqlx.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row};

use super::catalog_rows::{Rows, keep_checksum, set};
use crate::store::{Result, StoreError};

/// What the catalog knows of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentMeta {
    pub(crate) name: String,
    pub(crate) kind: SegmentKind,
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
    pub(crate) events: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) truncated: u64,
    pub(crate) untimed: u64,
    pub(crate) last_id: i64,
    pub(crate) file_bytes: u64,
    pub(crate) header_checksum: i64,
    pub(crate) file_checksum: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentKind {
    Active,
    Sealed,
}

impl SegmentMeta {
    /// An active segment, of which the catalog knows only that it is there.
    pub(crate) fn active(name: &str) -> SegmentMeta {
        SegmentMeta {
            name: name.to_owned(),
            kind: SegmentKind::Active,
            oldest: 0,
            newest: 0,
            events: 0,
            raw_bytes: 0,
            truncated: 0,
            untimed: 0,
            last_id: 0,
            file_bytes: 0,
            header_checksum: 0,
            file_checksum: String::new(),
        }
    }
}

/// The files of the store at one generation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    pub(crate) generation: u64,
    pub(crate) segments: Vec<SegmentMeta>,
    /// Files that are no part of the store any more, whether or not they are still there.
    pub(crate) removed: Vec<String>,
    /// What `source_ip` is read over.
    pub(crate) trusted_proxies: Vec<String>,
    /// Tells this store from any other; empty until it is opened for writing.
    pub(crate) identity: String,
    /// The last number that was given to a file.
    pub(crate) last_number: u64,
    /// No event id up to this one may be given out again.
    pub(crate) last_id: i64,
}

/// The open catalog.
pub(crate) struct Catalog {
    runtime: tokio::runtime::Runtime,
    connection: Mutex<SqliteConnection>,
    path: PathBuf,
}

/// The migrations, compiled in.
const MIGRATIONS: &[(i64, &str, &str)] = &[(
    1,
    "segments",
    include_str!("../../../migrations/catalog/0001_segments.sql"),
)];

impl Catalog {
    /// Opens the catalog; with `create` a missing one is made and an older one is migrated.
    pub(crate) fn open(path: &Path, create: bool) -> Result<Catalog> {
        super::sql::install()?;
        let fails =
            |error: &dyn std::fmt::Display| StoreError::Io(format!("{}: {error}", path.display()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| fails(&error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            // Readers too: after a crash the first one to come rolls the journal back, which needs
            // write access. SQLite opens what is write-protected for reading.
            .pragma("query_only", if create { "off" } else { "on" })
            .busy_timeout(std::time::Duration::from_secs(10));
        // A rollback journal can be read from a directory without write permission, a log cannot.
        let options = if create {
            options
                .journal_mode(SqliteJournalMode::Delete)
                .synchronous(SqliteSynchronous::Full)
        } else {
            options
        };
        let connection = runtime.block_on(async {
            let mut connection = SqliteConnection::connect_with(&options).await?;
            if create {
                migrator()
                    .run(&mut connection)
                    .await
                    .map_err(|error| sqlx::Error::Migrate(Box::new(error)))?;
            }
            Ok::<_, sqlx::Error>(connection)
        });
        let connection = connection.map_err(|error| match error {
            sqlx::Error::Migrate(error) => StoreError::Damaged(format!(
                "{}: {error}; the catalog was written by another version of auditql: use that one, or remove the file to have it rebuilt from the segments",
                path.display()
            )),
            error => classify(path, &error),
        })?;
        let catalog = Catalog {
            runtime,
            connection: Mutex::new(connection),
            path: path.to_owned(),
        };
        catalog.check_version()?;
        if create {
            // A new catalog has no checksum yet.
            catalog.run(async |connection| {
                let mut transaction = connection.begin_with("begin immediate").await?;
                if Rows::read(&mut transaction)
                    .await?
                    .kept_checksum()
                    .is_none()
                {
                    keep_checksum(&mut transaction).await?;
                }
                transaction.commit().await
            })?;
        }
        Ok(catalog)
    }

    /// Refuses a catalog whose newest migration this version does not know.
    fn check_version(&self) -> Result<()> {
        let newest = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
        let found: i64 = self.run(async |connection| {
            let row = sqlx::query("select coalesce(max(version), 0) from _sqlx_migrations")
                .fetch_one(connection)
                .await?;
            row.try_get(0)
        })?;
        if found != newest {
            return Err(StoreError::Damaged(format!(
                "{}: catalog version {found} is not the version {newest} that this auditql knows; use the version that wrote it",
                self.path.display()
            )));
        }
        Ok(())
    }

    fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>,
    ) -> Result<T> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.runtime
            .block_on(work(&mut connection))
            .map_err(|error| classify(&self.path, &error))
    }

    /// The current files. Fails when they are not what was written last: times and names that a
    /// flipped bit changed would leave segments out of answers without a word.
    pub(crate) fn list(&self) -> Result<Listing> {
        let (listing, is_whole) = self.run(async |connection| {
            let mut transaction = connection.begin().await?;
            let rows = Rows::read(&mut transaction).await?;
            let is_whole = rows.kept_checksum() == Some(rows.checksum().as_str());
            let listing = rows.listing();
            transaction.commit().await?;
            Ok((listing, is_whole))
        })?;
        if !is_whole {
            return Err(StoreError::Damaged(format!(
                "{}: the catalog has a wrong checksum; remove the file to have it rebuilt from the segments",
                self.path.display()
            )));
        }
        Ok(listing)
    }

    /// Replaces files by others in one transaction; the new generation. `last_number` and
    /// `last_id` only ever grow.
    pub(crate) fn replace(
        &self,
        remove: &[String],
        add: &[SegmentMeta],
        last_number: u64,
        last_id: i64,
    ) -> Result<u64> {
        self.run(async |connection| {
            let mut transaction = connection.begin_with("begin immediate").await?;
            for name in remove {
                sqlx::query("delete from segment where name = ?1").bind(name).execute(&mut *transaction).await?;
                sqlx::query("insert or ignore into removed values (?1)").bind(name).execute(&mut *transaction).await?;
            }
            for meta in add {
                sqlx::query("insert into segment values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")
                    .bind(&meta.name)
                    .bind(if meta.kind == SegmentKind::Active { "active" } else { "sealed" })
                    .bind(meta.oldest)
                    .bind(meta.newest)
                    .bind(meta.events as i64)
                    .bind(meta.raw_bytes as i64)
                    .bind(meta.truncated as i64)
                    .bind(meta.untimed as i64)
                    .bind(meta.last_id)
                    .bind(meta.file_bytes as i64)
                    .bind(meta.header_checksum)
                    .bind(&meta.file_checksum)
                    .execute(&mut *transaction)
                    .await?;
            }
            for (key, value) in [("last_number", last_number as i64), ("last_id", last_id)] {
                sqlx::query(
                    "insert into setting (key, value) values (?1, ?2) on conflict (key) do update set value = max(cast(value as integer), cast(excluded.value as integer))",
                )
                .bind(key)
                .bind(value.to_string())
                .execute(&mut *transaction)
                .await?;
            }
            sqlx::query("update setting set value = cast(value as integer) + 1 where key = 'generation'")
                .execute(&mut *transaction)
                .await?;
            let row = sqlx::query("select cast(value as integer) from setting where key = 'generation'")
                .fetch_one(&mut *transaction)
                .await?;
            let generation: i64 = row.try_get(0)?;
            keep_checksum(&mut transaction).await?;
            transaction.commit().await?;
            Ok(generation as u64)
        })
    }

    /// Keeps a setting.
    pub(crate) fn set(&self, key: &str, value: &str) -> Result<()> {
        self.run(async |connection| {
            let mut transaction = connection.begin_with("begin immediate").await?;
            set(&mut transaction, key, value).await?;
            keep_checksum(&mut transaction).await?;
            transaction.commit().await
        })
    }

    /// Forgets removed files that are gone.
    pub(crate) fn forget_removed(&self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        self.run(async |connection| {
            let mut transaction = connection.begin_with("begin immediate").await?;
            for name in names {
                sqlx::query("delete from removed where name = ?1")
                    .bind(name)
                    .execute(&mut *transaction)
                    .await?;
            }
            keep_checksum(&mut transaction).await?;
            transaction.commit().await
        })
    }

    /// The current generation.
    pub(crate) fn generation(&self) -> Result<u64> {
        self.run(async |connection| {
            let row =
                sqlx::query("select cast(value as integer) from setting where key = 'generation'")
                    .fetch_one(connection)
                    .await?;
            Ok(row.try_get::<i64, _>(0)? as u64)
        })
    }
}

fn migrator() -> sqlx::migrate::Migrator {
    use sqlx::migrate::{Migration, MigrationType, Migrator};
    let migrations = MIGRATIONS.iter().map(|&(version, name, sql)| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sqlx::SqlStr::from_static(sql),
            false,
        )
    });
    Migrator {
        migrations: migrations.collect::<Vec<_>>().into(),
        ..Migrator::DEFAULT
    }
}

fn classify(path: &Path, error: &sqlx::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<i32>().ok());
    match code.map(|code| code & 0xff) {
        Some(libsqlite3_sys::SQLITE_FULL) => StoreError::Unavailable(text),
        Some(libsqlite3_sys::SQLITE_READONLY | libsqlite3_sys::SQLITE_PERM) => {
            StoreError::Unavailable(format!(
                "{text}; the data directory must be writable for the user that runs auditql"
            ))
        }
        Some(libsqlite3_sys::SQLITE_CORRUPT | libsqlite3_sys::SQLITE_NOTADB) => {
            StoreError::Damaged(format!(
                "{text}; remove the file to have the catalog rebuilt from the segments"
            ))
        }
        Some(libsqlite3_sys::SQLITE_BUSY | libsqlite3_sys::SQLITE_LOCKED) => {
            StoreError::Locked(text)
        }
        _ => StoreError::Io(text),
    }
}
