//! Bytes of the file format: variable-length numbers, fixed-width column chunks, checksums.

use crate::store::{Result, StoreError};

/// The error for bytes that do not decode; `open` and readers add the file's name.
pub(crate) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("damaged data: {what}"))
}

/// Appends `value` in LEB128.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads bytes from the front of a slice, failing at its end.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, position: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self
            .position
            .checked_add(count)
            .filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| damaged("a record ends early"))?;
        let taken = &self.bytes[self.position..end];
        self.position = end;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.bytes.get(self.position);
            let byte = *byte.ok_or_else(|| damaged("a record ends early"))?;
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged("a number is too long"))
    }

    pub(crate) fn size(&mut self) -> Result<usize> {
        usize::try_from(self.varint()?).map_err(|_| damaged("a size is too large"))
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        let bytes = self
            .take(8)?
            .try_into()
            .map_err(|_| damaged("a number ends early"))?;
        Ok(i64::from_be_bytes(bytes))
    }
}

/// Numbers of one column chunk: a base and fixed-width big-endian differences from it.
///
/// Fixed width gives random access and a plain-SQL view; whole hexadecimal digits are what SQL can
/// decode. With an odd number of digits in all, the last half byte is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) base: i64,
    /// Hexadecimal digits per value: 0 (all equal to the base) to 16.
    pub(crate) width: u8,
    pub(crate) data: Vec<u8>,
}

impl Chunk {
    pub(crate) fn as_ref(&self) -> ChunkRef<'_> {
        ChunkRef {
            base: self.base,
            width: self.width,
            data: &self.data,
        }
    }
}

/// Encodes numbers as a chunk of the least width.
pub(crate) fn encode_chunk(values: &[i64]) -> Chunk {
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    for &value in values {
        low = low.min(value);
        high = high.max(value);
    }
    if values.is_empty() {
        return Chunk {
            base: 0,
            width: 0,
            data: Vec::new(),
        };
    }
    let spread = high.wrapping_sub(low) as u64;
    let width = (64 - spread.leading_zeros()).div_ceil(4) as usize;
    let mut data = Vec::with_capacity(chunk_bytes(values.len(), width as u8));
    let difference = |value: i64| value.wrapping_sub(low) as u64;
    if width.is_multiple_of(2) {
        for &value in values {
            data.extend_from_slice(&difference(value).to_be_bytes()[8 - width / 2..]);
        }
    } else {
        for pair in values.chunks(2) {
            let second = pair.get(1).map_or(0, |&value| difference(value));
            let both = u128::from(difference(pair[0])) << (4 * width) | u128::from(second);
            data.extend_from_slice(&both.to_be_bytes()[16 - width..]);
        }
        data.truncate(chunk_bytes(values.len(), width as u8));
    }
    Chunk {
        base: low,
        width: width as u8,
        data,
    }
}

/// Bytes that so many values of a width take.
pub(crate) fn chunk_bytes(rows: usize, width: u8) -> usize {
    (rows * width as usize).div_ceil(2)
}

/// A width with this bit (audit ids are 32 digits wide) is that of a sparse chunk: one bit per row
/// that says whether it has a value, then the values of those rows, an even number of digits each;
/// the others are 0.
const SPARSE: u8 = 64;

/// Encodes numbers of which most may be 0.
pub(crate) fn encode_sparse(values: &[i64]) -> Chunk {
    let dense = encode_chunk(values);
    let there: Vec<i64> = values.iter().copied().filter(|&value| value != 0).collect();
    let most = there.iter().fold(0, |most, &value| most | value as u64);
    let width = (64 - most.leading_zeros()).div_ceil(8) as usize;
    if values.len().div_ceil(8) + there.len() * width >= dense.data.len() {
        return dense;
    }
    let mut data = vec![0; values.len().div_ceil(8)];
    for (row, _) in values.iter().enumerate().filter(|(_, value)| **value != 0) {
        data[row / 8] |= 1 << (row % 8);
    }
    for value in there {
        data.extend_from_slice(&value.to_be_bytes()[8 - width..]);
    }
    Chunk {
        base: 0,
        width: SPARSE | (2 * width as u8),
        data,
    }
}

