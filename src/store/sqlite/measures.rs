//! What counts say of a group beside the number of its events.

use super::shares::Share;

/// A number that counts say of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    Events,
    RawBytes,
    MeanLatency,
    Share(Share),
    /// Of the watches among them.
    MeanWatch,
    Users,
}

impl Amount {
    pub(crate) fn all() -> impl Iterator<Item = Amount> {
        [Amount::Events, Amount::RawBytes, Amount::MeanLatency]
            .into_iter()
            .chain(Share::ENDINGS.map(Amount::Share))
            .chain(Share::WATCHING.map(Amount::Share))
            .chain([Amount::MeanWatch, Amount::Users])
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Amount::Events => "events",
            Amount::RawBytes => "raw_bytes",
            Amount::MeanLatency => "mean_latency_us",
            Amount::Share(share) => share.name(),
            Amount::MeanWatch => "mean_watch_us",
            Amount::Users => "users",
        }
    }
}

/// What is wanted of each group beside the number of its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Measures {
    pub(crate) times: bool,
    pub(crate) raw_bytes: bool,
    pub(crate) latency: bool,
    pub(crate) shares: Vec<Share>,
    /// Which watches are short: those of fewer microseconds.
    pub(crate) short_us: i64,
    /// Groups without events of this share may be left out.
    pub(crate) needed: Option<Share>,
    /// Needs times where each request counts once.
    pub(crate) last_error: bool,
}

impl Measures {
    /// Whether anything is read of events beside ids.
    pub(crate) fn any(&self) -> bool {
        self.of_groups() || self.last_error
    }

    /// Whether anything is measured of every event.
    pub(crate) fn of_groups(&self) -> bool {
        self.times || self.of_events()
    }

    /// Whether only the events themselves say it.
    pub(crate) fn of_events(&self) -> bool {
        self.raw_bytes || self.latency
    }
}

/// What is known of the events of a group beside their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Microseconds.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) raw_bytes: u64,
    /// Microseconds from received to the stage, added up, and of how many events.
    pub(crate) latency: i64,
    pub(crate) timed: u64,
}

impl Measured {
    pub(crate) const NOTHING: Measured = Measured {
        first: i64::MAX,
        last: i64::MIN,
        raw_bytes: 0,
        latency: 0,
        timed: 0,
    };

    #[inline]
    pub(crate) fn add(&mut self, other: &Measured) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.raw_bytes += other.raw_bytes;
        self.latency = self.latency.saturating_add(other.latency);
        self.timed += other.timed;
    }

    /// Microseconds, rounded; `None` where no event was timed.
    pub(crate) fn mean_latency(&self) -> Option<i64> {
        mean(self.latency, self.timed)
    }
}

/// A sum by how many it is of, rounded; `None` of none.
pub(crate) fn mean(sum: i64, of: u64) -> Option<i64> {
    let of = i64::try_from(of).ok().filter(|&of| of > 0)?;
    Some(sum.saturating_add(of / 2).div_euclid(of))
}
