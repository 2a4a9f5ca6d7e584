//! A store with a server, asked through both: every command line answers alike.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use crate::support::{Run, Server, cli, local, temp_dir};

/// A data directory, and a server that writes it.
pub(crate) struct Both {
    dir: tempfile::TempDir,
    pub(crate) server: Server,
}

/// Stores that live until the tests end. Nobody drops a `static`, so the servers would go on.
static SHARED: Mutex<Vec<Arc<Both>>> = Mutex::new(Vec::new());

extern "C" fn end_shared() {
    if let Ok(mut shared) = SHARED.lock() {
        shared.clear();
    }
}

/// A store for several tests, made by the first of them.
pub(crate) struct Shared(Mutex<Weak<Both>>, fn() -> Both);

impl Shared {
    pub(crate) const fn new(make: fn() -> Both) -> Shared {
        Shared(Mutex::new(Weak::new()), make)
    }

    /// The store, until the tests end.
    pub(crate) fn get(&self) -> Arc<Both> {
        let mut known = self.0.lock().unwrap();
        if let Some(both) = known.upgrade() {
            return both;
        }
        let both = Arc::new((self.1)());
        *known = Arc::downgrade(&both);
        let mut shared = SHARED.lock().unwrap();
        if shared.is_empty() {
            // SAFETY: the handler only drops what it owns.
            unsafe { libc::atexit(end_shared) };
        }
        shared.push(Arc::clone(&both));
        both
    }
}

impl Both {
    /// An empty store.
    pub(crate) fn empty() -> Both {
        Both::serving(temp_dir(), &[])
    }

    /// A store into which `paths` were imported.
    #[track_caller]
    pub(crate) fn imported(paths: &[&Path]) -> Both {
        Both::imported_with(paths, &[])
    }

    /// Like [`Both::imported`], with more arguments for the import and the server.
    #[track_caller]
    pub(crate) fn imported_with(paths: &[&Path], args: &[&str]) -> Both {
        let dir = temp_dir();
        let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
        local(dir.path(), "import", &[args, &paths].concat()).expect(0);
        Both::serving(dir, args)
    }

    /// A store with one event per item.
    #[track_caller]
    pub(crate) fn with_events<S: AsRef<str>>(events: &[S]) -> Both {
        let both = Both::empty();
        let lines: Vec<&str> = events.iter().map(AsRef::as_ref).collect();
        both.server.post("/webhook", lines.join("\n")).expect(200);
        both
    }

    fn serving(dir: tempfile::TempDir, args: &[&str]) -> Both {
        let server = Server::start(dir.path(), args);
        Both { dir, server }
    }

    pub(crate) fn data(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a command on the directory and on the server. Both must write and return the same;
    /// what they write to stderr may differ.
    #[track_caller]
    pub(crate) fn ask(&self, command: &str, args: &[&str]) -> Run {
        let near = local(self.data(), command, args);
        let far = self.server.cli(command, args);
        let shown = |run: &Run| {
            let text = String::from_utf8_lossy(&run.stdout).into_owned();
            format!("{:?}\n{}\n{text}", run.code, run.stderr)
        };
        assert!(
            near.code == far.code && near.stdout == far.stdout,
            "{command} {args:?}\n--data: {}\n--server: {}",
            shown(&near),
            shown(&far)
        );
        near
    }

    /// [`Both::ask`] for a command of two words.
    #[track_caller]
    pub(crate) fn ask_quarantine(&self, what: &str, args: &[&str]) -> Run {
        let data = self.data().to_str().unwrap();
        let url = self.server.url();
        let run = |place: [&str; 2]| cli(&[&["quarantine", what], &place[..], args].concat());
        let (near, far) = (run(["--data", data]), run(["--server", &url]));
        assert_eq!(near.code, far.code, "{} | {}", near.stderr, far.stderr);
        assert_eq!(near.stdout, far.stdout);
        near
    }

    /// The rows of a SQL answer, cells joined by `|`.
    #[track_caller]
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        let run = self.ask("sql", &["--limit", "0", "-o", "csv", sql]);
        assert!(matches!(run.code, Some(0 | 1)), "{sql}: {}", run.stderr);
        cells(&run).iter().map(|row| row.join("|")).collect()
    }

    /// How many events a filter finds.
    #[track_caller]
    pub(crate) fn count(&self, filter: &[&str]) -> usize {
        let args = [&["--limit", "0", "-o", "jsonl", "--columns", "id"], filter].concat();
        let run = self.ask("query", &args);
        let lines = run.text().lines().count();
        assert_eq!(
            run.code,
            Some(i32::from(lines == 0)),
            "{filter:?}: {}",
            run.stderr
        );
        lines
    }

    /// The number that a statement gives.
    #[track_caller]
    pub(crate) fn number(&self, sql: &str) -> u64 {
        self.rows(sql)[0].parse().unwrap()
    }

    /// Objects of `-o jsonl`.
    #[track_caller]
    pub(crate) fn objects(&self, command: &str, args: &[&str]) -> Vec<serde_json::Value> {
        let run = self.ask(command, &[&["-o", "jsonl"], args].concat());
        assert!(matches!(run.code, Some(0 | 1)), "{args:?}: {}", run.stderr);
        let parse = |line| serde_json::from_str(line).unwrap();
        run.text().lines().map(parse).collect()
    }
}

/// The rows of a CSV answer, without its header.
#[track_caller]
pub(crate) fn cells(run: &Run) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(&run.stdout[..]);
    let row = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
    reader
        .records()
        .map(|record| row(record.unwrap()))
        .collect()
}

/// A file among the tests' data.
pub(crate) fn recorded(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    assert!(path.exists(), "{}", path.display());
    path
}

/// A zstd file among the tests' data, unpacked.
pub(crate) fn unpacked(name: &str) -> Vec<u8> {
    let packed = std::fs::read(recorded(name)).unwrap();
    zstd::decode_all(&packed[..]).unwrap()
}
