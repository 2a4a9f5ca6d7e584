//! The plain view of a sealed file: its rows in any `sqlite3` shell, without this program.
//!
//! Slow, for it decodes fixed-width numbers through their hexadecimal digits, but it needs nothing
//! beyond SQLite 3.38 and its JSON functions. Bodies are zstd and are not part of it.

use std::fmt::Write;

use super::frontcode::{LONG_BASE, SHORT_BASE};
use super::layout::{
    AUDIT_COLUMN, FLAG_DEPRECATED, FLAG_DRY_RUN, FLAG_TRUNCATED, IntColumn, PLAIN_TEXT_COLUMNS,
    TextColumn,
};
use super::sealed::{Piece, STRINGS_PER_PIECE, piece_id};
use crate::limits::CHUNK_ROWS;

/// The text columns that are shown: facts are not, whose chunks may be sparse.
fn shown_texts() -> &'static [TextColumn] {
    &TextColumn::ALL[..PLAIN_TEXT_COLUMNS]
}

/// The statement that creates the view `events` in a sealed file.
pub(crate) fn events_view() -> String {
    let mut numbers = String::new();
    for &column in IntColumn::CHUNKED {
        let _ = write!(
            numbers,
            ",\n  {} as n{}",
            number(column as u8),
            column as u8
        );
    }
    for &column in shown_texts() {
        let _ = write!(
            numbers,
            ",\n  {} as n{}",
            number(column as u8),
            column as u8
        );
    }
    let mut texts = String::new();
    for &column in shown_texts() {
        let _ = write!(texts, ",\n  {} as {}", string(column), column.name());
    }
    let (time, latency) = (IntColumn::Time as u8, IntColumn::Latency as u8);
    // Zigzag, shifted by one for an absent received time.
    let received = format!(
        "case when n{latency} = 0 then null else n{time} - (((n{latency} - 1) >> 1) * (1 - 2 * ((n{latency} - 1) & 1)) - ((n{latency} - 1) & 1)) end"
    );
    let shown: Vec<String> = shown_texts()
        .iter()
        .map(|&column| match column {
            TextColumn::RequestUri => format!("{} as request_uri", uri()),
            TextColumn::Code => "cast(code as integer) as code".to_owned(),
            TextColumn::OddAuditId => "coalesce(odd_audit_id, uuid) as audit_id".to_owned(),
            other => other.name().to_owned(),
        })
        .collect();
    format!(
        "create view events as with recursive\n\
         counted(row) as (\n  select 0 union all select row + 1 from counted\n  where row + 1 < (select sum(length(data)) / 16 from chunk where id >> 32 = {audit_ids})\n),\n\
         numbered as (select row{numbers}\n from counted),\n\
         named as (select *{texts},\n  {uuid} as uuid\n from numbered)\n\
         select n{id} as id, {time_text} as time, {received_text} as received_time, {stored_text} as stored_time,\n\
         \x20 {shown},\n  (n{flags} & {FLAG_DRY_RUN}) != 0 as dry_run, (n{flags} & {FLAG_TRUNCATED}) != 0 as truncated, (n{flags} & {FLAG_DEPRECATED}) != 0 as deprecated\n\
         from named",
        audit_ids = piece_id(Piece::Chunk, AUDIT_COLUMN, 0) >> 32,
        uuid = uuid(),
        id = IntColumn::Id as u8,
        time_text = instant(&format!("n{time}")),
        received_text = instant(&format!("({received})")),
        stored_text = instant(&format!("n{}", IntColumn::StoredTime as u8)),
        shown = shown.join(", "),
        flags = IntColumn::Flags as u8,
    )
}

/// The number of a column in the row `row`: its base plus a big-endian difference.
fn number(column: u8) -> String {
    let mut digits = String::new();
    for position in 1..=16 {
        let shift = 4 * (16 - position);
        let plus = if position > 1 { " + " } else { "" };
        let _ = write!(
            digits,
            "{plus}(instr('0123456789ABCDEF', substr(h, {position}, 1)) - 1 << {shift})"
        );
    }
    let first = piece_id(Piece::Chunk, column, 0);
    format!(
        "(select base + {digits} from (select base, substr('0000000000000000' || substr(hex(substr(data, row % {CHUNK_ROWS} * width / 2 + 1, width / 2 + 1)), row % {CHUNK_ROWS} * width % 2 + 1, width), -16) as h from chunk where id = {first} + row / {CHUNK_ROWS}))"
    )
}

/// The string that a text column's number stands for.
fn string(column: TextColumn) -> String {
    let (number, first) = (column as u8, piece_id(Piece::Strings, column as u8, 0));
    let index = format!("((n{number} - 1) % {STRINGS_PER_PIECE})");
    // All but the first of a piece say how many characters they share with it; see `frontcode`.
    format!(
        "case when n{number} > 0 then (select case {index} when 0 then first else substr(first, 1, code - case when code < {LONG_BASE} then {SHORT_BASE} else {LONG_BASE} end) || substr(text, 2) end from (select first, text, unicode(text) as code from (select json_extract(data, '$[0]') as first, json_extract(data, '$[' || {index} || ']') as text from strings where id = {first} + (n{number} - 1) / {STRINGS_PER_PIECE}))) end"
    )
}

fn uuid() -> String {
    let first = piece_id(Piece::Chunk, AUDIT_COLUMN, 0);
    format!(
        "(select lower(substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-' || substr(h, 13, 4) || '-' || substr(h, 17, 4) || '-' || substr(h, 21)) from (select hex(substr(data, row % {CHUNK_ROWS} * 16 + 1, 16)) as h from chunk where id = {first} + row / {CHUNK_ROWS}))"
    )
}

fn instant(micros: &str) -> String {
    format!(
        "strftime('%Y-%m-%dT%H:%M:%S', {micros} / 1000000, 'unixepoch') || printf('.%06dZ', {micros} % 1000000)"
    )
}

/// The request URI from its short form and the object's columns; see `uri`.
fn uri() -> &'static str {
    "case substr(request_uri, 1, 1) \
     when '~' then coalesce('/apis/' || api_group, '/api') || coalesce('/' || api_version, '') || case when resource = 'namespaces' then '' else coalesce('/namespaces/' || namespace, '') end || coalesce('/' || resource, '/') || coalesce('/' || name, '') || coalesce('/' || subresource, '') || substr(request_uri, 2) \
     when '^' then coalesce('/apis/' || api_group, '/api') || coalesce('/' || api_version, '') || case when resource = 'namespaces' then '' else coalesce('/namespaces/' || namespace, '') end || coalesce('/' || resource, '/') || substr(request_uri, 2) \
     when '=' then substr(request_uri, 2) else request_uri end"
}
