//! `column match 'words'`: a filter's words in SQL, such as `user match 'system:*,!system:node:*'`,
//! `code match '4xx'`, `resource match 'deploy'` or `raw match 'AKIA'`; NULL is no condition.
//!
//! What words mean depends on the column, which only the table's plan knows, so the condition must
//! go down to the scan. SQLite calls the function for conditions that did not, to say so.

use std::sync::Arc;

use rusqlite::functions::FunctionFlags;
use rusqlite::types::Null;
use rusqlite::{Connection, Result};

use super::session::Session;
use crate::store::StoreError;

/// Makes the operator known to `connection`.
pub(super) fn register(connection: &Connection, session: &Arc<Session>) -> Result<()> {
    let session = Arc::clone(session);
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("match", 2, flags, move |_| -> Result<Null> {
        Err(session.fail(StoreError::BadRequest(
            "match works on a column of events or requests in a condition that is joined with \
             and; elsewhere use glob, like or in"
                .into(),
        )))
    })
}
