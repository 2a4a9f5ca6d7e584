//! What a group says of its events beside their number: shares of them, and when the last error was.
//! Events are told apart by outcome, code and the like for it, and put together again.

use super::countkeys::{Key, TRUE};
use super::layout::TextColumn;
use super::measures::Measured;
use super::part::Part;
use super::tally::Groups;
use crate::model::column::Column;
use crate::store::Result;
use crate::store::filter::{Pattern, Test};

/// Events of a group that have something in common beside what makes the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Succeeded,
    Refused,
    Answered,
    Errors,
    ClientErrors,
    ServerErrors,
    Watches,
    ShortWatches,
    FailedWatches,
    /// Short or failed.
    BrokenWatches,
    Lists,
    /// Watches with a latency, and the sum of these in microseconds, for their mean.
    TimedWatches,
    WatchMicros,
}

/// What one column says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Succeeded,
    Refused,
    Answered,
    /// Answered without an error.
    Well,
    Error,
    ClientError,
    ServerError,
    Watch,
    List,
    /// Within the time that counts as short.
    Soon,
}

impl Share {
    /// Those of how events ended, which columns are named after.
    pub(crate) const ENDINGS: [Share; 6] = [
        Share::Succeeded,
        Share::Refused,
        Share::Answered,
        Share::Errors,
        Share::ClientErrors,
        Share::ServerErrors,
    ];

    /// Those of calls that keep clients up to date, likewise.
    pub(crate) const WATCHING: [Share; 5] = [
        Share::Watches,
        Share::ShortWatches,
        Share::FailedWatches,
        Share::BrokenWatches,
        Share::Lists,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Share::Succeeded => "succeeded",
            Share::Refused => "refused",
            Share::Answered => "answered",
            Share::Errors => "errors",
            Share::ClientErrors => "client_errors",
            Share::ServerErrors => "server_errors",
            Share::Watches => "watches",
            Share::ShortWatches => "short_watches",
            Share::FailedWatches => "failed_watches",
            Share::BrokenWatches => "broken_watches",
            Share::Lists => "lists",
            Share::TimedWatches => "timed_watches",
            Share::WatchMicros => "watch_us",
        }
    }

    /// Alternatives: all that columns must say of an event.
    fn alternatives(self) -> &'static [&'static [Said]] {
        const SHORT: &[Said] = &[Said::Watch, Said::Soon, Said::Well];
        const FAILED: &[Said] = &[Said::Watch, Said::Error];
        match self {
            Share::Succeeded => &[&[Said::Succeeded]],
            Share::Refused => &[&[Said::Refused]],
            Share::Answered => &[&[Said::Answered]],
            Share::Errors => &[&[Said::Error]],
            Share::ClientErrors => &[&[Said::ClientError]],
            Share::ServerErrors => &[&[Said::ServerError]],
            Share::Watches | Share::TimedWatches | Share::WatchMicros => &[&[Said::Watch]],
            Share::ShortWatches => &[SHORT],
            Share::FailedWatches => &[FAILED],
            Share::BrokenWatches => &[SHORT, FAILED],
            Share::Lists => &[&[Said::List]],
        }
    }

    /// What events of the share say, and no others, if they are rare as a rule.
    pub(crate) fn rare(self) -> Option<(Said, Test)> {
        let code = |from, to| Test::Number {
            column: Column::Code,
            any: vec![(from, to)],
        };
        let refused = Test::Text {
            column: Column::Outcome,
            any: vec![Pattern::Prefix("denied_".to_owned())],
        };
        match self {
            Share::Refused => Some((Said::Refused, refused)),
            Share::Errors => Some((Said::Error, code(400, 599))),
            Share::ClientErrors => Some((Said::ClientError, code(400, 499))),
            Share::ServerErrors => Some((Said::ServerError, code(500, 599))),
            _ => None,
        }
    }

    /// Whether only the events themselves say which belong to it.
    pub(crate) fn is_of_events(self) -> bool {
        let mut said = self.alternatives().iter().copied().flatten();
        said.any(|&said| said == Said::Soon)
    }

    /// What says which events belong to it, and where, which `place` gives.
    pub(crate) fn told(self, mut place: impl FnMut(Said) -> usize) -> Told {
        let said = self.alternatives().iter().copied().flatten();
        Told {
            share: self,
            places: said.map(|&said| (said, place(said))).collect(),
        }
    }

    /// What a group whose events all belong to the share adds to it.
    fn amount(self, groups: &Groups, row: usize) -> u64 {
        let measured = || groups.measured.get(row).unwrap_or(&Measured::NOTHING);
        match self {
            Share::TimedWatches => measured().timed,
            Share::WatchMicros => measured().latency as u64,
            _ => groups.counts[row],
        }
    }
}

impl Said {
    fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Where it is stored; soon is what takes less than so many microseconds.
    pub(crate) fn key(self, short_us: i64) -> Key {
        Key::Text(match self {
            Said::Succeeded | Said::Refused => TextColumn::Outcome,
            Said::Watch | Said::List => TextColumn::Verb,
            Said::Soon => return Key::Within(short_us),
            _ => TextColumn::Code,
        })
    }

