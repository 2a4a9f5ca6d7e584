//! Hours without events.

use std::collections::BTreeMap;
use std::ops::Range;

use super::coverage::HOUR;
use crate::limits::REPORT_HOURS_MAX;
use crate::query::clock;
use crate::report::digest;
use crate::report::made::Silence;

/// In which hours a cluster was seen.
pub(super) struct Seen<'a> {
    pub(super) cluster: &'a str,
    /// It had events before the range.
    pub(super) earlier: bool,
    /// Hours since 1970 with events.
    pub(super) hours: Option<&'a BTreeMap<i64, (u64, u64)>>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) silences: Vec<Silence>,
    /// Whole hours of the range, and those of which all clusters tell.
    pub(super) hours: u64,
    pub(super) covered: u64,
    /// Hours that lie in a silence or were pruned, in order.
    pub(super) unseen: Vec<i64>,
}

/// The whole hours of a range: part of an hour without events says nothing.
pub(super) fn hours(since: i64, until: i64) -> Range<i64> {
    let first = since.div_euclid(HOUR) + i64::from(since.rem_euclid(HOUR) > 0);
    let end = until.div_euclid(HOUR);
    first.max(end - REPORT_HOURS_MAX)..end.max(first)
}

/// A cluster is silent in the hours without events after its first event, to the range's end. Hours
/// whose events were pruned are no silence; they are not covered either.
pub(super) fn find(seen: &[Seen<'_>], range: Range<i64>, pruned_before: Option<i64>) -> Found {
    let kept = pruned_before.map_or(i64::MIN, |before| {
        before.div_euclid(HOUR) + i64::from(before.rem_euclid(HOUR) > 0)
    });
    let count = usize::try_from(range.end - range.start).unwrap_or(0);
    let place = |hour: i64| usize::try_from(hour - range.start).unwrap_or(0);
    // Of each hour: a cluster was silent in it, and one had begun by it.
    let mut silent = vec![false; count];
    let mut begun = vec![false; count];
    let mut silences = Vec::new();
    for cluster in seen {
        let first = match (
            cluster.earlier,
            cluster.hours.and_then(|hours| hours.first_key_value()),
        ) {
            (true, _) => range.start,
            (false, Some((&first, _))) => first.max(range.start),
            (false, None) => continue,
        };
        let first = first.max(kept).min(range.end);
        begun[place(first)..].fill(true);
        let none = BTreeMap::new();
        let hours = cluster.hours.unwrap_or(&none);
        let ends = hours.range(first..range.end).map(|(&hour, _)| hour);
        let mut next = first;
        for hour in ends.chain([range.end]) {
            if next < hour {
                silent[place(next)..place(hour)].fill(true);
                silences.push(Silence {
                    cluster: digest::apart(cluster.cluster).into_owned(),
                    from: clock::to_text(next * HOUR),
                    until: clock::to_text(hour * HOUR),
                    hours: u64::try_from(hour - next).unwrap_or(0),
                });
            }
            next = hour + 1;
        }
    }
    silences.sort_by(|a, b| (&a.from, &a.cluster).cmp(&(&b.from, &b.cluster)));
    let mut found = Found {
        silences,
        hours: count as u64,
        ..Found::default()
    };
    for (at, hour) in range.enumerate() {
        if silent[at] || hour < kept {
            found.unseen.push(hour);
        } else if begun[at] {
            found.covered += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: &[i64]) -> BTreeMap<i64, (u64, u64)> {
        hours.iter().map(|&hour| (hour, (1, 0))).collect()
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
        assert_eq!((found.hours, found.covered), (10, 3));
        assert_eq!(found.unseen, [14, 15, 17, 18, 19]);

        seen[0].earlier = true;
        let found = find(&seen, 10..20, None);
        assert_eq!(stretches(&found)[0], ("a".into(), 10, 2));
        assert_eq!(found.covered, 3);
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
        assert_eq!(found.unseen, [0, 1, 2, 3, 4]);
        assert_eq!(found.covered, 1);
    }

    #[test]
    fn only_whole_hours_count() {
        assert_eq!(hours(HOUR + 1, 4 * HOUR + 1), 2..4);
        assert_eq!(hours(HOUR, 4 * HOUR), 1..4);
        assert_eq!(hours(HOUR + 1, HOUR + 5), 2..2);
        assert_eq!(hours(0, (REPORT_HOURS_MAX + 7) * HOUR).start, 7);
    }
}
