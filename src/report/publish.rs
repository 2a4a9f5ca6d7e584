//! Making a report into a directory: the documents and the files with all rows beside them, each of
//! which is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::definition::{Definition, is_stem};
use super::digest;
use super::made::Made;
use super::make::{Request, make};
use super::render::Form;
use crate::query::library::Library;
use crate::query::source::Source;
use crate::store::{Result, StoreError};

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub path: PathBuf,
    /// `None` is a file with rows of the evidence.
    pub form: Option<Form>,
    /// Of a document the digest that it holds, of others that of their bytes.
    pub sha256: String,
}

/// Makes a report and writes its documents as `STEM.html` and so on, and files with all rows into
/// the directory `STEM`. The directory is made when there is none. Files of an earlier report of
/// the same stem are replaced.
pub fn publish(
    definition: &Definition,
    library: &Library,
    source: &dyn Source,
    request: &Request<'_>,
    directory: &Path,
    stem: &str,
    forms: &[Form],
) -> Result<(Made, Vec<Written>)> {
    assert!(
        is_stem(stem),
        "stems come from names of reports and from dates"
    );
    let failed =
        |path: &Path, error: io::Error| StoreError::Io(format!("{}: {error}", path.display()));
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let stage = Stage::new(directory, stem)?;
    let rows = stage.path.join("rows");
    fs::create_dir(&rows).map_err(|error| failed(&rows, error))?;
    let request = Request {
        files: Some((&rows, stem)),
        cancelled: request.cancelled.clone(),
        ..*request
    };
    let made = make(definition, library, source, &request)?;
    let mut documents = Vec::new();
    for &form in forms {
        let (text, digest) = form.document(&made).map_err(StoreError::BadRequest)?;
        let name = format!("{stem}.{}", form.name());
        let path = stage.path.join(&name);
        write_new(&path, text.as_bytes()).map_err(|error| failed(&path, error))?;
        documents.push((form, name, digest));
    }
    let mut written = Vec::new();
    let beside = directory.join(stem);
    let mut files = Vec::new();
    for control in &made.controls {
        for evidence in &control.evidence {
            let (Some(file), Some(hash)) = (&evidence.file, &evidence.file_sha256) else {
                continue;
            };
            let name = file.rsplit('/').next().unwrap_or(file);
            if !files.contains(&name) {
                files.push(name);
                written.push(Written {
                    path: beside.join(name),
                    form: None,
                    sha256: hash.clone(),
                });
            }
        }
    }
    // Rows first: a document never stands there without them.
    place_rows(definition, &rows, &beside, &files)?;
    for (form, name, digest) in documents {
        let path = directory.join(&name);
        fs::rename(stage.path.join(&name), &path).map_err(|error| failed(&path, error))?;
        written.push(Written {
            path,
            form: Some(form),
            sha256: digest,
        });
    }
    sync(directory).map_err(|error| failed(directory, error))?;
    Ok((made, written))
}

/// Moves the files with rows to where the documents look for them, and removes those that an
/// earlier report of this definition left there.
fn place_rows(definition: &Definition, rows: &Path, beside: &Path, files: &[&str]) -> Result<()> {
    let failed =
        |path: &Path, error: io::Error| StoreError::Io(format!("{}: {error}", path.display()));
    let there = match fs::symlink_metadata(beside) {
        Ok(found) if found.is_dir() => true,
        Ok(_) => {
            return Err(StoreError::Io(format!(
                "{} is no directory; remove it or write the report elsewhere",
                beside.display()
            )));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(beside, error)),
    };
    if !there && files.is_empty() {
        return Ok(());
    }
    if !there {
        fs::create_dir(beside).map_err(|error| failed(beside, error))?;
    }
    for name in files {
        let path = beside.join(name);
        fs::rename(rows.join(name), &path).map_err(|error| failed(&path, error))?;
    }
    for control in &definition.controls {
        for evidence in &control.evidence {
            let name = evidence.file_name();
            let path = beside.join(&name);
            if !files.contains(&name.as_str()) && fs::symlink_metadata(&path).is_ok() {
                fs::remove_file(&path).map_err(|error| failed(&path, error))?;
            }
        }
    }
    sync(beside).map_err(|error| failed(beside, error))?;
    if files.is_empty() {
        // Only if it is empty; what somebody else put there stays.
        let _ = fs::remove_dir(beside);
    }
    Ok(())
}

/// Writes a file that is not there yet, and syncs it.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// A directory in which a report is put together, on the same file system as where it goes. It is
/// locked while somebody uses it, so that what a killed process left can be told and removed.
struct Stage {
    path: PathBuf,
    _lock: File,
}

impl Stage {
    fn new(directory: &Path, stem: &str) -> Result<Stage> {
        let failed = |error: io::Error| StoreError::Io(format!("{}: {error}", directory.display()));
        let prefix = format!(".{stem}.");
        clear(directory, &prefix).map_err(failed)?;
        let made = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".new")
            .tempdir_in(directory)
            .map_err(failed)?;
        let lock = File::open(made.path()).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Stage {
            path: made.keep(),
            _lock: lock,
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What stays is removed by the next report of this stem.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes stages that nobody uses any more.
fn clear(directory: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_stage = name
            .to_str()
            .and_then(|name| name.strip_prefix(prefix)?.strip_suffix(".new"))
            .is_some_and(|middle| !middle.contains('.'));
        if is_stage
            && entry.file_type()?.is_dir()
            && let Ok(stage) = File::open(entry.path())
            && stage.try_lock().is_ok()
        {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The SHA-256 of a plain file's bytes; a link is not followed, and a pipe not waited for.
pub(super) fn hash_of(path: &Path) -> io::Result<String> {
    use sha2::Digest as _;
    struct Hash(sha2::Sha256);
    impl Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("is no plain file"));
    }
    let mut hash = Hash(sha2::Sha256::new());
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(digest::hex(&hash.0.finalize()))
}
