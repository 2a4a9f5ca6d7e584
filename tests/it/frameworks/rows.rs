//! How many rows a question must give, counted from the raw lines.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::both::Both;
use crate::questions::plain::{
    WRITES, admin_by, class, code, count, ended, level, object, resource, stage, subresource, user,
    verb,
};
use crate::questions::{EVENTS, text};

/// The rows of a piece of evidence. Those of questions that have nothing to do with frameworks are
/// what the question says by itself.
pub(super) fn expected(both: &Both, piece: &Value, until: &str) -> u64 {
    let bound = |name: &str| piece["bound"][name].as_str().unwrap_or("").to_owned();
    match piece["query"].as_str().unwrap() {
        "actions-by-actor" => actions(&bound),
        "admin-actions" => distinct(|event| {
            let by = admin_by(event).filter(|_| ended(event))?;
            Some((user(event), text(event, "/impersonatedUser/username"), by))
        }),
        "active-users" => distinct(|event| Some(user(event)).filter(|user| !user.is_empty())),
        "policy-levels" | "policy-stig" => distinct(|event| Some((object(event), class(event)))),
        "policy-exceptions" => {
            let mut levels: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
            for event in EVENTS.iter() {
                let kind = (object(event), verb(event));
                levels.entry(kind).or_default().insert(level(event));
            }
            distinct(|event| {
                let mixed =
                    !resource(event).is_empty() && levels[&(object(event), verb(event))].len() > 1;
                mixed.then(|| (object(event), verb(event), level(event)))
            })
        }
        "policy-cis" => 12,
        "policy-conflict" => 4,
        "policy-unseen" => 36,
        "event-completeness" => 9,
        "retention" | "clock-check" => 1,
        "silent-hours" | "silent-sources" | "quarantined-items" | "truncated-events" => 0,
        "audit-interruptions" => {
            let starts = count(|event| {
                resource(event) == "leases"
                    && verb(event) == "create"
                    && user(event) == "system:apiserver"
                    && stage(event) == "ResponseComplete"
                    && (200..300).contains(&code(event))
            });
            1 + starts.min(1)
        }
        "failed-logins" => distinct(|event| {
            let agent = text(event, "/userAgent");
            (code(event) == 401 && user(event).is_empty())
                .then(|| (event["sourceIPs"].to_string(), agent))
        }),
        "audit-trail-access" => distinct(|event| {
            let name = text(event, "/objectRef/name");
            let trail = name.starts_with("kube-apiserver") || name.contains("audit");
            let path = text(event, "/requestURI").split('?').next().unwrap();
            let found = ended(event)
                && match resource(event) {
                    "" => path == "/logs" || path.starts_with("/logs/"),
                    "nodes" => path.contains("/proxy/logs"),
                    "configmaps" | "secrets" => trail,
                    "pods" | "services" => trail && !subresource(event).is_empty(),
                    _ => false,
                };
            let target = (resource(event), subresource(event));
            let as_user = text(event, "/impersonatedUser/username");
            found.then(|| (user(event), as_user, verb(event), target))
        }),
        "changes-by-user" => distinct(|event| {
            let change = ended(event) && WRITES.contains(&verb(event));
            change.then(|| user(event))
        }),
        other => {
            let mut args = vec![other, "--limit", "0", "--since", "all", "--until", until];
            if bound("daily") == "1" {
                args.push("--daily");
            }
            both.objects("ask", &args).len() as u64
        }
    }
}

fn distinct<T: Ord>(key: impl Fn(&'static Value) -> Option<T>) -> u64 {
    EVENTS.iter().filter_map(key).collect::<BTreeSet<_>>().len() as u64
}

/// Whether the words of a filter take a text.
fn takes(words: &str, text: &str) -> bool {
    let one = |word: &str| match word.split_once('*') {
        None => word == text,
        Some((before, after)) => {
            !text.is_empty() && text.starts_with(before) && text.ends_with(after)
        }
    };
    let (not, is): (Vec<&str>, Vec<&str>) = words
        .split(',')
        .filter(|word| !word.is_empty())
        .partition(|word| word.starts_with('!'));
    (is.is_empty() || is.into_iter().any(one)) && !not.into_iter().any(|word| one(&word[1..]))
}

fn actions(bound: &dyn Fn(&str) -> String) -> u64 {
    let denied = match &bound("outcome")[..] {
        "" => false,
        "denied_*" => true,
        other => panic!("how to count {other}?"),
    };
    let [users, verbs, resources, subresources, namespaces, as_users] = [
        "user",
        "verb",
        "resource",
        "subresource",
        "namespace",
        "as_user",
    ]
    .map(bound);
    distinct(|event| {
        let as_user = text(event, "/impersonatedUser/username");
        let matches = (ended(event) || stage(event) == "ResponseStarted" && user(event).is_empty())
            && takes(&users, user(event))
            && takes(&verbs, verb(event))
            && takes(&resources, resource(event))
            && takes(&subresources, subresource(event))
            && takes(&namespaces, text(event, "/objectRef/namespace"))
            && takes(&as_users, as_user)
            && (!denied || [401, 403].contains(&code(event)));
        matches.then(|| (user(event), as_user, verb(event), object(event)))
    })
}
