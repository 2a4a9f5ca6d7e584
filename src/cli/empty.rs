//! What to say when nothing was found: what the store holds, and which filter nothing fits.

use std::time::Duration;

use super::print::{count, say};
use super::values::VERBS;
use crate::model::time::Zone;
use crate::model::value::Value;
use crate::query::clock;
use crate::query::count::CountParams;
use crate::query::listing::Collected;
use crate::query::params::{EventParams, FilterParams, literal, nearest};
use crate::query::source::Source;

/// How long one look for a hint may take; an answer without one is better than a late one.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most values of a column that are compared with a misspelt one.
const VALUES: u64 = 2000;

/// Says on stderr that there is `nothing` (`no events match`), what there is instead, and with a
/// filter what of it may be the reason. Best effort: what cannot be found out is not said.
pub(super) fn explain(
    source: &dyn Source,
    nothing: &str,
    filter: Option<&FilterParams>,
    zone: Zone,
) {
    let stats = source.stats().unwrap_or_default();
    let instant = |text: &Option<String>| text.as_deref().and_then(clock::parse_instant);
    let (Some(oldest), Some(newest)) = (instant(&stats.oldest), instant(&stats.newest)) else {
        say(&format!("{nothing}; the store is empty"));
        return;
    };
    say(&format!(
        "{nothing}; the store holds {} from {} to {}",
        count(stats.events, "event"),
        zone.text(oldest),
        zone.text(newest)
    ));
    let Some(filter) = filter else { return };
    let Ok(times) = filter.to_filter(clock::now()) else {
        return;
    };
    let since_after = times.since.is_some_and(|since| since > newest);
    let until_before = times.until.is_some_and(|until| until <= oldest);
    let mut hints = unknown(source, filter);
    if since_after {
        hints.push("--since is after the newest event".to_owned());
    }
    if until_before {
        hints.push("--until is not after the oldest event".to_owned());
    }
    if hints.is_empty()
        && (times.since.is_some() || times.until.is_some())
        && filter.contains.is_none()
        && let Some(time) = newest_at_any_time(source, filter)
        // An event within the range is none that the range hides.
        && (times.since.is_some_and(|since| time < since)
            || times.until.is_some_and(|until| time >= until))
    {
        hints.push(format!(
            "without --since and --until events match, the newest at {}",
            zone.text(time)
        ));
    }
    for hint in hints {
        say(&format!("hint: {hint}"));
    }
}

/// A hint for each filter that no event of the store meets by itself.
fn unknown(source: &dyn Source, filter: &FilterParams) -> Vec<String> {
    let mut hints = Vec::new();
    for (name, value) in filter.pairs() {
        let searches = matches!(name, "since" | "until" | "contains" | "uri" | "user_agent");
        if searches || value.trim_start().starts_with('!') {
            continue;
        }
        let alone = FilterParams::only(name, value);
        // A failure is no reason to say that there is none.
        if !matches!(first_time(source, alone), Ok(None)) {
            continue;
        }
        let flag = name.replace('_', "-");
        let mut hint = format!("no event of the store has --{flag} {value}");
        if let Some(meant) = meant(source, name, value) {
            hint.push_str(&format!("; did you mean {meant}?"));
        }
        hints.push(hint);
    }
    hints
}

/// The value of the store, or the verb, that is spelt most like this one.
fn meant(source: &dyn Source, name: &str, value: &str) -> Option<String> {
    let has_values = ["cluster", "user", "verb", "resource", "namespace", "name"].contains(&name);
    let word = literal(value).filter(|_| has_values || name == "subresource")?;
    let params = CountParams {
        by: Some(name.to_owned()),
        limit: Some(VALUES),
        ..CountParams::default()
    };
    let mut values = Collected::default();
    source.count(&params, Some(PATIENCE), &mut values).ok()?;
    let known = values.rows.iter().filter_map(|row| match row.first() {
        Some(Value::Text(text)) => Some(&**text),
        _ => None,
    });
    let verbs = VERBS.iter().copied().filter(|_| name == "verb");
    let known: Vec<&str> = known.chain(verbs).collect();
    let holding = || {
        let word = word.to_lowercase();
        let holds = |value: &&&str| word.len() > 2 && value.to_lowercase().contains(&word);
        known.iter().find(holds).copied()
    };
    nearest(&word, known.iter().copied())
        .or_else(holding)
        .map(str::to_owned)
}

fn newest_at_any_time(source: &dyn Source, filter: &FilterParams) -> Option<i64> {
    let filter = FilterParams {
        since: None,
        until: None,
        ..filter.clone()
    };
    first_time(source, filter).ok().flatten()
}

/// The time of the newest event that matches.
fn first_time(source: &dyn Source, filter: FilterParams) -> crate::store::Result<Option<i64>> {
    let params = EventParams {
        filter,
        limit: 1,
        columns: Some("time".to_owned()),
        skip_damaged: true,
        ..EventParams::default()
    };
    let mut found = Collected::default();
    source.events(&params, Some(PATIENCE), &mut found)?;
    Ok(match found.rows.first().and_then(|row| row.first()) {
        Some(Value::Time(time)) => Some(*time),
        _ => None,
    })
}
