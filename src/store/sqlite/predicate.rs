//! A filter compiled for one part: patterns become sets of string ids, so rows are tested by
//! numbers only.

use super::deriver::Deriver;
use super::idset::IdSet;
use super::layout::{self, IntColumn, Origin, TextColumn, origin};
use super::part::Part;
use super::stringsets::{id_set, list_set, number_set, users};
use crate::model::column::Column;
use crate::store::Result;
use crate::store::filter::{Filter, Pattern, Term, Test};

/// A condition on the rows of one part.
pub(crate) enum Predicate {
    /// The column's string id is in the set.
    Ids(TextColumn, IdSet),
    /// The ids of two columns are in any pair of sets (or, negated, in none).
    Pairs(Pairs),
    /// A number derived from stored numbers lies in a range; absent never does.
    Number {
        column: Column,
        any: Vec<(i64, i64)>,
        absent: bool,
        negate: bool,
    },
    /// The audit id is one of these.
    AuditId {
        any: Vec<([u8; 16], Option<u32>)>,
        patterns: Vec<Pattern>,
        negate: bool,
    },
    /// What a column makes of the request URI matches any of the patterns or is absent.
    Uri {
        column: Column,
        any: Vec<Pattern>,
        absent: bool,
        negate: bool,
    },
    /// Something about the event's bytes.
    Bytes(Term),
}

/// Sets of ids of two columns.
pub(crate) struct Pairs {
    pub(crate) columns: [TextColumn; 2],
    pub(crate) any: Vec<[IdSet; 2]>,
    pub(crate) negate: bool,
}

impl Pairs {
    #[inline]
    pub(crate) fn hold(&self, id: u32, other: u32) -> bool {
        let mut any = self.any.iter();
        any.any(|[first, second]| first.holds(id) && second.holds(other)) != self.negate
    }

    /// The impersonated user's id is in the first set, or there is none and the user's is in the
    /// second.
    fn effective_user(
        part: &Part,
        [mut impersonated, user]: [IdSet; 2],
        negate: bool,
    ) -> Predicate {
        impersonated.remove(0);
        let absent = IdSet::absent(part.strings(TextColumn::ImpersonatedUser));
        Predicate::Pairs(Pairs {
            columns: [TextColumn::ImpersonatedUser, TextColumn::User],
            any: vec![
                [impersonated, IdSet::all(part.strings(TextColumn::User))],
                [absent, user],
            ],
            negate,
        })
    }

    /// See [`Test::Ended`].
    fn ended(part: &Part, negate: bool) -> Result<Predicate> {
        let stages = |names: &[&str]| -> Result<IdSet> {
            let mut set = IdSet::none(part.strings(TextColumn::Stage));
            for name in names {
                if let Some(id) = part.find(TextColumn::Stage, name)? {
                    set.insert(id);
                }
            }
            Ok(set)
        };
        let users = part.strings(TextColumn::User);
        Ok(Predicate::Pairs(Pairs {
            columns: [TextColumn::Stage, TextColumn::User],
            any: vec![
                [stages(&["ResponseComplete", "Panic"])?, IdSet::all(users)],
                [stages(&["ResponseStarted"])?, IdSet::absent(users)],
            ],
            negate,
        }))
    }
}

impl Predicate {
    /// How many of a thousand rows it likely leaves, if every string were as frequent.
    pub(crate) fn likely(&self) -> u64 {
        match self {
            Predicate::Ids(_, set) => u64::from(set.count()) * 1000 / u64::from(set.size()),
            _ => 500,
        }
    }

    /// The column and its ids, if that is all it tests.
    pub(crate) fn id_set(&self) -> Option<(TextColumn, &IdSet)> {
        match self {
            Predicate::Ids(column, set) => Some((*column, set)),
            _ => None,
        }
    }
}

/// What became of a filter for a part.
pub(crate) enum Compiled {
    /// No row can match.
    Nothing,
    /// These must all hold.
    All(Vec<Predicate>),
}

