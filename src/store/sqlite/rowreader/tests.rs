use std::sync::Arc;

use super::RowReader;
use crate::limits::CHUNK_ROWS;
use crate::model::normalise::normalise;
use crate::store::OpenOptions;
use crate::store::sqlite::chunkcache::ChunkCache;
use crate::store::sqlite::layout::IntColumn;
use crate::store::sqlite::open_write;
use crate::store::sqlite::part::Part;
use crate::store::sqlite::sealed::Sealed;

const CHUNKS: u32 = 3;

/// A sealed segment of some chunks and the cache that it keeps them in, where it is the first.
fn sealed() -> (tempfile::TempDir, Part, Arc<ChunkCache>) {
    let directory = tempfile::tempdir().unwrap();
    let store = open_write(directory.path(), &OpenOptions::default()).unwrap();
    for chunk in 0..CHUNKS as usize {
        let mut batch = store.batch("default", "test");
        for n in chunk * CHUNK_ROWS..(chunk + 1) * CHUNK_ROWS {
            let line = format!(
                concat!(
                    r#"{{"level":"Metadata","auditID":"00000000-0000-4000-8000-{n:012x}","#,
                    r#""stage":"ResponseComplete","requestURI":"/version","verb":"get","#,
                    r#""user":{{"username":"u"}},"stageTimestamp":"2026-01-01T00:00:00.000000Z"}}"#
                ),
                n = n,
            );
            let (event, content) = normalise("default", line.as_bytes()).unwrap();
            batch.event(&event, line.as_bytes(), content);
        }
        batch.commit().unwrap();
    }
    store.seal(false).unwrap();
    store.close().unwrap();
    let mut files = std::fs::read_dir(directory.path()).unwrap();
    let path = files.find_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_string_lossy();
        name.starts_with("sealed-").then(|| path.clone())
    });
    let cache = Arc::new(ChunkCache::default());
    let sealed = Sealed::open(&path.unwrap(), None).unwrap();
    let part = Part::Sealed(Arc::new(sealed.with_cache(&cache)));
    (directory, part, cache)
}

/// The chunks that are kept whole after every `step`th row was read.
fn kept(step: usize) -> Vec<u32> {
    let (_directory, part, cache) = sealed();
    let mut reader = RowReader::new(part);
    for row in (0..CHUNKS * CHUNK_ROWS as u32).step_by(step) {
        reader.number(IntColumn::Id, row).unwrap();
    }
    let key = |chunk| (0, IntColumn::Id as u8, chunk);
    (0..CHUNKS)
        .filter(|&chunk| cache.get(key(chunk)).is_some())
        .collect()
}

#[test]
fn who_reads_every_row_keeps_no_chunks_but_the_first() {
    assert_eq!(kept(1), [0]);
}

#[test]
fn who_reads_some_rows_keeps_their_chunks() {
    assert_eq!(kept(CHUNK_ROWS / 40), [0, 1, 2]);
}
