//! A filter decided by a plain loop over normalised events: what an engine's answers are held
//! against.

use std::collections::{BTreeSet, HashMap};

use crate::model::column::Column;
use crate::model::event::{Event, TimeQuality};
use crate::model::normalise::{command, normalise};
use crate::store::filter::{Filter, Pattern, Term, Test};

/// An event's columns, without those that only a store knows.
pub(super) struct Row {
    pub(super) raw: Vec<u8>,
    pub(super) time: i64,
    texts: HashMap<Column, String>,
    numbers: HashMap<Column, i64>,
}

impl Row {
    pub(super) fn text(&self, column: Column) -> Option<&str> {
        self.texts.get(&column).map(String::as_str)
    }

    /// The elements of a list, each once.
    pub(super) fn elements(&self, column: Column) -> BTreeSet<String> {
        elements(self.text(column).unwrap_or("[]"))
    }

    pub(super) fn number(&self, column: Column) -> Option<i64> {
        self.numbers.get(&column).copied()
    }
}

/// The elements of a list, each once.
pub(super) fn elements(json: &str) -> BTreeSet<String> {
    serde_json::from_str(json).unwrap()
}

/// The columns of an event.
pub(super) fn row(cluster: &str, raw: &[u8]) -> Row {
    let (event, _) = normalise(cluster, raw).unwrap();
    let time = event.time.unwrap();
    let mut texts = HashMap::new();
    let mut put = |column, value: Option<String>| {
        value.map(|value| texts.insert(column, value));
    };
    put(Column::Cluster, Some(cluster.to_owned()));
    for (column, value) in columns(&event) {
        put(column, value);
    }
    let numbers = [
        (Column::Code, event.code),
        (Column::ReceivedTime, event.received_time),
        (Column::Time, Some(time)),
        (
            Column::LatencyUs,
            event.received_time.map(|received| time - received),
        ),
        (Column::DryRun, Some(i64::from(event.dry_run))),
        (Column::Truncated, Some(i64::from(event.truncated))),
        (Column::Deprecated, Some(i64::from(event.deprecated))),
        (Column::RawBytes, Some(raw.len() as i64)),
    ];
    Row {
        raw: raw.to_vec(),
        time,
        texts,
        numbers: numbers
            .into_iter()
            .filter_map(|(column, value)| Some((column, value?)))
            .collect(),
    }
}

fn columns(event: &Event<'_>) -> Vec<(Column, Option<String>)> {
    let text =
        |value: &Option<crate::model::event::Text<'_>>| value.as_ref().map(ToString::to_string);
    let hops: Vec<String> = event
        .source_ips
        .as_ref()
        .map_or_else(Vec::new, |json| serde_json::from_str(json).unwrap());
    let uri = text(&event.request_uri);
    let path = uri
        .as_ref()
        .map(|uri| uri.split('?').next().unwrap().to_owned());
    let command = uri
        .as_ref()
        .and_then(|uri| command(uri, event.subresource.as_deref()));
    let quality = match event.time_quality {
        TimeQuality::Stage => None,
        TimeQuality::Received => Some("received".to_owned()),
        TimeQuality::Stored => Some("stored".to_owned()),
    };
    vec![
        (Column::TimeQuality, quality),
        (Column::AuditId, Some(event.audit_id.to_string())),
        (Column::Stage, Some(event.stage.to_string())),
        (Column::Level, Some(event.level.to_string())),
        (Column::Verb, Some(event.verb.to_string())),
        (Column::User, text(&event.user)),
        (Column::UserUid, text(&event.user_uid)),
        (Column::UserGroups, text(&event.user_groups)),
        (Column::ImpersonatedUser, text(&event.impersonated_user)),
        (Column::ImpersonatedGroups, text(&event.impersonated_groups)),
        (
            Column::EffectiveUser,
            text(&event.impersonated_user).or(text(&event.user)),
        ),
        (Column::SourceIp, hops.last().cloned()),
        (Column::ClientIp, hops.first().cloned()),
        (Column::SourceIps, text(&event.source_ips)),
        (Column::UserAgent, text(&event.user_agent)),
        (Column::RequestUri, uri),
        (Column::Path, path),
        (Column::ApiGroup, text(&event.api_group)),
        (Column::ApiVersion, text(&event.api_version)),
        (Column::Resource, text(&event.resource)),
        (Column::Subresource, text(&event.subresource)),
        (Column::Namespace, text(&event.namespace)),
        (Column::Name, text(&event.name)),
        (Column::ObjectUid, text(&event.object_uid)),
        (Column::Reason, text(&event.reason)),
        (Column::Message, text(&event.message)),
        (Column::Outcome, Some(event.outcome.as_str().to_owned())),
        (Column::Decision, text(&event.decision)),
        (Column::DecisionReason, text(&event.decision_reason)),
        (Column::FieldManager, text(&event.field_manager)),
        (Column::Images, text(&event.images)),
        (Column::PodSecurity, text(&event.pod_security)),
        (Column::PodSecrets, text(&event.pod_secrets)),
        (Column::PodServiceAccount, text(&event.pod_service_account)),
        (Column::RoleRef, text(&event.role_ref)),
        (Column::Subjects, text(&event.subjects)),
        (Column::Owner, text(&event.owner)),
        (Column::CredentialId, text(&event.credential_id)),
        (
            Column::IssuedCredentialId,
            text(&event.issued_credential_id),
        ),
        (Column::Command, command),
    ]
}

/// Whether an event matches.
pub(super) fn matches(filter: &Filter, row: &Row) -> bool {
    filter.since.is_none_or(|since| row.time >= since)
        && filter.until.is_none_or(|until| row.time < until)
        && filter.terms.iter().all(|term| holds(term, row))
}

fn holds(term: &Term, row: &Row) -> bool {
    let any_matches = |any: &[Pattern], text: &str| any.iter().any(|pattern| pattern.matches(text));
    let is = match &term.test {
        Test::Text { column, any } if column.is_list() => row
            .elements(*column)
            .iter()
            .any(|element| any_matches(any, element)),
        Test::Text { column, any } => row.text(*column).is_some_and(|text| any_matches(any, text)),
        Test::Users { any } => any
            .iter()
            .any(|user| user.as_deref() == row.text(Column::User)),
        Test::Resource { any } => any.iter().any(|(resource, group)| {
            row.text(Column::Resource)
                .is_some_and(|text| resource.matches(text))
                && group
                    .as_ref()
                    .is_none_or(|group| group.matches(row.text(Column::ApiGroup).unwrap_or("")))
        }),
        Test::Number { column, any } => row.number(*column).is_some_and(|value| {
            any.iter()
                .any(|(low, high)| (*low..=*high).contains(&value))
        }),
        Test::Absent { column } => row.text(*column).is_none() && row.number(*column).is_none(),
        Test::Ended => match row.text(Column::Stage) {
            Some("ResponseComplete" | "Panic") => true,
            Some("ResponseStarted") => row.text(Column::User).is_none(),
            _ => false,
        },
        Test::Contains { any } => any
            .iter()
            .any(|needle| memchr::memmem::find(&row.raw, needle).is_some()),
    };
    is != term.negate
}
