use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use super::*;
use crate::limits;
use crate::model::normalise::normalise;
use crate::store::sqlite::batch::SqliteBatch;
use crate::store::sqlite::open::{Opened, open_write};
use crate::store::sqlite::seal;
use crate::store::{Batch, OpenOptions, QuarantineBytes, QuarantineItem};

/// A writer without the thread that seals, so that what waits to be sealed waits.
struct Bench {
    shared: Arc<Shared>,
    writer: Option<(SyncSender<Message>, JoinHandle<()>)>,
    _lock: std::fs::File,
}

impl Bench {
    fn open(directory: &Path) -> Bench {
        let opened = open_write(directory, &OpenOptions::default()).unwrap();
        let Opened {
            shared,
            active,
            name,
            keys,
            next_id,
            lock,
        } = opened;
        let (sender, receiver) = sync_channel(1);
        let writer = Writer::new(Arc::clone(&shared), active, name, keys, next_id);
        let thread = std::thread::spawn(move || writer.run(&receiver));
        Bench {
            shared,
            writer: Some((sender, thread)),
            _lock: lock,
        }
    }

    fn send(&self, message: Message) {
        self.writer.as_ref().unwrap().0.send(message).unwrap();
    }

    fn batch(&self) -> Box<SqliteBatch> {
        let sender = self.writer.as_ref().map(|(sender, _)| sender.clone());
        Box::new(SqliteBatch::new("c", "test", sender))
    }

    fn rotate(&self) {
        let (reply, answer) = sync_channel(1);
        self.send(Message::Rotate(reply));
        answer.recv().unwrap().unwrap();
    }

    fn quarantine(&self, bytes: &[u8]) -> Receipt {
        let mut batch = self.batch();
        batch.quarantine(QuarantineItem {
            reason: "why",
            origin: "where",
            bytes: QuarantineBytes::Slice(bytes),
        });
        batch.commit().unwrap()
    }

    /// Commits an event whose URI has so many bytes.
    fn append(&self, n: usize, bytes: usize) -> Receipt {
        let uri = "A".repeat(bytes);
        let time = "2026-11-20T10:00:00.000001Z";
        let line = format!(
            r#"{{"level":"Metadata","auditID":"{n:08x}-1111-4222-8333-444455556666","stage":"ResponseComplete","requestURI":"/{n}{uri}","verb":"get","user":{{"username":"u"}},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#
        );
        let (event, content) = normalise("c", line.as_bytes()).unwrap();
        let mut batch = self.batch();
        batch.event(&event, line.as_bytes(), content);
        batch.commit().unwrap()
    }

    /// Bytes of texts and events of each active segment.
    fn actives(&self) -> Vec<(usize, u64)> {
        let state = self.shared.state();
        let of = |active: &Arc<Active>| (active.text_bytes, active.events);
        state.actives.iter().map(of).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.writer.take() {
            let _ = sender.send(Message::Stop);
            thread.join().unwrap();
        }
    }
}

#[test]
fn bytes_in_quarantine_are_counted_once_while_a_segment_waits_to_be_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::open(directory.path());
    assert_eq!(bench.quarantine(b"broken").quarantined, 1);
    for age in ["waiting", "waiting behind another", "sealed"] {
        match age {
            "sealed" => assert!(seal::seal_oldest(&bench.shared).unwrap()),
            _ => bench.rotate(),
        }
        let again = bench.quarantine(b"broken");
        assert_eq!((again.quarantined, again.duplicates), (0, 1), "{age}");
        let other = bench.quarantine(age.as_bytes());
        assert_eq!((other.quarantined, other.duplicates), (1, 0), "{age}");
    }
    let kept = crate::store::sqlite::report::quarantined(&bench.shared).unwrap();
    assert_eq!(kept.len(), 4);
    assert_eq!(bench.shared.facts().quarantined, 4);
}

#[test]
fn few_events_with_long_texts_fill_a_segment() {
    const URI_BYTES: usize = 4 << 20;
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::open(directory.path());
    let full = limits::SEGMENT_TEXT_BYTES.div_ceil(URI_BYTES) as u64;
    for n in 0..=full as usize {
        assert_eq!(bench.append(n, URI_BYTES).stored, 1);
    }
    let actives = bench.actives();
    let events: Vec<u64> = actives.iter().map(|&(_, events)| events).collect();
    assert_eq!(events, [full, 1], "{actives:?}");
    assert!(actives[0].0 < limits::SEGMENT_TEXT_BYTES + 2 * URI_BYTES);
    drop(bench);
    // What is read back at the start is what was held before.
    let bench = Bench::open(directory.path());
    assert_eq!(bench.actives(), actives);
    assert!(seal::seal_oldest(&bench.shared).unwrap());
    assert_eq!(bench.actives(), actives[1..]);
}

#[test]
fn one_batch_of_long_texts_counts_for_several_segments() {
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::open(directory.path());
    for (n, unsealed) in [2, 4].into_iter().enumerate() {
        bench.append(n, limits::SEGMENT_TEXT_BYTES * 3 / 2);
        // Begins no other segment, but is done only after the writer has begun one.
        bench.rotate();
        let state = bench.shared.state();
        assert_eq!(state.unsealed(&bench.shared.options), unsealed);
    }
}
