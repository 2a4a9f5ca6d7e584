//! Events go in once and come back as they were, until they are pruned.

use std::ops::ControlFlow;

use super::{Bench, Open, at_every_age, event, events, is, query, sample};
use crate::model::column::Column;
use crate::model::time;
use crate::model::value::Value;
use crate::store::filter::{Filter, Test};
use crate::store::{QuarantineBytes, QuarantineItem, ReportRecord};

fn instant(text: &str) -> i64 {
    time::parse_rfc3339(text.as_bytes()).unwrap()
}

pub(super) fn gives_back_the_exact_bytes_in_order(open: Open) {
    let bench = Bench::new(open);
    let mut sent: Vec<Vec<u8>> = sample().iter().map(|line| line.to_vec()).collect();
    sent.extend(events(0, 1300));
    for batch in sent.chunks(211) {
        assert_eq!(bench.append("c", batch).stored, batch.len() as u64);
    }
    at_every_age(bench, &|bench, age| assert!(bench.raw() == sent, "{age}"));
}

pub(super) fn keeps_every_column_through_seal_and_merge(open: Open) {
    let bench = Bench::new(open);
    bench.append("c", &sample());
    let made = events(0, 600);
    for batch in made.chunks(250) {
        bench.append("d", batch);
    }
    let before = bench.everything();
    assert_eq!(before.len(), 600 + sample().len());
    at_every_age(bench, &|bench, age| {
        for (row, expected) in bench.everything().iter().zip(&before) {
            for ((value, expected), column) in row.iter().zip(expected).zip(Column::ALL) {
                assert_eq!(value, expected, "{age}: {column:?} of event {:?}", row[0]);
            }
        }
    });
}

pub(super) fn finds_duplicates_wherever_the_original_is(open: Open) {
    let bench = Bench::new(open);
    let lines = events(0, 700);
    let mut twice = lines[..100].to_vec();
    twice.extend_from_slice(&lines[..100]);
    let receipt = bench.append("c", &twice);
    assert_eq!((receipt.stored, receipt.duplicates), (100, 100));
    let receipt = bench.append("c", &lines);
    assert_eq!((receipt.stored, receipt.duplicates), (600, 100));
    at_every_age(bench, &|bench, age| {
        // As the log backend writes it: the same content under a kind and with other spaces.
        let spaced = |line: &Vec<u8>| {
            let line = String::from_utf8(line.clone()).unwrap();
            line.replacen(
                '{',
                r#"{"kind":"Event", "apiVersion":"audit.k8s.io/v1", "#,
                1,
            )
        };
        let logged: Vec<String> = lines.iter().map(spaced).collect();
        let receipt = bench.append("c", &logged);
        assert_eq!((receipt.stored, receipt.duplicates), (0, 700), "{age}");
        // The same key with another value is no duplicate of anything.
        let line = String::from_utf8(lines[5].clone()).unwrap();
        let other = line.replace("\"u5\"", &format!("\"{age}\""));
        let receipt = bench.append("c", &[&other, &other]);
        assert_eq!((receipt.stored, receipt.duplicates), (1, 1), "{age}");
    });
}

pub(super) fn tells_clusters_apart(open: Open) {
    let bench = Bench::new(open);
    let lines = events(0, 50);
    assert_eq!(bench.append("one", &lines).stored, 50);
    assert_eq!(bench.append("two", &lines).stored, 50);
    at_every_age(bench, &|bench, age| {
        for cluster in ["one", "two"] {
            assert_eq!(bench.append(cluster, &lines).duplicates, 50, "{age}");
            let asked = query(is(Column::Cluster, cluster), &[Column::Id]);
            assert_eq!(bench.list(&asked).0.len(), 50, "{age}");
        }
        let stats = bench.store.stats().unwrap();
        let clusters = [("one".to_owned(), 50), ("two".to_owned(), 50)];
        assert_eq!(stats.clusters, clusters, "{age}");
    });
}

pub(super) fn keeps_events_that_share_an_audit_id(open: Open) {
    let bench = Bench::new(open);
    let id = |line: Vec<u8>| {
        let line = String::from_utf8(line).unwrap();
        let start = line.find("auditID").unwrap() + 10;
        format!("{}reused{}", &line[..start], &line[start + 36..])
    };
    let lines: Vec<String> = events(0, 400).into_iter().map(id).collect();
    assert_eq!(bench.append("c", &lines).stored, 400);
    at_every_age(bench, &|bench, age| {
        let asked = query(is(Column::AuditId, "reused"), &[Column::Id]);
        assert_eq!(bench.list(&asked).0.len(), 400, "{age}");
        assert_eq!(bench.append("c", &lines).duplicates, 400, "{age}");
    });
}

