//! What makes cluster and audit id of a row, as a hash.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::store::Result;
use crate::store::sqlite::layout::TextColumn;
use crate::store::sqlite::part::Part;

/// Clusters and audit ids of one chunk.
#[derive(Default)]
pub(super) struct AuditIds {
    keys: Vec<[u8; 16]>,
    clusters: Vec<u32>,
}

impl AuditIds {
    pub(super) fn load(&mut self, part: &Part, chunk: u32) -> Result<()> {
        part.audit_keys(chunk, &mut self.keys)?;
        part.ids(TextColumn::Cluster, chunk, &mut self.clusters)
    }

    /// Equal only for rows of one cluster with one audit id. Whoever chooses audit ids must not know the
    /// seed.
    pub(super) fn hash(&self, part: &Part, at: usize, seed: u64) -> Result<[u64; 2]> {
        let cluster = match self.clusters[at] {
            0 => "",
            id => part.string(TextColumn::Cluster, id)?,
        };
        let cluster = xxh3_64_with_seed(cluster.as_bytes(), seed);
        let mut both = [0; 24];
        both[..16].copy_from_slice(&self.keys[at]);
        both[16..].copy_from_slice(&cluster.to_le_bytes());
        Ok(halves(xxh3_128_with_seed(&both, seed)))
    }
}

pub(super) fn halves(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}
