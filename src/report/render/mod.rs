//! A made report as a document. A form is one file and one line in [`Form::document`]; every
//! renderer writes [`digest::PLACEHOLDER`] where the digest goes.

mod csv;
pub mod html;
mod json;
mod md;

use super::digest;
use super::made::{Made, Verdict};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// One file for a browser or paper
    Html,
    /// Markdown with tables
    Md,
    /// One JSON object with everything in it
    Json,
    /// RFC 4180: a line per control and piece of evidence; a ' goes before text that a spreadsheet would run as a formula
    Csv,
}

impl Form {
    pub const ALL: [Form; 4] = [Form::Html, Form::Md, Form::Json, Form::Csv];

    /// Its name, and the extension of its files.
    pub const fn name(self) -> &'static str {
        match self {
            Form::Html => "html",
            Form::Md => "md",
            Form::Json => "json",
            Form::Csv => "csv",
        }
    }

    /// The form of this name.
    pub fn by_name(name: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|form| form.name() == name)
    }

    /// The document with its digest, and the digest. An error says that there is no such document.
    pub fn document(self, made: &Made) -> Result<(String, String), String> {
        let mut text = String::new();
        match self {
            Form::Html => html::html(made, &mut text),
            Form::Md => md::write(made, &mut text),
            Form::Json => json::write(made, &mut text),
            Form::Csv => csv::write(made, &mut text),
        }
        Ok(digest::seal(&text))
    }
}

impl Verdict {
    /// As people read it, and as a report's statement gives it.
    pub const fn words(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::NotMet => "not met",
            Verdict::NotEnoughData => "not enough data",
            Verdict::Finding => "finding",
        }
    }
}
