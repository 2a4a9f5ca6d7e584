//! A listing or a count said otherwise: as a SQL statement, and as a call of the HTTP API. CEL has no
//! equivalent in SQL.

use super::clock::{self, Zone};
use super::count::{CountParams, FACETS_DEFAULT, Shape};
use super::params::{EventParams, filtered_column, is_all};
use crate::limits::ROWS_DEFAULT;
use crate::model::column::{Column, Kind};
use crate::store::{EventQuery, Order};

/// The statement of a listing; `query` is what `params` became.
pub fn listing_sql(params: &EventParams, query: &EventQuery, now: i64) -> Option<String> {
    if !has_sql(params) {
        return None;
    }
    let columns: Vec<&str> = query.columns.iter().map(|column| column.name()).collect();
    let order = match query.order {
        Order::NewestFirst => "time desc, id desc",
        Order::OldestFirst => "time, id",
    };
    Some(format!(
        "select {} from events{} order by {order}{}",
        columns.join(", "),
        conditions(params, now),
        limit(params.limit)
    ))
}

/// The statement of a count; none for buckets of time.
pub fn count_sql(params: &CountParams, now: i64) -> Option<String> {
    let listed = EventParams {
        filter: params.filter.clone(),
        r#final: params.r#final,
        ..EventParams::default()
    };
    if params.step.is_some() || !has_sql(&listed) {
        return None;
    }
    let conditions = conditions(&listed, now);
    let limit = limit(params.limit.unwrap_or(ROWS_DEFAULT));
    let grouped = |shown: &str, by: &str| {
        format!(
            "select {shown}, count(*) as count from events{conditions} group by {by} \
             order by count(*) desc, {by}{limit}"
        )
    };
    match (params.shape, &params.by) {
        (Shape::Histogram, _) => None,
        (Shape::Count, None) => Some(format!("select count(*) as count from events{conditions}")),
        (Shape::Count, Some(by)) => Some(grouped(by, by)),
        (Shape::Facets, by) => {
            let facet = |name: &str| {
                let name = name.trim();
                let value = match Column::by_name(name).map(Column::kind) {
                    Some(Kind::Int | Kind::Bool) => format!("cast({name} as text)"),
                    _ => name.to_owned(),
                };
                let shown = format!("'{name}' as field, {value} as value");
                format!("select * from ({})", grouped(&shown, name))
            };
            let fields = by.as_deref().unwrap_or(FACETS_DEFAULT).split(',');
            Some(fields.map(facet).collect::<Vec<_>>().join(" union all "))
        }
    }
}

fn has_sql(params: &EventParams) -> bool {
    params.filter.filter.is_none()
}

fn limit(rows: u64) -> String {
    match rows {
        0 => String::new(),
        rows => format!(" limit {rows}"),
    }
}

fn conditions(params: &EventParams, now: i64) -> String {
    let mut conditions = Vec::new();
    for (name, words) in params.filter.pairs() {
        if is_all(name, words) {
            continue;
        }
        let instant = || clock::parse_human(words, now, Zone::UTC).map(clock::to_text);
        conditions.push(match name {
            "since" | "until" => {
                let operator = if name == "since" { ">=" } else { "<" };
                format!("time {operator} {}", text(&instant().unwrap_or_default()))
            }
            _ => format!("{} match {}", filtered_column(name).name(), text(words)),
        });
    }
    if params.r#final {
        conditions.push("id in (select last_event_id from requests)".to_owned());
    }
    match conditions.is_empty() {
        true => String::new(),
        false => format!(" where {}", conditions.join(" and ")),
    }
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The path and query of the call that gives the listing.
pub fn api(params: &EventParams) -> String {
    call("/api/v1/events", params.to_pairs())
}

/// The path and query of the call that gives the count.
pub fn count_api(params: &CountParams) -> String {
    let path = format!("/api/v1/{}", params.shape.name());
    call(&path, params.to_pairs())
}

/// The path and query of the call that asks a question of the library.
pub fn question_api(
    name: &str,
    given: &[(String, String)],
    limit: u64,
    columns: Option<&str>,
) -> String {
    let given = given.iter();
    let mut pairs: Vec<_> = given.map(|(k, v)| (k.as_str(), v.clone())).collect();
    if limit != ROWS_DEFAULT {
        pairs.push(("limit", limit.to_string()));
    }
    pairs.extend(columns.map(|columns| ("columns", columns.to_owned())));
    call(&format!("/api/v1/queries/{name}"), pairs)
}

fn call<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut call = path.to_owned();
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        let sign = if at == 0 { '?' } else { '&' };
        call.push_str(&format!("{sign}{name}={}", encoded(&value)));
    }
    call
}

/// Percent-encodes all that RFC 3986 reserves, but for what a query may hold and people write.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b',' | b':' | b'/' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::params::FilterParams;

    #[test]
    fn a_listing_as_sql_and_as_a_call() {
        let params = EventParams {
            filter: FilterParams {
                user: Some("o'hara,!system:*".to_owned()),
                source_ip: Some("10.0.0.0/8".to_owned()),
                since: Some("2026-11-20".to_owned()),
                ..FilterParams::default()
            },
            limit: 5,
            columns: Some("time,user".to_owned()),
            ..EventParams::default()
        };
        let sql = |params: &EventParams| {
            let query = params.clone().into_query(0).unwrap();
            listing_sql(params, &query, 0)
        };
        assert_eq!(
            sql(&params).unwrap(),
            "select time, user from events where user match 'o''hara,!system:*' and \
             source_ips match '10.0.0.0/8' and time >= '2026-11-20T00:00:00.000000Z' \
             order by time desc, id desc limit 5"
        );
        assert_eq!(
            api(&params),
            "/api/v1/events?user=o%27hara,%21system:%2A&source_ip=10.0.0.0/8&since=2026-11-20\
             &limit=5&columns=time,user"
        );
        assert_eq!(api(&EventParams::default()), "/api/v1/events");
    }

    #[test]
    fn every_filter_is_a_condition() {
        for name in FilterParams::NAMES {
            let value = match *name {
                "since" | "until" => "2026-11-20",
                "code" => "2xx",
                "outcome" => "success",
                "stage" => "Panic",
                "level" => "Metadata",
                "source_ip" => "10.0.0.1",
                "filter" => "verb == 'get'",
                _ => "x",
            };
            let params = EventParams {
                filter: FilterParams::only(name, value),
                ..EventParams::default()
            };
            let query = params.clone().into_query(0).unwrap();
            match listing_sql(&params, &query, 0) {
                Some(told) => assert!(told.contains(" where "), "{name}: {told}"),
                None => assert_eq!(*name, "filter"),
            }
        }
    }
}
