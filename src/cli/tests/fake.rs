//! A store of two events.

use std::ops::ControlFlow;

use crate::model::column::Column;
use crate::model::event::Event;
use crate::model::value::Value;
use crate::store::filter::{Filter, Test};
use crate::store::{
    Answer, Batch, Budget, CountQuery, EventQuery, Pruned, Quarantined, Result, RowSink, Sealed,
    SqlColumn, SqlQuery, SqlSink, Stats, Store, StoreError,
};

/// Two events, in a store that knows only source addresses.
pub(super) struct Fake;

const ADDRESSES: [&str; 2] = [r#"["10.0.0.5","192.168.7.7"]"#, r#"["172.16.0.1"]"#];

impl Fake {
    fn cell(event: usize, column: Column) -> Value {
        match column {
            Column::Id => Value::Int(event as i64),
            Column::User => Value::text(format!("user{event}")),
            Column::SourceIps => Value::Json(ADDRESSES[event].into()),
            Column::Raw => {
                Value::Bytes(format!("{{\"n\":{event},\"x\":\"é\"}}").into_bytes().into())
            }
            Column::Time => Value::Time(1_000_000 * event as i64),
            _ => Value::Null,
        }
    }

    fn matches(event: usize, filter: &Filter) -> bool {
        let addresses: Vec<String> = serde_json::from_str(ADDRESSES[event]).unwrap();
        filter.terms.iter().all(|term| match &term.test {
            Test::Text { any, .. } => {
                let hit = addresses.iter().any(|a| any.iter().any(|p| p.matches(a)));
                hit != term.negate
            }
            _ => true,
        })
    }
}

impl Store for Fake {
    fn batch(&self, _: &str, _: &str) -> Box<dyn Batch> {
        struct Never;
        impl Batch for Never {
            fn event(&mut self, _: &Event<'_>, _: &[u8], _: [u8; 16]) {}
            fn quarantine(&mut self, _: crate::store::QuarantineItem<'_>) {}
            fn bytes(&self) -> usize {
                0
            }
            fn commit(self: Box<Self>) -> Result<crate::store::Receipt> {
                Err(StoreError::Unavailable("read only".to_owned()))
            }
        }
        Box::new(Never)
    }

    fn identity(&self) -> String {
        "fake".to_owned()
    }

    fn last_id(&self) -> i64 {
        0
    }

    fn wait_for_events(&self, _: i64, _: std::time::Duration) -> i64 {
        0
    }

    fn events(&self, query: &EventQuery, _: &Budget, sink: RowSink<'_>) -> Result<Answer> {
        let mut answer = Answer::default();
        let found = (0..2).filter(|&event| Fake::matches(event, &query.filter));
        for (rows, event) in found.enumerate() {
            if query.limit > 0 && rows as u64 == query.limit {
                answer.truncated = true;
                break;
            }
            let row: Vec<_> = query
                .columns
                .iter()
                .map(|&c| Fake::cell(event, c))
                .collect();
            if sink(&row).is_break() {
                break;
            }
        }
        Ok(answer)
    }

    fn count(&self, query: &CountQuery, _: &Budget, sink: RowSink<'_>) -> Result<Answer> {
        let _ = sink(&[Fake::cell(0, query.by[0]), Value::Int(3)]);
        Ok(Answer::default())
    }

    fn sql(&self, query: &SqlQuery, _: &Budget, sink: &mut dyn SqlSink) -> Result<Answer> {
        if query.sql.contains("bad") {
            return Err(StoreError::BadRequest("no such table: bad".to_owned()));
        }
        let column = |name: &str, kind: &str| SqlColumn {
            name: name.to_owned(),
            kind: kind.to_owned(),
        };
        sink.columns(&[column("groups", "JSON"), column("p", "")]);
        let param = query
            .params
            .first()
            .map_or(Value::Null, |(_, value)| value.clone());
        let _ = sink.row(&[Value::text("[1]"), param]);
        Ok(Answer::default())
    }

    fn stats(&self) -> Result<Stats> {
        Ok(Stats::default())
    }

    fn quarantined(&self, _: &mut dyn FnMut(Quarantined) -> ControlFlow<()>) -> Result<()> {
        Ok(())
    }

    fn quarantined_bytes(
        &self,
        _: i64,
        _: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<bool> {
        Ok(false)
    }

    fn seal(&self, _merge: bool) -> Result<Sealed> {
        Ok(Sealed::default())
    }

    fn reseal(&self) -> Result<crate::store::Resealed> {
        Ok(crate::store::Resealed::default())
    }

    fn prune(&self, cutoff: i64, dry_run: bool) -> Result<Pruned> {
        Ok(Pruned {
            before: crate::query::clock::to_text(cutoff),
            dry_run,
            ..Pruned::default()
        })
    }

    fn record_reports(&self, _: &[crate::store::ReportRecord]) -> Result<()> {
        Ok(())
    }

    fn reports(&self) -> Result<Vec<crate::store::ReportRecord>> {
        Ok(Vec::new())
    }

    fn close(&self) -> Result<()> {
        Ok(())
    }
}
