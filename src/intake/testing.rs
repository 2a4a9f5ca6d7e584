//! A stand-in for normalising and for a store's batch, which records what it is given.

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use crate::model::event::{Event, Spans, TimeQuality};
use crate::model::normalise::Reject;
use crate::model::outcome::Outcome;
use crate::store::{Batch, QuarantineBytes, QuarantineItem, Receipt, Result, StoreError};

/// Takes everything that has an `auditID`.
pub(super) fn normalise<'a>(_: &str, raw: &'a [u8]) -> Result<(Event<'a>, [u8; 16]), Reject> {
    if memchr::memmem::find(raw, b"\"auditID\"").is_none() {
        return Err(Reject("no auditID".into()));
    }
    Ok((event(), [0; 16]))
}

pub(super) fn event() -> Event<'static> {
    Event {
        time: None,
        time_quality: TimeQuality::Stored,
        received_time: None,
        audit_id: "".into(),
        stage: "".into(),
        level: "".into(),
        verb: "".into(),
        user: None,
        user_uid: None,
        user_groups: None,
        user_extra: None,
        impersonated_user: None,
        impersonated_groups: None,
        source_ips: None,
        user_agent: None,
        request_uri: None,
        api_group: None,
        api_version: None,
        resource: None,
        subresource: None,
        namespace: None,
        name: None,
        object_uid: None,
        code: None,
        reason: None,
        message: None,
        outcome: Outcome::Pending,
        decision: None,
        decision_reason: None,
        dry_run: false,
        field_manager: None,
        annotations: None,
        images: None,
        pod_security: None,
        pod_secrets: None,
        pod_service_account: None,
        role_ref: None,
        subjects: None,
        owner: None,
        exposure: None,
        replicas: None,
        replicas_answered: None,
        replicas_observed: None,
        credential_id: None,
        issued_credential_id: None,
        deprecated: false,
        request_object: None,
        response_object: None,
        body_quality: None,
        truncated: false,
        spans: Spans::default(),
    }
}

/// What batches were given and committed.
#[derive(Debug, Default, Clone)]
pub(super) struct Committed {
    pub(super) commits: usize,
    pub(super) events: Vec<Vec<u8>>,
    /// Bytes, reason, origin.
    pub(super) quarantine: Vec<(Vec<u8>, String, String)>,
    /// Fail from this commit on.
    pub(super) fail_at: Option<usize>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Recording(pub(super) Arc<Mutex<Committed>>);

impl Recording {
    pub(super) fn open(&self) -> Box<dyn Batch> {
        Box::new(RecordingBatch {
            to: self.clone(),
            events: Vec::new(),
            quarantine: Vec::new(),
        })
    }

    pub(super) fn committed(&self) -> Committed {
        self.0.lock().unwrap().clone()
    }
}

struct RecordingBatch {
    to: Recording,
    events: Vec<Vec<u8>>,
    quarantine: Vec<(Vec<u8>, String, String)>,
}

impl Batch for RecordingBatch {
    fn event(&mut self, _: &Event<'_>, raw: &[u8], _: [u8; 16]) {
        self.events.push(raw.to_vec());
    }

    fn quarantine(&mut self, item: QuarantineItem<'_>) {
        let bytes = match item.bytes {
            QuarantineBytes::Slice(bytes) => bytes.to_vec(),
            QuarantineBytes::File {
                file,
                offset,
                bytes,
            } => {
                let mut kept = vec![0; bytes as usize];
                file.read_exact_at(&mut kept, offset).unwrap();
                kept
            }
        };
        self.quarantine
            .push((bytes, item.reason.to_owned(), item.origin.to_owned()));
    }

    fn bytes(&self) -> usize {
        0
    }

    fn commit(self: Box<Self>) -> Result<Receipt> {
        let mut to = self.to.0.lock().unwrap();
        if to.fail_at.is_some_and(|at| to.commits >= at) {
            return Err(StoreError::Unavailable("the disk is full".into()));
        }
        to.commits += 1;
        let receipt = Receipt {
            stored: self.events.len() as u64,
            duplicates: 0,
            quarantined: self.quarantine.len() as u64,
        };
        to.events.extend(self.events);
        to.quarantine.extend(self.quarantine);
        Ok(receipt)
    }
}

/// Reads a request head and its body from a socket.
pub(super) fn read_request(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(str::to_owned)
        })
        .expect("a body has a length");
    let mut body = vec![0; length.trim().parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}
