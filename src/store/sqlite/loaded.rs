//! Reading an active segment's blocks back into memory, with their checks.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::block::Block;
use super::codec::{self, Reader, damaged};
use super::database::failed;
use crate::store::{Result, StoreError};

const CHECKSUM_KIND: u64 = 1;

/// The blocks of an active segment, and the identities of their events.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) blocks: Vec<Arc<Block>>,
    pub(crate) keys: Vec<Vec<u8>>,
}

/// Reads and checks the blocks of an active segment.
pub(crate) fn load(connection: &Connection, path: &Path) -> Result<Loaded> {
    let fails = |error: rusqlite::Error| failed(path, &error);
    let mut loaded = Loaded::default();
    let mut select = connection
        .prepare("select first_id, stored_time, dead, data, keys, bodies, checksum from block order by first_id")
        .map_err(fails)?;
    let mut rows = select.query([]).map_err(fails)?;
    while let Some(row) = rows.next().map_err(fails)? {
        let first_id: i64 = row.get(0).map_err(fails)?;
        let stored_time: i64 = row.get(1).map_err(fails)?;
        let blob = |index| {
            row.get_ref(index).map_err(fails).and_then(|value| {
                value
                    .as_blob()
                    .map_err(|_| damaged("a block is not a blob"))
            })
        };
        let (dead, data, keys, bodies) = (blob(2)?, blob(3)?, blob(4)?, blob(5)?);
        let checksum: i64 = row.get(6).map_err(fails)?;
        if checksum != block_checksum(first_id, stored_time, [dead, data, keys, bodies]) {
            return Err(StoreError::Damaged(format!(
                "{}: block {first_id} has a wrong checksum",
                path.display()
            )));
        }
        let data = zstd::stream::decode_all(data)
            .map_err(|error| damaged(&format!("a block does not decompress: {error}")))?;
        let mut dead_rows = Vec::new();
        let mut reader = Reader::new(dead);
        let mut previous = 0;
        while reader.position() < dead.len() {
            previous += reader.varint()? as u32;
            dead_rows.push(previous);
        }
        let mut block = Block::parse(first_id, stored_time, dead_rows, data)?;
        block.derive_facts(bodies)?;
        if keys.len() != block.rows * 16 {
            return Err(damaged("a block has the wrong number of keys"));
        }
        loaded.keys.push(keys.to_vec());
        loaded.blocks.push(Arc::new(block));
    }
    let (events, quarantined): (i64, i64) = connection
        .query_row(
            "select coalesce(sum(events), 0), coalesce(sum(quarantined), 0) from ingest",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(fails)?;
    let items: i64 = connection
        .query_row("select count(*) from quarantine", [], |row| row.get(0))
        .map_err(fails)?;
    let live: usize = loaded.blocks.iter().map(|block| block.live()).sum();
    // A block that a damaged page hides has no checksum to be wrong.
    if events != live as i64 || quarantined > items {
        return Err(StoreError::Damaged(format!(
            "{}: {live} events and {items} quarantined items are here instead of {events} and {quarantined}",
            path.display()
        )));
    }
    Ok(loaded)
}

pub(crate) fn block_checksum(first_id: i64, stored_time: i64, pieces: [&[u8]; 4]) -> i64 {
    let mut sum = stored_time as u64;
    for piece in pieces {
        sum = codec::checksum(CHECKSUM_KIND, first_id as u64 ^ sum.rotate_left(7), piece) as u64;
    }
    sum as i64
}