    /// Whether a column that says this says so; one without a value never does.
    fn holds(self, text: &str) -> bool {
        let code = |from, to| (text.parse::<i64>()).is_ok_and(|code| (from..to).contains(&code));
        match self {
            Said::Succeeded => matches!(text, "success" | "upgraded"),
            Said::Refused => text.starts_with("denied_"),
            Said::Answered => true,
            Said::Well => !code(400, 600),
            Said::Error => code(400, 600),
            Said::ClientError => code(400, 500),
            Said::ServerError => code(500, 600),
            Said::Watch => text == "watch",
            Said::List => text == "list",
            Said::Soon => text == TRUE,
        }
    }
}

/// A share, and which of a count's columns say something of its events.
pub(crate) struct Told {
    share: Share,
    places: Vec<(Said, usize)>,
}

impl Told {
    /// How much of each group belongs to the share, by what is said of its events, a bit each.
    fn amounts(&self, said: &[u16], groups: &Groups) -> Vec<u64> {
        let all = |all: &&[Said]| all.iter().fold(0, |bits, said| bits | said.bit());
        let alternatives: Vec<u16> = self.share.alternatives().iter().map(all).collect();
        let amount = |(row, &said): (usize, &u16)| {
            let belongs = alternatives.iter().any(|all| all & !said == 0);
            if belongs {
                self.share.amount(groups, row)
            } else {
                0
            }
        };
        said.iter().enumerate().map(amount).collect()
    }
}

/// When rows with errors were the last: of few rows, so that it costs little beside their number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Errors<'a> {
    /// Which of the columns tells errors, and which of its ids do.
    pub(crate) told: (usize, &'a [bool]),
    /// Microseconds.
    pub(crate) last: &'a [i64],
}

/// The shares that a count wants.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) shares: Vec<Told>,
    /// Where the time of the last error is wanted.
    pub(crate) last_error: Option<usize>,
}

impl Shared {
    /// Fills in what a part's groups, which its strings' ids tell apart, say of shares.
    pub(crate) fn fill(&self, part: &Part, keys: &[Key], groups: &mut Groups) -> Result<()> {
        let (mut said, mut known) = (vec![0; groups.len()], 0);
        for &(says, place) in self.shares.iter().flat_map(|told| &told.places) {
            if known & says.bit() == 0 {
                known |= says.bit();
                let held = held(says, part, keys[place])?;
                for (said, &id) in said.iter_mut().zip(&groups.columns[place]) {
                    *said |= if held[id as usize] { says.bit() } else { 0 };
                }
            }
        }
        for told in &self.shares {
            let amounts = told.amounts(&said, groups);
            groups.shares.push(amounts);
        }
        // Where each event was measured for itself; otherwise counting has seen to it.
        if let Some(place) = self.last_error
            && groups.last_errors.len() < groups.len()
        {
            let held = held(Said::Error, part, keys[place])?;
            let ids = groups.columns[place].iter().zip(&groups.measured);
            let last = ids.map(|(&id, measured)| held[id as usize].then_some(measured.last));
            groups.last_errors = last.collect();
        }
        Ok(())
    }

    /// Where the time of the last error is wanted: the column that tells errors, and which of its
    /// strings' ids do.
    pub(crate) fn errors(&self, part: &Part, keys: &[Key]) -> Result<Option<(usize, Vec<bool>)>> {
        let told = |place| Ok((place, held(Said::Error, part, keys[place])?));
        self.last_error.map(told).transpose()
    }
}

/// Per string of a column whether it says something.
pub(crate) fn held(said: Said, part: &Part, key: Key) -> Result<Vec<bool>> {
    let strings = 1..=key.strings(part);
    let said = strings.map(|id| Ok(said.holds(key.string(part, id)?)));
    std::iter::once(Ok(false)).chain(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Outcome;

    #[test]
    fn outcomes_and_codes_belong_to_shares() {
        let of = |text: &str| {
            let all = [
                Said::Succeeded,
                Said::Refused,
                Said::Answered,
                Said::Well,
                Said::Error,
                Said::ClientError,
                Said::ServerError,
            ];
            all.into_iter()
                .filter(|said| said.holds(text))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("399"), [Said::Answered, Said::Well]);
        assert_eq!(of("400"), [Said::Answered, Said::Error, Said::ClientError]);
        assert_eq!(of("499"), [Said::Answered, Said::Error, Said::ClientError]);
        assert_eq!(of("500"), [Said::Answered, Said::Error, Said::ServerError]);
        assert_eq!(of("600"), [Said::Answered, Said::Well]);
        let refused = |outcome: &&Outcome| Said::Refused.holds(outcome.as_str());
        assert_eq!(Outcome::ALL.iter().filter(refused).count(), 6);
        let succeeded = |outcome: &&Outcome| Said::Succeeded.holds(outcome.as_str());
        assert_eq!(Outcome::ALL.iter().filter(succeeded).count(), 2);
    }
}
