//! What quarantine, sealing and pruning say.

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
