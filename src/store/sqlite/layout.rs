//! Which columns a row is stored in. Everything else of `events` is derived from these or read
//! from the event's bytes.

use crate::model::column::Column;

macro_rules! text_columns {
    ($($variant:ident $number:literal $name:literal $postings:literal,)*) => {
        /// A dictionary-encoded text column. The number is part of the file format.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub(crate) enum TextColumn { $($variant = $number),* }

        impl TextColumn {
            pub(crate) const ALL: &'static [TextColumn] = &[$(TextColumn::$variant),*];

            /// The column's name for people.
            #[allow(dead_code, reason = "the numbers are the file format; the names document them")]
            pub(crate) const fn name(self) -> &'static str {
                match self { $(TextColumn::$variant => $name),* }
            }

            /// Whether a sealed segment keeps, per value, the list of its rows.
            pub(crate) const fn has_postings(self) -> bool {
                match self { $(TextColumn::$variant => $postings),* }
            }
        }
    };
}

text_columns! {
    Cluster 0 "cluster" false,
    Source 1 "source" false,
    Stage 2 "stage" false,
    Level 3 "level" false,
    Verb 4 "verb" true,
    User 5 "user" true,
    UserUid 6 "user_uid" false,
    UserGroups 7 "user_groups" false,
    ImpersonatedUser 8 "impersonated_user" true,
    ImpersonatedGroups 9 "impersonated_groups" false,
    SourceIps 10 "source_ips" true,
    UserAgent 11 "user_agent" true,
    RequestUri 12 "request_uri" false,
    ApiGroup 13 "api_group" false,
    ApiVersion 14 "api_version" false,
    Resource 15 "resource" true,
    Subresource 16 "subresource" true,
    Namespace 17 "namespace" true,
    Name 18 "name" true,
    Code 19 "code" true,
    Reason 20 "reason" false,
    Message 21 "message" false,
    Outcome 22 "outcome" true,
    Decision 23 "decision" false,
    DecisionReason 24 "decision_reason" false,
    FieldManager 25 "field_manager" false,
    TimeQuality 26 "time_quality" false,
    BodyQuality 27 "body_quality" false,
    OddAuditId 28 "odd_audit_id" false,
    Images 29 "images" true,
    PodSecurity 30 "pod_security" true,
    RoleRef 31 "role_ref" true,
    Subjects 32 "subjects" true,
    Owner 33 "owner" true,
    CredentialId 34 "credential_id" false,
    IssuedCredentialId 35 "issued_credential_id" true,
    Exposure 36 "exposure" true,
    Replicas 37 "replicas" false,
    ReplicasAnswered 38 "replicas_answered" false,
    ReplicasObserved 39 "replicas_observed" false,
    PodSecrets 40 "pod_secrets" false,
    PodServiceAccount 41 "pod_service_account" false,
}

/// The version of the facts that are read from events' bytes into columns of their own. A segment
/// of an older version has them derived from its events' bytes, and so has one with fewer columns
/// those that it lacks.
pub(crate) const FACTS_VERSION: u32 = 1;

/// Text columns of a file without facts; those after them are facts.
pub(crate) const PLAIN_TEXT_COLUMNS: usize = TextColumn::Images as usize;

/// Text columns of the first files with facts; a file or block may have any number from here on.
pub(crate) const FIRST_TEXT_COLUMNS: usize = TextColumn::Exposure as usize;

impl TextColumn {
    /// The place among the facts of a column that is one.
    pub(crate) const fn fact(self) -> Option<usize> {
        (self as usize).checked_sub(PLAIN_TEXT_COLUMNS)
    }
}

/// How many text columns there are.
pub(crate) const TEXT_COLUMNS: usize = TextColumn::ALL.len();

/// A column of whole numbers. The number is part of the file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum IntColumn {
    /// Microseconds.
    Time = 64,
    /// 0 for none, otherwise 1 + the zigzag of microseconds from received to this stage.
    Latency = 65,
    /// Microseconds of the commit. Not in a block, whose rows share one.
    StoredTime = 66,
    /// In a block: the order of arrival. In a segment: the event's id.
    Id = 67,
    /// Bits: 1 dry run, 2 truncated, 4 deprecated.
    Flags = 68,
    /// Where the body stands in the clustered order of bodies.
    Rank = 69,
    /// Bytes of the event as received. In a segment kept in the order of ranks, packed.
    RawBytes = 70,
}

