use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::model::normalise::normalise;
use crate::store::OpenOptions;
use crate::store::sqlite::bodies::Division;
use crate::store::sqlite::build::Built;
use crate::store::sqlite::layout::TEXT_COLUMNS;
use crate::store::sqlite::ngrams;
use crate::store::sqlite::open_write;
use crate::store::sqlite::sealed::Sealed;

const EVENTS: u64 = 6_000;

/// Event `n` of ten per second: few users and verbs, many objects, a body of its own.
fn line(n: u64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(1_767_225_600_000 + n as i64 * 100).unwrap();
    let time = time.format("%Y-%m-%dT%H:%M:%S%.6fZ");
    let verb = ["get", "list", "update", "patch", "delete"][n as usize % 5];
    let name = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    format!(
        concat!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","#,
            r#""auditID":"00000000-0000-4000-8000-{n:012x}","stage":"ResponseComplete","#,
            r#""requestURI":"/api/v1/namespaces/ns-{ns}/configmaps/c-{name}","verb":"{verb}","#,
            r#""user":{{"username":"user-number-{user}","groups":["system:authenticated"]}},"#,
            r#""sourceIPs":["10.0.{ns}.{user}"],"userAgent":"tests/{verb}","objectRef":{{"#,
            r#""resource":"configmaps","namespace":"ns-{ns}","name":"c-{name}","apiVersion":"v1"}},"#,
            r#""responseStatus":{{"metadata":{{}},"code":200}},"requestObject":{{"kind":"ConfigMap","#,
            r#""metadata":{{"name":"c-{name}","labels":{{"app":"{name}"}}}},"data":{{"n":"{n}"}}}},"#,
            r#""requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#
        ),
        n = n,
        ns = n % 13,
        user = n % 37,
        name = name,
        verb = verb,
        time = time,
    )
}

/// The sealed segments of a store that took [`EVENTS`] events in pieces of 500.
fn segments(directory: &Path) -> Vec<Part> {
    segments_of(directory, EVENTS, 500)
}

fn segments_of(directory: &Path, events: u64, segment_events: usize) -> Vec<Part> {
    let options = OpenOptions {
        segment_events,
        ..OpenOptions::default()
    };
    let store = open_write(directory, &options).unwrap();
    let lines: Vec<String> = (0..events).map(line).collect();
    for lines in lines.chunks(250) {
        let mut batch = store.batch("default", "test");
        for line in lines {
            let (event, content) = normalise("default", line.as_bytes()).unwrap();
            batch.event(&event, line.as_bytes(), content);
        }
        batch.commit().unwrap();
    }
    store.seal(false).unwrap();
    store.close().unwrap();
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("sealed-")
        {
            parts.push(Part::Sealed(Arc::new(Sealed::open(&path, None).unwrap())));
        }
    }
    parts
}

fn merged(
    parts: &[Part],
    directory: &Path,
    name: &str,
    pause: &dyn Fn() -> Result<()>,
) -> Result<Built> {
    let order = Order::merged(parts, None)?;
    assert_eq!(order.len(), parts.iter().map(Part::rows).sum::<usize>());
    let plan = Plan {
        parts,
        order: &order,
        keys: ContentKeys::OfParts,
        raw_bytes: 0,
        siblings: Vec::new(),
        replaces: Vec::new(),
        zstd_level: limits::MERGED_ZSTD_LEVEL,
        pause,
    };
    build::build(directory, name, plan)
}

#[test]
fn a_merge_holds_few_bytes_per_row_and_pauses_often() {
    let directory = tempfile::tempdir().unwrap();
    let parts = segments(directory.path());
    assert!(parts.len() > 8, "{} segments", parts.len());
    let pauses = Cell::new(0);
    let pause = || {
        pauses.set(pauses.get() + 1);
        Ok(())
    };
    let built = merged(&parts, directory.path(), "merged.db", &pause).unwrap();
    assert_eq!(u64::from(built.header.rows), EVENTS);
    // In a bucket of bodies about 60; in a larger merge there are 13 of other rows at most.
    let most = EVENTS as usize * 64 + (512 << 10);
    assert!(built.held_most < most, "{} bytes held", built.held_most);
    assert!(pauses.get() > TEXT_COLUMNS, "{} pauses", pauses.get());
    let sealed = Sealed::open(&directory.path().join("merged.db"), None).unwrap();
    sealed.verify().unwrap();
}

#[test]
fn a_merge_that_is_given_up_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let parts = segments(directory.path());
    let pauses = Cell::new(0);
    let pause = || {
        pauses.set(pauses.get() + 1);
        match pauses.get() {
            20 => Err(StoreError::Unavailable("stopping".into())),
            _ => Ok(()),
        }
    };
    let given_up = merged(&parts, directory.path(), "merged.db", &pause);
    assert!(matches!(given_up, Err(StoreError::Unavailable(_))));
    let left = std::fs::read_dir(directory.path()).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("merged")).count(), 0);
}

