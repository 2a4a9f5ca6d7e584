//! From SQLite's errors to the store's.

use rusqlite::{Error, ErrorCode};

use super::Limits;
use super::length;
use super::quota::{self, Hit};
use crate::limits::{SQL_LENGTH_BYTES_MAX, SQL_MEMORY_TOTAL_BYTES_MAX};
use crate::store::StoreError;

/// What went wrong, in words for whoever wrote the statement.
pub(super) fn explain(error: Error, denied: Option<String>, limits: &Limits) -> StoreError {
    if let Some(what) = denied {
        return StoreError::BadRequest(format!("not allowed: {what}"));
    }
    match error {
        Error::MultipleStatement => StoreError::BadRequest(
            "not allowed: more than one statement; send them one by one".into(),
        ),
        Error::SqlInputError {
            error,
            msg,
            sql,
            offset,
        } => match error.code {
            ErrorCode::OutOfMemory => out_of_memory(limits.memory_bytes),
            _ => StoreError::BadRequest(with_place(&msg, &sql, offset)),
        },
        Error::SqliteFailure(failure, message) => match failure.code {
            ErrorCode::OutOfMemory => out_of_memory(limits.memory_bytes),
            ErrorCode::DiskFull | ErrorCode::OperationInterrupted
                if quota::hit() == Some(Hit::TempFiles) =>
            {
                StoreError::LimitReached(format!(
                    "the statement needs more than {} MiB of temporary files to sort or group; narrow it with a time range",
                    limits.temp_bytes >> 20
                ))
            }
            ErrorCode::OperationInterrupted
                if matches!(quota::hit(), Some(Hit::Memory | Hit::SharedMemory)) =>
            {
                out_of_memory(limits.memory_bytes)
            }
            ErrorCode::DiskFull => StoreError::LimitReached(
                "the disk is full: no room for the temporary files of the statement".into(),
            ),
            ErrorCode::TooBig => too_long(),
            ErrorCode::OperationInterrupted => StoreError::Cancelled,
            ErrorCode::CannotOpen | ErrorCode::SystemIoFailure => StoreError::Io(format!(
                "cannot use temporary files in {}: {}",
                limits.temp_dir.display(),
                message.unwrap_or_else(|| failure.to_string())
            )),
            _ => StoreError::BadRequest(message.unwrap_or_else(|| failure.to_string())),
        },
        other => StoreError::BadRequest(other.to_string()),
    }
}

/// An allocation was refused to a statement with a limit of `bytes`.
pub(super) fn out_of_memory(bytes: usize) -> StoreError {
    match quota::hit() {
        Some(Hit::Memory) => StoreError::LimitReached(format!(
            "the statement needs more than {} MiB of memory; narrow it with a time range, or select fewer or shorter values",
            bytes >> 20
        )),
        Some(Hit::SharedMemory) => StoreError::Unavailable(format!(
            "too busy: the statements that run now need more than {} MiB of memory together; ask again",
            SQL_MEMORY_TOTAL_BYTES_MAX >> 20
        )),
        _ => StoreError::LimitReached("no memory left for the statement".into()),
    }
}

/// A value is too long: one that the statement makes, or a row that holds several.
fn too_long() -> StoreError {
    let most = length::most();
    let shown = match most >> 20 {
        0 => format!("{} KiB", most >> 10),
        mib => format!("{mib} MiB"),
    };
    StoreError::BadRequest(if most >= SQL_LENGTH_BYTES_MAX {
        format!(
            "a text, blob or sorted row of the statement is longer than {shown}, the most that SQL can hold; read a whole event with query -o raw or /api/v1/events/ID/raw"
        )
    } else {
        format!(
            "a text, blob or sorted row that the statement makes is longer than {shown}, its fixed limit; select rows instead of joining their values, or cut them with substr"
        )
    })
}

/// SQLite's message with the line and column that it points to.
fn with_place(message: &str, sql: &str, offset: i32) -> String {
    let before = usize::try_from(offset)
        .ok()
        .and_then(|offset| sql.get(..offset));
    match before {
        Some(before) if sql.contains('\n') => {
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!("{message} (line {line}, column {column})")
        }
        Some(before) => format!("{message} (column {})", before.chars().count() + 1),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::with_place;

    #[test]
    fn the_place_is_counted_in_characters_and_lines() {
        assert_eq!(with_place("bad", "select ä x", 10), "bad (column 10)");
        assert_eq!(
            with_place("bad", "select\n  x", 9),
            "bad (line 2, column 3)"
        );
        assert_eq!(with_place("bad", "select", -1), "bad");
    }
}
