//! Filters at random, made from values that some event has.

use std::collections::BTreeSet;
use std::sync::Arc;

use fastrand::Rng;

use super::naive::Row;
use crate::model::column::Column;
use crate::store::filter::{Filter, Pattern, Term, Test};

pub(super) const TEXTS: &[Column] = &[
    Column::Cluster,
    Column::AuditId,
    Column::Stage,
    Column::Level,
    Column::Verb,
    Column::User,
    Column::UserUid,
    Column::UserGroups,
    Column::ImpersonatedUser,
    Column::EffectiveUser,
    Column::SourceIp,
    Column::ClientIp,
    Column::SourceIps,
    Column::UserAgent,
    Column::RequestUri,
    Column::Path,
    Column::ApiGroup,
    Column::ApiVersion,
    Column::Resource,
    Column::Subresource,
    Column::Namespace,
    Column::Name,
    Column::ObjectUid,
    Column::Reason,
    Column::Message,
    Column::Outcome,
    Column::Decision,
    Column::DecisionReason,
    Column::FieldManager,
    Column::ImpersonatedGroups,
    Column::Images,
    Column::PodSecurity,
    Column::PodSecrets,
    Column::PodServiceAccount,
    Column::RoleRef,
    Column::Subjects,
    Column::Owner,
    Column::CredentialId,
    Column::IssuedCredentialId,
    Column::Command,
];

pub(super) const NUMBERS: &[Column] = &[
    Column::Code,
    Column::Time,
    Column::ReceivedTime,
    Column::LatencyUs,
    Column::DryRun,
    Column::Truncated,
    Column::Deprecated,
    Column::RawBytes,
];

fn pattern(rng: &mut Rng, rows: &[Row], column: Column) -> Pattern {
    let value = rng.choice(rows).unwrap().text(column).unwrap_or("nothing");
    // Of a list, a pattern is about one element.
    let elements: Vec<String> = serde_json::from_str(value).unwrap_or_default();
    let value = rng.choice(&elements).map_or(value, String::as_str);
    let mut cut = rng.usize(..=value.len());
    while !value.is_char_boundary(cut) {
        cut -= 1;
    }
    match rng.u8(..8) {
        0..=2 => Pattern::Is(value.to_owned()),
        3 => Pattern::Prefix(value[..cut].to_owned()),
        4 => Pattern::Wildcard(format!("{}*", &value[..cut])),
        5 => Pattern::Wildcard(format!("*{}", &value[cut..])),
        6 => Pattern::Range(Some((value.to_owned(), rng.bool())), None),
        _ => Pattern::parse_cidr(&format!("{value}/16")).unwrap_or(Pattern::Is(value.to_owned())),
    }
}

fn term(rng: &mut Rng, rows: &[Row]) -> Term {
    let count = rng.usize(1..3);
    let test = match rng.u8(..10) {
        0..=4 => {
            let column = *rng.choice(TEXTS).unwrap();
            let any = (0..count).map(|_| pattern(rng, rows, column)).collect();
            Test::Text { column, any }
        }
        5 => {
            let pair = |rng: &mut Rng| {
                let resource = pattern(rng, rows, Column::Resource);
                let group = match rng.u8(..3) {
                    0 => None,
                    1 => Some(Pattern::Is(String::new())),
                    _ => Some(pattern(rng, rows, Column::ApiGroup)),
                };
                (resource, group)
            };
            Test::Resource {
                any: (0..count).map(|_| pair(rng)).collect(),
            }
        }
        6 | 7 => {
            let column = *rng.choice(NUMBERS).unwrap();
            let low = rng.choice(rows).unwrap().number(column).unwrap_or(0);
            let any = vec![(low, low.saturating_add(rng.i64(..3_000_000)))];
            Test::Number { column, any }
        }
        8 if rng.bool() => {
            let mut user = || Some(rng.choice(rows).unwrap().text(Column::User)?.into());
            let any: BTreeSet<Option<Arc<str>>> = (0..5).map(|_| user()).collect();
            let any = any.into_iter().collect();
            Test::Users { any }
        }
        8 => {
            let columns = if rng.bool() { TEXTS } else { NUMBERS };
            let column = *rng.choice(columns).unwrap();
            Test::Absent { column }
        }
        _ => {
            let raw = &rng.choice(rows).unwrap().raw;
            let from = rng.usize(..raw.len() - 1);
            let to = raw.len().min(from + rng.usize(1..40));
            Test::Contains {
                any: vec![raw[from..to].into()],
            }
        }
    };
    Term {
        test,
        negate: rng.u8(..3) == 0,
    }
}

/// A filter that some of these events match, as a rule.
pub(super) fn filter(rng: &mut Rng, rows: &[Row]) -> Filter {
    let mut filter = Filter::default();
    for _ in 0..rng.usize(1..4) {
        filter.terms.push(term(rng, rows));
    }
    if rng.u8(..4) == 0 {
        filter.since = Some(rng.choice(rows).unwrap().time);
    }
    if rng.u8(..4) == 0 {
        filter.until = Some(rng.choice(rows).unwrap().time);
    }
    filter
}
