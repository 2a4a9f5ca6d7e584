//! Which writes a history holds, and what they ask for and leave.

use crate::limits::HISTORY_LOOKUP_ROWS;
use crate::model::column::Column;
use crate::model::json;
use crate::model::value::Value;
use crate::store::filter::{Filter, Pattern, Test};

/// What a table tells the past of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite::sql) enum What {
    Images,
    Replicas,
}

/// A test that a column has one of these values.
pub(super) fn one_of(column: Column, values: &[&str]) -> Test {
    let any = values.iter().map(|&value| Pattern::Is(value.to_owned()));
    let any = any.collect();
    Test::Text { column, any }
}

impl What {
    /// The writes that are in the table: those that match any of these.
    pub(super) fn writes(self) -> Vec<Filter> {
        let filter = |tests: Vec<Test>| {
            let mut filter = Filter::default();
            tests.into_iter().for_each(|test| filter.push(test));
            filter
        };
        let absent = |column| Test::Absent { column };
        let writing = || one_of(Column::Verb, &["create", "update", "patch"]);
        match self {
            What::Images => {
                let mut of_pods = filter(vec![
                    one_of(
                        Column::Resource,
                        &[
                            "pods",
                            "deployments",
                            "replicasets",
                            "statefulsets",
                            "daemonsets",
                            "jobs",
                            "cronjobs",
                            "replicationcontrollers",
                            "podtemplates",
                        ],
                    ),
                    writing(),
                    absent(Column::Subresource),
                    absent(Column::Owner),
                    one_of(Column::Stage, &["ResponseComplete", "Panic"]),
                ]);
                of_pods.push_not(absent(Column::Images));
                vec![of_pods]
            }
            What::Replicas => {
                let stages = ["ResponseStarted", "ResponseComplete", "Panic"];
                let of_scales = filter(vec![
                    one_of(Column::Verb, &["update", "patch"]),
                    one_of(Column::Subresource, &["scale"]),
                    one_of(Column::Stage, &stages),
                ]);
                let mut of_objects = filter(vec![
                    one_of(
                        Column::Resource,
                        &[
                            "deployments",
                            "statefulsets",
                            "replicasets",
                            "replicationcontrollers",
                        ],
                    ),
                    writing(),
                    absent(Column::Subresource),
                    one_of(Column::Level, &["Request", "RequestResponse"]),
                    one_of(Column::Stage, &stages),
                ]);
                let controllers = "system:serviceaccount:kube-system:*".to_owned();
                of_objects.push_not(Test::Text {
                    column: Column::User,
                    any: vec![Pattern::Wildcard(controllers)],
                });
                vec![of_scales, of_objects]
            }
        }
    }

    /// Columns whose values make one object.
    pub(super) fn object(self) -> &'static [Column] {
        &self.told_apart()[1..]
    }

    /// The same, and the outcome before them.
    pub(super) fn told_apart(self) -> &'static [Column] {
        const ALL: [Column; 6] = [
            Column::Outcome,
            Column::Name,
            Column::Namespace,
            Column::Resource,
            Column::Cluster,
            Column::ApiGroup,
        ];
        match self {
            What::Images => &ALL,
            What::Replicas => &ALL[..5],
        }
    }

    /// What a write asks for.
    pub(super) fn asked(self) -> Column {
        match self {
            What::Images => Column::Images,
            What::Replicas => Column::Replicas,
        }
    }

    /// What a write leaves if it takes effect.
    pub(super) fn left(self) -> Column {
        match self {
            What::Images => Column::Images,
            What::Replicas => Column::ReplicasAnswered,
        }
    }

    /// What stands in where no write before is known.
    pub(super) fn otherwise(self) -> Option<Column> {
        match self {
            What::Images => None,
            What::Replicas => Some(Column::ReplicasObserved),
        }
    }

    /// Writes that are read on behalf of a row before the row's object is looked up alone, which
    /// costs about as much: replicas are in two kinds of writes, and one of them is told by users.
    pub(super) fn lookup_rows(self) -> usize {
        match self {
            What::Images => HISTORY_LOOKUP_ROWS,
            What::Replicas => 16 * HISTORY_LOOKUP_ROWS,
        }
    }

    /// Whether a write asks for something that was not there before.
    pub(super) fn changes(self, before: &Value, asked: &Value) -> bool {
        match (self, before, asked) {
            (_, _, Value::Null) => false,
            (What::Images, Value::Text(before), Value::Text(asked)) => {
                before != asked && {
                    let before = json::texts(before);
                    json::texts(asked)
                        .iter()
                        .any(|image| !before.contains(image))
                }
            }
            _ => before != asked,
        }
    }
}
