//! What a group says of how its events ended beside their number: shares of them, and when the last
//! error was. Events are told apart by outcome and code for it, and put together again.

use super::countkeys::Key;
use super::layout::TextColumn;
use super::part::Part;
use super::tally::Groups;
use crate::model::column::Column;
use crate::store::Result;

/// Events of a group of which the outcome or the code says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Succeeded,
    Refused,
    Answered,
    Errors,
    ClientErrors,
    ServerErrors,
}

impl Share {
    pub(crate) const ALL: [Share; 6] = [
        Share::Succeeded,
        Share::Refused,
        Share::Answered,
        Share::Errors,
        Share::ClientErrors,
        Share::ServerErrors,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Share::Succeeded => "succeeded",
            Share::Refused => "refused",
            Share::Answered => "answered",
            Share::Errors => "errors",
            Share::ClientErrors => "client_errors",
            Share::ServerErrors => "server_errors",
        }
    }

    /// The column that decides.
    pub(crate) fn column(self) -> Column {
        match self {
            Share::Succeeded | Share::Refused => Column::Outcome,
            _ => Column::Code,
        }
    }

    /// Where it is stored.
    pub(crate) fn key(self) -> Key {
        Key::Text(match self.column() {
            Column::Outcome => TextColumn::Outcome,
            _ => TextColumn::Code,
        })
    }

    /// Whether an event whose column says this belongs to the share; one without a value never does.
    pub(crate) fn holds(self, text: &str) -> bool {
        let code = |from, to| (text.parse::<i64>()).is_ok_and(|code| (from..to).contains(&code));
        match self {
            Share::Succeeded => matches!(text, "success" | "upgraded"),
            Share::Refused => text.starts_with("denied_"),
            Share::Answered => true,
            Share::Errors => code(400, 600),
            Share::ClientErrors => code(400, 500),
            Share::ServerErrors => code(500, 600),
        }
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

/// The shares that a count wants, and by which of its columns they are told.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) shares: Vec<(Share, usize)>,
    /// Where the time of the last error is wanted.
    pub(crate) last_error: Option<usize>,
}

impl Shared {
    /// Fills in what a part's groups, which its strings' ids tell apart, say of shares.
    pub(crate) fn fill(&self, part: &Part, keys: &[Key], groups: &mut Groups) -> Result<()> {
        for &(share, place) in &self.shares {
            let held = held(share, part, keys[place])?;
            let amounts = groups.columns[place].iter().zip(&groups.counts);
            let amount = |(&id, &count): (&u32, &u64)| if held[id as usize] { count } else { 0 };
            groups.shares.push(amounts.map(amount).collect());
        }
        // Where each event was measured for itself; otherwise counting has seen to it.
        if let Some(place) = self.last_error
            && groups.last_errors.len() < groups.len()
        {
            let held = held(Share::Errors, part, keys[place])?;
            let ids = groups.columns[place].iter().zip(&groups.measured);
            let last = ids.map(|(&id, measured)| held[id as usize].then_some(measured.last));
            groups.last_errors = last.collect();
        }
        Ok(())
    }

    /// Where the time of the last error is wanted: the column that tells errors, and which of its
    /// strings' ids do.
    pub(crate) fn errors(&self, part: &Part, keys: &[Key]) -> Result<Option<(usize, Vec<bool>)>> {
        let told = |place| Ok((place, held(Share::Errors, part, keys[place])?));
        self.last_error.map(told).transpose()
    }
}

/// Per string of a column whether events with it belong to a share.
fn held(share: Share, part: &Part, key: Key) -> Result<Vec<bool>> {
    let strings = 1..=key.strings(part);
    let said = strings.map(|id| Ok(share.holds(key.string(part, id)?)));
    std::iter::once(Ok(false)).chain(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Outcome;

    #[test]
    fn outcomes_and_codes_belong_to_shares() {
        let of = |text: &str| {
            let shares = Share::ALL.into_iter().filter(|share| share.holds(text));
            shares.map(Share::name).collect::<Vec<_>>()
        };
        assert_eq!(of("399"), ["answered"]);
        assert_eq!(of("400"), ["answered", "errors", "client_errors"]);
        assert_eq!(of("499"), ["answered", "errors", "client_errors"]);
        assert_eq!(of("500"), ["answered", "errors", "server_errors"]);
        assert_eq!(of("600"), ["answered"]);
        let refused = |outcome: &&Outcome| Share::Refused.holds(outcome.as_str());
        assert_eq!(Outcome::ALL.iter().filter(refused).count(), 6);
        let succeeded = |outcome: &&Outcome| Share::Succeeded.holds(outcome.as_str());
        assert_eq!(Outcome::ALL.iter().filter(succeeded).count(), 2);
    }
}
