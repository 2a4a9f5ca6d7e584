//! The questions, asked over HTTP of a warm server, and their answers checked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, encoded};
use super::targets::Targets;
use super::truth::{Export, Truth};

/// How a question went.
pub(super) struct Asked {
    pub name: &'static str,
    pub median_ms: f64,
    /// Rows or lines of the answer.
    pub rows: u64,
    /// Segments whose files were read, where the answer says it.
    pub segments_opened: Option<u64>,
}

enum Request {
    Get(String),
    Sql(Value),
}

type Check<'a> = Box<dyn Fn(&[u8]) -> anyhow::Result<u64> + 'a>;

struct Question<'a> {
    name: &'static str,
    request: Request,
    /// Fails on a wrong answer; gives its rows.
    check: Check<'a>,
}

/// Asks everything `repeat` times, after once for warming up.
pub(super) fn ask(
    server: SocketAddr,
    targets: &Targets,
    truth: &Truth,
    repeat: usize,
) -> anyhow::Result<Vec<Asked>> {
    let mut client = Client::connect(server)?;
    questions(targets, truth)
        .into_iter()
        .map(|question| {
            let mut once = || match &question.request {
                Request::Get(path) => client.get(path),
                Request::Sql(body) => client.post("/api/v1/sql", body.to_string().as_bytes()),
            };
            let answer = once()?;
            let rows =
                (question.check)(&answer).with_context(|| format!("asking: {}", question.name))?;
            let mut times = Vec::new();
            for _ in 0..repeat.max(1) {
                let begin = Instant::now();
                let again = once()?;
                times.push(begin.elapsed());
                (question.check)(&again).with_context(|| format!("asking: {}", question.name))?;
            }
            times.sort_unstable();
            Ok(Asked {
                name: question.name,
                median_ms: times[times.len() / 2].as_secs_f64() * 1000.0,
                rows,
                segments_opened: segments_opened(&answer),
            })
        })
        .collect()
}

