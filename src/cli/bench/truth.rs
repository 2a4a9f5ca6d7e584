//! What the questions must find: computed from the lines by a plain pass with serde_json, which
//! shares nothing with the store.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::lines::{Lines, without_kind};
use super::targets::Targets;

/// The parts of an event that the questions are about.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "auditID", borrow)]
    pub audit_id: Cow<'a, str>,
    #[serde(borrow)]
    pub stage: Cow<'a, str>,
    #[serde(borrow)]
    pub verb: Cow<'a, str>,
    #[serde(borrow, default)]
    pub user: User<'a>,
    #[serde(rename = "sourceIPs", borrow, default)]
    pub source_ips: Vec<Cow<'a, str>>,
    #[serde(rename = "objectRef", borrow, default)]
    pub object: Object<'a>,
    #[serde(rename = "responseStatus", default)]
    pub status: Status,
    #[serde(rename = "stageTimestamp", borrow)]
    pub time: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
pub(super) struct User<'a> {
    #[serde(borrow)]
    pub username: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Default)]
pub(super) struct Object<'a> {
    #[serde(borrow, default)]
    pub resource: Cow<'a, str>,
    #[serde(borrow, default)]
    pub namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
pub(super) struct Status {
    #[serde(default)]
    pub code: i64,
}

/// The answers.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub events: u64,
    pub raw_bytes: u64,
    /// Audit IDs, sorted.
    pub deleted: Vec<String>,
    pub user_in_hour: Vec<String>,
    pub secrets_read: Vec<String>,
    pub with_needle: Vec<String>,
    pub by_verb: BTreeMap<String, u64>,
    pub denied: BTreeMap<String, u64>,
    /// Writes by hour: `2026-01-05T13`.
    pub writes_by_hour: BTreeMap<String, u64>,
    pub addresses: BTreeSet<String>,
    /// Events in the minute of the targets.
    pub in_minute: u64,
    /// Lines as a webhook sends them: number and sum of hashes.
    pub one: Export,
    pub export: Export,
}

/// A set of lines, whatever their order.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Export {
    pub lines: u64,
    hashes: u64,
}

impl Export {
    /// Adds a line, with or without its kind.
    pub(super) fn add(&mut self, line: &[u8]) {
        self.lines += 1;
        let line = without_kind(line);
        self.hashes = self.hashes.wrapping_add(xxh3_64(line));
    }
}

pub(super) const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// Reads every line once.
pub(super) fn compute(path: &Path, targets: &Targets) -> anyhow::Result<Truth> {
    let mut lines = Lines::open(path)?;
    let mut truth = Truth::default();
    let mut line = Vec::new();
    let needle = targets.needle.as_deref().map(str::as_bytes);
    let needle = needle.map(memchr::memmem::Finder::new);
    while lines.next_into(&mut line)? {
        truth
            .add(&line, targets, needle.as_ref())
            .with_context(|| {
                format!(
                    "line {} of {} is no event that the benchmark can check",
                    truth.events + 1,
                    path.display()
                )
            })?;
    }
    for list in [
        &mut truth.deleted,
        &mut truth.user_in_hour,
        &mut truth.secrets_read,
        &mut truth.with_needle,
    ] {
        list.sort_unstable();
    }
    Ok(truth)
}

impl Truth {
    fn add(
        &mut self,
        line: &[u8],
        targets: &Targets,
        needle: Option<&memchr::memmem::Finder<'_>>,
    ) -> anyhow::Result<()> {
        let event: Line<'_> = serde_json::from_slice(line)?;
        self.events += 1;
        self.raw_bytes += line.len() as u64;
        let audit_id = || event.audit_id.to_string();
        let Object {
            resource,
            namespace,
            name,
        } = &event.object;
        let complete = event.stage == "ResponseComplete";
        let user = event.user.username.as_deref();
        let ours = user == Some(targets.user.as_str());
        let object = (&**resource, &**namespace, &**name);
        let (target_resource, target_namespace, target_name) = &targets.object;
        if complete
            && event.verb == "delete"
            && object == (target_resource, target_namespace, target_name)
        {
            self.deleted.push(audit_id());
        }
        if ours {
            if targets.hour.contains(&event.time) {
                self.user_in_hour.push(audit_id());
            }
            if let Some(address) = event.source_ips.last() {
                self.addresses.insert(address.to_string());
            }
            self.export.add(line);
        }
        if complete
            && event.status.code == 200
            && resource == "secrets"
            && **namespace == *targets.secrets_namespace
            && matches!(&*event.verb, "get" | "list" | "watch")
        {
            self.secrets_read.push(audit_id());
        }
        if needle.is_some_and(|needle| needle.find(line).is_some()) {
            self.with_needle.push(audit_id());
        }
        *entry(&mut self.by_verb, &event.verb) += 1;
        if event.status.code == 403 {
            *entry(&mut self.denied, user.unwrap_or_default()) += 1;
        }
        if complete && WRITES.contains(&&*event.verb) {
            let hour = event.time.get(..13).context("a short time")?;
            *entry(&mut self.writes_by_hour, hour) += 1;
        }
        if targets.minute.contains(&event.time) {
            self.in_minute += 1;
        }
        if *event.audit_id == *targets.audit_id {
            self.one.add(line);
        }
        Ok(())
    }
}

fn entry<'m>(map: &'m mut BTreeMap<String, u64>, key: &str) -> &'m mut u64 {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), 0);
    }
    map.get_mut(key).expect("just put in")
}