impl IntColumn {
    /// Those that a segment keeps as chunks.
    pub(crate) const CHUNKED: &'static [IntColumn] = &[
        IntColumn::Time,
        IntColumn::Latency,
        IntColumn::StoredTime,
        IntColumn::Id,
        IntColumn::Flags,
        IntColumn::Rank,
    ];
}

/// The number of the 16-byte audit id column: the UUID's bytes, or where the id is no UUID in
/// canonical spelling, the first half of its SHA-256 (the text is then in `OddAuditId`).
pub(crate) const AUDIT_COLUMN: u8 = 80;

pub(crate) const FLAG_DRY_RUN: i64 = 1;
pub(crate) const FLAG_TRUNCATED: i64 = 2;
/// A fact: only a segment that holds facts has it right.
pub(crate) const FLAG_DEPRECATED: i64 = 4;

/// How a column of `events` comes about from what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A stored text column.
    Text(TextColumn),
    /// A function of one stored text column.
    Derived(TextColumn, Derivation),
    /// The impersonated user or else the user.
    EffectiveUser,
    /// The request URI: stored as what differs from the object's canonical path.
    RequestUri,
    /// The request URI up to its query.
    Path,
    /// The command parameters of the request URI.
    Command,
    RawBytes,
    AuditId,
    Id,
    Time,
    ReceivedTime,
    StoredTime,
    LatencyUs,
    Flag(i64),
    /// A whole number that is stored as text.
    Number(TextColumn),
    /// Only in the event's bytes.
    Bytes,
}

/// A function from a stored text to a shown one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Derivation {
    /// The hop that no client can forge, over the trusted proxies.
    TrustedHop,
    /// The first recorded address.
    FirstHop,
}

/// Where `column` comes from.
pub(crate) const fn origin(column: Column) -> Origin {
    use TextColumn as T;
    match column {
        Column::Id => Origin::Id,
        Column::Time => Origin::Time,
        Column::ReceivedTime => Origin::ReceivedTime,
        Column::StoredTime => Origin::StoredTime,
        Column::TimeQuality => Origin::Text(T::TimeQuality),
        Column::Cluster => Origin::Text(T::Cluster),
        Column::Source => Origin::Text(T::Source),
        Column::AuditId => Origin::AuditId,
        Column::Stage => Origin::Text(T::Stage),
        Column::Level => Origin::Text(T::Level),
        Column::Verb => Origin::Text(T::Verb),
        Column::User => Origin::Text(T::User),
        Column::UserUid => Origin::Text(T::UserUid),
        Column::UserGroups => Origin::Text(T::UserGroups),
        Column::ImpersonatedUser => Origin::Text(T::ImpersonatedUser),
        Column::ImpersonatedGroups => Origin::Text(T::ImpersonatedGroups),
        Column::EffectiveUser => Origin::EffectiveUser,
        Column::SourceIp => Origin::Derived(T::SourceIps, Derivation::TrustedHop),
        Column::ClientIp => Origin::Derived(T::SourceIps, Derivation::FirstHop),
        Column::SourceIps => Origin::Text(T::SourceIps),
        Column::UserAgent => Origin::Text(T::UserAgent),
        Column::RequestUri => Origin::RequestUri,
        Column::Path => Origin::Path,
        Column::ApiGroup => Origin::Text(T::ApiGroup),
        Column::ApiVersion => Origin::Text(T::ApiVersion),
        Column::Resource => Origin::Text(T::Resource),
        Column::Subresource => Origin::Text(T::Subresource),
        Column::Namespace => Origin::Text(T::Namespace),
        Column::Name => Origin::Text(T::Name),
        Column::Code => Origin::Number(T::Code),
        Column::Reason => Origin::Text(T::Reason),
        Column::Message => Origin::Text(T::Message),
        Column::Outcome => Origin::Text(T::Outcome),
        Column::Decision => Origin::Text(T::Decision),
        Column::DecisionReason => Origin::Text(T::DecisionReason),
        Column::DryRun => Origin::Flag(FLAG_DRY_RUN),
        Column::FieldManager => Origin::Text(T::FieldManager),
        Column::LatencyUs => Origin::LatencyUs,
        Column::BodyQuality => Origin::Text(T::BodyQuality),
        Column::Truncated => Origin::Flag(FLAG_TRUNCATED),
        Column::Images => Origin::Text(T::Images),
        Column::PodSecurity => Origin::Text(T::PodSecurity),
        Column::PodSecrets => Origin::Text(T::PodSecrets),
        Column::PodServiceAccount => Origin::Text(T::PodServiceAccount),
        Column::RoleRef => Origin::Text(T::RoleRef),
        Column::Subjects => Origin::Text(T::Subjects),
        Column::Owner => Origin::Text(T::Owner),
        Column::Exposure => Origin::Text(T::Exposure),
        Column::Replicas => Origin::Number(T::Replicas),
        Column::ReplicasAnswered => Origin::Number(T::ReplicasAnswered),
        Column::ReplicasObserved => Origin::Number(T::ReplicasObserved),
        Column::CredentialId => Origin::Text(T::CredentialId),
        Column::IssuedCredentialId => Origin::Text(T::IssuedCredentialId),
        Column::Command => Origin::Command,
        Column::Deprecated => Origin::Flag(FLAG_DEPRECATED),
        Column::RawBytes => Origin::RawBytes,
        Column::UserExtra
        | Column::ObjectUid
        | Column::Annotations
        | Column::RequestObject
        | Column::ResponseObject
        | Column::Raw
        | Column::Sha256 => Origin::Bytes,
    }
}

