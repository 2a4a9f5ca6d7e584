//! Chunks straight from the pages of a sealed file. Questions read them by the ten thousand, and a
//! statement reads each page by page, most of which is a call of the system. A sealed file never changes
//! and was written from front to back: what of a row overflows its leaf lies in one stretch, and one
//! call reads it.
//!
//! The format is that of SQLite's file format, "B-tree Pages" and "Record Format". Nothing is believed:
//! a row that is not as expected, or whose checksum is wrong, is left to SQLite, which says what is
//! the matter.

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, ffi};

/// Where the leaves of the table of chunks are.
pub(super) struct Pages {
    /// Bytes of a page.
    size: usize,
    /// The last row id that each may hold, and its page; ascending.
    leaves: Box<[(i64, u32)]>,
    /// By column the leaf that was read last: the next chunk of the column often stands on it, too.
    last: Mutex<HashMap<u8, (u32, Vec<u8>)>>,
}

/// A row of the table of chunks.
pub(super) struct Row {
    pub(super) base: i64,
    pub(super) width: i64,
    pub(super) checksum: i64,
    payload: Vec<u8>,
    data: std::ops::Range<usize>,
}

impl Row {
    pub(super) fn data(&self) -> &[u8] {
        &self.payload[self.data.clone()]
    }
}

/// The largest row that is read so, in bytes: a chunk of audit ids has 64,000.
const ROW_BYTES_MAX: usize = 1 << 18;

/// More levels than any file has.
const DEPTH_MAX: u32 = 8;

/// Columns that questions read, about.
const COLUMNS_IN_USE: usize = 20;

const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

impl Pages {
    /// `None` if the file is not laid out as expected.
    pub(super) fn find(connection: &Connection) -> Option<Pages> {
        let number = |sql: &str| {
            connection
                .query_row(sql, [], |row| row.get::<_, u32>(0))
                .ok()
        };
        let size = number("pragma page_size")? as usize;
        let root = number("select rootpage from sqlite_schema where name = 'chunk'")?;
        // Some files set bytes of each page aside.
        let header = read(connection, 0, 100)?;
        if header[20] != 0 || root < 2 {
            return None;
        }
        let mut level = vec![(i64::MAX, root)];
        for _ in 0..DEPTH_MAX {
            let first = page(connection, size, level.first()?.1)?;
            if first[0] == LEAF {
                return Some(Pages {
                    size,
                    leaves: level.into(),
                    last: Mutex::default(),
                });
            }
            let mut below = Vec::new();
            for (last, number) in level {
                children(&page(connection, size, number)?, last, &mut below)?;
            }
            level = below;
        }
        None
    }

    /// Bytes that it takes in the end, about.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.leaves) + COLUMNS_IN_USE * self.size
    }

    /// The row of an id, if it is where it should be.
    pub(super) fn row(&self, connection: &Connection, id: i64) -> Option<Row> {
        let at = self.leaves.partition_point(|&(last, _)| last < id);
        let number = self.leaves.get(at)?.1;
        let column = (id >> 32) as u8;
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let leaf = match last().remove(&column) {
            Some((known, leaf)) if known == number => leaf,
            _ => page(connection, self.size, number)?,
        };
        let row = self.row_on(connection, &leaf, id);
        last().insert(column, (number, leaf));
        row
    }

    fn row_on(&self, connection: &Connection, leaf: &[u8], id: i64) -> Option<Row> {
        if leaf[0] != LEAF {
            return None;
        }
        let cells = usize::from(two(leaf, 3)?);
        let cell = |number: usize| {
            let mut at = usize::from(two(leaf, 8 + 2 * number)?);
            let length = varint(leaf, &mut at)?;
            Some((varint(leaf, &mut at)?, length, at))
        };
        let (mut low, mut high) = (0, cells);
        while low < high {
            let middle = usize::midpoint(low, high);
            let (found, length, at) = cell(middle)?;
            match found.cmp(&id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let length = usize::try_from(length).ok()?;
                    return record(self.payload(connection, &leaf[at..], length)?);
                }
            }
        }
        None
    }

    /// A row's bytes: those on its leaf, and those behind them.
    fn payload(&self, connection: &Connection, on_leaf: &[u8], length: usize) -> Option<Vec<u8>> {
        if length > ROW_BYTES_MAX {
            return None;
        }
        let most = self.size - 35;
        let least = (self.size - 12) * 32 / 255 - 23;
        let kept = self.size - 4;
        let local = match length {
            _ if length <= most => return Some(on_leaf.get(..length)?.to_vec()),
            _ => match least + (length - least) % kept {
                local if local <= most => local,
                _ => least,
            },
        };
        let first = four(on_leaf, local)?;
        let pages = (length - local).div_ceil(kept);
        let behind = read(connection, self.offset(first)?, pages * self.size)?;
        let mut payload = Vec::with_capacity(length);
        payload.extend_from_slice(&on_leaf[..local]);
        for (page, next) in behind.chunks_exact(self.size).zip(first + 1..) {
            let wanted = (length - payload.len()).min(kept);
            payload.extend_from_slice(&page[4..4 + wanted]);
            let last = payload.len() == length;
            if four(page, 0)? != if last { 0 } else { next } {
                return None;
            }
        }
        Some(payload)
    }

    fn offset(&self, page: u32) -> Option<u64> {
        Some(u64::from(page.checked_sub(1)?) * self.size as u64)
    }
}