pub(super) fn takes_untimed_late_and_implausible_events(open: Open) {
    let bench = Bench::new(open);
    bench.append("c", &events(0, 40));
    let untimed = String::from_utf8(event(100, "null"))
        .unwrap()
        .replace("\"null\"", "null");
    let odd = [
        untimed.clone().into_bytes(),
        event(101, "2025-11-01T00:00:00.000000Z"),
        event(102, "0001-01-01T00:00:01Z"),
        event(103, "9999-12-31T23:59:59.999999Z"),
        event(104, "1970-01-01T00:00:00.000001Z"),
    ];
    let receipt = bench.append("c", &odd);
    assert_eq!((receipt.stored, receipt.quarantined), (5, 0));
    at_every_age(bench, &|bench, age| {
        let receipt = bench.append("c", &odd);
        assert_eq!((receipt.stored, receipt.duplicates), (0, 5), "{age}");
        assert_eq!(bench.raw().len(), 45, "{age}");
        let year = Filter {
            since: Some(instant("2025-10-01T00:00:00Z")),
            until: Some(instant("2025-12-01T00:00:00Z")),
            terms: Vec::new(),
        };
        let late = bench.list(&query(year, &[Column::Name])).0;
        assert_eq!(late, [[Value::text("p101")]], "{age}");
        let row = bench.list(&query(
            is(Column::Name, "p100"),
            &[
                Column::TimeQuality,
                Column::Time,
                Column::StoredTime,
                Column::Raw,
            ],
        ));
        let row = &row.0[0];
        assert_eq!(row[0], Value::text("stored"), "{age}");
        let (Value::Time(time), Value::Time(stored)) = (&row[1], &row[2]) else {
            panic!("{row:?}");
        };
        // Taken when the event came in, just before its commit.
        assert!((stored - 60_000_000..=*stored).contains(time), "{age}");
        assert_eq!(row[3], Value::Bytes(untimed.as_bytes().into()), "{age}");
    });
}

pub(super) fn keeps_quarantined_bytes(open: Open) {
    let bench = Bench::new(open);
    let garbage: Vec<Vec<u8>> = vec![
        b"not json".to_vec(),
        vec![0, 0xFF, 0xFE, b'\n', 0],
        Vec::new(),
        vec![b'x'; 5 << 20],
    ];
    let receipt = bench.append("c", &garbage);
    assert_eq!((receipt.stored, receipt.quarantined), (0, 4));
    let file = tempfile::tempfile().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"..from a file..", 0).unwrap();
    let mut batch = bench.store.batch("c", "test");
    batch.quarantine(QuarantineItem {
        reason: "why",
        origin: "where",
        bytes: QuarantineBytes::File {
            file: &file,
            offset: 2,
            bytes: 11,
        },
    });
    assert_eq!(batch.commit().unwrap().quarantined, 1);
    at_every_age(bench, &|bench, age| {
        // The same bytes again are counted, not kept again; those of another cluster are others.
        assert_eq!(bench.append("c", &garbage).quarantined, 0, "{age}");
        let mut items = Vec::new();
        let mut sink = |item| {
            items.push(item);
            ControlFlow::Continue(())
        };
        bench.store.quarantined(&mut sink).unwrap();
        assert_eq!(items.len(), 5, "{age}");
        let mut kept = Vec::new();
        for item in &items {
            let mut bytes = Vec::new();
            let mut sink = |part: &[u8]| {
                bytes.extend_from_slice(part);
                ControlFlow::Continue(())
            };
            assert!(bench.store.quarantined_bytes(item.id, &mut sink).unwrap());
            assert_eq!(bytes.len() as u64, item.bytes, "{age}");
            kept.push(bytes);
        }
        assert_eq!(kept[..4], garbage, "{age}");
        assert_eq!(kept[4], b"from a file", "{age}");
        assert_eq!(
            (&*items[4].reason, &*items[4].origin),
            ("why", "where"),
            "{age}"
        );
        let again: u64 = items.iter().map(|item| item.duplicates).sum();
        let ages = ["new", "sealed", "merged", "opened again"];
        let times = ages.iter().position(|&name| name == age).unwrap() as u64 + 1;
        assert_eq!(again, 4 * times, "{age}");
        assert_eq!(bench.store.stats().unwrap().quarantined, 5, "{age}");
    });
}

pub(super) fn prunes_exactly(open: Open) {
    let cutoff = instant("2026-11-20T00:10:00Z");
    let lines = events(0, 1500);
    for sealed_before in [false, true] {
        let bench = Bench::new(open);
        for batch in lines.chunks(400) {
            bench.append("c", batch);
        }
        if sealed_before {
            bench.store.seal(true).unwrap();
        }
        let dry = bench.store.prune(cutoff, true).unwrap();
        assert_eq!((dry.events, dry.dry_run), (600, true));
        assert!(bench.raw() == lines);
        assert_eq!(bench.store.stats().unwrap().pruned, 0);

        let pruned = bench.store.prune(cutoff, false).unwrap();
        assert_eq!((pruned.events, pruned.dry_run), (600, false));
        let bench = at_every_age(bench, &|bench, age| {
            assert!(bench.raw() == lines[600..], "{age}");
            let stats = bench.store.stats().unwrap();
            assert_eq!((stats.events, stats.pruned), (900, 600), "{age}");
            let (_, answer) = bench.list(&query(Filter::default(), &[Column::Id]));
            assert_eq!(answer.coverage.pruned_events, 600, "{age}");
            assert!(answer.coverage.pruned_before.is_some(), "{age}");
            assert_eq!(bench.store.prune(cutoff, false).unwrap().events, 0, "{age}");
            assert_eq!(bench.append("c", &lines[600..]).duplicates, 900, "{age}");
        });
        // What was pruned is not known any more: sent again, it is stored again under new ids.
        let receipt = bench.append("c", &lines);
        assert_eq!((receipt.stored, receipt.duplicates), (600, 900));
        let mut ids: Vec<Value> = bench
            .everything()
            .into_iter()
            .map(|mut row| row.swap_remove(0))
            .collect();
        let all = ids.len();
        ids.dedup();
        assert_eq!((ids.len(), all), (1500, 1500));
    }
}

