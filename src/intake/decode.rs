//! Decompression while reading: gzip (many members) and zstd (many frames), told by content.
//!
//! Memory is constant: a window of at most 128 MiB for zstd (larger ones are refused as damaged),
//! 32 KiB for gzip.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use crate::limits;

/// Why reading ended before the end of the input.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The input itself could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The compressed data is cut short, broken, or expands too far; what came before is good.
    #[error("{0}")]
    Damaged(String),
}

/// An input of bytes, decompressed.
pub struct Decoder<R: Read> {
    format: Format<R>,
    source: Source,
    expanded: u64,
    expanded_max: u64,
}

enum Format<R: Read> {
    Plain(BufReader<Watched<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Watched<R>>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Watched<R>>>),
}

/// What happened below the decompressor.
#[derive(Clone, Default)]
struct Source {
    bytes: Rc<Cell<u64>>,
    failed: Rc<Cell<bool>>,
}

struct Watched<R> {
    inner: R,
    source: Source,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        match &read {
            Ok(bytes) => self
                .source
                .bytes
                .set(self.source.bytes.get() + *bytes as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.source.failed.set(true),
        }
        read
    }
}

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Bytes that [`format_of`] needs at most.
pub const MAGIC_BYTES: usize = 6;

/// The name of the format that data begins like, if it is one that people send in place of JSON.
pub fn format_of(data: &[u8]) -> Option<&'static str> {
    let formats: [(&[u8], &str); 8] = [
        (GZIP, "gzip data"),
        (ZSTD, "zstd data"),
        (b"BZh", "bzip2 data"),
        (b"\xfd7zXZ\0", "xz data"),
        (b"\x04\x22\x4d\x18", "lz4 data"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\xff\xfe", "UTF-16 text; send UTF-8"),
        (b"\xfe\xff", "UTF-16 text; send UTF-8"),
    ];
    let found = formats.iter().find(|(magic, _)| data.starts_with(magic));
    found.map(|(_, name)| *name)
}

/// The Content-Encoding that data which begins so should have been sent with.
pub fn content_encoding_of(data: &[u8]) -> Option<&'static str> {
    match data {
        _ if data.starts_with(GZIP) => Some("gzip"),
        _ if data.starts_with(ZSTD) => Some("zstd"),
        _ => None,
    }
}

impl<R: Read> Decoder<R> {
    /// Reads the first bytes of `input` and decides what it is.
    pub fn new(input: R) -> io::Result<Decoder<R>> {
        Decoder::with_limit(input, limits::EXPANDED_BYTES_MAX)
    }

    /// The same, for at most `expanded_max` bytes of decompressed data.
    pub fn with_limit(input: R, expanded_max: u64) -> io::Result<Decoder<R>> {
        let source = Source::default();
        let mut reader = BufReader::with_capacity(
            128 << 10,
            Watched {
                inner: input,
                source: source.clone(),
            },
        );
        // A pipe may give a byte at a time; `fill_buf` gives what one read brought.
        let first = reader.fill_buf()?;
        let format = if first.starts_with(GZIP) {
            Format::Gzip(Box::new(MultiGzDecoder::new(reader)))
        } else if first.starts_with(ZSTD) {
            Format::Zstd(zstd::stream::read::Decoder::with_buffer(reader)?)
        } else {
            Format::Plain(reader)
        };
        Ok(Decoder {
            format,
            source,
            expanded: 0,
            expanded_max,
        })
    }

    /// Bytes read from the input so far, before decompression.
    pub fn bytes_read(&self) -> u64 {
        self.source.bytes.get()
    }

    /// Reads into `buffer`; 0 is the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, DecodeError> {
        let name = match &self.format {
            Format::Plain(_) => "",
            Format::Gzip(_) => "gzip",
            Format::Zstd(_) => "zstd",
        };
        loop {
            let read = match &mut self.format {
                Format::Plain(reader) => reader.read(buffer),
                Format::Gzip(reader) => reader.read(buffer),
                Format::Zstd(reader) => reader.read(buffer),
            };
            return match read {
                Ok(bytes) => {
                    self.expanded += bytes as u64;
                    if !name.is_empty() && self.expanded > self.expanded_max {
                        return Err(DecodeError::Damaged(format!(
                            "the {name} data expands to more than {} bytes (expanded_bytes_max); what comes after them was not read",
                            self.expanded_max
                        )));
                    }
                    Ok(bytes)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if name.is_empty() || self.source.failed.get() => Err(error.into()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Err(DecodeError::Damaged(format!(
                        "the {name} data is cut short after {} bytes ({} decompressed); what came before the cut was read",
                        self.bytes_read(),
                        self.expanded
                    )))
                }
                Err(error) => Err(DecodeError::Damaged(format!(
                    "the {name} data is broken near byte {} ({error}); only the {} decompressed bytes before it were read",
                    self.bytes_read(),
                    self.expanded
                ))),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        zstd::encode_all(data, 1).unwrap()
    }

    fn decode(input: impl Read, max: u64) -> (Vec<u8>, Result<(), DecodeError>) {
        let mut decoder = Decoder::with_limit(input, max).unwrap();
        let (mut data, mut buffer) = (Vec::new(), vec![0; 1000]);
        loop {
            match decoder.read(&mut buffer) {
                Ok(0) => return (data, Ok(())),
                Ok(bytes) => data.extend_from_slice(&buffer[..bytes]),
                Err(error) => return (data, Err(error)),
            }
        }
    }

    fn noise() -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(1);
        (0..1_000_000)
            .map(|_| random.alphanumeric() as u8)
            .collect()
    }

    #[test]
    fn formats_are_told_by_content() {
        let data = noise();
        for packed in [data.clone(), gzip(&data), zstd(&data)] {
            let (read, end) = decode(&packed[..], u64::MAX);
            assert!(end.is_ok() && read == data);
        }
        assert!(decode(&b""[..], u64::MAX).1.is_ok());
    }

    #[test]
    fn members_and_frames_follow_each_other() {
        for pack in [gzip, zstd] {
            let (read, end) = decode(&[pack(b"a\n"), pack(b"b\n")].concat()[..], u64::MAX);
            assert!(end.is_ok());
            assert_eq!(read, b"a\nb\n");
        }
    }

    #[test]
    fn data_before_a_cut_is_used() {
        let data = noise();
        for packed in [gzip(&data), zstd(&data)] {
            let (read, end) = decode(&packed[..packed.len() - 3000], u64::MAX);
            assert!(matches!(end, Err(DecodeError::Damaged(why)) if why.contains("cut short")));
            assert!(!read.is_empty() && data.starts_with(&read));
        }
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        for packed in [gzip(&vec![b'x'; 1 << 20]), zstd(&vec![b'x'; 1 << 20])] {
            let (read, end) = decode(&packed[..], 5000);
            assert!(matches!(end, Err(DecodeError::Damaged(why)) if why.contains("5000")));
            assert!(read.len() <= 5000);
        }
    }

    #[test]
    fn a_failing_disk_is_not_damage() {
        struct Failing<'a>(&'a [u8]);
        impl Read for Failing<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::Error::other("the disk failed")),
                    bytes => Ok(bytes),
                }
            }
        }
        let packed = gzip(&noise());
        let (_, end) = decode(Failing(&packed[..packed.len() / 2]), u64::MAX);
        assert!(matches!(end, Err(DecodeError::Io(_))));
    }
}
