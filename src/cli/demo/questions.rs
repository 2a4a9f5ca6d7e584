//! Five questions about the demo's incident, each with what it must find.

use crate::generate::{Incident, Step};
use crate::query::clock;

/// The cluster that the demo's events come from.
pub(super) const CLUSTER: &str = "demo";

/// A command and its answer.
#[derive(Debug)]
pub(super) struct Question {
    /// In words.
    pub(super) asks: &'static str,
    /// What the answer says, in words.
    pub(super) finds: String,
    /// Of the program.
    pub(super) arguments: Vec<String>,
    /// Texts of the answer, and its lines, the header included.
    expect: Vec<String>,
    lines: usize,
}

impl Question {
    /// As one would type it.
    pub(super) fn command_line(&self, program: &str) -> String {
        let mut line = program.to_owned();
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(&quoted(argument));
        }
        line
    }

    /// Whether a run of the command gave the answer.
    pub(super) fn check(&self, code: Option<i32>, output: &str) -> Result<(), String> {
        if code != Some(0) {
            return Err(format!("the command ended with {code:?}"));
        }
        for text in &self.expect {
            if !output.contains(text.as_str()) {
                return Err(format!("{text:?} is not in the answer"));
            }
        }
        match output.lines().count() {
            lines if lines == self.lines => Ok(()),
            lines => Err(format!("{lines} lines instead of {}", self.lines)),
        }
    }
}

/// For a POSIX shell, as one would write it by hand.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.contains('\'') && !word.contains(['"', '`', '\\', '!']) {
        format!("\"{}\"", word.replace('$', "\\$"))
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

pub(super) fn questions(incident: &Incident, server: &str) -> Vec<Question> {
    let Incident {
        actor,
        address,
        namespace,
        secret,
        pod,
        binding,
        deployment,
        needle,
        steps,
    } = incident;
    let at = |verb: &str, resource: &str, name: &str| -> String {
        incident
            .step(verb, resource, name)
            .map_or(String::new(), time)
    };
    let listed = steps
        .iter()
        .find(|step| (step.verb, step.resource, step.namespace) == ("list", "secrets", *namespace));
    let arguments = |words: &[&str]| -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned());
        words
            .chain(["--server".to_owned(), server.to_owned()])
            .collect()
    };
    let binding_sql = "select time, user, name from events \
         where resource = 'clusterrolebindings' and verb = 'create' \
         and outcome = 'success' and request_object ->> '$.roleRef.name' = 'cluster-admin'";
    vec![
        Question {
            asks: "Who deleted the deployment?",
            finds: format!(
                "{actor} deleted {namespace}/{deployment} at {}, from {address}",
                at("delete", "deployments", deployment)
            ),
            arguments: arguments(&[
                "query",
                "--verb",
                "delete",
                "--resource",
                "deploy",
                "--name",
                deployment,
                "--final",
                "--columns",
                "time,user,verb,name,outcome,source_ip",
            ]),
            expect: vec![
                actor.clone(),
                at("delete", "deployments", deployment),
                (*address).to_owned(),
            ],
            lines: 2,
        },
        Question {
            asks: "What came from that address?",
            finds: format!(
                "{} requests, from the first failed logins at {} to the traces removed",
                steps.len(),
                steps.first().map_or(String::new(), time)
            ),
            arguments: arguments(&["query", "--source-ip", address, "--final", "--reverse"]),
            expect: steps.iter().map(time).collect(),
            lines: steps.len() + 1,
        },
        Question {
            asks: "Who read the card vault's secret by its name in the last day?",
            finds: format!(
                "nobody but {actor}, at {}; a list shows secrets too: without --name, {actor} \
                 lists them all at {}",
                at("get", "secrets", secret),
                listed.map_or(String::new(), time)
            ),
            arguments: arguments(&[
                "query",
                "-n",
                namespace,
                "--resource",
                "secrets",
                "--name",
                secret,
                "--since",
                "25h",
                "--final",
            ]),
            expect: vec![actor.clone(), at("get", "secrets", secret)],
            lines: 2,
        },
        Question {
            asks: "Which request's body names the host that the data went to?",
            finds: format!(
                "{actor}'s creation of the privileged pod {namespace}/{pod} at {}",
                incident
                    .steps
                    .iter()
                    .find(|step| (step.name, step.code) == (*pod, 201))
                    .map_or(String::new(), time)
            ),
            arguments: arguments(&["query", "--contains", needle]),
            expect: vec![actor.clone(), (*pod).to_owned(), (*namespace).to_owned()],
            lines: 2,
        },
        Question {
            asks: "Who bound someone to cluster-admin in the whole cluster?",
            finds: format!(
                "{actor} did, by {binding} at {}",
                at("create", "clusterrolebindings", binding)
            ),
            arguments: arguments(&["sql", binding_sql]),
            expect: vec![actor.clone(), (*binding).to_owned()],
            lines: 2,
        },
    ]
}

/// When a call ended, as events say it: by the second, as tables show it.
fn time(step: &Step) -> String {
    clock::to_text(step.end)
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, text) in [
            ("a-b/c", "a-b/c"),
            ("", "''"),
            ("a b", "'a b'"),
            ("a = 'b'", "\"a = 'b'\""),
            ("'$.x'", "\"'\\$.x'\""),
            ("it's \"", "'it'\\''s \"'"),
        ] {
            assert_eq!(quoted(word), text);
        }
    }
}
