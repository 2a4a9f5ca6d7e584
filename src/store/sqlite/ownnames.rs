//! The index of n-grams leaves out where bodies name their rows' own users: most of the blocks that
//! hold a user's name hold it there, and who looks for it elsewhere should not read them.
//!
//! What is left out are windows that lie within the name. A text that has as much in common with a
//! name may be in the bodies of that user's rows, and these are found by their lists.

use std::ops::{ControlFlow, Range};

use memchr::memmem::Finder;

use super::layout::TextColumn;
use super::ngrams::WINDOW;
use super::part::Part;
use super::sealed::Sealed;
use crate::store::{Budget, Result};

/// Looks for users' names in their bodies, many of one user after the other.
#[derive(Default)]
pub(crate) struct OwnName {
    finder: Option<Finder<'static>>,
}

impl OwnName {
    /// The pieces of a body that have all of its windows but those within `name`.
    pub(crate) fn around(&mut self, body: &[u8], name: &str, pieces: &mut Vec<Range<usize>>) {
        pieces.clear();
        let mut begin = 0;
        if name.len() >= WINDOW {
            let known = self.finder.take();
            let known = known.filter(|finder| finder.needle() == name.as_bytes());
            let new = || Finder::new(name).into_owned();
            let finder = self.finder.insert(known.unwrap_or_else(new));
            for at in finder.find_iter(body) {
                // As far into the name as windows reach that do not lie within it.
                pieces.push(begin..at + WINDOW - 1);
                begin = at + name.len() + 1 - WINDOW;
            }
        }
        pieces.push(begin..body.len());
    }
}

/// Whether a text can stand so that at least a window of it lies within a name.
fn reaches(text: &[u8], name: &[u8]) -> bool {
    let least = text.len().min(name.len());
    if least < WINDOW {
        return false;
    }
    let across = |size: usize| {
        text[..size] == name[name.len() - size..] || text[text.len() - size..] == name[..size]
    };
    let (short, long) = match text.len() < name.len() {
        true => (text, name),
        false => (name, text),
    };
    (WINDOW..=least).any(across) || memchr::memmem::find(long, short).is_some()
}

/// The blocks, ascending, with bodies of rows in a range in whose own users' names any of the texts
/// may stand; of the users only those that `wanted` says, by string id.
pub(crate) fn blocks_reached(
    sealed: &Sealed,
    part: &Part,
    texts: &[&[u8]],
    wanted: &dyn Fn(u32) -> bool,
    range: (u32, u32),
    budget: &Budget,
) -> Result<Vec<usize>> {
    let mut users = Vec::new();
    part.each_string(TextColumn::User, &mut |user, name| {
        let reached = |text: &&[u8]| reaches(text, name.as_bytes());
        if wanted(user) && texts.iter().any(reached) {
            users.push(user);
        }
        ControlFlow::Continue(())
    })?;
    if users.is_empty() {
        return Ok(Vec::new());
    }
    budget.check()?;
    let listed = sealed.rows_with(TextColumn::User, &users)?;
    let ranks = part.ranks_of(range, &|_, rows| {
        budget.check()?;
        Ok(rows.filter(|&row| listed.holds(row)).collect())
    })?;
    part.frames_holding(&ranks)
}

#[cfg(test)]
mod tests;
