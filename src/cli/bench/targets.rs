//! What the questions ask about: the generated incident, planted needles, or what a file has.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use super::lines::Lines;
use super::truth::Line;
use crate::generate::Incident;
use crate::model::time;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

/// Lines that are looked at for something to ask about.
const LOOKED_AT: u64 = 200_000;

/// A time range as events spell it, which sorts as text.
#[derive(Debug)]
pub(super) struct Range {
    pub from: String,
    pub until: String,
}

impl Range {
    /// `before` until `after` around `time`, microseconds.
    fn around(at: i64, before: i64, after: i64) -> Range {
        Range {
            from: time::to_text(at - before),
            until: time::to_text(at + after),
        }
    }

    pub(super) fn contains(&self, time: &str) -> bool {
        *self.from <= *time && *time < *self.until
    }
}

/// What is asked about.
#[derive(Debug)]
pub(super) struct Targets {
    /// Resource, namespace and name of a deleted object.
    pub object: (String, String, String),
    pub user: String,
    pub hour: Range,
    pub minute: Range,
    pub secrets_namespace: String,
    pub audit_id: String,
    /// Text only in a request body.
    pub needle: Option<String>,
}

impl Targets {
    pub(super) fn of_incident(incident: &Incident) -> Option<Targets> {
        let step = incident.step("delete", "deployments", incident.deployment)?;
        Some(Targets {
            object: (
                "deployments".to_owned(),
                incident.namespace.to_owned(),
                incident.deployment.to_owned(),
            ),
            user: incident.actor.clone(),
            hour: Range::around(step.time, HOUR / 2, HOUR / 2),
            minute: Range::around(step.time, MINUTE / 2, MINUTE / 2),
            secrets_namespace: incident.namespace.to_owned(),
            audit_id: step.audit_id.clone(),
            needle: Some(incident.needle.to_owned()),
        })
    }

    /// From a needles file: `{"items":[{"kind","auditID","user","stageTimestamp",...}]}` with items
    /// of the kinds `deployment_delete`, `secret_read` and `body_string`.
    pub(super) fn of_needles(path: &Path) -> anyhow::Result<Targets> {
        let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let needles: Needles =
            serde_json::from_slice(&text).with_context(|| format!("{}", path.display()))?;
        let find = |kind: &str| {
            let of_kind = |needle: &&Needle| {
                needle.kind == kind && needle.code.is_none_or(|code| code == 200)
            };
            let missing = || format!("no {kind} in {}", path.display());
            needles.items.iter().find(of_kind).with_context(missing)
        };
        let deleted = find("deployment_delete")?;
        let name = deleted.name.clone().context("no name of the deployment")?;
        let at = time::parse_instant(&deleted.time).context("no time of the deletion")?;
        Ok(Targets {
            object: ("deployments".to_owned(), deleted.namespace.clone(), name),
            user: deleted.user.clone(),
            hour: Range::around(at, HOUR / 2, HOUR / 2),
            minute: Range::around(at, MINUTE / 2, MINUTE / 2),
            secrets_namespace: find("secret_read")?.namespace.clone(),
            audit_id: deleted.audit_id.clone(),
            needle: find("body_string")?.needle.clone(),
        })
    }

    /// From the first events of a file: a deletion by someone, and a secret that was read.
    pub(super) fn of_file(path: &Path) -> anyhow::Result<Targets> {
        let mut lines = Lines::open(path)?;
        let (mut deleted, mut secrets) = (None, None);
        let mut line = Vec::new();
        for _ in 0..LOOKED_AT {
            if !lines.next_into(&mut line)? {
                break;
            }
            let Ok(event) = serde_json::from_slice::<Line<'_>>(&line) else {
                continue;
            };
            let object = &event.object;
            if event.stage != "ResponseComplete" || event.status.code != 200 {
                continue;
            }
            if secrets.is_none() && object.resource == "secrets" && !object.namespace.is_empty() {
                secrets = Some(object.namespace.to_string());
            }
            if event.verb == "delete" && deleted.is_none() && !object.name.is_empty() {
                let user = event.user.username.as_deref().unwrap_or_default();
                let at = time::parse_instant(&event.time);
                if let (Some(at), false) = (at, user.is_empty()) {
                    deleted = Some(Targets {
                        object: (
                            object.resource.to_string(),
                            object.namespace.to_string(),
                            object.name.to_string(),
                        ),
                        user: user.to_owned(),
                        hour: Range::around(at, HOUR / 2, HOUR / 2),
                        minute: Range::around(at, MINUTE / 2, MINUTE / 2),
                        secrets_namespace: String::new(),
                        audit_id: event.audit_id.to_string(),
                        needle: None,
                    });
                }
            }
        }
        let mut targets = deleted.with_context(|| {
            format!(
                "{} has no deletion to ask about; use --only ingest or --only import, or --needles",
                path.display()
            )
        })?;
        targets.secrets_namespace = secrets.unwrap_or_default();
        Ok(targets)
    }
}

#[derive(Deserialize)]
struct Needles {
    items: Vec<Needle>,
}

#[derive(Deserialize)]
struct Needle {
    kind: String,
    #[serde(rename = "auditID")]
    audit_id: String,
    user: String,
    #[serde(rename = "stageTimestamp")]
    time: String,
    #[serde(default)]
    namespace: String,
    name: Option<String>,
    code: Option<i64>,
    needle: Option<String>,
}
