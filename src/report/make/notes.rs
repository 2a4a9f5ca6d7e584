//! What of the coverage a reader must know, in words.

use std::collections::BTreeSet;

use super::coverage::HOUR;
use super::{Request, doubt};
use crate::limits::{REPORT_LISTED_MAX, REPORT_SILENCES_MAX};
use crate::query::clock;
use crate::query::library::Kind;
use crate::report::definition::{COMMON, Definition};
use crate::report::figures::{percent, plural, thousands};
use crate::report::made::{ClusterEvents, Coverage, Made, MadeControl, Verdict};

/// Levels whose events hold what was sent.
const WITH_BODIES: [&str; 2] = ["Request", "RequestResponse"];

/// Said first where parameters looked for something that no evidence has.
pub(super) const NOTHING: &str = "Nothing in this time range matches the parameters that were given: no piece of evidence has a row.";

/// Said instead where the events could not have shown it.
pub(super) const NOT_ENOUGH: &str = "Not enough data: no piece of evidence has a row for the parameters that were given, but the ends of requests, which evidence counts, were not recorded.";

/// Whether parameters looked for something and no question found any of it.
pub(super) fn nothing_matches(made: &Made, definition: &Definition, request: &Request<'_>) -> bool {
    let looks = |(name, text): &(String, String)| {
        let param = definition.param(name);
        !COMMON.contains(&name.as_str())
            && !text.trim().is_empty()
            && param.is_some_and(|param| param.kind != Kind::Flag)
    };
    let mut evidence = made
        .controls
        .iter()
        .flat_map(|control| &control.evidence)
        .peekable();
    // With verdicts, parameters say what is judged, and no row may be good news.
    let judged = |control: &MadeControl| {
        let verdict = control.verdict.as_ref();
        verdict.is_some_and(|verdict| verdict.verdict != Verdict::Finding)
    };
    !made.controls.iter().any(judged)
        && request.given.iter().any(looks)
        && evidence.peek().is_some()
        && evidence.all(|evidence| evidence.row_count == 0 && !evidence.truncated)
}

/// Says what a reader must know, the most important first, and shortens what is too long to list.
pub(super) fn say(made: &mut Made, now: i64) {
    let mut notes = Vec::new();
    notes.extend(losses(made));
    notes.extend(silence(&made.coverage));
    notes.extend(shorten(&mut made.coverage));
    if clock::parse_instant(&made.until).is_some_and(|until| until > now) {
        let made_at = &made.made_at;
        notes.push(format!(
            "The time range ends in the future: what is said here is as of {made_at}."
        ));
    }
    notes.extend(content(&made.coverage));
    made.coverage.notes = notes;
}

/// What is not there at all.
fn losses(made: &Made) -> Vec<String> {
    let coverage = &made.coverage;
    let mut notes = Vec::new();
    if !coverage.damaged.is_empty() {
        let count = coverage.damaged.len() as u64;
        notes.push(format!(
            "Of what is damaged nothing is in this report: {}: {}.",
            plural(count, "segment", "segments"),
            coverage.damaged.join("; ")
        ));
    }
    if coverage.events == 0 {
        notes.push("The store holds no event of this time range.".to_owned());
    }
    let unfinished = doubt::unfinished(made);
    if !unfinished.is_empty() {
        notes.push(format!(
            "No end of a request (stage ResponseComplete or Panic) is recorded of {}: what its requests did and came to is not known, and most evidence counts nothing of it.",
            unfinished.join(", ")
        ));
    }
    if let Some(before) = &coverage.pruned_before {
        notes.push(format!(
            "Retention removed events before {before}: {} in all, which no answer shows.",
            plural(coverage.pruned, "event", "events")
        ));
    }
    notes.extend(beginnings(made));
    notes
}