/// The children of a page, the last of which may hold rows up to `last`.
fn children(page: &[u8], last: i64, out: &mut Vec<(i64, u32)>) -> Option<()> {
    if page[0] != INTERIOR {
        return None;
    }
    for number in 0..usize::from(two(page, 3)?) {
        let at = usize::from(two(page, 12 + 2 * number)?);
        let key = varint(page, &mut (at + 4))?;
        out.push((key, four(page, at)?));
    }
    out.push((last, four(page, 8)?));
    Some(())
}

/// A row from its bytes. Its id is not among them: the first column is empty.
fn record(payload: Vec<u8>) -> Option<Row> {
    let mut at = 0;
    let header = usize::try_from(varint(&payload, &mut at)?).ok()?;
    let mut begin = header;
    let mut column = || {
        let kind = varint(&payload, &mut at)?;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 => 8,
            12.. if kind % 2 == 0 => usize::try_from((kind - 12) / 2).ok()?,
            _ => return None,
        };
        let range = begin..begin.checked_add(length)?;
        begin = range.end;
        let bytes = payload.get(range.clone())?;
        let number = match kind {
            8 | 9 => kind - 8,
            _ => bytes
                .iter()
                .enumerate()
                .fold(0, |all, (at, &byte)| match at {
                    0 => i64::from(byte as i8),
                    _ => all << 8 | i64::from(byte),
                }),
        };
        Some((kind, number, range))
    };
    let [id, base, width, data, checksum] = [column()?, column()?, column()?, column()?, column()?];
    let number = |kind: i64| (1..12).contains(&kind);
    let expected =
        id.0 == 0 && number(base.0) && number(width.0) && data.0 >= 12 && number(checksum.0);
    if !expected || at != header || begin != payload.len() {
        return None;
    }
    Some(Row {
        base: base.1,
        width: width.1,
        checksum: checksum.1,
        data: data.2,
        payload,
    })
}

fn two(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

fn four(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// A number of seven bits per byte, the highest first; the ninth byte has eight.
fn varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut value = 0;
    for number in 1..=9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if number == 9 {
            return Some(value << 8 | i64::from(byte));
        }
        value = value << 7 | i64::from(byte & 0x7f);
        if byte < 0x80 {
            break;
        }
    }
    Some(value)
}

fn page(connection: &Connection, size: usize, number: u32) -> Option<Vec<u8>> {
    let offset = u64::from(number.checked_sub(1)?) * size as u64;
    read(connection, offset, size)
}

/// Bytes of the file, through SQLite's own handle: a second one would be one more open file.
#[expect(unsafe_code, reason = "SQLite gives its file to C only")]
fn read(connection: &Connection, offset: u64, length: usize) -> Option<Vec<u8>> {
    let offset = i64::try_from(offset).ok()?;
    let mut bytes: Vec<u8> = Vec::with_capacity(length);
    let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
    // SAFETY: the connection is open, and this operation writes one pointer to where it is told.
    let found = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_FILE_POINTER,
            (&raw mut file).cast(),
        )
    };
    if found != ffi::SQLITE_OK || file.is_null() {
        return None;
    }
    // SAFETY: the file belongs to the connection, which is borrowed and open; one without methods is
    // not open.
    let methods = unsafe { (*file).pMethods.as_ref() }?;
    let asked = c_int::try_from(length).ok()?;
    // SAFETY: `bytes` has room for `length` bytes, and the file is used by nobody else: whoever holds
    // the connection holds its lock.
    let done = unsafe { methods.xRead?(file, bytes.as_mut_ptr().cast(), asked, offset) };
    if done != ffi::SQLITE_OK {
        return None;
    }
    // SAFETY: a read that succeeds has filled all that was asked for.
    unsafe { bytes.set_len(length) };
    Some(bytes)
}

#[cfg(test)]
mod tests;
