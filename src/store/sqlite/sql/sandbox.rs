//! The sandboxed connection: in memory, opened for one statement, able to read our tables only.
//!
//! Walls, each enough against what the others might miss: the authorizer's allow-list, SQLite's
//! own limits and defensive flags, a file system without named files, and quotas.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::counts::{self, EventCounts};
use super::events::Events;
use super::history::{self, History};
use super::passed::{self, PassTable};
use super::requests::Requests;
use super::session::Session;
use super::tables::{self, Small};
use super::{functions, instant, memory, quota, rbac, tempfs, vtab, words};
use crate::limits::SQL_BUILT_BYTES_MAX;
use crate::store::{Result, StoreError};

/// How many of SQLite's operations run between two looks at the budget while the statement holds a
/// large value; without one, they are so quick that every tenth time is enough.
const PROGRESS_OPS: i32 = 100;
const PROGRESS_SKIPPED: u32 = 10;

/// What a sorter collects before it sorts it in one step and spills it. 16 MiB of short rows would
/// take close to a second.
const SORTER_KIB: i32 = 2 << 10;

/// What the authorizer refused, in words.
pub(super) type Denied = Arc<Mutex<Option<String>>>;

/// Prepares the process. Must run before anything else uses SQLite in it, because the memory
/// limit of SQL statements sits in SQLite's allocator.
pub fn install() -> Result<()> {
    if !memory::install() {
        return Err(StoreError::Io(
            "sqlite was in use before the store opened, so that SQL statements cannot be limited in memory; open the store first".into(),
        ));
    }
    if !tempfs::register() {
        return Err(StoreError::Io(
            "sqlite refused the file system for temporary files".into(),
        ));
    }
    Ok(())
}

/// Where temporary files go unless a directory is named.
pub(super) fn default_temp_dir() -> PathBuf {
    std::env::temp_dir()
}

/// Opens a connection on which nothing but reading statements compile.
pub(super) fn open(session: &Arc<Session>, denied: &Denied) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_in_memory_with_flags_and_vfs(flags, tempfs::NAME)?;
    // The cache's size is the sorters'; ephemeral tables have SQLite's default.
    connection.execute_batch(&format!(
        "pragma temp_store = file; pragma cache_size = -{SORTER_KIB}; pragma query_only = on;",
    ))?;
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        // "delete" in double quotes must be an unknown column, not a text that matches nothing.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(config, on)?;
    }
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, SQL_BUILT_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
        (Limit::SQLITE_LIMIT_COLUMN, 1000),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 500),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 200),
        (Limit::SQLITE_LIMIT_VDBE_OP, 250_000),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 1000),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        // The quotas are counted on the statement's own thread.
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    instant::register(&connection, session)?;
    functions::register(&connection)?;
    rbac::register(&connection)?;
    words::register(&connection, session)?;
    let shared = || Arc::clone(session);
    vtab::register(&connection, "events", session, Events { session: shared() })?;
    vtab::register(
        &connection,
        "requests",
        session,
        Requests { session: shared() },
    )?;
    vtab::register(
        &connection,
        counts::NAME,
        session,
        EventCounts { session: shared() },
    )?;
    for (name, what) in history::ALL {
        vtab::register(
            &connection,
            name,
            session,
            History {
                session: shared(),
                what,
            },
        )?;
    }
    for (name, pass) in passed::ALL {
        let session = shared();
        vtab::register(&connection, name, &shared(), PassTable { session, pass })?;
    }
    for (name, source) in tables::ALL {
        vtab::register(
            &connection,
            name,
            session,
            Small {
                session: shared(),
                source,
            },
        )?;
    }
    let watched = shared();
    let mut calls = 0;
    connection.progress_handler(
        PROGRESS_OPS,
        Some(move || {
            calls += 1;
            if calls < PROGRESS_SKIPPED && !quota::holds_large_values() {
                return false;
            }
            calls = 0;
            // Some aggregates go on without memory and only fail at their end.
            !quota::in_time() || watched.failed() || quota::hit().is_some()
        }),
    )?;
    let denied = Arc::clone(denied);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        match refusal(&context.action) {
            None => Authorization::Allow,
            Some(what) => {
                denied
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(what);
                Authorization::Deny
            }
        }
    }))?;
    Ok(connection)
}

