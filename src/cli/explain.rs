//! `--explain`: how an answer may be asked for otherwise, and what it took.

use super::connection::{Connection, Place};
use super::print::{self, count};
use super::stats::grouped;
use crate::query::source::server_url;
use crate::store::{SqlQuery, Work};

/// The flag.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Explain {
    /// Say on stderr which SQL statement and API call give the same rows, and what work it took
    #[arg(long = "explain", help_heading = "Answer")]
    pub(super) wanted: bool,
}

/// Says the SQL statement, or why there is none, and the API call with this path and query.
pub(super) fn say_otherwise(
    sql: Result<&str, &str>,
    call: &str,
    connection: &Connection,
) -> anyhow::Result<()> {
    match sql {
        Ok(sql) => print::say(&format!("sql: {sql}")),
        Err(without) => print::say(&format!("sql: none for {without}")),
    }
    let server = match connection.place()? {
        Place::Server { url, .. } => server_url(&url).map_err(anyhow::Error::msg)?,
        Place::Data(_) => String::new(),
    };
    print::say(&format!("api: GET {server}{call}"));
    Ok(())
}

/// Says a statement's parameters as `auditql sql` takes them.
pub(super) fn say_params(query: &SqlQuery) {
    for (name, value) in &query.params {
        match crate::query::output::plain(value) {
            Some(text) => print::say(&format!("param: {name}={text}")),
            None => print::say(&format!("null: {name}")),
        }
    }
}

/// Says what an answer took.
pub(super) fn say_work(work: &Work) {
    print::say(&format!(
        "work: {} opened, {} pruned, {} visited, {} read, {} ms",
        count(work.segments_opened, "segment"),
        grouped(work.segments_pruned),
        count(work.rows_visited, "row"),
        count(work.blocks_read, "block"),
        work.elapsed_us / 1000
    ));
}

/// Says what a count took, and where its numbers come from.
pub(super) fn say_counting(work: &Work) {
    say_work(work);
    let entries = match work.rollup_entries {
        1 => "1 entry".to_owned(),
        entries => format!("{} entries", grouped(entries)),
    };
    print::say(&match (work.rollup_entries, work.rows_visited) {
        (0, 0) => "counted: from lists of rows, without a rollup or a scan".to_owned(),
        (0, _) => "counted: by a scan of rows".to_owned(),
        (_, 0) => format!("counted: from rollups, {entries}"),
        (_, _) => format!("counted: from rollups, {entries}, and by a scan of the rest"),
    });
}
