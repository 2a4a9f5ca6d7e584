//! Lists the shipped questions and reports, so that adding one is adding its file.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let top = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    println!("cargo::rerun-if-changed=build.rs");
    for (directory, extension, list) in [
        ("queries", "sql", "questions.rs"),
        ("queries/tables", "sql", "tables.rs"),
        ("queries/report", "toml", "reports.rs"),
    ] {
        println!("cargo::rerun-if-changed={directory}");
        let files = listed(&Path::new(&top).join(directory), extension)?;
        let mut text = String::from("&[\n");
        for (name, path) in files {
            writeln!(text, "    ({name:?}, include_str!({path:?})),").expect("memory takes it");
        }
        text.push_str("]\n");
        fs::write(Path::new(&out).join(list), text)?;
    }
    Ok(())
}

/// Name without extension and path of the files, by name.
fn listed(directory: &Path, extension: &str) -> io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|found| found != extension) {
            continue;
        }
        let name = path.file_stem().and_then(|name| name.to_str());
        let (Some(name), Some(path)) = (name, path.to_str()) else {
            return Err(io::Error::other(format!("{} is no text", path.display())));
        };
        files.push((name.to_owned(), path.to_owned()));
    }
    files.sort();
    Ok(files)
}
