//! Files with bad items, and bad files.

use std::fs;
use std::io::Write;

use super::{Becomes, items};
use crate::both::Both;
use crate::support::{cli_with, event, local, raw_lines, sample, temp_dir};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// All items in one file, each between two events.
#[test]
fn every_bad_item_of_a_file_is_kept_and_named() {
    let dir = temp_dir();
    let (mut file, mut events, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (_, item, becomes)) in items().into_iter().enumerate() {
        let neighbour = event(1000 + number as u64);
        file.extend_from_slice(neighbour.as_bytes());
        file.push(b'\n');
        events.push(neighbour.into_bytes());
        file.extend_from_slice(&item);
        file.push(b'\n');
        match becomes {
            Becomes::Event(_) => events.push(item),
            Becomes::Quarantined(_) => bad.push((2 * number + 2, item)),
        }
    }
    let path = dir.path().join("audit.log");
    fs::write(&path, &file).unwrap();
    let both = Both::imported(&[&path]);
    let raw = both.ask("query", &["--limit", "0", "-o", "raw"]).expect(0);
    let mut found: Vec<&[u8]> = raw.stdout.split(|byte| *byte == b'\n').collect();
    assert_eq!(
        found.pop(),
        Some(&b""[..]),
        "each event is ended by a newline"
    );
    found.sort_unstable();
    events.sort_unstable();
    assert!(found == events);

    let path = path.to_str().unwrap();
    let listed = both.ask_quarantine("list", &["-o", "jsonl"]).expect(0);
    let mut lines: Vec<(usize, u64)> = Vec::new();
    for line in listed.text().lines() {
        let item: serde_json::Value = serde_json::from_str(line).unwrap();
        let origin = item["origin"].as_str().unwrap();
        let line = origin
            .strip_prefix(&format!("{path}: line "))
            .expect(origin);
        let number = line.split(',').next().unwrap().parse().unwrap();
        lines.push((number, item["bytes"].as_u64().unwrap()));
    }
    lines.sort_unstable();
    let expected: Vec<(usize, u64)> = bad
        .iter()
        .map(|(line, item)| (*line, item.len() as u64))
        .collect();
    assert_eq!(lines, expected);

    let out = temp_dir();
    let exported = out.path().join("items");
    let exported = exported.to_str().unwrap();
    both.ask_quarantine("export", &["--out", exported])
        .expect(0);
    let mut contents: Vec<Vec<u8>> = fs::read_dir(exported)
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    contents.sort_unstable();
    let mut expected: Vec<Vec<u8>> = bad.iter().map(|(_, item)| item.clone()).collect();
    expected.sort_unstable();
    assert!(contents == expected);
    assert_eq!(
        both.number("select count(*) from quarantine"),
        bad.len() as u64
    );
    assert_eq!(
        both.ask_quarantine("export", &["--id", "999999"]).code,
        Some(1)
    );
}

#[test]
fn an_import_says_where_the_first_bad_lines_are() {
    let dir = temp_dir();
    let data = dir.path().join("store");
    let path = dir.path().join("a.log");
    let lines = format!("{}\nbroken\n{}\n{{\"level\":\"x\"}}", event(1), event(2));
    fs::write(&path, lines).unwrap();
    let path = path.to_str().unwrap();
    let run = local(&data, "import", &[path]).expect(0);
    let second = event(1).len() + 1;
    let fourth = second + "broken\n".len() + event(2).len() + 1;
    assert_eq!(
        run.stderr,
        format!(
            "read 4 items from 1 input: 2 stored, 0 duplicate, 2 quarantined\n\
             warning: 2 items kept in quarantine as no event (auditql quarantine list), \
             beginning with:\n  \
             {path}: line 2 (byte {second}): not a JSON object: it begins with 'b'\n  \
             {path}: line 4 (byte {fourth}): auditID is missing\n"
        )
    );
    let again = local(&data, "import", &[path]).expect(0);
    assert!(
        again
            .stderr
            .starts_with("read 4 items from 1 input: 0 stored, 4 duplicate, 0 quar")
    );
    assert!(again.stderr.contains("line 2 (byte"), "{}", again.stderr);
}

