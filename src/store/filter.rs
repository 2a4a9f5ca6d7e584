//! What a question asks of events: a conjunction of terms. Engine-neutral.

mod list;
mod terms;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

pub use list::{escape, literal};

use crate::model::column::Column;

/// All terms must hold. An empty filter matches every event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Events at or after this instant (microseconds).
    pub since: Option<i64>,
    /// Events before this instant (microseconds).
    pub until: Option<i64>,
    /// The conjunction.
    pub terms: Vec<Term>,
}

/// One condition. With `negate`, absent values match too (absent counts as not equal).
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    pub test: Test,
    pub negate: bool,
}

/// A condition on one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The column's text matches any of the patterns. Of a list ([`Column::is_list`]) any element
    /// does.
    Text { column: Column, any: Vec<Pattern> },
    /// The user is one of these, which ascend, or not known if they begin with `None`. For many users:
    /// none is compared with all of them.
    Users { any: Arc<[Option<Arc<str>>]> },
    /// Resource and, where given, API group match any of the pairs.
    Resource {
        any: Vec<(Pattern, Option<Pattern>)>,
    },
    /// The column's number lies in any of the inclusive ranges. Also for times and truth values.
    Number {
        column: Column,
        any: Vec<(i64, i64)>,
    },
    /// The column is absent.
    Absent { column: Column },
    /// The event is the last of its request: it ended or panicked, or was refused before anybody was
    /// authenticated, of which there is but one event (AS/pkg/endpoints/filters/authn_audit.go).
    Ended,
    /// The exact bytes of the event hold any of these byte strings.
    Contains { any: Vec<Arc<[u8]>> },
}

/// A pattern on text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Equal, byte for byte.
    Is(String),
    /// `*` stands for any run of characters, everything else for itself.
    Wildcard(String),
    /// Begins with.
    Prefix(String),
    /// Lies in this range of byte-wise order: lower bound (inclusive?), upper bound (inclusive?).
    Range(Option<(String, bool)>, Option<(String, bool)>),
    /// An IP address in this network: its address (host bits zero) and prefix length.
    Cidr(IpAddr, u8),
}

impl Pattern {
    /// Whether `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Is(want) => text == want,
            Pattern::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Pattern::Wildcard(pattern) => wildcard(pattern.as_bytes(), text.as_bytes()),
            Pattern::Range(low, high) => {
                low.as_ref().is_none_or(|(bound, inclusive)| {
                    text > bound.as_str() || (*inclusive && text == bound)
                }) && high.as_ref().is_none_or(|(bound, inclusive)| {
                    text < bound.as_str() || (*inclusive && text == bound)
                })
            }
            Pattern::Cidr(network, length) => text
                .parse::<IpAddr>()
                .is_ok_and(|address| masked(address.to_canonical(), *length) == Some(*network)),
        }
    }

    /// Something that every matching text holds, if there is such a thing.
    pub fn literal(&self) -> Option<&str> {
        let literal = match self {
            Pattern::Is(text) | Pattern::Prefix(text) => text,
            Pattern::Wildcard(pattern) => pattern.split('*').max_by_key(|run| run.len())?,
            Pattern::Range(..) | Pattern::Cidr(..) => return None,
        };
        (!literal.is_empty()).then_some(literal)
    }

    /// The network that `text` such as `10.0.0.0/8` stands for; host bits are dropped.
    pub fn parse_cidr(text: &str) -> Option<Pattern> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let length = length.parse().ok()?;
        Some(Pattern::Cidr(masked(address, length)?, length))
    }

    /// A pattern from what a user typed: with `*` a wildcard, otherwise equality.
    pub fn parse(text: &str) -> Pattern {
        if text.contains('*') {
            Pattern::Wildcard(text.to_owned())
        } else {
            Pattern::Is(text.to_owned())
        }
    }
}

/// `address` with all but the first `length` bits zero; `None` when it has fewer bits.
fn masked(address: IpAddr, length: u8) -> Option<IpAddr> {
    let length = u32::from(length);
    match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            (length <= 32).then(|| IpAddr::V4((u32::from(address) & !host).into()))
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            (length <= 128).then(|| IpAddr::V6((u128::from(address) & !host).into()))
        }
    }
}

/// Greedy wildcard match with one backtrack point: linear in practice, quadratic at worst.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            retry = Some((p + 1, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((after_star, from)) = retry {
            retry = Some((after_star, from + 1));
            p = after_star;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

impl Filter {
    /// Adds a term that must hold.
    pub fn push(&mut self, test: Test) {
        self.terms.push(Term {
            test,
            negate: false,
        });
    }

    /// Adds the terms that `words` on `column` stand for: a comma list with `!` and `*`, codes such
    /// as `4xx`, resources such as `deploy`, addresses such as `10.0.0.0/8`; on `raw` the text that
    /// the event's bytes must hold. The error says what is wrong with the value.
    pub fn push_words(&mut self, column: Column, words: &str) -> Result<(), String> {
        terms::push(self, column, words)
    }

    /// Whether [`Filter::push_words`] takes words on `column`.
    pub const fn takes_words(column: Column) -> bool {
        terms::takes_words(column)
    }

    /// Adds a term that ids lie in `ids`.
    pub fn push_ids(&mut self, ids: RangeInclusive<i64>) {
        self.push(Test::Number {
            column: Column::Id,
            any: vec![(*ids.start(), *ids.end())],
        });
    }

    /// A range of ids outside which no event matches.
    pub(crate) fn ids(&self) -> RangeInclusive<i64> {
        let mut ids = i64::MIN..=i64::MAX;
        for term in &self.terms {
            if let Term {
                test:
                    Test::Number {
                        column: Column::Id,
                        any,
                    },
                negate: false,
            } = term
            {
                let low = any.iter().map(|range| range.0).min().unwrap_or(i64::MAX);
                let high = any.iter().map(|range| range.1).max().unwrap_or(i64::MIN);
                ids = low.max(*ids.start())..=high.min(*ids.end());
            }
        }
        ids
    }

    /// Adds a term that must not hold.
    pub fn push_not(&mut self, test: Test) {
        self.terms.push(Term { test, negate: true });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_runs() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acd", false),
            ("system:node:*", "system:node:n1", true),
            ("*:kube-*:*", "system:serviceaccount:kube-system:x", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXcYb", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                Pattern::Wildcard(pattern.into()).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn networks_hold_addresses() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.7/8", "10.1.1.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("192.168.1.4/32", "192.168.1.4", true),
            ("192.168.1.4/32", "192.168.1.5", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("0.0.0.0/0", "localhost", false),
            ("2001:db8::/32", "2001:db8:1::9", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::1/128", "0:0:0:0:0:0:0:1", true),
            ("::/0", "10.0.0.1", false),
        ] {
            let pattern = Pattern::parse_cidr(network).unwrap();
            assert_eq!(pattern.matches(address), expected, "{network} {address}");
        }
        for text in [
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "x/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert_eq!(Pattern::parse_cidr(text), None, "{text}");
        }
    }
}
