//! Where answers come from: a local data directory or a server. A reading command asks a
//! [`Source`] and does not know which.

mod arriving;
mod local;
mod remote;

pub use arriving::{Arriving, Item};
pub use local::Local;
pub use remote::{Remote, server_url};

use std::ops::ControlFlow;
use std::time::Duration;

use crate::query::count::CountParams;
use crate::query::params::EventParams;
use crate::query::wire::PruneRequest;
use crate::store::{
    Answer, Pruned, Quarantined, Resealed, Result, Sealed, SqlQuery, SqlSink, Stats,
};

/// What can be asked of a store, wherever it is. A `timeout` of `None` is without limit.
pub trait Source {
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
