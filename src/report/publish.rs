//! Making a report into a directory: the documents and the files with all rows beside them. A
//! document is there whole and with its rows or not at all, whatever is written beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use super::definition::{Definition, is_stem};
use super::digest;
use super::made::Made;
use super::make::{Request, make};
use super::render::Form;
use super::verify::files_of;
use crate::query::library::Library;
use crate::query::source::Source;
use crate::store::{Result, StoreError};

/// Between a stem and the digits that tell sets of rows apart, and how many digits there are.
const ROWS_INFIX: &str = "-rows-";
const ROWS_DIGITS: usize = 12;

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub path: PathBuf,
    /// `None` is a file with rows of the evidence.
    pub form: Option<Form>,
    /// Of a document the digest that it holds, of others that of their bytes.
    pub sha256: String,
}

/// Makes a report and writes its documents as `STEM.html` and so on, and files with all rows into a
/// directory that only documents with these very rows share. The directory is made when there is
/// none. Documents of an earlier report of the same stem and form are replaced, and their files
/// with rows removed unless a document of another form still names them.
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
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let stage = Stage::new(directory, stem)?;
    let rows = stage.path.join("rows");
    fs::create_dir(&rows).map_err(|error| failed(&rows, error))?;
    let request = Request {
        files: (!request.summary).then_some(&rows),
        cancelled: request.cancelled.clone(),
        ..*request
    };
    let mut made = make(definition, library, source, &request)?;
    stem.clone_into(&mut made.stem);
    let mut written = name_files(&mut made, directory);
    let mut documents = Vec::new();
    for &form in forms {
        let (text, digest) = form.document(&made).map_err(StoreError::BadRequest)?;
        let name = format!("{stem}.{}", form.name());
        let path = stage.path.join(&name);
        write_new(&path, text.as_bytes()).map_err(|error| failed(&path, error))?;
        documents.push(name);
        written.push(Written {
            path: directory.join(&documents[documents.len() - 1]),
            form: Some(form),
            sha256: digest,
        });
    }
    // Who writes the same report at the same time waits, so that the forms of two do not mix.
    let _lock = locked(directory)?;
    let replaced = rows_named(directory, documents.iter().cloned());
    // Rows first: a document never stands there without them.
    let files = written.iter().filter(|file| file.form.is_none());
    place_rows(&rows, files.map(|file| file.path.as_path()))?;
    for name in &documents {
        let path = directory.join(name);
        fs::rename(stage.path.join(name), &path).map_err(|error| failed(&path, error))?;
    }
    sync(directory).map_err(|error| failed(directory, error))?;
    let all = Form::ALL.map(|form| format!("{stem}.{}", form.name()));
    let needed = rows_named(directory, all.into_iter());
    remove_rows(directory, stem, replaced.difference(&needed))?;
    Ok((made, written))
}

fn failed(path: &Path, error: io::Error) -> StoreError {
    StoreError::Io(format!("{}: {error}", path.display()))
}

/// Says in a report where its files with rows will stand, and gives them. The name of their
/// directory comes from their bytes, so that no other rows can ever take their place.
fn name_files(made: &mut Made, directory: &Path) -> Vec<Written> {
    let pieces = || made.controls.iter().flat_map(|control| &control.evidence);
    let files: BTreeMap<String, String> = pieces()
        .filter_map(|piece| piece.file.clone().zip(piece.file_sha256.clone()))
        .collect();
    let mut hash = sha2::Sha256::new();
    for (name, sha256) in &files {
        hash.update(format!("{sha256}  {name}\n"));
    }
    let digits = &digest::hex(&hash.finalize())[..ROWS_DIGITS];
    let beside = format!("{}{ROWS_INFIX}{digits}", made.stem);
    for control in &mut made.controls {
        for file in control
            .evidence
            .iter_mut()
            .filter_map(|piece| piece.file.as_mut())
        {
            *file = format!("{beside}/{file}");
        }
    }
    let written = files.into_iter().map(|(name, sha256)| Written {
        path: directory.join(&beside).join(name),
        form: None,
        sha256,
    });
    written.collect()
}

/// Moves files with rows to where the documents look for them.
fn place_rows<'a>(rows: &Path, files: impl Iterator<Item = &'a Path>) -> Result<()> {
    for path in files {
        let (Some(beside), Some(name)) = (path.parent(), path.file_name()) else {
            continue;
        };
        match fs::create_dir(beside) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(beside, error));
            }
            Err(_) if !fs::symlink_metadata(beside).is_ok_and(|found| found.is_dir()) => {
                return Err(StoreError::Io(format!(
                    "{} is no directory; remove it or write the report elsewhere",
                    beside.display()
                )));
            }
            _ => {}
        }
        fs::rename(rows.join(name), path).map_err(|error| failed(path, error))?;
        sync(beside).map_err(|error| failed(beside, error))?;
    }
    Ok(())
}

/// The files with rows that documents name, relative to the directory; of documents that are not
/// there or cannot be read, none.
fn rows_named(directory: &Path, documents: impl Iterator<Item = String>) -> BTreeSet<String> {
    documents
        .filter_map(|name| files_of(&directory.join(name)).ok())
        .flatten()
        .collect()
}

/// Removes files with rows of this stem; what somebody else put beside them stays.
fn remove_rows<'a>(
    directory: &Path,
    stem: &str,
    files: impl Iterator<Item = &'a String>,
) -> Result<()> {
    for file in files {
        let Some((beside, _)) = file
            .split_once('/')
            .filter(|(beside, _)| holds_rows(beside, stem))
        else {
            continue;
        };
        let path = directory.join(file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&path, error));
            }
            _ => {}
        }
        // Only when nothing is in it any more.
        let _ = fs::remove_dir(directory.join(beside));
    }
    Ok(())
}

/// Whether a directory of this name is for files with rows of a stem: `STEM-rows-DIGITS`, or the
/// stem itself, where earlier versions wrote them.
pub(super) fn holds_rows(directory: &str, stem: &str) -> bool {
    directory.strip_prefix(stem).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix(ROWS_INFIX).is_some_and(|digits| {
                digits.len() == ROWS_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
    })
}

/// A lock that ends when it is dropped.
fn locked(directory: &Path) -> Result<File> {
    let file = File::open(directory).map_err(|error| failed(directory, error))?;
    file.lock().map_err(|error| failed(directory, error))?;
    Ok(file)
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
        let failed = |error: io::Error| failed(directory, error);
        let prefix = format!(".{stem}.");
        // Nobody may take a stage for a forgotten one before it is locked.
        let _lock = locked(directory)?;
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
