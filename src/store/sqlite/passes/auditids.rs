//! What makes cluster and audit id of a row, as a hash.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::store::Result;
use crate::store::sqlite::layout::TextColumn;
use crate::store::sqlite::part::Part;

/// Rows of a chunk up to which their audit ids are read one by one: what stands around them is kept for
/// the next question, whole chunks of audit ids are not.
const FEW: usize = 64;

/// Clusters and audit ids of some rows of one chunk.
#[derive(Default)]
pub(super) struct AuditIds {
    /// Of every row, or of none.
    keys: Vec<[u8; 16]>,
    clusters: Vec<u32>,
}

impl AuditIds {
    pub(super) fn load(&mut self, part: &Part, chunk: u32, rows: &[u32]) -> Result<()> {
        self.keys.clear();
        if rows.len() > FEW {
            part.audit_keys(chunk, &mut self.keys)?;
        }
        part.ids(TextColumn::Cluster, chunk, &mut self.clusters)
    }

    /// Of a row of the part, which is at `at` in its chunk. Equal only for rows of one cluster with one
    /// audit id. Whoever chooses audit ids must not know the seed.
    pub(super) fn hash(&self, part: &Part, row: u32, at: usize, seed: u64) -> Result<[u64; 2]> {
        let cluster = match self.clusters[at] {
            0 => "",
            id => part.string(TextColumn::Cluster, id)?,
        };
        let key = match self.keys.get(at) {
            Some(key) => *key,
            None => part.audit_key(row)?,
        };
        let cluster = xxh3_64_with_seed(cluster.as_bytes(), seed);
        let mut both = [0; 24];
        both[..16].copy_from_slice(&key);
        both[16..].copy_from_slice(&cluster.to_le_bytes());
        Ok(halves(xxh3_128_with_seed(&both, seed)))
    }
}

pub(super) fn halves(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}
