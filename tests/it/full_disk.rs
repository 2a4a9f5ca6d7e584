//! Disks that are full and directories that cannot be written.

use std::path::Path;
use std::process::Command;

use crate::support::{self, Server};

/// A small file system in memory; unmounted at the end. `None`, with the reason on stderr, where
/// there is no right to mount.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn tmpfs(at: &'a Path, options: &str, test: &str) -> Option<Mount<'a>> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(at)
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: {test} needs the right to mount");
        }
        mounted.then_some(Mount(at))
    }

    fn remount(&self, options: &str) {
        let mut command = Command::new("mount");
        command
            .args(["-o", &format!("remount,{options}")])
            .arg(self.0);
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// An event whose bytes do not compress; a segment's events lie in three partitions.
fn large(n: u64) -> String {
    let mut random = fastrand::Rng::with_seed(n);
    let noise: String = std::iter::repeat_with(|| random.alphanumeric())
        .take(40_000)
        .collect();
    let time = format!("2026-11-{:02}T10:00:00.{n:06}Z", 3 + n % 3);
    support::event_at(n, &time).replacen("it/1", &format!("it/{noise}"), 1)
}

#[test]
fn a_full_disk_loses_nothing_acknowledged_and_ingest_goes_on() {
    let dir = support::temp_dir();
    let disk = dir.path().join("disk");
    let test = "a_full_disk_loses_nothing_acknowledged_and_ingest_goes_on";
    let Some(mount) = Mount::tmpfs(&disk, "size=8m", test) else {
        return;
    };
    let data = disk.join("data");
    // Segments are small enough that sealing and making new ones fail too.
    let server = Server::start(&data, &["--segment-events", "40"]);
    let mut client = server.connect();
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    let mut n = 0;
    let mut post = |n: &mut u64| {
        let batch: Vec<String> = (*n..*n + 4).map(large).collect();
        let answer = client
            .post("/webhook", support::event_list(&batch).as_bytes())
            .unwrap();
        *n += 4;
        match answer.status {
            200 => acknowledged.extend(batch),
            503 => {
                assert!(!answer.headers.iter().any(|(name, _)| name == "retry-after"));
                refused += 1;
            }
            status => panic!("{status}: {}", answer.text()),
        }
        (answer.status, acknowledged.len(), refused)
    };
    while post(&mut n).2 < 8 {
        assert!(n < 10_000, "the disk does not get full");
    }
    // A filler keeps it full whatever sealing frees.
    let filler = disk.join("filler");
    let _ = std::fs::write(&filler, vec![1u8; 8 << 20]);
    for _ in 0..5 {
        post(&mut n);
    }
    std::fs::remove_file(&filler).unwrap();
    mount.remount("size=64m");
    support::wait_until("ingest goes on", || post(&mut n).0 == 200);
    for _ in 0..20 {
        assert_eq!(post(&mut n).0, 200);
    }
    server.post("/api/v1/seal", "").expect(200);
    acknowledged.sort_unstable();
    let listed = server
        .cli("query", &["--limit", "0", "-o", "raw"])
        .expect(0);
    assert_eq!(listed.sorted_lines(), acknowledged);
    assert!(server.stop().success());
    // What failed attempts left does not come back as events.
    let server = Server::start(&data, &[]);
    assert_eq!(support::raw_lines(&data), acknowledged);
    let stats = server.get("/api/v1/stats").expect(200).json();
    assert_eq!(stats["events"], acknowledged.len());
    assert_eq!(stats["received"], acknowledged.len());
}

#[test]
fn a_full_disk_at_the_start_is_a_clear_error() {
    let dir = support::temp_dir();
    let disk = dir.path().join("disk");
    let Some(_mount) = Mount::tmpfs(
        &disk,
        "size=64k",
        "a_full_disk_at_the_start_is_a_clear_error",
    ) else {
        return;
    };
    std::fs::write(disk.join("filler"), vec![1u8; 40 << 10]).unwrap();
    let data = disk.join("data");
    let (status, log) = Server::try_start(&data, &[]).err().expect("no server");
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("full") || log.contains("No space"), "{log}");
    std::fs::remove_file(disk.join("filler")).unwrap();
}

#[test]
fn a_read_only_file_system_is_a_clear_error_and_can_be_read() {
    let dir = support::temp_dir();
    let disk = dir.path().join("disk");
    let test = "a_read_only_file_system_is_a_clear_error_and_can_be_read";
    let Some(mount) = Mount::tmpfs(&disk, "size=64m", test) else {
        return;
    };
    let data = disk.join("data");
    let sample = support::sample_path();
    support::local(&data, "import", &[sample.to_str().unwrap()]).expect(0);
    let before = support::raw_lines(&data);
    assert_eq!(before.len(), support::sample().len());
    mount.remount("ro");
    let (status, log) = Server::try_start(&data, &[]).err().expect("no server");
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(
        log.contains("ead-only") || log.contains("writable"),
        "{log}"
    );
    // Nothing waits in a log, so everything is there to be read.
    assert_eq!(support::raw_lines(&data), before);
    mount.remount("rw");
    let server = Server::start(&data, &[]);
    let post = server.post("/webhook", support::event(1)).expect(200);
    assert_eq!(post.json()["stored"], 1);
}

/// Runs as nobody when the tests run as root, whom permissions do not bind.
fn as_nobody() -> Vec<&'static str> {
    // SAFETY: reads the process's user id.
    if unsafe { libc::geteuid() } == 0 {
        vec![
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ]
    } else {
        vec!["env"]
    }
}

#[test]
fn a_directory_without_rights_is_a_clear_error() {
    use std::os::unix::fs::PermissionsExt;
    let dir = support::temp_dir();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open.clone()).unwrap();
    // The program may lie where nobody may go.
    let wrapper = as_nobody();
    let program = dir.path().join("auditql");
    std::fs::copy(support::AUDITQL, &program).unwrap();
    let data = dir.path().join("data");
    let sample = support::sample_path();
    support::local(&data, "import", &[sample.to_str().unwrap()]).expect(0);

    let run = |args: &[&str]| {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(&program).args(args);
        support::finish(&mut command, b"")
    };
    let data = data.to_str().unwrap();
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o000)).unwrap();
    for args in [
        &["serve", "--listen", "127.0.0.1:0", "--data", data][..],
        &["query", "--data", data],
        &["stats", "--data", data],
    ] {
        let denied = run(args).expect(2);
        assert!(
            denied.stderr.contains("denied"),
            "{args:?}: {}",
            denied.stderr
        );
        assert!(denied.stderr.contains(data), "{args:?}: {}", denied.stderr);
    }
    std::fs::set_permissions(data, open).unwrap();
    let inside = format!("{}/new/data", dir.path().display());
    let denied = run(&["import", "--data", &inside, sample.to_str().unwrap()]);
    if wrapper[0] == "setpriv" {
        let denied = denied.expect(2);
        assert!(denied.stderr.contains("denied"), "{}", denied.stderr);
        // Somebody else's store that may be read, but not written, is read.
        let read = run(&["query", "--data", data, "--limit", "0", "-o", "raw"]).expect(0);
        assert_eq!(read.text().lines().count(), support::sample().len());
        let serve = run(&["serve", "--listen", "127.0.0.1:0", "--data", data]).expect(2);
        assert!(serve.stderr.contains("denied"), "{}", serve.stderr);
    }
}