fn questions<'a>(targets: &'a Targets, truth: &'a Truth) -> Vec<Question<'a>> {
    let (resource, namespace, name) = &targets.object;
    let user = encoded(&targets.user);
    let sql = |sql: &str, params: Value| {
        Request::Sql(serde_json::json!({
            "sql": sql, "params": params, "limit": 0, "timeout_ms": 0
        }))
    };
    let events = |filters: String| {
        Request::Get(format!(
            "/api/v1/events?{filters}&limit=0&timeout_ms=0&columns=time,audit_id,user,verb,source_ip"
        ))
    };
    let raw = |filters: String| {
        Request::Get(format!(
            "/api/v1/events?{filters}&limit=0&timeout_ms=0&format=raw"
        ))
    };
    let mut questions = vec![
        Question {
            name: "who deleted an object",
            request: events(format!(
                "verb=delete&resource={}&namespace={}&name={}&stage=ResponseComplete",
                encoded(resource),
                if namespace.is_empty() {
                    "!*".to_owned()
                } else {
                    encoded(namespace)
                },
                encoded(name)
            )),
            check: ids(&truth.deleted),
        },
        Question {
            name: "all by a user in an hour",
            request: events(format!(
                "user={user}&since={}&until={}",
                encoded(&targets.hour.from),
                encoded(&targets.hour.until)
            )),
            check: ids(&truth.user_in_hour),
        },
        Question {
            name: "who read secrets in a namespace",
            request: events(format!(
                "verb=get,list,watch&resource=secrets&namespace={}&code=200&stage=ResponseComplete",
                encoded(&targets.secrets_namespace)
            )),
            check: ids(&truth.secrets_read),
        },
        Question {
            name: "count by verb",
            request: Request::Get("/api/v1/top/verb?limit=0&timeout_ms=0".to_owned()),
            check: counts(&truth.by_verb),
        },
        Question {
            name: "count by verb, in SQL",
            request: sql(
                "select verb, count(*) from events group by verb",
                Value::Object(serde_json::Map::new()),
            ),
            check: counts(&truth.by_verb),
        },
        Question {
            name: "top 20 users by 403",
            request: Request::Get("/api/v1/top/user?code=403&limit=20&timeout_ms=0".to_owned()),
            check: most(&truth.denied, 20),
        },
        Question {
            name: "hourly histogram of writes",
            request: Request::Get(
                "/api/v1/histogram?step=1h&stage=ResponseComplete&timeout_ms=0\
                 &verb=create,update,patch,delete,deletecollection"
                    .to_owned(),
            ),
            check: hours(&truth.writes_by_hour),
        },
        Question {
            name: "the verbs as facets",
            request: Request::Get("/api/v1/facets?field=verb&limit=0&timeout_ms=0".to_owned()),
            check: facet("verb", &truth.by_verb),
        },
        Question {
            name: "hourly histogram of writes, in SQL",
            request: sql(
                "select substr(time, 1, 13), count(*) from events \
                 where verb in ('create', 'update', 'patch', 'delete', 'deletecollection') \
                 and stage = 'ResponseComplete' group by 1",
                Value::Object(serde_json::Map::new()),
            ),
            check: counts(&truth.writes_by_hour),
        },
        Question {
            name: "one event by auditID, with its body",
            request: raw(format!("audit_id={}", encoded(&targets.audit_id))),
            check: lines(truth.one),
        },
        Question {
            name: "distinct source IPs of a user",
            request: Request::Get(format!(
                "/api/v1/top/source_ip?user={user}&limit=0&timeout_ms=0"
            )),
            check: values(&truth.addresses),
        },
        Question {
            name: "distinct source IPs of a user, in SQL",
            request: sql(
                "select distinct source_ip from events where user = :user",
                serde_json::json!({ "user": targets.user }),
            ),
            check: values(&truth.addresses),
        },
        Question {
            name: "full export of a user",
            request: raw(format!("user={user}")),
            check: lines(truth.export),
        },
        Question {
            name: "events of one minute, in SQL",
            request: sql(
                "select 'n', count(*) from events where time >= :from and time < :until",
                serde_json::json!({ "from": targets.minute.from, "until": targets.minute.until }),
            ),
            check: Box::new(|answer| {
                let found = pairs(answer)?;
                let expected = BTreeMap::from([("n".to_owned(), truth.in_minute)]);
                same(&found, &expected)?;
                Ok(1)
            }),
        },
    ];
    if let Some(needle) = &targets.needle {
        questions.push(Question {
            name: "a text only in a request body",
            request: events(format!("contains={}", encoded(needle))),
            check: ids(&truth.with_needle),
        });
    }
    questions
}

/// A table's answer.
#[derive(Deserialize)]
struct Table {
    rows: Vec<Vec<Value>>,
    truncated: bool,
}

fn segments_opened(answer: &[u8]) -> Option<u64> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    answer.pointer("/stats/segments_opened")?.as_u64()
}

fn rows(answer: &[u8]) -> anyhow::Result<Vec<Vec<Value>>> {
    let table: Table = serde_json::from_slice(answer).context("the answer is no table")?;
    if table.truncated {
        bail!("the answer is truncated");
    }
    Ok(table.rows)
}

fn text(row: &[Value], column: usize) -> String {
    match row.get(column) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The first two columns: a value and its count.
fn pairs(answer: &[u8]) -> anyhow::Result<BTreeMap<String, u64>> {
    rows(answer)?
        .iter()
        .map(|row| {
            let count = row.get(1).and_then(Value::as_u64).context("no count")?;
            Ok((text(row, 0), count))
        })
        .collect()
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> anyhow::Result<()> {
    if found != expected {
        let shorten = |value: &T| -> String { format!("{value:?}").chars().take(400).collect() };
        bail!(
            "the answer is wrong: {} instead of {}",
            shorten(found),
            shorten(expected)
        );
    }
    Ok(())
}

fn ids(expected: &Vec<String>) -> Check<'_> {
    Box::new(move |answer| {
        let mut found: Vec<String> = rows(answer)?.iter().map(|row| text(row, 1)).collect();
        found.sort_unstable();
        same(&found, expected)?;
        Ok(found.len() as u64)
    })
}

fn counts(expected: &BTreeMap<String, u64>) -> Check<'_> {
    Box::new(move |answer| {
        let found = pairs(answer)?;
        same(&found, expected)?;
        Ok(found.len() as u64)
    })
}

