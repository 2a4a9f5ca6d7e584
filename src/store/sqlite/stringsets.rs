//! Which strings of a part are as a condition says, as sets of their ids.

use std::ops::ControlFlow;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::deriver::Deriver;
use super::idset::IdSet;
use super::layout::{Derivation, TextColumn};
use super::part::Part;
use super::predicate::in_any;
use crate::model::column::Column;
use crate::store::Result;
use crate::store::filter::Pattern;

/// Whether the value of a column matches any of the patterns; of a list any element does.
pub(crate) fn text_matches(column: Column, text: &str, any: &[Pattern]) -> bool {
    let matches = |text: &str| any.iter().any(|pattern| pattern.matches(text));
    if !column.is_list() {
        return matches(text);
    }
    // Reading a list costs more than finding out that it does not hold the text at all.
    let may = any.iter().any(|pattern| match pattern {
        Pattern::Is(wanted) => text.contains(wanted.as_str()) || text.contains('\\'),
        _ => true,
    });
    may && crate::model::json::texts(text)
        .iter()
        .any(|element| matches(element))
}

/// The ids whose strings (or what is derived from them) match any of the patterns.
pub(super) fn id_set(
    part: &Part,
    column: TextColumn,
    any: &[Pattern],
    derivation: Option<Derivation>,
    deriver: &Deriver,
) -> Result<IdSet> {
    let mut set = IdSet::none(part.strings(column));
    let all_exact =
        derivation.is_none() && any.iter().all(|pattern| matches!(pattern, Pattern::Is(_)));
    if all_exact {
        for pattern in any {
            if let Pattern::Is(text) = pattern
                && let Some(id) = part.find(column, text)?
            {
                set.insert(id);
            }
        }
        return Ok(set);
    }
    // Searching for what patterns hold in many strings at once is much faster than matching each.
    let literals: Option<Vec<&str>> = any.iter().map(Pattern::literal).collect();
    let literals = literals.filter(|_| derivation.is_none());
    let finders: Option<Vec<Finder<'_>>> =
        literals.map(|literals| literals.into_iter().map(Finder::new).collect());
    let may = |texts: &str| {
        let found = |finder: &Finder<'_>| finder.find(texts.as_bytes()).is_some();
        (finders.as_ref()).is_none_or(|finders| finders.iter().any(found))
    };
    part.each_string_where(column, &may, &mut |id, text| {
        let matches = match derivation {
            None => any.iter().any(|pattern| pattern.matches(text)),
            Some(derivation) => deriver
                .derive(derivation, text)
                .is_some_and(|derived| any.iter().any(|pattern| pattern.matches(&derived))),
        };
        if matches {
            set.insert(id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(set)
}

/// The ids of users, who ascend, 0 if they begin with `None`.
pub(super) fn users(part: &Part, any: &[Option<Arc<str>>]) -> Result<IdSet> {
    let column = TextColumn::User;
    let mut set = IdSet::none(part.strings(column));
    if let Some(None) = any.first() {
        set.insert(0);
    }
    match part {
        // Its strings are in no order, but few.
        Part::Block(..) => part.each_string(column, &mut |id, text| {
            if (any.binary_search_by(|user| user.as_deref().cmp(&Some(text)))).is_ok() {
                set.insert(id);
            }
            ControlFlow::Continue(())
        })?,
        Part::Sealed(_) => {
            for user in any.iter().flatten() {
                if let Some(id) = part.find(column, user)? {
                    set.insert(id);
                }
            }
        }
    }
    Ok(set)
}

/// The ids of lists that hold an element which matches any of the patterns.
pub(super) fn list_set(
    part: &Part,
    text: TextColumn,
    column: Column,
    any: &[Pattern],
) -> Result<IdSet> {
    let mut set = IdSet::none(part.strings(text));
    part.each_string(text, &mut |id, json| {
        if text_matches(column, json, any) {
            set.insert(id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(set)
}

/// The ids of numbers that lie in any of the ranges.
pub(super) fn number_set(part: &Part, column: TextColumn, any: &[(i64, i64)]) -> Result<IdSet> {
    let mut set = IdSet::none(part.strings(column));
    part.each_string(column, &mut |id, text| {
        if text.parse::<i64>().is_ok_and(|number| in_any(number, any)) {
            set.insert(id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(set)
}
