//! AuditQL: a SQL-queryable audit event store for Kubernetes.
//!
//! An event's way in: `http` or `cli` -> `intake` (bytes to items) -> `model` (item to event) ->
//! `store` (durable). A question's way: `cli` or `http` -> `query` (words to a filter) -> `store`
//! -> `query::output` (rows to text). `report` asks many questions for one document.
//!
//! Arrows point one way: `cli`, `http` -> `intake`, `query` -> `store` -> `model`. `cli` and `http`
//! do not know each other, except that `cli` starts the server.

pub mod cli;
pub mod generate;
pub mod http;
pub mod intake;
pub mod limits;
pub mod model;
pub mod query;
pub mod report;
pub mod store;
