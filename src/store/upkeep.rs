//! What quarantine, sealing, pruning and scheduled reports say.

/// One quarantined item, without its bytes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Quarantined {
    pub id: i64,
    /// When it was received, ISO-8601.
    pub stored_time: String,
    pub cluster: String,
    pub source: String,
    pub origin: String,
    pub reason: String,
    pub bytes: u64,
    /// How often the same bytes came again.
    pub duplicates: u64,
}

/// What pruning removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pruned {
    /// The cutoff, ISO-8601: events before it go.
    pub before: String,
    pub events: u64,
    pub segments_removed: u64,
    pub segments_rewritten: u64,
    pub dry_run: bool,
}

/// What sealing did.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sealed {
    pub events: u64,
    pub segments: u64,
}

/// What bringing older segments up to date did.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Resealed {
    pub events: u64,
    pub segments: u64,
}

/// What became of a file of a scheduled report, or of its making.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportRecord {
    /// When it was made, failed or was removed, in microseconds; the time range likewise.
    pub made_at: i64,
    pub name: String,
    pub since: i64,
    pub until: i64,
    /// `html`, `md`, `json`, `csv`, or `rows` for a file with rows of the evidence.
    pub form: String,
    pub path: String,
    pub sha256: Option<String>,
    pub made_for: String,
    /// `made`, `failed`, `removed`, or `kept` for what is too old but was changed by somebody.
    pub outcome: String,
    /// Why it failed or was kept.
    pub reason: Option<String>,
}