/// Wherever a line is cut, and whatever stands around it.
#[test]
fn a_cut_line_costs_no_other() {
    let whole = sample()[3];
    let (mut body, mut events) = (String::new(), Vec::new());
    for end in (1..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        events.push(event(end as u64));
        body += &format!("{}\n{}\n", events[events.len() - 1], &whole[..end]);
    }
    let cuts = events.len();
    let data = temp_dir();
    let data = data.path().to_str().unwrap();
    let run = cli_with(&["import", "--data", data, "-"], body.as_bytes()).expect(0);
    let summary = format!(": {cuts} stored, 0 duplicate, {cuts} quarantined\n");
    assert!(run.stderr.contains(&summary), "{}", &run.stderr[..200]);
    events.sort_unstable();
    assert!(raw_lines(data.as_ref()) == events);

    let both = Both::empty();
    for end in (1..whole.len()).step_by(5) {
        let body = format!("{}\n{}\n{}\n", &whole[..end], event(1), event(2));
        let path = format!("/webhook/c{end}");
        let answer = both.server.post(&path, body).expect(200).text();
        assert_eq!(
            answer, r#"{"stored":2,"duplicates":0,"quarantined":1}"#,
            "cut at {end}"
        );
    }
}

#[test]
fn a_compressed_file_cut_short_gives_what_it_holds() {
    let text = sample().join("\n") + "\n";
    let dir = temp_dir();
    for (name, packed) in [
        ("cut.gz", gzip(text.as_bytes())),
        ("cut.zst", zstd::encode_all(text.as_bytes(), 1).unwrap()),
    ] {
        let data = dir.path().join(format!("{name}-store"));
        let path = dir.path().join(name);
        fs::write(&path, &packed[..packed.len() * 2 / 3]).unwrap();
        let run = local(&data, "import", &[path.to_str().unwrap()]).expect(2);
        assert!(run.stderr.contains(&format!("{name}: ")), "{}", run.stderr);
        assert!(run.stderr.contains("cut short"), "{}", run.stderr);
        if let [lines @ .., _] = &raw_lines(&data)[..] {
            assert!(
                lines.iter().all(|line| sample().contains(&line.as_str())),
                "{name}"
            );
        }
        // The whole file, later: only the rest is new.
        let before = raw_lines(&data).len();
        fs::write(&path, &packed).unwrap();
        let run = local(&data, "import", &[path.to_str().unwrap()]).expect(0);
        let rest = sample().len() - before;
        let summary = format!("{rest} stored, {before} duplicate, 0 quarantined");
        assert!(run.stderr.contains(&summary), "{name}: {}", run.stderr);
    }
}

#[test]
fn damage_in_a_compressed_file_is_told() {
    let dir = temp_dir();
    let data = dir.path().join("store");
    let path = dir.path().join("damaged.gz");
    let mut packed = gzip((sample().join("\n") + "\n").as_bytes());
    let middle = packed.len() / 2;
    for byte in &mut packed[middle..middle + 40] {
        *byte ^= 0x5a;
    }
    fs::write(&path, packed).unwrap();
    let good = dir.path().join("good.log");
    fs::write(&good, event(1)).unwrap();
    let run = local(
        &data,
        "import",
        &[&path, &good].map(|path| path.to_str().unwrap()),
    )
    .expect(2);
    assert!(run.stderr.contains("error: "), "{}", run.stderr);
    assert!(raw_lines(&data).contains(&event(1)));
}

/// 70 MB in one line, which compress to a few KB: one item, in quarantine, byte for byte.
#[test]
fn a_line_over_the_limit_is_one_quarantined_item() {
    let dir = temp_dir();
    let data = dir.path().join("store");
    let path = dir.path().join("bomb.gz");
    let large = super::with(&format!("\"requestObject\":\"{}\"", "x".repeat(70 << 20)));
    let text = [
        event(1).as_bytes(),
        b"\n",
        &large,
        b"\n",
        event(2).as_bytes(),
        b"\n",
    ]
    .concat();
    fs::write(&path, gzip(&text)).unwrap();
    let run = local(&data, "import", &[path.to_str().unwrap()]).expect(0);
    let stored = "read 3 items from 1 input: 2 stored, 0 duplicate, 1 quarantined\n";
    assert!(run.stderr.starts_with(stored), "{}", run.stderr);
    assert!(
        run.stderr.contains("over the limit of 67108864 bytes"),
        "{}",
        run.stderr
    );
    assert_eq!(
        raw_lines(&data),
        [event(2), event(1)],
        "in the order of their bytes"
    );
    let data = data.to_str().unwrap();
    let run = crate::support::cli(&["quarantine", "export", "--data", data]).expect(0);
    assert!(run.stdout.strip_suffix(b"\n") == Some(&large[..]));
}
