//! What became of scheduled reports, as rows of the ledger.

use rusqlite::{Connection, Row, params};

use super::codec;
use crate::store::ReportRecord;

const REPORT_KIND: u64 = 4;

/// Adds the table to a ledger that has none.
pub(crate) fn add_table(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("../../../migrations/ledger_reports.sql"))
}

/// Writes records, all or none.
pub(crate) fn insert(connection: &Connection, records: &[ReportRecord]) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    for record in records {
        let last = "select coalesce(max(id), 0) + 1 from report";
        let id: i64 = transaction.query_row(last, [], |row| row.get(0))?;
        transaction
            .prepare_cached(
                "insert into report values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                id,
                record.made_at,
                record.name,
                record.since,
                record.until,
                record.form,
                record.path,
                record.sha256,
                record.made_for,
                record.outcome,
                record.reason,
                sum(id, record),
            ])?;
    }
    transaction.commit()
}

/// All records in the order in which they were written, each with whether it is as it was written.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<(ReportRecord, bool)>> {
    // A ledger that was only read since has none yet.
    let known = "select count(*) from sqlite_master where type = 'table' and name = 'report'";
    if connection.query_row(known, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare("select * from report order by id")?;
    let rows = select.query_map([], read)?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<(ReportRecord, bool)> {
    let record = ReportRecord {
        made_at: row.get(1)?,
        name: row.get(2)?,
        since: row.get(3)?,
        until: row.get(4)?,
        form: row.get(5)?,
        path: row.get(6)?,
        sha256: row.get(7)?,
        made_for: row.get(8)?,
        outcome: row.get(9)?,
        reason: row.get(10)?,
    };
    let sound = sum(row.get(0)?, &record) == row.get::<_, i64>(11)?;
    Ok((record, sound))
}

fn sum(id: i64, record: &ReportRecord) -> i64 {
    let mut bytes = Vec::new();
    for number in [record.made_at, record.since, record.until] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    let optional = [record.sha256.as_deref(), record.reason.as_deref()];
    let texts = [
        &record.name,
        &record.form,
        &record.path,
        &record.made_for,
        &record.outcome,
    ];
    let texts = texts.map(|text| Some(text.as_str()));
    for text in texts.into_iter().chain(optional) {
        // An absent text is no empty one.
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
    }
    codec::checksum(REPORT_KIND, id as u64, &bytes)
}
