//! The SQL that answers what a listing or a count of values does, for `explain=true`. There is none
//! with `final`, for which SQL has the table `requests` with rows of its own, and for CEL.

use super::clock::{self, Zone};
use super::count::{CountParams, Shape};
use super::params::{EventParams, filtered_column};
use crate::limits::ROWS_DEFAULT;
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

/// The statement of a count; none for facets and buckets of time.
pub fn count_sql(params: &CountParams, now: i64) -> Option<String> {
    let listed = EventParams {
        filter: params.filter.clone(),
        r#final: params.r#final,
        ..EventParams::default()
    };
    if params.shape != Shape::Count || params.step.is_some() || !has_sql(&listed) {
        return None;
    }
    let conditions = conditions(&listed, now);
    let Some(by) = &params.by else {
        return Some(format!("select count(*) as count from events{conditions}"));
    };
    Some(format!(
        "select {by}, count(*) as count from events{conditions} group by {by} \
         order by count(*) desc, {by}{}",
        limit(params.limit.unwrap_or(ROWS_DEFAULT))
    ))
}

fn has_sql(params: &EventParams) -> bool {
    !params.r#final && params.filter.filter.is_none()
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
        let instant = || clock::parse_human(words, now, Zone::UTC).map(clock::to_text);
        conditions.push(match name {
            "since" | "until" => {
                let operator = if name == "since" { ">=" } else { "<" };
                format!("time {operator} {}", text(&instant().unwrap_or_default()))
            }
            _ => format!("{} match {}", filtered_column(name).name(), text(words)),
        });
    }
    match conditions.is_empty() {
        true => String::new(),
        false => format!(" where {}", conditions.join(" and ")),
    }
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