/// Compiles a filter (without its time range) for a part.
pub(crate) fn compile(filter: &Filter, part: &Part, deriver: &Deriver) -> Result<Compiled> {
    let mut predicates = Vec::new();
    for term in &filter.terms {
        if part.has_only(term) {
            continue;
        }
        if part.has_none(term) {
            return Ok(Compiled::Nothing);
        }
        let predicate = compile_term(term, part, deriver)?;
        match &predicate {
            Predicate::Ids(_, set) if set.is_full() => continue,
            Predicate::Ids(_, set) if set.count() == 0 => return Ok(Compiled::Nothing),
            _ => {}
        }
        predicates.push(predicate);
    }
    Ok(Compiled::All(predicates))
}

/// Whether a term is about a fact that no column of the part holds.
pub(crate) fn lacks(part: &Part, term: &Term) -> bool {
    match &term.test {
        Test::Text { column, .. } | Test::Number { column, .. } | Test::Absent { column } => {
            part.lacks(*column)
        }
        _ => false,
    }
}

fn compile_term(term: &Term, part: &Part, deriver: &Deriver) -> Result<Predicate> {
    let negate = term.negate;
    if lacks(part, term) {
        return Ok(Predicate::Bytes(term.clone()));
    }
    Ok(match &term.test {
        Test::Contains { .. } => Predicate::Bytes(term.clone()),
        Test::Ended => Pairs::ended(part, negate)?,
        Test::Resource { any } => {
            let mut pairs = Vec::with_capacity(any.len());
            for (resource, group) in any {
                let resource = id_set(
                    part,
                    TextColumn::Resource,
                    std::slice::from_ref(resource),
                    None,
                    deriver,
                )?;
                let group = match group {
                    // The core group has no name.
                    Some(Pattern::Is(name)) if name.is_empty() => {
                        IdSet::absent(part.strings(TextColumn::ApiGroup))
                    }
                    Some(pattern) => {
                        let mut set = id_set(
                            part,
                            TextColumn::ApiGroup,
                            std::slice::from_ref(pattern),
                            None,
                            deriver,
                        )?;
                        if pattern.matches("") {
                            set.insert(0);
                        }
                        set
                    }
                    None => IdSet::all(part.strings(TextColumn::ApiGroup)),
                };
                pairs.push([resource, group]);
            }
            if any.iter().all(|(_, group)| group.is_none()) {
                let mut union = IdSet::none(part.strings(TextColumn::Resource));
                for [resource, _] in &pairs {
                    resource.ids().for_each(|id| union.insert(id));
                }
                if negate {
                    union.invert();
                }
                return Ok(Predicate::Ids(TextColumn::Resource, union));
            }
            Predicate::Pairs(Pairs {
                columns: [TextColumn::Resource, TextColumn::ApiGroup],
                any: pairs,
                negate,
            })
        }
        Test::Text { column, any } => match origin(*column) {
            Origin::Text(text) => {
                let mut set = if column.is_list() {
                    list_set(part, text, *column, any)?
                } else {
                    id_set(part, text, any, None, deriver)?
                };
                if negate {
                    set.invert();
                }
                Predicate::Ids(text, set)
            }
            Origin::Number(text) => {
                let mut set = id_set(part, text, any, None, deriver)?;
                if negate {
                    set.invert();
                }
                Predicate::Ids(text, set)
            }
            Origin::Derived(text, derivation) => {
                let mut set = id_set(part, text, any, Some(derivation), deriver)?;
                if negate {
                    set.invert();
                }
                Predicate::Ids(text, set)
            }
            Origin::EffectiveUser => {
                let impersonated = id_set(part, TextColumn::ImpersonatedUser, any, None, deriver)?;
                let user = id_set(part, TextColumn::User, any, None, deriver)?;
                Pairs::effective_user(part, [impersonated, user], negate)
            }
            Origin::RequestUri | Origin::Path | Origin::Command => Predicate::Uri {
                column: *column,
                any: any.clone(),
                absent: false,
                negate,
            },
            Origin::AuditId => {
                let mut exact = Vec::new();
                let mut patterns = Vec::new();
                for pattern in any {
                    match pattern {
                        Pattern::Is(text) => {
                            let (key, odd) = layout::audit_key(text);
                            let id = if odd {
                                part.find(TextColumn::OddAuditId, text)?
                            } else {
                                Some(0)
                            };
                            // An odd id that the dictionary lacks matches no row.
                            if let Some(id) = id {
                                exact.push((key, odd.then_some(id)));
                            }
                        }
                        other => patterns.push(other.clone()),
                    }
                }
                Predicate::AuditId {
                    any: exact,
                    patterns,
                    negate,
                }
            }
            _ => Predicate::Bytes(term.clone()),
        },
        Test::Users { any } => {
            let mut set = users(part, any)?;
            if negate {
                set.invert();
            }
            Predicate::Ids(TextColumn::User, set)
        }
        Test::Number { column, any } => match origin(*column) {
            Origin::Number(text) => {
                let mut set = number_set(part, text, any)?;
                if negate {
                    set.invert();
                }
                Predicate::Ids(text, set)
            }
            Origin::Bytes => Predicate::Bytes(term.clone()),
            _ => Predicate::Number {
                column: *column,
                any: any.clone(),
                absent: false,
                negate,
            },
        },
        Test::Absent { column } => match origin(*column) {
            Origin::Derived(text, derivation) => {
                // A list without an element has a text, from which nothing can be derived.
                let any = [Pattern::Prefix(String::new())];
                let mut set = id_set(part, text, &any, Some(derivation), deriver)?;
                if !negate {
                    set.invert();
                }
                Predicate::Ids(text, set)
            }
            Origin::Text(text) | Origin::Number(text) => {
                let mut set = IdSet::absent(part.strings(text));
                if negate {
                    set.invert();
                }
                Predicate::Ids(text, set)
            }
            Origin::EffectiveUser => {
                let impersonated = IdSet::none(part.strings(TextColumn::ImpersonatedUser));
                let user = IdSet::absent(part.strings(TextColumn::User));
                Pairs::effective_user(part, [impersonated, user], negate)
            }
            Origin::RequestUri | Origin::Path | Origin::Command => Predicate::Uri {
                column: *column,
                any: Vec::new(),
                absent: true,
                negate,
            },
            Origin::Bytes => Predicate::Bytes(term.clone()),
            Origin::ReceivedTime | Origin::LatencyUs => Predicate::Number {
                column: *column,
                any: Vec::new(),
                absent: true,
                negate,
            },
            // What every event has.
            Origin::AuditId
            | Origin::Id
            | Origin::Time
            | Origin::StoredTime
            | Origin::RawBytes
            | Origin::Flag(_) => {
                let mut set = IdSet::none(part.strings(TextColumn::Cluster));
                if negate {
                    set.invert();
                }
                Predicate::Ids(TextColumn::Cluster, set)
            }
        },
    })
}

pub(crate) fn in_any(value: i64, any: &[(i64, i64)]) -> bool {
    any.iter().any(|&(low, high)| (low..=high).contains(&value))
}

/// The stored numbers that a number column comes from, and how.
pub(crate) fn number_sources(column: Column) -> (IntColumn, Option<IntColumn>) {
    match origin(column) {
        Origin::Id => (IntColumn::Id, None),
        Origin::StoredTime => (IntColumn::StoredTime, None),
        Origin::ReceivedTime => (IntColumn::Time, Some(IntColumn::Latency)),
        Origin::LatencyUs => (IntColumn::Latency, None),
        Origin::Flag(_) => (IntColumn::Flags, None),
        Origin::RawBytes => (IntColumn::RawBytes, None),
        _ => (IntColumn::Time, None),
    }
}

/// The number of a column from its sources.
pub(crate) fn number(column: Column, first: i64, second: i64) -> Option<i64> {
    match origin(column) {
        Origin::ReceivedTime => {
            layout::decode_latency(second).map(|latency| first.wrapping_sub(latency))
        }
        Origin::LatencyUs => layout::decode_latency(first),
        Origin::Flag(bit) => Some(i64::from(first & bit != 0)),
        _ => Some(first),
    }
}
