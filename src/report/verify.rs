//! Checking a document and the files beside it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use super::definition::is_stem;
use super::digest;
use super::publish::hash_of;
use crate::limits::REPORT_DOCUMENT_BYTES_MAX;

/// What checking found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The digest that the document holds, if it fits its bytes.
    pub digest: Option<String>,
    /// Files beside it that are as the document says.
    pub files: Vec<String>,
    /// What differs, in words.
    pub differs: Vec<String>,
}

/// A file that a document names, with the SHA-256 that it should have.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    file: String,
    /// `None` where the document does not say.
    sha256: Option<String>,
}

/// Checks a document and the files that it names. An error is one that keeps from checking.
pub fn verify(path: &Path) -> Result<Verified, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let unreadable = |what: &str| format!("{}: {what}", path.display());
    if !fs::metadata(path).map_err(told)?.is_file() {
        return Err(unreadable("is no plain file; name a report's document"));
    }
    let document = read(path).map_err(told)?;
    if digest::word(&document).is_none() {
        return Err(unreadable(
            "holds no SHA-256; it is no report, or its head is gone",
        ));
    }
    let mut found = Verified {
        digest: digest::find(&document),
        ..Verified::default()
    };
    if found.digest.is_none() {
        found.differs.push(format!(
            "{}: its bytes are not those of which it holds the SHA-256",
            path.display()
        ));
    }
    let text = String::from_utf8_lossy(&document);
    let named = named(&text);
    let top = path.parent().unwrap_or(Path::new(""));
    for Named { file, sha256 } in &named {
        match hash_of(&top.join(file)) {
            Err(error) => found.differs.push(format!("{file}: {error}")),
            Ok(hash) => match sha256.as_ref() == Some(&hash) {
                true => found.files.push(file.clone()),
                false => found.differs.push(format!(
                    "{file}: its SHA-256 is {hash}, not what the document says"
                )),
            },
        }
    }
    found.differs.extend(strangers(top, &named));
    Ok(found)
}

/// The files with rows that a document names, each `DIRECTORY/NAME`.
pub(super) fn files_of(path: &Path) -> io::Result<Vec<String>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(Vec::new());
    }
    let document = read(path)?;
    let named = named(&String::from_utf8_lossy(&document));
    Ok(named.into_iter().map(|named| named.file).collect())
}

/// The bytes of a document.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let most = REPORT_DOCUMENT_BYTES_MAX;
    let mut document = Vec::new();
    fs::File::open(path)?
        .take(most + 1)
        .read_to_end(&mut document)?;
    match document.len() as u64 > most {
        true => Err(io::Error::other(format!(
            "is larger than the limit of {most} bytes"
        ))),
        false => Ok(document),
    }
}

/// Files with rows that stand where the document's do, but that it does not name.
fn strangers(top: &Path, named: &BTreeSet<Named>) -> Vec<String> {
    let mut strangers = Vec::new();
    let directories: BTreeSet<&str> = named
        .iter()
        .filter_map(|named| named.file.split('/').next())
        .collect();
    for directory in directories {
        let Ok(entries) = fs::read_dir(top.join(directory)) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let file = format!("{directory}/{}", name.to_string_lossy());
            if is_rows_file(&file) && !named.iter().any(|named| named.file == file) {
                strangers.push(format!("{file}: the document does not name it"));
            }
        }
    }
    strangers.sort();
    strangers
}

/// The files that a document names, by its form.
fn named(text: &str) -> BTreeSet<Named> {
    let pair = |file: &str, sha256: Option<&str>| {
        is_rows_file(file).then(|| Named {
            file: file.to_owned(),
            sha256: sha256.map(str::to_owned),
        })
    };
    if text.starts_with('{') {
        return in_json(text);
    }
    if text.starts_with("section,") {
        // A line within quotes is text, such as a statement's.
        let mut quoted = false;
        let lines = text.lines().filter_map(|line| {
            let begins = !quoted;
            quoted ^= line.matches('"').count() % 2 == 1;
            line.strip_prefix("file,").filter(|_| begins)
        });
        let fields = lines.map(|line| line.split(',').collect::<Vec<_>>());
        return fields
            .filter_map(|fields| pair(fields.first()?, fields.get(1).copied()))
            .collect();
    }
    if text.starts_with('#') {
        // Text of events never begins a line.
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("All rows: ["));
        return lines
            .filter_map(|line| {
                let (file, rest) = line.split_once(']')?;
                pair(file, rest.split("SHA-256 ").nth(1))
            })
            .collect();
    }
    // Quotes in text of events are escaped, so that only the document itself links. A file's digest
    // stands between its link and the next one.
    text.split("href=\"")
        .skip(1)
        .filter_map(|rest| {
            let (link, rest) = rest.split_once('"')?;
            let word = digest::word(rest.as_bytes());
            let word = word.and_then(|word| std::str::from_utf8(word).ok());
            pair(link.strip_prefix("./").unwrap_or(link), word)
        })
        .collect()
}

fn in_json(text: &str) -> BTreeSet<Named> {
    let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let mut named = BTreeSet::new();
    for control in list(&document["controls"]) {
        for evidence in list(&control["evidence"]) {
            let text = |name: &str| evidence[name].as_str().map(str::to_owned);
            if let Some(file) = text("file").filter(|file| is_rows_file(file)) {
                let sha256 = Some(text("file_sha256").unwrap_or_default());
                named.insert(Named { file, sha256 });
            }
        }
    }
    named
}

/// Whether this is `DIRECTORY/ANCHOR-QUESTION.csv` and nothing else, so that checking looks nowhere but
/// beside the document.
fn is_rows_file(file: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    file.split_once('/').is_some_and(|(directory, name)| {
        is_stem(directory)
            && name.starts_with("e-")
            && name.ends_with(".csv")
            && name.bytes().all(plain)
    })
}