/// The numbers of a sparse chunk as a plain one; `None` if it is plain already.
pub(crate) fn expand_sparse(width: i64, data: &[u8], rows: usize) -> Result<Option<Chunk>> {
    if width & i64::from(SPARSE) == 0 {
        return Ok(None);
    }
    let digits = (width ^ i64::from(SPARSE)) as usize;
    let wrong = || damaged("a sparse column chunk has the wrong size");
    if !(1..=16).contains(&digits) || !digits.is_multiple_of(2) {
        return Err(wrong());
    }
    let width = digits / 2;
    let (bits, packed) = data.split_at_checked(rows.div_ceil(8)).ok_or_else(wrong)?;
    let mut packed = packed.chunks_exact(width);
    let mut plain = vec![0; rows * width];
    for row in (0..rows).filter(|row| bits[row / 8] >> (row % 8) & 1 != 0) {
        let value = packed.next().ok_or_else(wrong)?;
        plain[row * width..][..width].copy_from_slice(value);
    }
    if packed.next().is_some() || !packed.remainder().is_empty() {
        return Err(wrong());
    }
    Ok(Some(Chunk {
        base: 0,
        width: digits as u8,
        data: plain,
    }))
}

/// Decompresses a zstd frame of at most so many bytes. What zstd needs for it is kept by the thread.
pub(crate) fn decompress(packed: &[u8], most: usize) -> std::io::Result<Vec<u8>> {
    thread_local! {
        static CONTEXT: std::cell::RefCell<Option<zstd::bulk::Decompressor<'static>>> =
            const { std::cell::RefCell::new(None) };
    }
    CONTEXT.with_borrow_mut(|context| match context {
        Some(context) => context.decompress(packed, most),
        None => context
            .insert(zstd::bulk::Decompressor::new()?)
            .decompress(packed, most),
    })
}

/// One place in so many is as much work to decode alone as all of them together.
const PLACES_WORTH_ALL: usize = 6;

/// A chunk's bytes where they stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkRef<'a> {
    pub(crate) base: i64,
    pub(crate) width: u8,
    pub(crate) data: &'a [u8],
}

