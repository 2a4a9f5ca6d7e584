//! Path arguments to inputs: files, globs, directories, and `-` for standard input.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Stdin,
    /// A file; its size when it is a regular one.
    File {
        path: PathBuf,
        bytes: Option<u64>,
    },
}

impl Input {
    /// Its name for people.
    pub fn name(&self) -> String {
        match self {
            Input::Stdin => "-".to_owned(),
            Input::File { path, .. } => path.display().to_string(),
        }
    }

    /// Its size in bytes, if known.
    pub const fn bytes(&self) -> Option<u64> {
        match self {
            Input::Stdin => None,
            Input::File { bytes, .. } => *bytes,
        }
    }
}

/// The inputs that path arguments stand for.
#[derive(Debug, Default)]
pub struct Expanded {
    pub inputs: Vec<Input>,
    /// What is missing or cannot be read, one message each.
    pub errors: Vec<String>,
}

/// Expands path arguments, in their order. A directory gives its regular files, sorted by name, so
/// that rotated files (`audit-2026-01-02T15-04-05.000.log`) come before the current `audit.log`.
pub fn expand(arguments: &[PathBuf]) -> Expanded {
    let mut expanded = Expanded::default();
    for argument in arguments {
        if argument.as_os_str() == "-" {
            expanded.inputs.push(Input::Stdin);
        } else if argument.symlink_metadata().is_ok() {
            expanded.path(argument, true, &mut Vec::new());
        } else if let Some(pattern) = argument
            .to_str()
            .filter(|text| text.contains(['*', '?', '[']))
        {
            expanded.glob(pattern);
        } else {
            expanded.path(argument, true, &mut Vec::new());
        }
    }
    expanded
}

impl Expanded {
    fn glob(&mut self, pattern: &str) {
        let paths = match glob::glob(pattern) {
            Ok(paths) => paths,
            Err(error) => {
                return self
                    .errors
                    .push(format!("bad pattern '{pattern}': {error}"));
            }
        };
        let mut matched = false;
        for path in paths {
            matched = true;
            match path {
                Ok(path) => self.path(&path, true, &mut Vec::new()),
                Err(error) => self.fail(error.path(), error.error()),
            }
        }
        if !matched {
            self.errors.push(format!("no file matches '{pattern}'"));
        }
    }

    /// `named` paths are read whatever they are (a pipe too); others only when they are regular
    /// files. `parents` are the directories above, so that a link to one of them ends there.
    fn path(&mut self, path: &Path, named: bool, parents: &mut Vec<PathBuf>) {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.fail(path, &error),
        };
        if metadata.is_dir() {
            match self.directory(path, parents) {
                Ok(()) => {}
                Err(error) => self.fail(path, &error),
            }
        } else if metadata.is_file() || named {
            self.inputs.push(Input::File {
                path: path.to_owned(),
                bytes: metadata.is_file().then_some(metadata.len()),
            });
        }
    }

    fn directory(&mut self, path: &Path, parents: &mut Vec<PathBuf>) -> io::Result<()> {
        let real = path.canonicalize()?;
        if parents.contains(&real) {
            return Ok(());
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            entries.push(entry?.path());
        }
        entries.sort();
        parents.push(real);
        for entry in entries {
            self.path(&entry, false, parents);
        }
        parents.pop();
        Ok(())
    }

    fn fail(&mut self, path: &Path, error: &io::Error) {
        self.errors
            .push(format!("cannot read '{}': {error}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(expanded: &Expanded, dir: &Path) -> Vec<String> {
        let strip = |input: &Input| input.name().replace(&format!("{}/", dir.display()), "");
        expanded.inputs.iter().map(strip).collect()
    }

    #[test]
    fn rotated_files_come_first() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        for name in [
            "audit.log",
            "audit-2026-01-03T15-04-05.000.log",
            "audit-2026-01-02T15-04-05.000.log.gz",
            "sub/x",
        ] {
            fs::write(dir.path().join(name), "12").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("sub/up")).unwrap();
        let expanded = expand(&[dir.path().to_owned(), PathBuf::from("-")]);
        assert_eq!(
            names(&expanded, dir.path()),
            [
                "audit-2026-01-02T15-04-05.000.log.gz",
                "audit-2026-01-03T15-04-05.000.log",
                "audit.log",
                "sub/x",
                "-"
            ]
        );
        assert_eq!(expanded.inputs[0].bytes(), Some(2));
        assert!(expanded.errors.is_empty());
        let expanded = expand(&[dir.path().join("*.log")]);
        assert_eq!(expanded.inputs.len(), 2);
    }

    #[test]
    fn what_is_missing_is_named_and_the_rest_is_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a[1].log"), "").unwrap();
        let arguments = ["none", "*.gz", "a[1].log"].map(|name| dir.path().join(name));
        let expanded = expand(&arguments);
        assert_eq!(names(&expanded, dir.path()), ["a[1].log"]);
        assert!(
            expanded.errors[0].starts_with("cannot read '"),
            "{:?}",
            expanded.errors
        );
        assert!(
            expanded.errors[1].starts_with("no file matches '"),
            "{:?}",
            expanded.errors
        );
    }
}