/// From when on something is known of clusters whose first event lies within the time range.
fn beginnings(made: &Made) -> Vec<String> {
    let instant = |text: &str| clock::parse_instant(text).unwrap_or(i64::MIN);
    let since = instant(&made.since);
    let begins = |cluster: &ClusterEvents| match cluster.earlier {
        true => Some(since),
        false => cluster.oldest.as_deref().map(instant),
    };
    let clusters = made.clusters.iter();
    let mut begun: Vec<(i64, &str)> = clusters
        .filter_map(|cluster| Some((begins(cluster)?, cluster.cluster.as_str())))
        .collect();
    begun.sort_unstable();
    let Some(&(first, _)) = begun.first() else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    if first.saturating_sub(since) >= HOUR {
        let first = clock::to_text(first);
        notes.push(format!(
            "The store holds nothing before {first}: nothing is known of the time range's beginning."
        ));
    }
    begun.retain(|(begins, _)| begins.saturating_sub(first) >= HOUR);
    if !begun.is_empty() {
        let more = begun.len().saturating_sub(REPORT_LISTED_MAX);
        let listed = begun.iter().take(REPORT_LISTED_MAX);
        let listed = listed.map(|(begins, name)| format!("{name} {}", clock::to_text(*begins)));
        let mut listed = listed.collect::<Vec<_>>().join(", ");
        if more > 0 {
            listed.push_str(&format!(" and {} more", thousands(more as u64)));
        }
        notes.push(format!(
            "Of what happened before in clusters that began later nothing is known; the first events are of: {listed}."
        ));
    }
    notes
}

fn silence(coverage: &Coverage) -> Option<String> {
    let longest = coverage.silent.iter().max_by_key(|silence| silence.hours)?;
    let hours = coverage
        .silent
        .iter()
        .map(|silence| silence.hours)
        .sum::<u64>();
    let clusters = coverage.silent.iter().map(|silence| &silence.cluster);
    let added_up = match clusters.collect::<BTreeSet<_>>().len() {
        1 => String::new(),
        several => format!(", added up over {several} clusters"),
    };
    Some(format!(
        "{} passed without any event of a cluster{added_up}, in {}; the longest is {} from cluster {} from {} to {}.",
        plural(hours, "hour", "hours"),
        plural(coverage.silent.len() as u64, "stretch", "stretches"),
        plural(longest.hours, "hour", "hours"),
        longest.cluster,
        longest.from,
        longest.until
    ))
}

/// Keeps the longest silences, in order.
fn shorten(coverage: &mut Coverage) -> Option<String> {
    let more = coverage
        .silent
        .len()
        .checked_sub(REPORT_SILENCES_MAX)
        .filter(|&more| more > 0)?;
    let mut places: Vec<usize> = (0..coverage.silent.len()).collect();
    places.sort_by_key(|&at| std::cmp::Reverse(coverage.silent[at].hours));
    places.truncate(REPORT_SILENCES_MAX);
    places.sort_unstable();
    coverage.silent = places
        .into_iter()
        .map(|at| coverage.silent[at].clone())
        .collect();
    Some(format!(
        "{} are not listed here, because they are shorter than those that are.",
        plural(
            more as u64,
            "stretch without events",
            "stretches without events"
        )
    ))
}

/// What events that are there do not hold.
fn content(coverage: &Coverage) -> Vec<String> {
    let mut notes = Vec::new();
    let with_bodies = coverage
        .levels
        .iter()
        .filter(|(level, _)| WITH_BODIES.contains(&level.as_str()));
    let without = coverage
        .events
        .saturating_sub(with_bodies.map(|(_, events)| events).sum());
    if without > 0 {
        notes.push(format!(
            "{} of {} events ({}) were recorded at the level Metadata or without one: what was sent and answered is not in them.",
            thousands(without),
            thousands(coverage.events),
            percent(without, coverage.events)
        ));
    }
    if coverage.truncated > 0 {
        notes.push(format!(
            "The bodies of {} were cut off by the API server.",
            plural(coverage.truncated, "event", "events")
        ));
    }
    if coverage.quarantined > 0 {
        notes.push(format!(
            "{} could not be understood; the bytes are in quarantine, the times are unknown.",
            plural(coverage.quarantined, "received item", "received items")
        ));
    }
    notes
}
