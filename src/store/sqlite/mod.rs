//! The embedded engine: SQLite files as segments.
//!
//! In: `batch` (encode) -> `writer` (one transaction per group) -> `active` (file) -> `seal` ->
//! `build` (sealed file) -> `merge`. Out: `snapshot` -> `scan` -> `part` (a block or a `sealed` file).

mod active;
mod batch;
mod block;
mod bodies;
mod bodyblocks;
mod build;
mod bytes;
mod catalog;
mod catalog_rows;
mod chunkcache;
mod codec;
mod combinations;
mod contains;
mod count;
mod countkeys;
mod cursor;
mod database;
mod dedup;
mod dictionary;
mod engine;
mod facts;
mod frontcode;
mod groups;
mod idset;
mod keycode;
mod keys;
mod layout;
mod lean;
mod ledger;
mod listing;
mod loaded;
mod maintenance;
mod merge;
mod open;
mod order;
mod part;
mod partscan;
mod postings;
mod predicate;
mod quarantine;
mod rebuild;
mod report;
mod reportlog;
mod rollup;
mod rollupplan;
mod rollupwriter;
mod rowbatch;
mod rowlists;
pub mod scan;
mod seal;
mod sealed;
mod segfile;
pub mod sql;
mod state;
mod tally;
mod uri;
mod uricolumns;
mod verify;
mod views;
mod writer;

pub(crate) use engine::{open_read, open_write};
pub use sql::check_sql;
