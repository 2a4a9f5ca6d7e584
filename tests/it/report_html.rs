//! Reports as HTML.

mod fixture;

use std::path::Path;

use auditql::report::render::html::html;

#[test]
fn keep() {
    for (name, made) in fixture::all() {
        let mut out = String::new();
        html(&made, &mut out);
        if let Some(dir) = std::env::var_os("KEEP") {
            std::fs::write(Path::new(&dir).join(format!("{name}.html")), out).unwrap();
        }
    }
}
