//! Opening the store's SQLite files, each with its kind and format version checked.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::store::{Result, StoreError};

/// The kinds of files of a store. The number is SQLite's `application_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Active = 0x4151_4c31,
    Sealed = 0x4151_4c32,
    Ledger = 0x4151_4c33,
}

/// The format that this version writes and reads.
pub(crate) const FORMAT_VERSION: i64 = 2;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Create,
    Write,
    Read,
    /// For sealed files only: nothing changes them, so no locks are needed.
    Immutable,
}

/// Opens a file of the store. On `Create` the caller sets the page size and then calls [`stamp`].
pub(crate) fn open(path: &Path, kind: FileKind, access: Access) -> Result<Connection> {
    super::sql::install()?;
    let flags = match access {
        Access::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Immutable => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
    } | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if access == Access::Immutable {
        Connection::open_with_flags(immutable_uri(path), flags)
    } else {
        Connection::open_with_flags(path, flags)
    };
    let connection = connection.map_err(|error| failed(path, &error))?;
    let fails = |error: rusqlite::Error| failed(path, &error);
    connection
        .busy_timeout(std::time::Duration::from_secs(10))
        .map_err(fails)?;
    if access == Access::Create {
        return Ok(connection);
    }
    let id: i64 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(fails)?;
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(fails)?;
    if id != kind as i64 {
        return Err(StoreError::Damaged(format!(
            "{}: not a file of this kind (application id {id:#x}, expected {:#x})",
            path.display(),
            kind as i64
        )));
    }
    if version != FORMAT_VERSION {
        return Err(StoreError::Damaged(format!(
            "{}: format version {version} is not known to this version of auditql, which reads {FORMAT_VERSION}; use the version that wrote it",
            path.display()
        )));
    }
    Ok(connection)
}

/// Writes a new file's kind and version.
pub(crate) fn stamp(connection: &Connection, path: &Path, kind: FileKind) -> Result<()> {
    let fails = |error: rusqlite::Error| failed(path, &error);
    connection
        .pragma_update(None, "application_id", kind as i64)
        .map_err(fails)?;
    connection
        .pragma_update(None, "user_version", FORMAT_VERSION)
        .map_err(fails)
}

/// A URI with `immutable=1`, the path's special characters escaped.
fn immutable_uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            uri.push(byte as char);
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// A library error with the file's name, sorted into what the caller can do about it.
pub(crate) fn failed(path: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode as Code;
    let text = format!("{}: {error}", path.display());
    match error.sqlite_error_code() {
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => StoreError::Damaged(text),
        Some(Code::DiskFull) => StoreError::Unavailable(format!(
            "{text}; free disk space, or prune with --older-than"
        )),
        Some(Code::ReadOnly | Code::PermissionDenied) => StoreError::Unavailable(format!(
            "{text}; the data directory must be writable for the user that runs auditql"
        )),
        Some(Code::CannotOpen) if !path.exists() => {
            StoreError::Damaged(format!("{}: the file is missing", path.display()))
        }
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => StoreError::Locked(text),
        _ => StoreError::Io(text),
    }
}

/// An I/O error with the path it happened at.
pub(crate) fn io_failed(path: &Path, error: &std::io::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull => StoreError::Unavailable(text),
        _ => StoreError::Io(text),
    }
}

/// Makes a directory's entries durable: new and removed names.
pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    let opened = std::fs::File::open(directory).and_then(|file| file.sync_all());
    opened.map_err(|error| io_failed(directory, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_a_page_cache_of_its_own() {
        let connection = Connection::open_in_memory().unwrap();
        let mut options = connection.prepare("pragma compile_options").unwrap();
        let options = options
            .query_map([], |row| row.get::<_, String>(0))
            .unwrap();
        let options: Vec<String> = options.map(Result::unwrap).collect();
        assert!(
            options
                .iter()
                .any(|option| option.starts_with("THREADSAFE"))
        );
        assert!(
            !options
                .iter()
                .any(|option| option == "ENABLE_MEMORY_MANAGEMENT"),
            ".cargo/config.toml says how SQLite is built, and was not read"
        );
    }
}