#[test]
fn small_segments_and_badly_compressed_ones_are_clustered_anew() {
    let directory = tempfile::tempdir().unwrap();
    let parts = segments(directory.path());
    let order = Order::merged(&parts, None).unwrap();
    let division = Division::new(&parts, &order, limits::MERGED_ZSTD_LEVEL);
    assert_eq!(division.taken_rows, 0);
    assert!(division.taken.iter().all(Option::is_none));
    assert_eq!(division.bucket_rows, EVENTS as usize);
}

#[test]
fn n_grams_lead_to_the_blocks_with_a_text_also_when_blocks_are_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| Sealed::open(&directory.path().join(name), None).unwrap();
    let merge = |parts: &[Part], name: &str| {
        merged(parts, directory.path(), name, &|| Ok(())).unwrap();
        at(name)
    };
    let parts = segments_of(directory.path(), 34_000, 40_000);
    let first = merge(&parts, "first.db");
    let blocks = first.header.bodies;
    assert!(blocks > 8, "{blocks} blocks");
    assert_eq!(first.header.ngrams_but_users, Some(vec![(0, blocks)]));

    let taken = merge(&[Part::Sealed(Arc::new(at("first.db")))], "taken.db");
    let mut older = at("first.db");
    older.header.ngrams_but_users = None;
    let older = merge(&[Part::Sealed(Arc::new(older))], "older.db");
    taken.verify().unwrap();
    let index = |sealed: &Sealed| {
        let pieces = (0..1024).map(|number| sealed.packed_ngrams(number).unwrap());
        pieces.collect::<Vec<_>>()
    };
    // Bodies of an older file are noted without their own users, too.
    assert!(index(&older) == index(&first));
    assert!(index(&taken) == index(&first));
    let frames: Vec<_> = (0..blocks as usize)
        .map(|number| first.frame(number).unwrap())
        .collect();
    let texts: Vec<String> = (0..34_000).step_by(5_000).map(line).collect();
    let mut looked_into = 0;
    for text in &texts {
        let text = &text.as_bytes()[text.find("c-").unwrap()..][..40];
        let rows = ngrams::rows_of(text).unwrap();
        let candidates = ngrams::blocks_with(&first, std::slice::from_ref(&rows)).unwrap();
        for (block, frame) in frames.iter().enumerate() {
            if memchr::memmem::find(frame.bytes(), text).is_some() {
                assert!(candidates.contains(&block), "block {block}");
            }
        }
        looked_into += candidates.len();
        for sealed in [&taken, &older] {
            assert_eq!(
                sealed.header.ngrams_but_users,
                first.header.ngrams_but_users
            );
            let again = ngrams::blocks_with(sealed, std::slice::from_ref(&rows)).unwrap();
            assert_eq!(again, candidates);
        }
    }
    let all = texts.len() * blocks as usize;
    assert!(
        (texts.len()..all / 2).contains(&looked_into),
        "{looked_into} of {all}"
    );
    let absent = ngrams::rows_of(b"nowhere-to-be-found").unwrap();
    assert!(ngrams::blocks_with(&first, &[absent]).unwrap().len() < 3);
}

#[test]
fn segments_with_long_texts_are_left_out_of_merges() {
    const LONG: usize = 1 << 20;
    let directory = tempfile::tempdir().unwrap();
    let store = open_write(directory.path(), &OpenOptions::default()).unwrap();
    // The second segment has two long texts beside short ones, the third has one.
    for (segment, long) in [0, 2, 1].into_iter().enumerate() {
        let mut batch = store.batch("default", "test");
        for n in 0..4 {
            let mut line = line(segment as u64 * 4 + n);
            if n < long {
                line = line.replace("tests/", &"x".repeat(LONG));
            }
            let (event, content) = normalise("default", line.as_bytes()).unwrap();
            batch.event(&event, line.as_bytes(), content);
        }
        batch.commit().unwrap();
        store.seal(false).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let shared = crate::store::sqlite::open::open_read(directory.path()).unwrap();
    let mut inputs = shared.state().sealed.clone();
    inputs.sort_by_key(|meta| meta.last_id);
    let left_out = |inputs: &[Arc<SegmentMeta>], max: usize| {
        longest_texts(&shared, inputs, max).map(|meta| meta.name.clone())
    };
    assert_eq!(left_out(&inputs, 4 * LONG), None);
    assert_eq!(left_out(&inputs, 2 * LONG), Some(inputs[1].name.clone()));
    inputs.remove(1);
    assert_eq!(left_out(&inputs, 2 * LONG), None);
    assert_eq!(left_out(&inputs, LONG), Some(inputs[1].name.clone()));
}
