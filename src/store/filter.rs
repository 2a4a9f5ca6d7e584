//! What a question asks of events: a conjunction of terms. Engine-neutral.

use std::sync::Arc;

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
    /// The column's text matches any of the patterns. On `source_ips`, any recorded address does.
    Text { column: Column, any: Vec<Pattern> },
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
        }
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
}
