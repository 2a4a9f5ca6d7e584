//! What stands in the catalog, and a checksum over all of it: a flipped bit in a name or a time
//! would leave a segment out of answers without a word.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::catalog::{Listing, SegmentKind, SegmentMeta};

const CHECKSUM: &str = "checksum";

/// Everything that the catalog holds.
pub(crate) struct Rows {
    settings: Vec<(String, String)>,
    segments: Vec<SegmentMeta>,
    kinds: Vec<String>,
    removed: Vec<String>,
}

impl Rows {
    pub(crate) async fn read(connection: &mut SqliteConnection) -> sqlx::Result<Rows> {
        let mut rows = Rows {
            settings: Vec::new(),
            segments: Vec::new(),
            kinds: Vec::new(),
            removed: Vec::new(),
        };
        let settings = sqlx::query("select key, value from setting order by key");
        for row in settings.fetch_all(&mut *connection).await? {
            rows.settings.push((row.try_get(0)?, row.try_get(1)?));
        }
        let segments = sqlx::query(
            "select name, kind, oldest, newest, events, raw_bytes, truncated, untimed, last_id, file_bytes, header_checksum, file_checksum from segment order by name",
        );
        for row in segments.fetch_all(&mut *connection).await? {
            let kind: String = row.try_get(1)?;
            rows.segments.push(SegmentMeta {
                name: row.try_get(0)?,
                kind: if kind == "active" {
                    SegmentKind::Active
                } else {
                    SegmentKind::Sealed
                },
                oldest: row.try_get(2)?,
                newest: row.try_get(3)?,
                events: row.try_get::<i64, _>(4)? as u64,
                raw_bytes: row.try_get::<i64, _>(5)? as u64,
                truncated: row.try_get::<i64, _>(6)? as u64,
                untimed: row.try_get::<i64, _>(7)? as u64,
                last_id: row.try_get(8)?,
                file_bytes: row.try_get::<i64, _>(9)? as u64,
                header_checksum: row.try_get(10)?,
                file_checksum: row.try_get(11)?,
            });
            rows.kinds.push(kind);
        }
        let removed = sqlx::query("select name from removed order by name");
        for row in removed.fetch_all(&mut *connection).await? {
            rows.removed.push(row.try_get(0)?);
        }
        Ok(rows)
    }

    pub(crate) fn kept_checksum(&self) -> Option<&str> {
        let kept = self.settings.iter().find(|(key, _)| key == CHECKSUM);
        kept.map(|(_, value)| value.as_str())
    }

    /// Over everything but the checksum itself.
    pub(crate) fn checksum(&self) -> String {
        let settings: Vec<_> = self
            .settings
            .iter()
            .filter(|(key, _)| key != CHECKSUM)
            .collect();
        let segments: Vec<_> = self
            .segments
            .iter()
            .zip(&self.kinds)
            .map(|(meta, kind)| {
                (
                    (&meta.name, kind, meta.oldest, meta.newest),
                    (meta.events, meta.raw_bytes, meta.truncated, meta.untimed),
                    (meta.last_id, meta.file_bytes),
                    (meta.header_checksum, &meta.file_checksum),
                )
            })
            .collect();
        let text = serde_json::to_string(&(settings, segments, &self.removed))
            .expect("tuples of strings and numbers are JSON");
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
    }

    pub(crate) fn listing(self) -> Listing {
        let mut listing = Listing {
            segments: self.segments,
            removed: self.removed,
            ..Listing::default()
        };
        for (key, value) in self.settings {
            match key.as_str() {
                "generation" => listing.generation = value.parse().unwrap_or_default(),
                "last_number" => listing.last_number = value.parse().unwrap_or_default(),
                "trusted_proxies" => {
                    listing.trusted_proxies = value.split(',').map(str::to_owned).collect();
                }
                "identity" => listing.identity = value,
                "last_id" => listing.last_id = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        listing
    }
}

pub(crate) async fn set(
    connection: &mut SqliteConnection,
    key: &str,
    value: &str,
) -> sqlx::Result<()> {
    sqlx::query("insert into setting (key, value) values (?1, ?2) on conflict (key) do update set value = excluded.value")
        .bind(key)
        .bind(value)
        .execute(connection)
        .await
        .map(drop)
}

/// Writes the checksum of what the catalog holds now.
pub(crate) async fn keep_checksum(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let checksum = Rows::read(connection).await?.checksum();
    set(connection, CHECKSUM, &checksum).await
}