/// Whether a column is a fact, which older segments do not hold.
pub(crate) const fn is_fact(column: Column) -> bool {
    match origin(column) {
        Origin::Text(text) | Origin::Number(text) => text.fact().is_some(),
        Origin::Flag(flag) => flag == FLAG_DEPRECATED,
        Origin::RawBytes => true,
        _ => false,
    }
}

/// Latency as stored.
pub(crate) fn encode_latency(time: i64, received: Option<i64>) -> i64 {
    match received {
        None => 0,
        Some(received) => {
            let delta = time.wrapping_sub(received);
            // Zigzag keeps small negative differences (a clock that stepped back) small.
            (((delta << 1) ^ (delta >> 63)) as u64).wrapping_add(1) as i64
        }
    }
}

/// Microseconds from received to stage, if the received time is known.
pub(crate) fn decode_latency(stored: i64) -> Option<i64> {
    if stored == 0 {
        return None;
    }
    let zigzag = (stored as u64).wrapping_sub(1);
    Some(((zigzag >> 1) as i64) ^ -((zigzag & 1) as i64))
}

/// The 16 stored bytes of an audit id, and whether its text must be kept beside them.
pub(crate) fn audit_key(text: &str) -> ([u8; 16], bool) {
    match parse_uuid(text.as_bytes()) {
        Some(key) => (key, false),
        None => {
            use sha2::{Digest, Sha256};
            let digest = Sha256::digest(text.as_bytes());
            let mut key = [0; 16];
            key.copy_from_slice(&digest[..16]);
            (key, true)
        }
    }
}

/// Parses a UUID in canonical lower-case spelling only, so that writing it back gives the bytes.
fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut key = [0u8; 16];
    let mut nibble = 0;
    for (position, &byte) in text.iter().enumerate() {
        if matches!(position, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        key[nibble / 2] |= value << if nibble % 2 == 0 { 4 } else { 0 };
        nibble += 1;
    }
    Some(key)
}

/// The canonical spelling of a UUID.
pub(crate) fn uuid_text(key: &[u8; 16]) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut position = 0;
    for (index, byte) in key.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            position += 1;
        }
        text[position] = HEX[(byte >> 4) as usize];
        text[position + 1] = HEX[(byte & 15) as usize];
        position += 2;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_ids_round_trip() {
        let text = "5ecb2519-9220-4857-87e2-12168a0e0e0e";
        let (key, odd) = audit_key(text);
        assert!(!odd);
        assert_eq!(&uuid_text(&key), text.as_bytes());
        for odd_text in [
            "",
            "x",
            "5ECB2519-9220-4857-87E2-12168A0E0E0E",
            "5ecb2519_9220-4857-87e2-12168a0e0e0e",
        ] {
            assert!(audit_key(odd_text).1, "{odd_text}");
        }
    }

    #[test]
    fn latencies_round_trip() {
        for (time, received) in [
            (5, Some(5)),
            (5, Some(9)),
            (9, Some(5)),
            (0, None),
            (i64::MAX / 2, Some(i64::MIN / 4)),
        ] {
            let stored = encode_latency(time, received);
            assert_eq!(
                decode_latency(stored),
                received.map(|received| time - received)
            );
        }
    }
}
