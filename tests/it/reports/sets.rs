//! Documents with the files beside them: whole, each for itself, whoever writes at the same time.

use std::path::{Path, PathBuf};

use super::{STORE, definition, json, own, text};
use crate::support::{Run, cli, command, local, temp_dir};

pub(super) const PERIOD: [&str; 4] = ["--since", "2026-11-21", "--until", "2026-11-21T06:00:00Z"];

/// Two pieces of evidence with more rows than are shown, one with fewer.
fn busy() -> tempfile::TempDir {
    own(&definition(&[
        "query = \"noisiest-identities\"\nrows = 2",
        "query = \"error-rates\"\nrows = 1000",
        "query = \"noisiest-identities\"\nrows = 5",
    ]))
}

fn asked<'a>(reports: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let flags = ["mine", "--reports", text(reports), "--out", text(out)];
    [&flags[..], more].concat()
}

fn make(out: &Path, more: &[&str]) -> Run {
    let reports = busy();
    let args = asked(reports.path(), out, more);
    local(STORE.get().data(), "report", &args)
}

/// All forms of a report.
pub(super) fn written(out: &Path) -> Run {
    make(out, &[&["-o", "json,html,md,csv"], &PERIOD[..]].concat()).expect(0)
}

pub(super) fn verify(file: &Path) -> Run {
    cli(&["report", "--verify", text(file)])
}

/// The directories with rows.
fn all_rows_of(out: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(out).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found
}

/// The one directory with rows.
pub(super) fn rows_of(out: &Path) -> PathBuf {
    let found = all_rows_of(out);
    let [one] = &found[..] else {
        panic!("{found:?}");
    };
    one.clone()
}

#[test]
fn an_older_document_of_another_form_keeps_its_rows() {
    let dir = temp_dir();
    let document = |form: &str| dir.path().join(format!("mine.{form}"));
    make(dir.path(), &[&["-o", "html,csv"], &PERIOD[..]].concat()).expect(0);
    let all = ["-o", "md,csv", "--since", "2026-11-21T03:42:00Z"];
    make(dir.path(), &all).expect(0);
    for form in ["html", "md", "csv"] {
        let run = verify(&document(form)).expect(0);
        let named = "noisiest-identities.csv: as it was written";
        assert!(run.text().contains(named), "{form}: {}", run.text());
    }
    assert_eq!(all_rows_of(dir.path()).len(), 2);
    // Once no document names the older rows, they go.
    make(dir.path(), &[&["-o", "html"], &all[2..]].concat()).expect(0);
    assert_eq!(all_rows_of(dir.path()).len(), 1);
    for form in ["html", "md", "csv"] {
        verify(&document(form)).expect(0);
    }
}

#[test]
fn two_at_the_same_time_do_not_mix() {
    let dir = temp_dir();
    let reports = busy();
    let data = text(STORE.get().data()).to_owned();
    let start = |more: &[&str]| {
        let args = asked(reports.path(), dir.path(), more);
        let args = [
            &["report"],
            &args[..],
            &["-o", "json,md,html", "--data", &data],
        ]
        .concat();
        let mut program = command(&args);
        program.stdout(std::process::Stdio::null());
        program.spawn().unwrap()
    };
    let mut running: Vec<_> = (0..3)
        .flat_map(|_| [start(&PERIOD), start(&["--since", "2026-11-21T03:42:00Z"])])
        .collect();
    for program in &mut running {
        assert!(program.wait().unwrap().success());
    }
    let made = json(&std::fs::read(dir.path().join("mine.json")).unwrap());
    let made_at = made["made_at"].as_str().unwrap();
    for form in ["json", "md", "html"] {
        let document = dir.path().join(format!("mine.{form}"));
        verify(&document).expect(0);
    }
    let md = std::fs::read_to_string(dir.path().join("mine.md")).unwrap();
    assert!(md.contains(made_at), "of another run than {made_at}");
    assert_eq!(all_rows_of(dir.path()).len(), 1);
    let hidden = std::fs::read_dir(dir.path()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with('.')
    });
    assert_eq!(hidden.count(), 0, "nothing unfinished is left");
}

#[test]
fn another_making_replaces_the_files_and_nothing_else() {
    let dir = temp_dir();
    make(dir.path(), &[&["-o", "md"], &PERIOD[..]].concat()).expect(0);
    let beside = rows_of(dir.path());
    let kept = beside.join("notes.txt");
    std::fs::write(&kept, "mine").unwrap();
    // Now every row is shown, so no file with rows is left.
    let all = [&["-o", "md", "--rows", "1000"], &PERIOD[..]].concat();
    make(dir.path(), &all).expect(0);
    let left: Vec<_> = std::fs::read_dir(&beside).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "mine");
    verify(&dir.path().join("mine.md")).expect(0);

    // A link in the way is not followed.
    let other = temp_dir();
    std::fs::remove_dir_all(&beside).unwrap();
    std::os::unix::fs::symlink(other.path(), &beside).unwrap();
    let run = make(dir.path(), &[&["-o", "md"], &PERIOD[..]].concat()).expect(2);
    assert!(run.stderr.contains("is no directory"), "{}", run.stderr);
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0);
    verify(&dir.path().join("mine.md")).expect(0);
}
