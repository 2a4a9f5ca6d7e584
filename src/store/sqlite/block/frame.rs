//! Bodies that were compressed together.

use crate::store::Result;
use crate::store::sqlite::codec::{self, Reader, damaged};

/// The lean bodies of one frame, in order.
pub(crate) struct Frame {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Frame {
    /// A frame without bodies.
    pub(crate) fn empty() -> Frame {
        Frame {
            bytes: Vec::new(),
            ends: vec![0],
        }
    }

    /// Decompresses `compressed`, `events` bodies in `size` bytes.
    pub(crate) fn unpack(compressed: &[u8], events: usize, size: usize) -> Result<Frame> {
        let bytes = codec::decompress(compressed, size)
            .map_err(|error| damaged(&format!("bodies do not decompress: {error}")))?;
        let mut reader = Reader::new(&bytes);
        let mut ends = Vec::with_capacity(events + 1);
        let mut total = 0usize;
        for _ in 0..events {
            total = total
                .checked_add(reader.size()?)
                .ok_or_else(|| damaged("a body is too long"))?;
            ends.push(total);
        }
        let start = reader.position();
        if bytes.len() != size || total != size - start {
            return Err(damaged("bodies have the wrong size"));
        }
        ends.iter_mut().for_each(|end| *end += start);
        ends.insert(0, start);
        Ok(Frame { bytes, ends })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// All lean bodies as one slice.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.ends[0]..]
    }

    /// The index of the body that holds an offset of [`Frame::bytes`].
    pub(crate) fn index_at(&self, offset: usize) -> usize {
        self.ends
            .partition_point(|&end| end <= offset + self.ends[0])
            - 1
    }

    /// The offset in [`Frame::bytes`] behind a body.
    pub(crate) fn offset_after(&self, index: usize) -> usize {
        self.ends[index + 1] - self.ends[0]
    }

    pub(crate) fn body(&self, index: usize) -> Result<&[u8]> {
        let (Some(&start), Some(&end)) = (self.ends.get(index), self.ends.get(index + 1)) else {
            return Err(damaged("a body is missing from its block"));
        };
        Ok(&self.bytes[start..end])
    }
}
