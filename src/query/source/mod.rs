//! Where answers come from: a local data directory or a server. A reading command asks a
//! [`Source`] and does not know which.

mod arriving;
mod local;
mod remote;

pub use arriving::{Arriving, Item};
pub use local::Local;
pub use remote::{Remote, server_url};

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::query::count::CountParams;
use crate::query::params::EventParams;
use crate::query::wire::PruneRequest;
use crate::store::{
    Answer, Pruned, Quarantined, Resealed, Result, Sealed, SqlQuery, SqlSink, Stats,
};

/// What can be asked of a store, wherever it is. A `timeout` of `None` is without limit.
pub trait Source: Send + Sync {
    /// Lists events as [`crate::query::listing::run`] does.
    fn events(
        &self,
        params: &EventParams,
        timeout: Option<Duration>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer>;

    /// Counts events as [`crate::query::count::run`] does.
    fn count(
        &self,
        params: &CountParams,
        timeout: Option<Duration>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer>;

    /// Runs one statement.
    fn sql(
        &self,
        query: &SqlQuery,
        timeout: Option<Duration>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer>;

    /// Runs one statement until `cancelled` is set. For a server [`Source::hang_up`] is needed too.
    fn sql_until(
        &self,
        query: &SqlQuery,
        timeout: Option<Duration>,
        cancelled: &Arc<AtomicBool>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer> {
        let _ = cancelled;
        self.sql(query, timeout, sink)
    }

    /// Closes the connections to a server, so that it stops working for them. Nothing can be asked
    /// of this source any more.
    fn hang_up(&self) {}

    fn stats(&self) -> Result<Stats>;

    /// Quarantined items, oldest first.
    fn quarantined(&self, sink: &mut dyn FnMut(Quarantined) -> ControlFlow<()>) -> Result<()>;

    /// The exact bytes of a quarantined item, in parts; false when there is no such item.
    fn quarantined_bytes(
        &self,
        id: i64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<bool>;

    fn seal(&self) -> Result<Sealed>;

    fn reseal(&self) -> Result<Resealed>;

    fn prune(&self, request: &PruneRequest) -> Result<Pruned>;
}
