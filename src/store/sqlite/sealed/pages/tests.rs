use fastrand::Rng;

use super::*;
use crate::store::sqlite::codec::Chunk;
use crate::store::sqlite::database::{self, Access, FileKind};
use crate::store::sqlite::sealed::{Piece, chunk_checksum, piece_id};
use crate::store::sqlite::segfile::SegmentFile;

const COLUMNS: u8 = 5;
const CHUNKS: u32 = 300;

/// A file of chunks of all lengths, long enough for two levels above its leaves.
fn file() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sealed.db");
    let mut file = SegmentFile::create(&path).unwrap();
    let mut random = Rng::with_seed(1);
    for column in 0..COLUMNS {
        for number in 0..CHUNKS {
            let length = match random.u32(..40) {
                0 => 64_000,
                1 => 0,
                2..5 => random.usize(4_020..4_080),
                5..8 => random.usize(8_100..8_200),
                _ => random.usize(..4_500),
            };
            let chunk = Chunk {
                base: random.i64(..) >> random.u32(..64),
                width: random.u8(..=128),
                data: (0..length).map(|_| random.u8(..)).collect(),
            };
            file.chunk("chunks", column, number, &chunk).unwrap();
        }
    }
    file.finish().unwrap();
    (directory, path)
}

fn open(path: &std::path::Path) -> crate::store::Result<Connection> {
    database::open(path, FileKind::Sealed, Access::Immutable)
}

type Values = (i64, i64, i64, Vec<u8>);

fn values(row: &Row) -> Values {
    (row.base, row.width, row.checksum, row.data().to_vec())
}

#[test]
fn every_row_is_as_sqlite_tells_it_and_no_other_is_there() {
    let (_directory, path) = file();
    let connection = open(&path).unwrap();
    let pages = Pages::find(&connection).unwrap();
    let mut select = connection
        .prepare("select id, base, width, checksum, data from chunk")
        .unwrap();
    let rows = select.query_map([], |row| {
        let values = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok((row.get(0)?, values))
    });
    let mut count = 0;
    for row in rows.unwrap() {
        let (id, expected): (i64, Values) = row.unwrap();
        let found = pages.row(&connection, id).unwrap();
        assert!(values(&found) == expected, "{id}");
        count += 1;
    }
    assert_eq!(count, u32::from(COLUMNS) * CHUNKS);
    for id in [
        i64::MIN,
        0,
        piece_id(Piece::Chunk, 0, CHUNKS),
        piece_id(Piece::Chunk, COLUMNS, 0),
        i64::MAX,
    ] {
        assert!(pages.row(&connection, id).is_none(), "{id}");
    }
}

/// Whatever stands in a file, what is read of it is right, has a wrong checksum or is not there.
#[test]
fn damage_is_left_to_sqlite() {
    let (directory, path) = file();
    let bytes = std::fs::read(&path).unwrap();
    let whole = open(&path).unwrap();
    let intact = Pages::find(&whole).unwrap();
    let broken = directory.path().join("broken.db");
    let mut random = Rng::with_seed(2);
    let mut missed = 0;
    for _ in 0..20 {
        let mut bytes = bytes.clone();
        // The first page says what the file is.
        for _ in 0..200 {
            let at = random.usize(4096..bytes.len());
            bytes[at] ^= 1 << random.u32(..8);
        }
        for _ in 0..100 {
            let torn = random.usize(1..bytes.len() / 4096) * 4096;
            bytes[torn..][..64].fill_with(|| random.u8(..));
        }
        if random.bool() {
            bytes.truncate(random.usize(4096..bytes.len()));
        }
        std::fs::write(&broken, &bytes).unwrap();
        let Ok(connection) = open(&broken) else {
            continue;
        };
        // Where its leaves are was known before, or is looked up now.
        let before = Pages::find(&whole);
        for pages in before.into_iter().chain(Pages::find(&connection)) {
            for number in 0..CHUNKS {
                let id = piece_id(Piece::Chunk, random.u8(..COLUMNS), number);
                let expected = values(&intact.row(&whole, id).unwrap());
                let Some(row) = pages.row(&connection, id) else {
                    missed += 1;
                    continue;
                };
                let checksum = chunk_checksum(id, row.base, row.width, row.data());
                assert!(checksum != row.checksum || values(&row) == expected);
            }
        }
    }
    assert!(missed > 100, "{missed}");
}
