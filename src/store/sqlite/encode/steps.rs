//! What a row is made of: cells that are its own, and runs of cells that it shares with others.

use crate::model::column::Column;
use crate::store::sqlite::layout::{Origin, TextColumn, origin};
use crate::store::sqlite::rowreader::Stored;
use crate::store::sqlite::uricolumns::UriColumns;

/// A step in writing a row: neighbouring columns with their places in the row, and the stored
/// numbers that their text follows from; none for a cell that is made anew for every row.
pub(super) struct Step {
    pub(super) columns: Vec<(usize, Column)>,
    pub(super) from: Vec<Stored>,
}

/// The steps for a row of these columns.
pub(super) fn plan(columns: &[Column]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (place, &column) in columns.iter().enumerate() {
        let from = sources(column);
        let related = |step: &&mut Step| {
            let last = step.columns.last().and_then(|&(_, last)| family(last));
            last.is_some() && last == family(column)
        };
        if let Some(step) = steps.last_mut().filter(related) {
            step.columns.push((place, column));
            for source in from {
                if !step.from.contains(&source) {
                    step.from.push(source);
                }
            }
            continue;
        }
        let columns = vec![(place, column)];
        steps.push(Step { columns, from });
    }
    steps
}

/// The stored numbers that alone decide a cell; none for one that few rows share.
fn sources(column: Column) -> Vec<Stored> {
    match origin(column) {
        Origin::Text(text) | Origin::Number(text) | Origin::Derived(text, _) => {
            vec![Stored::Text(text)]
        }
        Origin::EffectiveUser => {
            let users = [TextColumn::ImpersonatedUser, TextColumn::User];
            users.map(Stored::Text).to_vec()
        }
        Origin::RequestUri | Origin::Path => UriColumns::ORDER.map(Stored::Text).to_vec(),
        Origin::Flag(_) => vec![Stored::Flags],
        Origin::Command
        | Origin::AuditId
        | Origin::Id
        | Origin::Time
        | Origin::ReceivedTime
        | Origin::StoredTime
        | Origin::LatencyUs
        | Origin::RawBytes
        | Origin::Bytes => Vec::new(),
    }
}

/// Columns of a family say much the same, so that together they have hardly more different values
/// than alone: neighbours are copied at once. All of them have sources.
fn family(column: Column) -> Option<u8> {
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
        | Column::PodSecrets
        | Column::PodServiceAccount
        | Column::RoleRef
        | Column::Subjects
        | Column::Owner
        | Column::CredentialId
        | Column::IssuedCredentialId => 9,
        Column::BodyQuality | Column::Truncated => 10,
        Column::Exposure
        | Column::Replicas
        | Column::ReplicasAnswered
        | Column::ReplicasObserved => 11,
        _ => return None,
    })
}
