//! Of a count whose groups come in the order of an amount, the greatest first, the groups of those
//! users who have the most of it: no other user's group has more than that user. So the first groups
//! are known without telling apart those of everybody. Only a statement that reads on has everybody's
//! counted.

use std::sync::Arc;

use super::groups::Asked;
use crate::model::column::Column;
use crate::store::filter::{Filter, Pattern, Test};
use crate::store::sqlite::grouporder::SortedBy;
use crate::store::sqlite::measures::Measures;
use crate::store::sqlite::shares::Share;
use crate::store::sqlite::totals::Totals;
use crate::store::{CountQuery, Result};

/// How many users' groups are counted first; tests have few.
const USERS: usize = if cfg!(test) { 2 } else { 256 };

/// So many times as many users make it worth their own count.
const WORTH: usize = 4;

/// The users who have the most of an amount.
pub(super) struct Foremost {
    pub(super) users: Arc<[Option<Arc<str>>]>,
    amount: SortedBy,
    /// The most that any other user has.
    next: i64,
}

impl Foremost {
    /// Whether a group of theirs comes before those of all others.
    pub(super) fn come_first(&self, totals: &Totals, group: usize) -> bool {
        (totals.amount(self.amount, group as u32)).is_some_and(|amount| amount > self.next)
    }
}

/// The users whose groups come first; `None` where counting everybody's groups is as good.
pub(super) fn users(asked: &Asked) -> Result<Option<Foremost>> {
    let query = &asked.query;
    let by_user = query.by.contains(&Column::User);
    let others = query.by.len() > 1;
    // A part that turns out to be damaged in one of the counts would be left out of that one only.
    if !by_user || !others || asked.tops || query.skip_damaged || names_users(&query.filter) {
        return Ok(None);
    }
    // Elsewhere rows are gone through, for each count once more.
    let of_events = |share: &Share| share.is_of_events();
    if asked.measures.of_events()
        || asked.measures.shares.iter().any(of_events)
        || !asked.session.is_summed(query)
    {
        return Ok(None);
    }
    let (amount, measures) = match asked.order.first() {
        Some((SortedBy::Events, true)) => (SortedBy::Events, Measures::default()),
        Some(&(SortedBy::Share(at), true)) => {
            let shares = vec![asked.measures.shares[at]];
            let measures = Measures {
                shares,
                short_us: asked.measures.short_us,
                ..Measures::default()
            };
            (SortedBy::Share(0), measures)
        }
        _ => return Ok(None),
    };
    let by_user = CountQuery {
        by: vec![Column::User],
        step: None,
        ..query.clone()
    };
    let totals = asked.session.count(&by_user, &measures)?.totals;
    if totals.len() < USERS * WORTH {
        return Ok(None);
    }
    let of = |&user: &u32| std::cmp::Reverse(totals.amount(amount, user));
    let mut users: Vec<u32> = (0..totals.len() as u32).collect();
    let (first, next, _) = users.select_nth_unstable_by_key(USERS, of);
    let name = |&user: &u32| Some(totals.text(0, totals.group_id(user, 0))?.into());
    let mut names: Vec<Option<Arc<str>>> = first.iter().map(name).collect();
    names.sort_unstable();
    Ok(Some(Foremost {
        users: names.into(),
        amount: asked.order[0].0,
        next: totals.amount(amount, *next).unwrap_or(0),
    }))
}

/// Whether few users are asked for.
fn names_users(filter: &Filter) -> bool {
    filter.terms.iter().any(|term| match &term.test {
        Test::Text {
            column: Column::User,
            any,
        } => !term.negate && any.iter().all(|user| matches!(user, Pattern::Is(_))),
        _ => false,
    })
}