/// Pragmas that tell about tables and change nothing.
const PRAGMAS: [&str; 5] = [
    "data_version",
    "table_info",
    "table_xinfo",
    "table_list",
    "function_list",
];

/// SQLite's functions that compute from their arguments alone, in bounded steps. Left out beside
/// what reaches outside: `json_patch`, whose single step takes quadratic time.
const FUNCTIONS: &[&str] = &[
    "->",
    "->>",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "ceil",
    "ceiling",
    "changes",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "cos",
    "cosh",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "jsonb",
    "jsonb_array",
    "jsonb_extract",
    "jsonb_group_array",
    "jsonb_group_object",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_remove",
    "jsonb_replace",
    "jsonb_set",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "match",
    "max",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "pi",
    "pow",
    "power",
    "printf",
    "quote",
    "radians",
    "random",
    "randomblob",
    "rank",
    "rbac_binding",
    "rbac_role",
    "rbac_subject",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sin",
    "sinh",
    "soundex",
    "sqlite_version",
    "sqrt",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "subtype",
    "sum",
    "tan",
    "tanh",
    "time",
    "timediff",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unhex",
    "unicode",
    "unistr",
    "unistr_quote",
    "unixepoch",
    "unlikely",
    "upper",
    "zeroblob",
];

/// Why an action is refused; `None` when it is allowed.
fn refusal(action: &AuthAction<'_>) -> Option<String> {
    match *action {
        AuthAction::Select | AuthAction::Recursive => None,
        AuthAction::Read {
            table_name,
            column_name,
        } => (!may_read(table_name, column_name)).then(|| format!("reading table {table_name}")),
        AuthAction::Function { function_name } => {
            let known = |name: &&str| name.eq_ignore_ascii_case(function_name);
            (!FUNCTIONS.iter().any(known)).then(|| format!("function {function_name}"))
        }
        AuthAction::Pragma { pragma_name, .. } => {
            let known = PRAGMAS
                .iter()
                .any(|name| name.eq_ignore_ascii_case(pragma_name));
            (!known).then(|| format!("pragma {pragma_name}"))
        }
        AuthAction::Attach { .. } => Some("attach".into()),
        AuthAction::Detach { .. } => Some("detach".into()),
        AuthAction::Transaction { .. } => Some("transactions".into()),
        AuthAction::Savepoint { .. } => Some("savepoints".into()),
        AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. } => {
            Some("writing; statements can only read".into())
        }
        _ => Some("this statement; statements can only read".into()),
    }
}

/// SQLite's built-in tables that are of use; any other of its modules stays shut. A table of the
/// statement's own (`with`) is asked about by name alone when no column of it is read.
fn may_read(table: &str, column: &str) -> bool {
    let is = |known: &str| known.eq_ignore_ascii_case(table);
    let ours = ["events", "requests", counts::NAME].into_iter().any(is)
        || history::ALL.iter().any(|(name, _)| is(name))
        || passed::ALL.iter().any(|(name, _)| is(name))
        || tables::ALL.iter().any(|(name, _)| is(name));
    let useful = ["json_each", "json_tree", "sqlite_schema", "sqlite_master"];
    let pragma = table
        .get(..7)
        .filter(|start| start.eq_ignore_ascii_case("pragma_"))
        .map(|_| {
            PRAGMAS
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&table[7..]))
        });
    let shut = [
        "dbstat",
        "sqlite_dbpage",
        "sqlite_stmt",
        "sqlite_temp_schema",
        "bytecode",
    ]
    .into_iter()
    .chain([
        "tables_used",
        "fts3tokenize",
        "sqlite_temp_master",
        "completion",
        "fsdir",
    ])
    .any(is);
    ours || useful.into_iter().any(is) || pragma.unwrap_or(column.is_empty() && !shut)
}
