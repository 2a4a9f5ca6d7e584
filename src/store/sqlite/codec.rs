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

    pub(crate) fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
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
/// Fixed width gives random access and a plain-SQL view; big-endian is what SQL can decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) base: i64,
    /// Bytes per value: 0 (all equal to the base) to 8.
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
    let width = (64 - spread.leading_zeros()).div_ceil(8) as usize;
    let mut data = Vec::with_capacity(values.len() * width);
    for &value in values {
        let difference = (value.wrapping_sub(low) as u64).to_be_bytes();
        data.extend_from_slice(&difference[8 - width..]);
    }
    Chunk {
        base: low,
        width: width as u8,
        data,
    }
}

/// A width with this bit (audit ids are 16 bytes wide) is that of a sparse chunk: one bit per row that says whether it has a
/// value, then the values of those rows; the others are 0.
const SPARSE: u8 = 32;

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
        width: SPARSE | width as u8,
        data,
    }
}

/// The numbers of a sparse chunk as a plain one; `None` if it is plain already.
pub(crate) fn expand_sparse(width: i64, data: &[u8], rows: usize) -> Result<Option<Chunk>> {
    if width & i64::from(SPARSE) == 0 {
        return Ok(None);
    }
    let width = (width ^ i64::from(SPARSE)) as usize;
    let wrong = || damaged("a sparse column chunk has the wrong size");
    if !(1..=8).contains(&width) {
        return Err(wrong());
    }
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
        width: width as u8,
        data: plain,
    }))
}

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
        out.clear();
        self.check(rows)?;
        let base = self.base;
        match self.width {
            0 => out.resize(rows, base),
            1 => out.extend(
                self.data
                    .iter()
                    .map(|&byte| base.wrapping_add(i64::from(byte))),
            ),
            2 => out.extend(
                self.data
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|&pair| base.wrapping_add(i64::from(u16::from_be_bytes(pair)))),
            ),
            4 => out.extend(
                self.data
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|&four| base.wrapping_add(i64::from(u32::from_be_bytes(four)))),
            ),
            width => out.extend(
                self.data
                    .chunks_exact(width as usize)
                    .map(|bytes| base.wrapping_add(big_endian(bytes) as i64)),
            ),
        }
        Ok(())
    }

    /// Decodes `rows` dictionary ids.
    pub(crate) fn decode_ids(&self, rows: usize, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        self.check(rows)?;
        let base = self.base as u32;
        match self.width {
            0 => out.resize(rows, base),
            1 => out.extend(
                self.data
                    .iter()
                    .map(|&byte| base.wrapping_add(u32::from(byte))),
            ),
            2 => out.extend(
                self.data
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|&pair| base.wrapping_add(u32::from(u16::from_be_bytes(pair)))),
            ),
            width => out.extend(
                self.data
                    .chunks_exact(width as usize)
                    .map(|bytes| base.wrapping_add(big_endian(bytes) as u32)),
            ),
        }
        Ok(())
    }

    /// The number of one row.
    pub(crate) fn get(&self, row: usize) -> Result<i64> {
        let width = self.width as usize;
        let bytes = self.data.get(row * width..(row + 1) * width);
        let bytes = bytes.ok_or_else(|| damaged("a column chunk is short"))?;
        Ok(self.base.wrapping_add(big_endian(bytes) as i64))
    }

    fn check(&self, rows: usize) -> Result<()> {
        if self.width > 8 || self.data.len() != rows * self.width as usize {
            return Err(damaged("a column chunk has the wrong size"));
        }
        Ok(())
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_round_trip(values in prop::collection::vec(any::<i64>(), 0..300), shift in 0u32..64) {
            let values: Vec<i64> = values.into_iter().map(|value| value >> shift).collect();
            let chunk = encode_chunk(&values);
            let reference = ChunkRef { base: chunk.base, width: chunk.width, data: &chunk.data };
            let mut decoded = Vec::new();
            reference.decode(values.len(), &mut decoded).unwrap();
            prop_assert_eq!(&decoded, &values);
            for (row, &value) in values.iter().enumerate() {
                prop_assert_eq!(reference.get(row).unwrap(), value);
            }
        }

        #[test]
        fn sparse_chunks_round_trip(values in prop::collection::vec(prop_oneof![9 => Just(0), 1 => 1i64..100_000], 0..300), cut: prop::sample::Index) {
            let chunk = encode_sparse(&values);
            let expanded = expand_sparse(i64::from(chunk.width), &chunk.data, values.len()).unwrap();
            let plain = expanded.as_ref().unwrap_or(&chunk);
            let reference = ChunkRef { base: plain.base, width: plain.width, data: &plain.data };
            let mut decoded = Vec::new();
            reference.decode(values.len(), &mut decoded).unwrap();
            prop_assert_eq!(&decoded, &values);
            if expanded.is_some() {
                let short = &chunk.data[..cut.index(chunk.data.len())];
                prop_assert!(expand_sparse(i64::from(chunk.width), short, values.len()).is_err());
            }
        }

        #[test]
        fn varints_round_trip(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(Reader::new(&bytes).varint().unwrap(), value);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while reader.varint().is_ok() {}
        }
    }
}
