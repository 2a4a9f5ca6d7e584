//! What a chart marks: bars that may show less than happened.

use crate::report::made::Step;

/// Why a step may show less than happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Before,
    Gap,
    Pruned,
}

impl Mark {
    /// Of the pattern with which it is drawn.
    pub(super) const fn pattern(self) -> &'static str {
        match self {
            Mark::Before => "before",
            Mark::Gap => "gap",
            Mark::Pruned => "pruned",
        }
    }

    /// As it stands over the bars.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Mark::Before => "not yet",
            Mark::Gap => "gap",
            Mark::Pruned => "pruned",
        }
    }

    /// As the key and the table say it.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Mark::Before => "before the first event of the store",
            Mark::Gap => "an hour or more without events",
            Mark::Pruned => "removed by retention",
        }
    }
}

/// The mark of a step, if it needs one.
pub(super) fn mark(step: &Step) -> Option<Mark> {
    match step {
        Step { pruned: true, .. } => Some(Mark::Pruned),
        Step { before: true, .. } => Some(Mark::Before),
        Step {
            silent_hours: 1.., ..
        } => Some(Mark::Gap),
        _ => None,
    }
}