/// Events so large that a segment holds several blocks of bodies, some of which lose no row.
pub(super) fn prunes_within_a_segment_of_many_blocks(open: Open) {
    let bench = Bench::new(open);
    let mut random = fastrand::Rng::with_seed(3);
    let lines: Vec<Vec<u8>> = events(0, 300)
        .into_iter()
        .map(|mut line| {
            line.truncate(line.len() - 1);
            line.extend_from_slice(b",\"requestObject\":\"");
            line.extend((0..50_000).map(|_| random.alphanumeric() as u8));
            line.extend_from_slice(b"\"}");
            line
        })
        .collect();
    for batch in lines.chunks(100) {
        bench.append("c", batch);
    }
    bench.store.seal(true).unwrap();
    let mut first = 0;
    for (minute, gone) in [("01", 60), ("03", 180), ("04", 240)] {
        let cutoff = instant(&format!("2026-11-20T00:{minute}:00Z"));
        let pruned = bench.store.prune(cutoff, false).unwrap();
        assert_eq!(pruned.events, gone - first);
        first = gone;
        let left = &lines[gone as usize..];
        assert!(bench.raw() == left, "{minute}");
        let bytes: usize = left.iter().map(Vec::len).sum();
        assert_eq!(bench.store.stats().unwrap().raw_bytes, bytes as u64);
        let mut contains = Filter::default();
        let needle = &left[7][left[7].len() - 30..left[7].len() - 2];
        contains.push(Test::Contains {
            any: vec![needle.into()],
        });
        let found = bench.list(&query(contains, &[Column::Raw])).0;
        assert_eq!(found, [[Value::Bytes(left[7].as_slice().into())]]);
        assert_eq!(bench.append("c", left).duplicates, left.len() as u64);
    }
}

pub(super) fn counts_add_up(open: Open) {
    let bench = Bench::new(open);
    let lines = events(0, 900);
    for batch in lines.chunks(300) {
        bench.append("c", batch);
    }
    bench.append("c", &lines[..70]);
    bench.append("d", &[b"garbage".as_slice(), b"more"]);
    at_every_age(bench, &|bench, age| {
        let stats = bench.store.stats().unwrap();
        assert_eq!(stats.events, 900, "{age}");
        assert_eq!(
            stats.events,
            stats.sealed_events + stats.active_events,
            "{age}"
        );
        assert_eq!(stats.received, 900 + 70 + 2, "{age}");
        assert_eq!((stats.duplicates, stats.quarantined), (70, 2), "{age}");
        let bytes: usize = lines.iter().map(Vec::len).sum();
        assert_eq!(stats.raw_bytes, bytes as u64, "{age}");
        let components: u64 = stats.components.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(components, stats.stored_bytes, "{age}");
        assert_eq!(
            stats.oldest.as_deref(),
            Some("2026-11-20T00:00:00.000001Z"),
            "{age}"
        );
        assert_eq!(
            stats.newest.as_deref(),
            Some("2026-11-20T00:14:59.000001Z"),
            "{age}"
        );
        if age == "new" {
            return;
        }
        assert_eq!(stats.active_events, 0, "{age}");
    });
}

pub(super) fn records_reports_in_order_and_for_good(open: Open) {
    let bench = Bench::new(open);
    assert_eq!(bench.store.reports().unwrap(), []);
    let record = |n: i64, reason: Option<&str>| ReportRecord {
        made_at: n,
        name: "pci-dss".to_owned(),
        since: n - 10,
        until: n - 5,
        form: "json".to_owned(),
        path: format!("/out/{n}"),
        sha256: reason.is_none().then(|| "ab".repeat(32)),
        made_for: "audit".to_owned(),
        outcome: "made".to_owned(),
        reason: reason.map(str::to_owned),
    };
    let records = [record(20, None), record(10, Some("full disk"))];
    bench.store.record_reports(&records).unwrap();
    bench.store.record_reports(&[]).unwrap();
    let bench = bench.reopen();
    bench.store.record_reports(&[record(5, None)]).unwrap();
    let read = crate::store::open_read(bench.dir.path()).unwrap();
    let expected = [records.to_vec(), vec![record(5, None)]].concat();
    assert_eq!(read.reports().unwrap(), expected);
    assert!(read.record_reports(&records).is_err(), "opened for reading");
    assert_eq!(bench.store.reports().unwrap(), expected);
}
