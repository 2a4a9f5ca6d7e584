//! Hours without events.

use std::ops::Range;

use super::coverage::HOUR;
use super::hours::Hours;
use crate::query::clock;
use crate::report::digest;
use crate::report::made::Silence;

/// In which hours a cluster was seen.
pub(super) struct Seen<'a> {
    pub(super) cluster: &'a str,
    /// It had events before the range.
    pub(super) earlier: bool,
    pub(super) hours: Option<&'a Hours>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) silences: Vec<Silence>,
    /// Whole hours of the range, those of which all clusters tell, and those before the first event of
    /// all clusters.
    pub(super) hours: u64,
    pub(super) covered: u64,
    pub(super) before: u64,
    /// Hours that lie in a silence or were pruned, in order and apart.
    pub(super) unseen: Vec<Range<i64>>,
    /// The hour of the first event of all clusters, `i64::MIN` where that lies before the range; `None`
    /// where there is none up to the range's end.
    pub(super) begins: Option<i64>,
}

/// The whole hours of a range: part of an hour without events says nothing.
pub(super) fn hours(since: i64, until: i64) -> Range<i64> {
    let first = whole(since);
    first..until.div_euclid(HOUR).max(first)
}

/// The first hour that begins at an instant or after it.
fn whole(instant: i64) -> i64 {
    instant.div_euclid(HOUR) + i64::from(instant.rem_euclid(HOUR) > 0)
}

/// A cluster is silent in the hours without events after its first event, to the range's end. Hours
/// whose events were pruned are no silence; they are not covered either.
pub(super) fn find(seen: &[Seen<'_>], range: Range<i64>, pruned_before: Option<i64>) -> Found {
    let kept = pruned_before.map_or(i64::MIN, whole);
    let kept = kept.clamp(range.start, range.end);
    let mut begins = None;
    let mut silent = Vec::new();
    let mut silences = Vec::new();
    let none = Hours::new();
    for cluster in seen {
        let hours = cluster.hours.unwrap_or(&none);
        let first = match (cluster.earlier, hours.first_key_value()) {
            (true, _) => i64::MIN,
            (false, Some((&first, _))) => first,
            (false, None) => continue,
        };
        begins = Some(begins.map_or(first, |begins: i64| begins.min(first)));
        let first = first.clamp(kept, range.end);
        let ends = hours.range(first..range.end).map(|(&hour, _)| hour);
        let mut next = first;
        for hour in ends.chain([range.end]) {
            if next < hour {
                silent.push(next..hour);
                silences.push(Silence {
                    cluster: digest::apart(cluster.cluster).into_owned(),
                    from: clock::to_text(next * HOUR),
                    until: clock::to_text(hour * HOUR),
                    hours: hour.abs_diff(next),
                });
            }
            next = hour + 1;
        }
    }
    silences.sort_by(|a, b| (&a.from, &a.cluster).cmp(&(&b.from, &b.cluster)));
    let first = begins.map_or(range.end, |begins| begins.clamp(kept, range.end));
    let mut unseen = apart(silent);
    let silent: u64 = unseen.iter().map(length).sum();
    if kept > range.start {
        unseen.insert(0, range.start..kept);
    }
    Found {
        silences,
        hours: length(&range),
        covered: length(&(first..range.end)) - silent,
        before: length(&(kept..first)),
        unseen,
        begins,
    }
}

fn length(hours: &Range<i64>) -> u64 {
    hours.end.abs_diff(hours.start)
}

/// The same hours, each once and in order.
fn apart(mut stretches: Vec<Range<i64>>) -> Vec<Range<i64>> {
    stretches.sort_by_key(|stretch| stretch.start);
    let mut apart: Vec<Range<i64>> = Vec::new();
    for stretch in stretches {
        match apart.last_mut() {
            Some(last) if stretch.start <= last.end => last.end = last.end.max(stretch.end),
            _ => apart.push(stretch),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::super::hours::Sums;
    use super::*;

    fn at(hours: &[i64]) -> Hours {
        let some = Sums {
            events: 1,
            ..Sums::default()
        };
        hours.iter().map(|&hour| (hour, some)).collect()
    }

    fn stretches(found: &Found) -> Vec<(String, i64, u64)> {
        let hour = |text: &str| clock::parse_instant(text).unwrap() / HOUR;
        found
            .silences
            .iter()
            .map(|silence| (silence.cluster.clone(), hour(&silence.from), silence.hours))
            .collect()
    }

    #[test]
    fn silence_begins_after_the_first_event_and_lasts_to_the_end() {
        let hours = at(&[12, 13, 16]);
        let mut seen = [Seen {
            cluster: "a",
            earlier: false,
            hours: Some(&hours),
        }];
        let found = find(&seen, 10..20, None);
        assert_eq!(
            stretches(&found),
            [("a".into(), 14, 2), ("a".into(), 17, 3)]
        );
        // Before the first event nothing is known.
        assert_eq!((found.hours, found.covered, found.before), (10, 3, 2));
        assert_eq!(found.unseen, [14..16, 17..20]);
        assert_eq!(found.begins, Some(12));

        seen[0].earlier = true;
        let found = find(&seen, 10..20, None);
        assert_eq!(stretches(&found)[0], ("a".into(), 10, 2));
        assert_eq!((found.covered, found.before), (3, 0));

        // Of what begins later nothing is known yet.
        seen[0].earlier = false;
        let found = find(&seen, 2..8, None);
        assert_eq!((found.hours, found.covered, found.before), (6, 0, 6));
        assert!(found.silences.is_empty() && found.unseen.is_empty());
    }

    #[test]
    fn an_hour_counts_as_covered_only_if_every_cluster_that_began_is_heard() {
        let (one, other) = (at(&[0, 1, 2, 3]), at(&[2]));
        let seen = [("a", &one), ("b", &other)].map(|(cluster, hours)| Seen {
            cluster,
            earlier: false,
            hours: Some(hours),
        });
        let found = find(&seen, 0..4, None);
        assert_eq!(stretches(&found), [("b".into(), 3, 1)]);
        assert_eq!(found.covered, 3);
    }

    #[test]
    fn pruned_hours_are_no_silence_and_not_covered() {
        let hours = at(&[5]);
        let seen = [Seen {
            cluster: "a",
            earlier: true,
            hours: Some(&hours),
        }];
        let found = find(&seen, 0..6, Some(2 * HOUR + 1));
        assert_eq!(stretches(&found), [("a".into(), 3, 2)]);
        assert_eq!(found.unseen, [0..3, 3..5]);
        assert_eq!((found.covered, found.before), (1, 0));
    }

    #[test]
    fn only_whole_hours_count() {
        assert_eq!(hours(HOUR + 1, 4 * HOUR + 1), 2..4);
        assert_eq!(hours(HOUR, 4 * HOUR), 1..4);
        assert_eq!(hours(HOUR + 1, HOUR + 5), 2..2);
    }
}
