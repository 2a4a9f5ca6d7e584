//! A listing said otherwise: as a SQL statement, and as a call of the HTTP API.

use crate::query::clock;
use crate::query::params::{EventParams, filter_column};

/// The statement whose rows are those of the listing, its times spelt out as of `now` (in
/// microseconds). An error names what is wrong with the parameters.
pub fn sql(params: &EventParams, now: i64) -> Result<String, String> {
    let query = params.clone().into_query(now)?;
    let columns: Vec<_> = query.columns.iter().map(|column| column.name()).collect();
    let mut conditions = Vec::new();
    for (name, words) in params.filter.pairs() {
        let Some(column) = filter_column(name) else {
            continue;
        };
        conditions.push(format!("{} match {}", column.name(), quoted(words)));
    }
    for (sign, bound) in [(">=", query.filter.since), ("<", query.filter.until)] {
        conditions.extend(bound.map(|time| format!("time {sign} '{}'", clock::to_text(time))));
    }
    if query.last_stage_only {
        conditions.push("id in (select last_event_id from requests)".to_owned());
    }
    let mut sql = format!("select {} from events", columns.join(", "));
    for (at, condition) in conditions.iter().enumerate() {
        sql.push_str(if at == 0 { " where " } else { " and " });
        sql.push_str(condition);
    }
    let direction = if params.reverse { "asc" } else { "desc" };
    sql.push_str(&format!(" order by time {direction}, id {direction}"));
    if query.limit > 0 {
        sql.push_str(&format!(" limit {}", query.limit));
    }
    Ok(sql)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The path and query of the call that gives the listing.
pub fn api(params: &EventParams) -> String {
    let mut path = String::from("/api/v1/events");
    for (at, (name, value)) in params.to_pairs().iter().enumerate() {
        let sign = if at == 0 { '?' } else { '&' };
        path.push_str(&format!("{sign}{name}={}", encoded(value)));
    }
    path
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
        assert_eq!(
            sql(&params, 0).unwrap(),
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
                _ => "x",
            };
            let params = EventParams {
                filter: FilterParams::only(name, value),
                ..EventParams::default()
            };
            let told = sql(&params, 0).unwrap();
            assert!(told.contains(" where "), "{name}: {told}");
        }
    }
}