impl ChunkRef<'_> {
    /// Decodes `rows` numbers.
    pub(crate) fn decode(&self, rows: usize, out: &mut Vec<i64>) -> Result<()> {
        let base = self.base;
        self.each(rows, out, |difference| base.wrapping_add(difference as i64))
    }

    /// Decodes `rows` numbers that are string ids.
    pub(crate) fn decode_ids(&self, rows: usize, out: &mut Vec<u32>) -> Result<()> {
        let base = self.base as u32;
        self.each(rows, out, |difference| base.wrapping_add(difference as u32))
    }

    /// Decodes the numbers at some places of `rows`; elsewhere in `out` stands anything.
    pub(crate) fn decode_at(&self, rows: usize, places: &[u32], out: &mut Vec<i64>) -> Result<()> {
        let base = self.base;
        self.each_at(rows, places, out, |difference| {
            base.wrapping_add(difference as i64)
        })
    }

    /// Decodes the string ids at some places of `rows`; elsewhere in `out` stands anything.
    pub(crate) fn decode_ids_at(
        &self,
        rows: usize,
        places: &[u32],
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let base = self.base as u32;
        self.each_at(rows, places, out, |difference| {
            base.wrapping_add(difference as u32)
        })
    }

    fn each_at<T: Copy + Default>(
        &self,
        rows: usize,
        places: &[u32],
        out: &mut Vec<T>,
        value: impl Fn(u64) -> T,
    ) -> Result<()> {
        if places.len() > rows / PLACES_WORTH_ALL {
            return self.each(rows, out, value);
        }
        if self.width > 16 || self.data.len() != chunk_bytes(rows, self.width) {
            return Err(damaged("a column chunk has the wrong size"));
        }
        // No longer, so that who looks behind the rows of a chunk is found out.
        out.resize(rows, T::default());
        for &place in places {
            let difference = self.difference(place as usize);
            let difference = difference.ok_or_else(|| damaged("a column chunk is short"))?;
            out[place as usize] = value(difference);
        }
        Ok(())
    }

    /// Every width that columns have often is a loop of its own without calls: scans spend most of
    /// their time here.
    fn each<T: Copy + Default>(
        &self,
        rows: usize,
        out: &mut Vec<T>,
        value: impl Fn(u64) -> T,
    ) -> Result<()> {
        out.clear();
        if self.width > 16 || self.data.len() != chunk_bytes(rows, self.width) {
            return Err(damaged("a column chunk has the wrong size"));
        }
        out.resize(rows, T::default());
        match self.width {
            0 => out.fill(value(0)),
            1 => self.pairs::<1, T>(out, value),
            2 => self.whole::<1, T>(out, value),
            3 => self.pairs::<3, T>(out, value),
            4 => self.whole::<2, T>(out, value),
            5 => self.pairs::<5, T>(out, value),
            6 => self.whole::<3, T>(out, value),
            7 => self.pairs::<7, T>(out, value),
            8 => self.whole::<4, T>(out, value),
            10 => self.whole::<5, T>(out, value),
            _ => {
                for (row, out) in out.iter_mut().enumerate() {
                    *out = value(self.difference(row).unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    /// Numbers of so many whole bytes.
    #[inline]
    fn whole<const BYTES: usize, T>(&self, out: &mut [T], value: impl Fn(u64) -> T) {
        for (out, bytes) in out.iter_mut().zip(self.data.as_chunks::<BYTES>().0) {
            *out = value(number(bytes));
        }
    }

    /// Numbers of an odd number of digits, two of which are so many bytes.
    #[inline]
    fn pairs<const BYTES: usize, T>(&self, out: &mut [T], value: impl Fn(u64) -> T) {
        let bits = 4 * BYTES;
        let mask = (1 << bits) - 1;
        let (pairs, last) = out.as_chunks_mut::<2>();
        let rest = &self.data[pairs.len() * BYTES..];
        let packed = self.data.as_chunks::<BYTES>().0;
        for ([first, second], bytes) in pairs.iter_mut().zip(packed) {
            let both = number(bytes);
            *first = value(both >> bits);
            *second = value(both & mask);
        }
        if let [last] = last {
            // The half byte that fills up the last one is no value.
            let bytes = rest.iter().fold(0, |all, &byte| all << 8 | u64::from(byte));
            *last = value(bytes >> 4);
        }
    }

    /// The number of one row.
    pub(crate) fn get(&self, row: usize) -> Result<i64> {
        let difference = self.difference(row);
        let difference = difference.ok_or_else(|| damaged("a column chunk is short"))?;
        Ok(self.base.wrapping_add(difference as i64))
    }

    fn difference(&self, row: usize) -> Option<u64> {
        let width = self.width as usize;
        let (first, end) = (row * width, (row + 1) * width);
        if let 1..=14 = width
            && let Some(bytes) = self.data.get(first / 2..first / 2 + 8)
            && let Ok(bytes) = bytes.try_into()
        {
            let value = u64::from_be_bytes(bytes) << (4 * (first % 2));
            return Some(value >> (64 - 4 * width));
        }
        let value = big_endian(self.data.get(first / 2..end.div_ceil(2))?);
        let whole = if end.is_multiple_of(2) {
            value
        } else {
            value >> 4
        };
        Some((whole & ((1u128 << (4 * width)) - 1)) as u64)
    }
}

/// A number of at most eight bytes, big-endian.
#[inline]
fn number<const BYTES: usize>(bytes: &[u8; BYTES]) -> u64 {
    let mut number = 0;
    for &byte in bytes {
        number = number << 8 | u64::from(byte);
    }
    number
}

fn big_endian(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0, |value, &byte| value << 8 | u128::from(byte))
}

/// The checksum of a stored piece, bound to what it is, so that a piece read from the wrong place
/// is found out too.
pub(crate) fn checksum(kind: u64, key: u64, data: &[u8]) -> i64 {
    let seed = kind.rotate_left(48) ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    xxhash_rust::xxh3::xxh3_64_with_seed(data, seed) as i64
}

/// Appends a sorted list of row numbers: differences as varints.
pub(crate) fn put_rows(out: &mut Vec<u8>, rows: &[u32]) {
    let mut previous = 0;
    for &row in rows {
        put_varint(out, u64::from(row - previous));
        previous = row;
    }
}

#[cfg(test)]
mod tests;
