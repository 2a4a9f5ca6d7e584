//! Whole days, weeks and months in UTC.

use crate::model::time;

const DAY: i64 = 86_400_000_000;
const WEEK: i64 = 7 * DAY;

/// The first Monday after 1970-01-01, which was a Thursday.
const MONDAY: i64 = 4 * DAY;

/// How often a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    Daily,
    /// ISO weeks, which begin on Mondays.
    Weekly,
    Monthly,
}

/// What a report is about, in microseconds, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub since: i64,
    pub until: i64,
}

impl Every {
    pub const ALL: [Every; 3] = [Every::Daily, Every::Weekly, Every::Monthly];

    pub const fn name(self) -> &'static str {
        match self {
            Every::Daily => "daily",
            Every::Weekly => "weekly",
            Every::Monthly => "monthly",
        }
    }

    pub fn by_name(name: &str) -> Option<Every> {
        Every::ALL.into_iter().find(|every| every.name() == name)
    }

    /// The period in which an instant lies.
    pub fn around(self, instant: i64) -> Period {
        match self {
            Every::Daily => {
                let since = instant.div_euclid(DAY) * DAY;
                Period {
                    since,
                    until: since + DAY,
                }
            }
            Every::Weekly => {
                let since = (instant - MONDAY).div_euclid(WEEK) * WEEK + MONDAY;
                Period {
                    since,
                    until: since + WEEK,
                }
            }
            Every::Monthly => {
                let since = month(instant);
                // No month has more than 31 days, and none fewer than 4.
                Period {
                    since,
                    until: month(since + 31 * DAY + 3 * DAY),
                }
            }
        }
    }

    /// The last period that is over.
    pub fn last(self, now: i64) -> Period {
        self.around(self.around(now).since - 1)
    }

    /// The last periods that are over, at most so many, oldest first.
    pub fn lasts(self, now: i64, count: usize) -> Vec<Period> {
        let mut periods = vec![self.last(now)];
        while periods.len() < count {
            let first = periods[periods.len() - 1].since;
            periods.push(self.around(first - 1));
        }
        periods.reverse();
        periods
    }

    /// How a period is called in the names of files: `2026-11-20`, `2026-w47`, `2026-11`.
    pub fn label(self, period: Period) -> String {
        let text = time::to_text(period.since);
        match self {
            Every::Daily => text[..10].to_owned(),
            Every::Monthly => text[..7].to_owned(),
            Every::Weekly => {
                // A week belongs to the year in which its Thursday lies.
                let thursday = period.since + 3 * DAY;
                let year = time::to_text(thursday)[..4].to_owned();
                let first = time::parse_instant(&format!("{year}-01-01")).unwrap_or(thursday);
                format!("{year}-w{:02}", (thursday - first) / WEEK + 1)
            }
        }
    }
}

/// The first instant of the month of another.
fn month(instant: i64) -> i64 {
    let text = time::to_text(instant);
    time::parse_instant(&format!("{}-01", &text[..7])).unwrap_or(instant)
}
