//! A store that this process opened.

use std::ops::ControlFlow;
use std::sync::Arc;
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
pub struct Local(pub Arc<dyn Store>);

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
        listing::run(&*self.0, &query, &Budget::new(timeout), sink)
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
        count::run(&*self.0, plan, &Budget::new(timeout), sink)
    }

    fn sql(
        &self,
        query: &SqlQuery,
        timeout: Option<Duration>,
        sink: &mut dyn SqlSink,
    ) -> Result<Answer> {
        let mut sink = Conforming::new(sink);
        self.0.sql(query, &Budget::new(timeout), &mut sink)
    }

    fn stats(&self) -> Result<Stats> {
        self.0.stats()
    }

    fn quarantined(&self, sink: &mut dyn FnMut(Quarantined) -> ControlFlow<()>) -> Result<()> {
        self.0.quarantined(sink)
    }

    fn quarantined_bytes(
        &self,
        id: i64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<bool> {
        self.0.quarantined_bytes(id, sink)
    }

    fn seal(&self) -> Result<Sealed> {
        self.0.seal(true)
    }

    fn reseal(&self) -> Result<Resealed> {
        self.0.reseal()
    }

    fn prune(&self, request: &PruneRequest) -> Result<Pruned> {
        let cutoff = request
            .cutoff(clock::now())
            .map_err(StoreError::BadRequest)?;
        self.0.prune(cutoff, request.dry_run)
    }
}
