//! What missing events do to verdicts.

use crate::report::made::{Made, Verdict};

/// What is missing may be what would have been held against a control: nothing is met without it.
pub(super) fn cast(made: &mut Made) {
    let unfinished = unfinished(made);
    let missing = match (&made.coverage.pruned_before, &made.coverage.damaged[..]) {
        (_, [_, ..]) => "damaged segments of this time range were left out".to_owned(),
        (Some(before), []) if made.coverage.pruned > 0 => {
            format!("retention removed events of this time range, up to {before}")
        }
        _ if !unfinished.is_empty() => format!(
            "no end of a request is recorded of {}",
            unfinished.join(", ")
        ),
        _ => return,
    };
    for verdict in made.controls.iter_mut().filter_map(|c| c.verdict.as_mut()) {
        if verdict.verdict == Verdict::Met {
            verdict.verdict = Verdict::NotEnoughData;
            verdict.why = format!("{missing}; of what is left: {}", verdict.why);
        }
    }
}

/// Clusters with events, none of which is the end of a request: their policy omits what questions
/// and verdicts are about.
pub(super) fn unfinished(made: &Made) -> Vec<String> {
    let clusters = made.clusters.iter();
    let without = clusters.filter(|cluster| cluster.events > 0 && cluster.finished == 0);
    without.map(|cluster| cluster.cluster.clone()).collect()
}
