//! A store that this process opened.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::Source;
use crate::query::count::{self, CountParams};
use crate::query::params::EventParams;
use crate::query::wire::{Conforming, PruneRequest};
use crate::query::{clock, listing};
use crate::store::{
    Answer, Budget, Pruned, Quarantined, Resealed, Result, Sealed, SqlQuery, SqlSink, Stats, Store,
    StoreError,
};

/// A store that this process opened.
pub struct Local {
    store: Arc<dyn Store>,
    cancelled: Arc<AtomicBool>,
}

impl Local {
    pub fn new(store: Arc<dyn Store>) -> Local {
        Local::until(store, Arc::default())
    }

    /// A store all of whose answers end once `cancelled` is set.
    pub fn until(store: Arc<dyn Store>, cancelled: Arc<AtomicBool>) -> Local {
        Local { store, cancelled }
    }

    fn budget(&self, timeout: Option<Duration>) -> Budget {
        Budget::new(timeout).cancelled_by(&self.cancelled)
    }
}

impl Source for Local {
    fn events(
        &self,
        params: &EventParams,
        timeout: Option<Duration>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer> {
        let query = params
            .clone()
            .into_query(clock::now())
            .map_err(StoreError::BadRequest)?;
        listing::run(&*self.store, &query, &self.budget(timeout), sink)
    }

    fn count(
        &self,
        params: &CountParams,
        timeout: Option<Duration>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer> {
        let plan = params
            .clone()
            .into_plan(clock::now())
            .map_err(StoreError::BadRequest)?;
        count::run(&*self.store, plan, &self.budget(timeout), sink)
    }

    fn sql(
        &self,
        query: &SqlQuery,
        timeout: Option<Duration>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer> {
        self.sql_until(query, timeout, &self.cancelled, sink)
    }

    fn sql_until(
        &self,
        query: &SqlQuery,
        timeout: Option<Duration>,
        cancelled: &Arc<AtomicBool>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer> {
        let mut sink = Conforming::new(sink);
        let budget = Budget::new(timeout).cancelled_by(cancelled);
        self.store.sql(query, &budget, &mut sink)
    }

    fn stats(&self) -> Result<Stats> {
        self.store.stats()
    }

    fn quarantined(&self, sink: &mut dyn FnMut(Quarantined) -> ControlFlow<()>) -> Result<()> {
        self.store.quarantined(sink)
    }

    fn quarantined_bytes(
        &self,
        id: i64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<bool> {
        self.store.quarantined_bytes(id, sink)
    }

    fn seal(&self) -> Result<Sealed> {
        self.store.seal(true)
    }

    fn reseal(&self) -> Result<Resealed> {
        self.store.reseal()
    }

    fn prune(&self, request: &PruneRequest) -> Result<Pruned> {
        let cutoff = request
            .cutoff(clock::now())
            .map_err(StoreError::BadRequest)?;
        self.store.prune(cutoff, request.dry_run)
    }
}
