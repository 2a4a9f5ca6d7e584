//! Every route with what it takes and gives: from this table come the router and the OpenAPI
//! document.

mod params;

use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use super::api::{
    count, description, events, live, quarantine, queries, reports, sql, stats, upkeep,
};
use super::problem::Problem;
use super::{App, health, webhook};
use params::{BY, COLUMNS, EXPLAIN, FACETS, FINAL, FORMAT, LISTING, REPORT, ROWS, STEP, STREAM};

/// A route.
pub(super) struct Route {
    pub(super) method: Method,
    /// As axum writes it.
    pub(super) path: &'static str,
    pub(super) handler: fn() -> MethodRouter<App>,
    pub(super) summary: &'static str,
    /// Whether it takes the filters of a listing.
    pub(super) filters: bool,
    pub(super) params: &'static [&'static [Param]],
    /// The schema of a body.
    pub(super) body: Option<&'static str>,
    pub(super) answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

/// A parameter in the query string.
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) doc: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A whole number from 0 on.
    Count,
    Switch,
    Text,
    OneOf(&'static [&'static str]),
}

/// What a route answers with status 200.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// Rows, in the forms of content negotiation.
    Rows,
    /// A JSON document of this schema.
    Json(&'static str),
    /// Lines of JSON documents of this schema.
    Lines(&'static str),
    /// The exact bytes of an event.
    Raw,
    Bytes,
    Text,
    EventStream,
    /// A report, in the forms of content negotiation.
    Document,
}

/// A route without parameters.
const fn plain(
    method: Method,
    path: &'static str,
    handler: fn() -> MethodRouter<App>,
    summary: &'static str,
    answer: Answer,
) -> Route {
    Route {
        method,
        path,
        handler,
        summary,
        filters: false,
        params: &[],
        body: None,
        answer,
    }
}

pub(super) const ROUTES: &[Route] = &[
    Route {
        body: Some("Events"),
        ..plain(
            Method::Post,
            "/webhook",
            || post(webhook::receive),
            "Store a batch of events for the cluster `default`",
            Answer::Json("Stored"),
        )
    },
    Route {
        body: Some("Events"),
        ..plain(
            Method::Post,
            // A wildcard, so that a name with a slash meets the check of names and not a 404.
            "/webhook/{*cluster}",
            || post(webhook::receive),
            "Store a batch of events for a cluster",
            Answer::Json("Stored"),
        )
    },
    plain(
        Method::Get,
        "/healthz",
        || get(health::healthz),
        "Whether the process answers",
        Answer::Text,
    ),
    plain(
        Method::Get,
        "/readyz",
        || get(health::readyz),
        "Whether events can be taken",
        Answer::Text,
    ),
    Route {
        filters: true,
        params: &[ROWS, FINAL, EXPLAIN, LISTING],
        ..plain(
            Method::Get,
            "/api/v1/events",
            || get(events::list),
            "List events, newest first",
            Answer::Rows,
        )
    },
    Route {
        filters: true,
        params: &[STREAM],
        ..plain(
            Method::Get,
            "/api/v1/events/stream",
            || get(live::listen),
            "Events as they arrive, as server-sent events",
            Answer::EventStream,
        )
    },
    plain(
        Method::Get,
        "/api/v1/events/{id}",
        || get(events::one),
        "One event",
        Answer::Json("Event"),
    ),
    plain(
        Method::Get,
        "/api/v1/events/{id}/raw",
        || get(events::raw),
        "The exact bytes of an event",
        Answer::Raw,
    ),
    Route {
        filters: true,
        params: &[ROWS, FINAL, EXPLAIN, FORMAT, STEP, BY],
        ..plain(
            Method::Get,
            "/api/v1/count",
            || get(count::count),
            "How many events, all together or by the values of columns",
            Answer::Rows,
        )
    },
    Route {
        filters: true,
        params: &[ROWS, FINAL, EXPLAIN, FORMAT, STEP, BY],
        ..plain(
            Method::Get,
            "/api/v1/histogram",
            || get(count::histogram),
            "How many events over time",
            Answer::Rows,
        )
    },
    Route {
        filters: true,
        params: &[ROWS, FINAL, EXPLAIN, FORMAT, FACETS],
        ..plain(
            Method::Get,
            "/api/v1/facets",
            || get(count::facets),
            "The values of several columns, each counted for itself",
            Answer::Rows,
        )
    },
    Route {
        filters: true,
        params: &[ROWS, FINAL, EXPLAIN, FORMAT, STEP],
        ..plain(
            Method::Get,
            "/api/v1/top/{field}",
            || get(count::top),
            "The values of a column with their counts, most frequent first",
            Answer::Rows,
        )
    },
    plain(
        Method::Get,
        "/api/v1/queries",
        || get(queries::list),
        "The questions of the library",
        Answer::Json("Questions"),
    ),
    Route {
        params: &[ROWS, COLUMNS, EXPLAIN, FORMAT],
        ..plain(
            Method::Get,
            "/api/v1/queries/{name}",
            || get(queries::ask),
            "Ask a question of the library; its parameters stand beside these",
            Answer::Rows,
        )
    },
    plain(
        Method::Get,
        "/api/v1/reports",
        || get(reports::list),
        "The compliance reports",
        Answer::Json("Reports"),
    ),
    Route {
        params: &[REPORT],
        ..plain(
            Method::Get,
            "/api/v1/reports/{name}",
            || get(reports::make_one),
            "Make a compliance report; its own parameters stand beside these",
            Answer::Document,
        )
    },
    plain(
        Method::Get,
        "/api/v1/stats",
        || get(stats::stats),
        "Counts and sizes of the store",
        Answer::Json("Stats"),
    ),
    plain(
        Method::Get,
        "/api/v1/quarantine",
        || get(quarantine::list),
        "Quarantined items, oldest first",
        Answer::Lines("Quarantined"),
    ),
    plain(
        Method::Get,
        "/api/v1/quarantine/{id}/raw",
        || get(quarantine::raw),
        "The exact bytes of a quarantined item",
        Answer::Bytes,
    ),
    Route {
        body: Some("Prune"),
        ..plain(
            Method::Post,
            "/api/v1/prune",
            || post(upkeep::prune),
            "Remove events by their time",
            Answer::Json("Pruned"),
        )
    },
    plain(
        Method::Post,
        "/api/v1/seal",
        || post(upkeep::seal),
        "Seal the active segment and merge small ones",
        Answer::Json("Sealed"),
    ),
    plain(
        Method::Post,
        "/api/v1/reseal",
        || post(upkeep::reseal),
        "Rewrite the segments that do not hold the present columns",
        Answer::Json("Resealed"),
    ),
    Route {
        body: Some("Sql"),
        ..plain(
            Method::Post,
            "/api/v1/sql",
            || post(sql::sql),
            "Run one read-only SQL statement",
            Answer::Rows,
        )
    },
    plain(
        Method::Get,
        "/api/v1/openapi.json",
        || get(description::describe),
        "This description",
        Answer::Json("Any"),
    ),
];

/// `GET` and `HEAD`, and an answer for the others that says so.
fn get<H: Handler<T, App>, T: 'static>(handler: H) -> MethodRouter<App> {
    routing::get(handler).fallback(async || Problem::method_not_allowed("GET, HEAD"))
}

/// `POST`, and an answer for the others that says so.
fn post<H: Handler<T, App>, T: 'static>(handler: H) -> MethodRouter<App> {
    routing::post(handler).fallback(async || Problem::method_not_allowed("POST"))
}
