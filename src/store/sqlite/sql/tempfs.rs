//! The sandbox's file system: an SQLite VFS that knows nothing but unnamed temporary files.
//!
//! Sorting and grouping spill here. A file with a name cannot be opened, whatever SQL got past
//! the authorizer; what is written counts against the statement's quota.

#![expect(unsafe_code, reason = "an SQLite VFS is a table of C functions")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use rusqlite::ffi;

use super::quota;

/// The name under which the VFS is registered; never the default.
pub(super) const NAME: &CStr = c"auditql-sandbox";

const TEMPORARY: c_int = ffi::SQLITE_OPEN_TEMP_DB
    | ffi::SQLITE_OPEN_TRANSIENT_DB
    | ffi::SQLITE_OPEN_TEMP_JOURNAL
    | ffi::SQLITE_OPEN_SUBJOURNAL;

/// An open temporary file, unlinked already. SQLite allocates it and knows the first field.
#[repr(C)]
struct TempFile {
    base: ffi::sqlite3_file,
    file: File,
    bytes: u64,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Registers the VFS once; false when SQLite refuses.
pub(super) fn register() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| {
        // SAFETY: the default VFS lives as long as the process. Of its functions only those stay
        // that read clocks and random numbers, which do not look at the VFS they are called with.
        // The copy is leaked, so it outlives every use.
        unsafe {
            let default = ffi::sqlite3_vfs_find(std::ptr::null());
            if default.is_null() {
                return false;
            }
            let mut vfs = *default;
            vfs.iVersion = 2;
            vfs.szOsFile = size_of::<TempFile>() as c_int;
            vfs.pNext = std::ptr::null_mut();
            vfs.zName = NAME.as_ptr();
            vfs.pAppData = std::ptr::null_mut();
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            vfs.xAccess = Some(access);
            vfs.xFullPathname = Some(full_pathname);
            vfs.xDlOpen = None;
            vfs.xDlError = None;
            vfs.xDlSym = None;
            vfs.xDlClose = None;
            vfs.xSetSystemCall = None;
            vfs.xGetSystemCall = None;
            vfs.xNextSystemCall = None;
            ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0) == ffi::SQLITE_OK
        }
    })
}

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    out: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives `szOsFile` bytes at `out`, aligned for any type; `out_flags` may be
    // null. A null `pMethods` tells SQLite that there is nothing to close.
    unsafe {
        (*out).pMethods = std::ptr::null();
        if !name.is_null() || flags & ffi::SQLITE_OPEN_DELETEONCLOSE == 0 || flags & TEMPORARY == 0
        {
            return ffi::SQLITE_CANTOPEN;
        }
        let Some(Ok(file)) = quota::temp_dir().map(tempfile::tempfile_in) else {
            return ffi::SQLITE_CANTOPEN;
        };
        let base = ffi::sqlite3_file {
            pMethods: &raw const METHODS,
        };
        out.cast::<TempFile>().write(TempFile {
            base,
            file,
            bytes: 0,
        });
        if !out_flags.is_null() {
            *out_flags = flags;
        }
        ffi::SQLITE_OK
    }
}

/// The file behind SQLite's pointer.
///
/// # Safety
///
/// `file` must be one that [`open`] filled and [`close`] has not seen.
unsafe fn temp_file<'a>(file: *mut ffi::sqlite3_file) -> &'a mut TempFile {
    // SAFETY: see above; SQLite uses a file from one thread at a time.
    unsafe { &mut *file.cast::<TempFile>() }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes an open file once and does not touch it afterwards.
    unsafe {
        quota::give_temp(temp_file(file).bytes);
        file.cast::<TempFile>().drop_in_place();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    bytes: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: the file is open, and `to` has room for `bytes`.
    let (file, to) = unsafe {
        let to = std::slice::from_raw_parts_mut(to.cast::<u8>(), bytes as usize);
        (temp_file(file), to)
    };
    if !quota::in_time() {
        return ffi::SQLITE_IOERR_READ;
    }
    let mut done = 0;
    while done < to.len() {
        match file
            .file
            .read_at(&mut to[done..], offset as u64 + done as u64)
        {
            Ok(0) => {
                to[done..].fill(0);
                return ffi::SQLITE_IOERR_SHORT_READ;
            }
            Ok(more) => done += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return ffi::SQLITE_IOERR_READ,
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    bytes: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: the file is open, and `from` holds `bytes`.
    let (file, from) = unsafe {
        let from = std::slice::from_raw_parts(from.cast::<u8>(), bytes as usize);
        (temp_file(file), from)
    };
    if !quota::in_time() {
        return ffi::SQLITE_IOERR_WRITE;
    }
    let end = offset as u64 + from.len() as u64;
    let growth = end.saturating_sub(file.bytes);
    if !quota::take_temp(growth) {
        return ffi::SQLITE_FULL;
    }
    file.bytes += growth;
    match file.file.write_all_at(from, offset as u64) {
        Ok(()) => ffi::SQLITE_OK,
        Err(error) if error.kind() == ErrorKind::StorageFull => ffi::SQLITE_FULL,
        Err(_) => ffi::SQLITE_IOERR_WRITE,
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, bytes: ffi::sqlite3_int64) -> c_int {
    // SAFETY: the file is open.
    let file = unsafe { temp_file(file) };
    let bytes = bytes as u64;
    if bytes > file.bytes || file.file.set_len(bytes).is_err() {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    quota::give_temp(file.bytes - bytes);
    file.bytes = bytes;
    ffi::SQLITE_OK
}

unsafe extern "C" fn sync(_file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    bytes: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: the file is open, and `bytes` points to an integer.
    unsafe { *bytes = temp_file(file).bytes as i64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(_file: *mut ffi::sqlite3_file, _level: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(
    _file: *mut ffi::sqlite3_file,
    reserved: *mut c_int,
) -> c_int {
    // SAFETY: `reserved` points to an integer.
    unsafe { *reserved = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _verb: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    0
}

unsafe extern "C" fn delete(
    _vfs: *mut ffi::sqlite3_vfs,
    _name: *const c_char,
    _sync_dir: c_int,
) -> c_int {
    ffi::SQLITE_IOERR_DELETE
}

unsafe extern "C" fn access(
    _vfs: *mut ffi::sqlite3_vfs,
    _name: *const c_char,
    _flags: c_int,
    found: *mut c_int,
) -> c_int {
    // SAFETY: `found` points to an integer.
    unsafe { *found = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    _name: *const c_char,
    _bytes: c_int,
    _out: *mut c_char,
) -> c_int {
    ffi::SQLITE_CANTOPEN
}
