//! Answers that are one thing with named parts, and not rows.

use std::io::Write;

use anyhow::Context;
use serde::Serialize;

use super::print;

/// `-o`, for one object.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct ObjectOutput {
    /// How the answer is written
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        value_enum,
        default_value = "table",
        help_heading = "Answer"
    )]
    format: Shape,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shape {
    /// Lines for people
    Table,
    /// One JSON object
    Json,
    /// One JSON object on one line
    Jsonl,
}

impl ObjectOutput {
    /// Writes the object to stdout; for people nothing when `table` has no text.
    pub(super) fn write<T: Serialize>(
        self,
        object: &T,
        table: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let text = match self.format {
            Shape::Table => table(object),
            Shape::Json => serde_json::to_string_pretty(object)? + "\n",
            Shape::Jsonl => serde_json::to_string(object)? + "\n",
        };
        let mut out = print::stdout();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .context("writing the answer")
    }
}
