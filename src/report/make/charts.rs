//! What the charts draw, from the counts of hours.

use super::Period;
use super::coverage::HOUR;
use super::hours::Counted;
use super::silence;
use crate::limits::REPORT_STEPS_MAX;
use crate::query::clock;
use crate::report::made::{Charts, Step};

const DAY: i64 = 24 * HOUR;

/// Lengths of a bar. Weeks begin on Mondays.
const STEPS: [i64; 5] = [HOUR, DAY, 7 * DAY, 28 * DAY, 364 * DAY];

/// The first Monday after 1970-01-01, which was a Thursday.
const MONDAY: i64 = 4 * DAY;

pub(super) fn charts(
    span: Period,
    counted: &Counted,
    found: &silence::Found,
    pruned_before: Option<i64>,
    actors: Vec<(String, u64)>,
) -> Charts {
    let step = step_of(span);
    let origin = if step % (7 * DAY) == 0 { MONDAY } else { 0 };
    let begin = |instant: i64| (instant - origin).div_euclid(step) * step + origin;
    let mut steps = Vec::new();
    let mut from = begin(span.since);
    while from < span.until {
        let pruned = pruned_before.is_some_and(|before| from < before);
        let begun = |first: i64| from + step > first.saturating_mul(HOUR);
        steps.push(Step {
            from: clock::to_text(from),
            pruned,
            before: !pruned && !found.begins.is_some_and(begun),
            ..Step::default()
        });
        from += step;
    }
    let first = begin(span.since);
    let at = |hour: i64| {
        let at = (begin(hour * HOUR) - first).div_euclid(step).max(0);
        usize::try_from(at).unwrap_or(0)
    };
    for hours in counted.by_cluster.values() {
        for (&hour, sums) in hours {
            if let Some(step) = steps.get_mut(at(hour)) {
                step.events += sums.events;
                step.succeeded += sums.succeeded;
                step.failures += sums.failed;
            }
        }
    }
    for stretch in &found.unseen {
        let mut hour = stretch.start;
        while hour < stretch.end {
            // The stretch as far as it lies in this step.
            let next = (begin(hour * HOUR) + step)
                .div_euclid(HOUR)
                .min(stretch.end);
            if let Some(step) = steps.get_mut(at(hour)) {
                step.silent_hours += next.abs_diff(hour);
            }
            hour = next;
        }
    }
    let failures = counted.failures.iter();
    let mut failures: Vec<(String, u64)> = failures
        .map(|(outcome, &count)| (outcome.clone(), count))
        .collect();
    failures.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Charts {
        steps,
        step_seconds: u64::try_from(step / 1_000_000).unwrap_or(0),
        actors,
        failures,
    }
}

/// The shortest step of which there are few enough.
fn step_of(span: Period) -> i64 {
    let length = span.until.saturating_sub(span.since);
    // A range that begins within a step has one more.
    let fits = |step: &&i64| length / **step + 1 < REPORT_STEPS_MAX;
    let longest = STEPS[STEPS.len() - 1];
    let many = length / (longest * (REPORT_STEPS_MAX - 2)) + 1;
    STEPS.iter().find(fits).copied().unwrap_or(longest * many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_few_whatever_the_range() {
        let none = (Counted::default(), silence::Found::default());
        for (hours, step) in [
            (1, HOUR),
            (100, HOUR),
            (24 * 90, DAY),
            (24 * 365, 7 * DAY),
            (24 * 3000, 28 * DAY),
            (24 * 365 * 50, 364 * DAY),
            (24 * 365 * 7900, 364 * 68 * DAY),
        ] {
            // It begins within a step and ends within one.
            let since = 12_345 * HOUR + 77;
            let span = Period {
                since,
                until: since + hours * HOUR,
            };
            let drawn = charts(span, &none.0, &none.1, None, Vec::new());
            assert_eq!(drawn.step_seconds * 1_000_000, step as u64, "{hours}");
            assert!(drawn.steps.len() as i64 <= REPORT_STEPS_MAX, "{hours}");
            let first = clock::parse_instant(&drawn.steps[0].from).unwrap();
            assert!(first <= span.since && first + step > span.since);
            let last = &drawn.steps[drawn.steps.len() - 1].from;
            let last = clock::parse_instant(last).unwrap();
            assert!(last < span.until && last + step >= span.until);
        }
        // Weeks begin on Mondays.
        let span = Period {
            since: clock::parse_instant("2026-01-01").unwrap(),
            until: clock::parse_instant("2026-12-01").unwrap(),
        };
        let drawn = charts(span, &none.0, &none.1, None, Vec::new());
        assert_eq!(drawn.steps[0].from, "2025-12-29T00:00:00.000000Z");
    }
}
