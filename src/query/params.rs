//! Stand-in.
use crate::model::column::Column;
use crate::store::filter::{Filter, Pattern, Test};
use crate::store::{EventQuery, Order};

pub struct EventParams(Vec<(String, String)>);

impl EventParams {
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<EventParams, String> {
        let pairs: Vec<_> = pairs.into_iter().collect();
        match pairs
            .iter()
            .find(|(name, _)| !["verb", "limit", "columns"].contains(&name.as_str()))
        {
            Some((name, _)) => Err(format!("unknown parameter {name:?}; known: verb, limit")),
            None => Ok(EventParams(pairs)),
        }
    }

    pub fn into_query(self, _now: i64) -> Result<EventQuery, String> {
        let mut query = EventQuery {
            filter: Filter::default(),
            order: Order::NewestFirst,
            limit: 100,
            last_stage_only: false,
            columns: vec![Column::Id, Column::Verb],
            skip_damaged: false,
        };
        for (name, value) in self.0 {
            match name.as_str() {
                "limit" => query.limit = value.parse().map_err(|_| format!("limit {value:?}"))?,
                _ => query.filter.push(Test::Text {
                    column: Column::Verb,
                    any: vec![Pattern::parse(&value)],
                }),
            }
        }
        Ok(query)
    }
}

pub fn top_column(name: &str) -> Result<Column, String> {
    Column::by_name(name).ok_or_else(|| format!("no field {name:?}"))
}
