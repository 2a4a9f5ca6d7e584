//! A report that was made: everything that its forms show, in the order in which they show it.

use serde::Serialize;

use crate::model::value::Value;
use crate::store::SqlColumn;

/// A made report. Instants are ISO-8601 in UTC.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// The report's name, such as `pci-dss`.
    pub name: String,
    /// How its documents' names begin; empty where none is written to a file.
    pub stem: String,
    pub title: String,
    /// The framework that the controls come from and its version; empty for reports of no framework.
    pub framework: String,
    pub framework_version: String,
    /// What the report is about, in one paragraph.
    pub about: String,
    /// The version of the report's own text.
    pub version: String,
    /// SHA-256 of the file that defines it, hexadecimal.
    pub definition_sha256: String,
    /// Program and version, as `auditql 0.1.0`.
    pub program: String,
    /// The store that was asked ([`crate::store::Store::identity`]) and where it was.
    pub store: String,
    pub made_at: String,
    pub made_for: String,
    /// The time range, half open; the effective one when none was given.
    pub since: String,
    pub until: String,
    /// The zone in which days begin; `UTC`.
    pub zone: String,
    /// The report's other parameters as they were given, `cluster` among them.
    pub params: Vec<(String, String)>,
    pub clusters: Vec<ClusterEvents>,
    pub coverage: Coverage,
    /// Absent where the report's definition leaves them out.
    pub charts: Option<Charts>,
    pub controls: Vec<MadeControl>,
    /// Only verdicts and coverage are shown.
    pub summary: bool,
    /// It gives no verdicts, parameters looked for something, and no evidence has a row.
    pub nothing_matches: bool,
}

impl Made {
    /// Which evidence a limit cut short, a sentence for each question of a control. `rows_max` is the limit that
    /// was given, `more` how it is raised, in words.
    pub fn cut_short(&self, rows_max: u64, more: &str) -> Vec<String> {
        let mut asked: Vec<&str> = Vec::new();
        let mut told: Vec<String> = Vec::new();
        for control in &self.controls {
            for piece in control.evidence.iter().filter(|piece| piece.truncated) {
                // What several controls show is asked once.
                if asked.contains(&piece.command.as_str()) {
                    continue;
                }
                asked.push(&piece.command);
                let why = match piece.row_count == rows_max {
                    true => more,
                    false => {
                        "the question gives no more, or their values are too many bytes; give a shorter period"
                    }
                };
                let cut = format!(
                    "report {}, control {}, question {}: more than the {} rows that were counted; {why}",
                    self.name, control.id, piece.query, piece.row_count
                );
                // It may be asked for several values of a parameter.
                if !told.contains(&cut) {
                    told.push(cut);
                }
            }
        }
        told
    }
}

/// How many events of a cluster lie in the time range.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ClusterEvents {
    pub cluster: String,
    pub events: u64,
    /// Of these, ends of requests (`ResponseComplete`, `Panic`), which say what came of them.
    pub finished: u64,
    pub oldest: Option<String>,
    pub newest: Option<String>,
}

/// What the store could see in the time range, and what it could not.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Coverage {
    /// Events in the time range.
    pub events: u64,
    /// Of these, by level: a level without events has no entry.
    pub levels: Vec<(String, u64)>,
    /// Hours of the range without any event of a cluster that had events before and after, or up
    /// to the range's end; joined to stretches.
    pub silent: Vec<Silence>,
    /// Hours of the time range, and of these those in no silence.
    pub hours: u64,
    pub covered_hours: u64,
    /// Oldest and newest event of the whole store.
    pub oldest: Option<String>,
    pub newest: Option<String>,
    /// Events of the range whose bodies the apiserver cut off.
    pub truncated: u64,
    /// Items in quarantine.
    pub quarantined: u64,
    /// Events that retention removed, and up to when, if that reaches into the range.
    pub pruned: u64,
    pub pruned_before: Option<String>,
    /// Damaged segments in the range, which were left out.
    pub damaged: Vec<String>,
    /// In words: what of this a reader must know, the most important first.
    pub notes: Vec<String>,
}

/// A stretch without events.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Silence {
    pub cluster: String,
    pub from: String,
    pub until: String,
    pub hours: u64,
}

/// What the charts draw.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Charts {
    /// One per day of the range (or per hour, week or month, so that there are at most 120), in order, those
    /// without events included.
    pub steps: Vec<Step>,
    /// The length of a step in seconds.
    pub step_seconds: u64,
    /// The users with the most events: at most ten.
    pub actors: Vec<(String, u64)>,
    /// Failed requests by outcome, the most frequent first.
    pub failures: Vec<(String, u64)>,
}

/// A bar of the chart of events over time.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Step {
    pub from: String,
    pub events: u64,
    /// Of these, responses that say no or failed.
    pub failures: u64,
    /// Hours of the step that lie in a silence, or were pruned.
    pub silent_hours: u64,
    pub pruned: bool,
}

/// A control with its evidence.
#[derive(Debug, Clone, Default)]
pub struct MadeControl {
    /// As the framework numbers it: `10.2.1.4`.
    pub id: String,
    pub title: String,
    /// What it demands, in our words.
    pub demands: String,
    /// What audit events cannot prove of it.
    pub cannot_prove: String,
    /// Absent where nothing can be computed.
    pub verdict: Option<MadeVerdict>,
    pub evidence: Vec<MadeEvidence>,
}

/// What the events say about a control.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Met,
    NotMet,
    #[default]
    NotEnoughData,
    /// No verdict: a sentence that a reader should know.
    Finding,
}

/// A verdict with the statement that gave it.
#[derive(Debug, Clone, Default)]
pub struct MadeVerdict {
    /// Where other places refer to it: `v-10.2.1.4`.
    pub anchor: String,
    pub verdict: Verdict,
    pub why: String,
    pub sql: String,
    /// What its parameters were bound to, as texts; `None` is NULL.
    pub bound: Vec<(String, Option<String>)>,
    /// How to run it again on a command line that gets the statement on stdin.
    pub command: String,
}

/// What a question of the library answered.
#[derive(Debug, Clone, Default)]
pub struct MadeEvidence {
    /// Where other places refer to it: `e-10.2.1.4-1`.
    pub anchor: String,
    /// The question's name, and how to ask it again on a command line.
    pub query: String,
    pub command: String,
    pub title: String,
    pub answers: String,
    pub cannot_see: String,
    pub sql: String,
    /// What its parameters were bound to, in order, as texts; `None` is NULL.
    pub bound: Vec<(String, Option<String>)>,
    pub columns: Vec<SqlColumn>,
    /// The first rows.
    pub rows: Vec<Vec<Value>>,
    /// All rows.
    pub row_count: u64,
    /// There are more rows than `row_count`: a limit was reached.
    pub truncated: bool,
    /// The CSV file with all rows, beside the report, and the SHA-256 of its bytes.
    pub file: Option<String>,
    pub file_sha256: Option<String>,
}