/// Counts by hour; those without events may have a row too.
fn hours(expected: &BTreeMap<String, u64>) -> Check<'_> {
    Box::new(move |answer| {
        let found = pairs(answer)?.into_iter().filter(|(_, count)| *count > 0);
        let found = found
            .map(|(time, count)| (time.chars().take(13).collect(), count))
            .collect();
        same(&found, expected)?;
        Ok(found.len() as u64)
    })
}

/// Rows of field, value and count.
fn facet<'a>(field: &'a str, expected: &'a BTreeMap<String, u64>) -> Check<'a> {
    Box::new(move |answer| {
        let found = rows(answer)?
            .iter()
            .map(|row| {
                let count = row.get(2).and_then(Value::as_u64).context("no count")?;
                same(&text(row, 0).as_str(), &field)?;
                Ok((text(row, 1), count))
            })
            .collect::<anyhow::Result<_>>()?;
        same(&found, expected)?;
        Ok(found.len() as u64)
    })
}

/// The most frequent values, ties by value.
fn most(counts: &BTreeMap<String, u64>, limit: usize) -> Check<'_> {
    let mut expected: Vec<(String, u64)> = counts.clone().into_iter().collect();
    expected.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    expected.truncate(limit);
    Box::new(move |answer| {
        let table: Vec<Vec<Value>> = serde_json::from_slice::<Table>(answer)?.rows;
        let found: Vec<(String, u64)> = table
            .iter()
            .map(|row| {
                (
                    text(row, 0),
                    row.get(1).and_then(Value::as_u64).unwrap_or(0),
                )
            })
            .collect();
        same(&found, &expected)?;
        Ok(found.len() as u64)
    })
}

fn values(expected: &BTreeSet<String>) -> Check<'_> {
    Box::new(move |answer| {
        let found: BTreeSet<String> = rows(answer)?.iter().map(|row| text(row, 0)).collect();
        same(&found, expected)?;
        Ok(found.len() as u64)
    })
}

fn lines(expected: Export) -> Check<'static> {
    Box::new(move |answer| {
        let mut found = Export::default();
        for line in answer
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            found.add(line);
        }
        same(&found, &expected)?;
        Ok(found.lines)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rows: &str) -> Vec<u8> {
        format!(r#"{{"columns":[],"rows":{rows},"truncated":false}}"#).into_bytes()
    }

    #[test]
    fn wrong_answers_are_noticed() {
        let expected = BTreeMap::from([("get".to_owned(), 2), ("list".to_owned(), 1)]);
        assert_eq!(
            counts(&expected)(&answer(r#"[["get",2],["list",1]]"#)).unwrap(),
            2
        );
        for wrong in [r#"[["get",2]]"#, r#"[["get",2],["list",2]]"#, "[]"] {
            assert!(counts(&expected)(&answer(wrong)).is_err(), "{wrong}");
        }
        assert!(most(&expected, 20)(&answer(r#"[["list",1],["get",2]]"#)).is_err());
        let all = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(ids(&all)(&answer(r#"[["t","b"],["t","a"]]"#)).unwrap(), 2);
        assert!(ids(&all)(&answer(r#"[["t","a"],["t","a"]]"#)).is_err());
        let cut = br#"{"rows":[["t","a"],["t","b"]],"truncated":true}"#;
        assert!(ids(&all)(cut).is_err());
    }

    #[test]
    fn exports_are_compared_line_by_line_whatever_their_order_and_kind() {
        let mut expected = Export::default();
        expected.add(br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request"}"#);
        expected.add(br#"{"level":"Metadata"}"#);
        let export = b"{\"level\":\"Metadata\"}\n{\"level\":\"Request\"}\n";
        assert_eq!(lines(expected)(export).unwrap(), 2);
        assert!(lines(expected)(b"{\"level\":\"Metadata\"}\n").is_err());
        let other = b"{\"level\":\"Metadata\"}\n{\"level\":\"request\"}\n";
        assert!(lines(expected)(other).is_err());
    }
}
