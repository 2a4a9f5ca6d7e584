//! What a row is made of: cells that are its own, and runs of cells that it shares with others.

use super::known::{KEY_NUMBERS, Known};
use crate::model::column::Column;
use crate::store::sqlite::layout::{Origin, TextColumn, origin};
use crate::store::sqlite::rowreader::Stored;
use crate::store::sqlite::uricolumns::UriColumns;

/// A step in writing a row.
pub(super) enum Step {
    /// A cell that is written anew for every row, and its place.
    Own(usize, Column),
    /// Cells that follow from stored numbers, and where these are among what is gathered.
    Shared {
        columns: Vec<(usize, Column)>,
        from: Vec<usize>,
        known: Known,
    },
}

/// The steps for a row of these columns, and what is to be gathered for them.
pub(super) fn plan(columns: &[Column]) -> (Vec<Step>, Vec<Stored>) {
    let mut steps = Vec::new();
    let mut stored: Vec<Stored> = Vec::new();
    let mut family = None;
    for (place, &column) in columns.iter().enumerate() {
        let Some(sources) = sources(column) else {
            steps.push(Step::Own(place, column));
            family = None;
            continue;
        };
        let sources = sources.into_iter().map(|source| {
            let at = stored.iter().position(|&known| known == source);
            at.unwrap_or_else(|| {
                stored.push(source);
                stored.len() - 1
            })
        });
        let sources: Vec<usize> = sources.collect();
        let related = family.is_some() && family == family_of(column);
        family = family_of(column);
        if let Some(Step::Shared { columns, from, .. }) = steps.last_mut()
            && related
        {
            let mut both = from.clone();
            both.extend(sources.iter().filter(|source| !from.contains(source)));
            if both.len() <= KEY_NUMBERS {
                columns.push((place, column));
                *from = both;
                continue;
            }
        }
        steps.push(Step::Shared {
            columns: vec![(place, column)],
            from: sources,
            known: Known::default(),
        });
    }
    (steps, stored)
}

/// The stored numbers that alone decide a cell; `None` for one that few rows share.
fn sources(column: Column) -> Option<Vec<Stored>> {
    match origin(column) {
        Origin::Text(text) | Origin::Derived(text, _) => Some(vec![Stored::Text(text)]),
        Origin::Code => Some(vec![Stored::Text(TextColumn::Code)]),
        Origin::EffectiveUser => {
            let users = [TextColumn::ImpersonatedUser, TextColumn::User];
            Some(users.map(Stored::Text).to_vec())
        }
        Origin::RequestUri | Origin::Path => Some(UriColumns::ORDER.map(Stored::Text).to_vec()),
        Origin::Flag(_) => Some(vec![Stored::Flags]),
        Origin::Command
        | Origin::AuditId
        | Origin::Id
        | Origin::Time
        | Origin::ReceivedTime
        | Origin::StoredTime
        | Origin::LatencyUs
        | Origin::RawBytes
        | Origin::Bytes => None,
    }
}

/// Columns of a family say much the same, so that together they have hardly more different values
/// than alone: neighbours are copied at once.
fn family_of(column: Column) -> Option<u8> {
    Some(match column {
        Column::TimeQuality | Column::Cluster | Column::Source => 0,
        Column::Stage | Column::Level | Column::Verb => 1,
        Column::User
        | Column::UserUid
        | Column::UserGroups
        | Column::ImpersonatedUser
        | Column::ImpersonatedGroups
        | Column::EffectiveUser => 2,
        Column::SourceIp | Column::ClientIp | Column::SourceIps => 3,
        Column::RequestUri | Column::Path => 4,
        Column::ApiGroup | Column::ApiVersion | Column::Resource | Column::Subresource => 5,
        Column::Code | Column::Reason => 6,
        Column::Outcome | Column::Decision => 7,
        Column::DryRun | Column::FieldManager => 8,
        Column::Images
        | Column::PodSecurity
        | Column::RoleRef
        | Column::Subjects
        | Column::Owner
        | Column::CredentialId
        | Column::IssuedCredentialId => 9,
        Column::BodyQuality | Column::Truncated => 10,
        _ => return None,
    })
}
