//! The table `requests`: one row per API call, put together from its stages.
//!
//! Stages belong together when cluster, audit ID, user, URI and received time are all equal and
//! none of them is absent: a client may choose the audit ID, so that it alone does not tell. The
//! scan gives events by received time, so a call's stages stand in one small batch. When a place
//! among the stages is taken twice within such a group, the calls in it cannot be told apart: every
//! event at the last place then is a row of its own, marked `ambiguous`, after all earlier ones.
//! Only starts are of one call, however many there are ([`stages::STARTED`]).

use std::cmp::Ordering;
use std::sync::Arc;

use rusqlite::vtab::{Filters, IndexInfo};

use super::events::{declaration, read_plan};
use super::plan::{self, Planned, Subject};
use super::session::{Scan, Session};
use super::vtab::{Table, TableCursor};
use super::{pushdown, quota};
use crate::limits::SQL_MEMORY_BYTES_MAX;
use crate::model::column::{Column, Kind};
use crate::store::sqlite::scan::{Cell, ScanOrder};
use crate::store::sqlite::stages;
use crate::store::{Result, StoreError};

/// Where a column of `requests` comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// The last stage.
    Last(Column),
    /// The last stage that has it.
    Found(Column),
    /// Time of the first stage.
    FirstTime,
    /// The stages' names in order, a JSON array.
    Stages,
    /// 1 when a long-running call has started and not ended.
    Open,
    /// 1 when the stages of several calls could not be told apart.
    Ambiguous,
}

use Output::{Found, Last};

const COLUMNS: [(&str, Kind, Output); 28] = [
    ("cluster", Kind::Text, Last(Column::Cluster)),
    ("audit_id", Kind::Text, Last(Column::AuditId)),
    ("first_time", Kind::Time, Output::FirstTime),
    ("time", Kind::Time, Last(Column::Time)),
    ("received_time", Kind::Time, Last(Column::ReceivedTime)),
    ("stages", Kind::Json, Output::Stages),
    ("open", Kind::Bool, Output::Open),
    ("ambiguous", Kind::Bool, Output::Ambiguous),
    ("last_event_id", Kind::Int, Last(Column::Id)),
    ("verb", Kind::Text, Last(Column::Verb)),
    ("user", Kind::Text, Last(Column::User)),
    (
        "impersonated_user",
        Kind::Text,
        Last(Column::ImpersonatedUser),
    ),
    ("effective_user", Kind::Text, Last(Column::EffectiveUser)),
    ("source_ip", Kind::Text, Last(Column::SourceIp)),
    ("user_agent", Kind::Text, Last(Column::UserAgent)),
    ("request_uri", Kind::Text, Last(Column::RequestUri)),
    ("api_group", Kind::Text, Last(Column::ApiGroup)),
    ("resource", Kind::Text, Last(Column::Resource)),
    ("subresource", Kind::Text, Last(Column::Subresource)),
    ("namespace", Kind::Text, Last(Column::Namespace)),
    ("name", Kind::Text, Found(Column::Name)),
    ("code", Kind::Int, Last(Column::Code)),
    ("reason", Kind::Text, Last(Column::Reason)),
    ("outcome", Kind::Text, Last(Column::Outcome)),
    ("decision", Kind::Text, Last(Column::Decision)),
    ("decision_reason", Kind::Text, Last(Column::DecisionReason)),
    ("dry_run", Kind::Bool, Last(Column::DryRun)),
    ("latency_us", Kind::Int, Last(Column::LatencyUs)),
];

/// The event columns that are read for every event, because they group and order the stages.
const KEY: [Column; 4] = [
    Column::Cluster,
    Column::AuditId,
    Column::User,
    Column::RequestUri,
];
const ALWAYS: [Column; 9] = [
    Column::Id,
    Column::Time,
    Column::ReceivedTime,
    Column::Stage,
    Column::Code,
    KEY[0],
    KEY[1],
    KEY[2],
    KEY[3],
];

pub(super) struct Requests {
    pub(super) session: Arc<Session>,
}

/// Beside [`KEY`], what is equal over all stages of a call, so that a condition on it keeps or drops
/// the call whole: the apiserver reads it from method, URI and connection before the first stage.
const WHOLE: [Column; 7] = [
    Column::ReceivedTime,
    Column::Verb,
    Column::ApiGroup,
    Column::Resource,
    Column::Subresource,
    Column::Namespace,
    Column::SourceIp,
];

fn pushed(at: i32) -> Option<Column> {
    match COLUMNS.get(usize::try_from(at).ok()?)?.2 {
        Output::Last(column) => {
            (KEY.contains(&column) || WHOLE.contains(&column)).then_some(column)
        }
        _ => None,
    }
}

impl Table for Requests {
    fn columns(&self) -> String {
        COLUMNS
            .map(|(name, kind, _)| declaration(name, kind))
            .join(", ")
    }

    fn plan(&self, info: &mut IndexInfo) -> rusqlite::Result<()> {
        let ordered = |at: i32| pushed(at).filter(|column| *column == Column::ReceivedTime);
        let only_order = Some(ScanOrder::ByReceivedTime);
        let events = self.session.backing.event_count();
        info.set_idx_num((info.col_used() & ((1 << COLUMNS.len()) - 1)) as i32);
        plan::choose(
            info,
            &Planned {
                subject: &|at| pushed(at).map(Subject::Event),
                ordered: &ordered,
                only_order,
                prefix: "",
                plain_times: false,
                events,
            },
        )?;
        Ok(())
    }

    fn cursor(&self) -> Box<dyn TableCursor> {
        Box::new(RequestsCursor {
            session: Arc::clone(&self.session),
            scan: None,
            read_ahead: false,
            columns: Vec::new(),
            batch: Batch::default(),
            at: 0,
            stages: String::new(),
        })
    }
}

/// A cell of an event that is kept while its batch is put together.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slot {
    Null,
    Int(i64),
    Time(i64),
    /// Where the text stands in the batch's texts.
    Text(usize, usize),
}

/// The events of one received time, and the requests that they make.
#[derive(Default)]
struct Batch {
    /// `width` cells per event.
    slots: Vec<Slot>,
    width: usize,
    texts: String,
    /// Indexes of events, those of a request together and in the order of its stages.
    order: Vec<usize>,
    requests: Vec<Request>,
    /// Memory counted against the statement.
    charged: i64,
}

#[derive(Debug, Clone, Copy)]
struct Request {
    /// Where its earlier stages begin and end in the order, and where the last one is.
    start: usize,
    end: usize,
    last: usize,
    ambiguous: bool,
}

impl Batch {
    fn clear(&mut self) {
        self.slots.clear();
        self.texts.clear();
        self.order.clear();
        self.requests.clear();
    }

    fn events(&self) -> usize {
        self.slots.len() / self.width.max(1)
    }

    fn slot(&self, event: usize, column: usize) -> Slot {
        self.slots[event * self.width + column]
    }

    /// A cell among [`ALWAYS`].
    fn key(&self, event: usize, column: Column) -> Slot {
        let at = ALWAYS.iter().position(|known| *known == column);
        at.map_or(Slot::Null, |at| self.slot(event, at))
    }

    fn text(&self, slot: Slot) -> Option<&str> {
        match slot {
            Slot::Text(start, end) => self.texts.get(start..end),
            _ => None,
        }
    }

    /// Counts the batch's memory, in coarse steps.
    fn charge(&mut self) -> Result<()> {
        let held = self.texts.len() + self.slots.len() * size_of::<Slot>();
        let held = i64::try_from(held).unwrap_or(i64::MAX);
        if held > self.charged {
            let step = held - self.charged + (1 << 20);
            if !quota::take_memory(step) {
                return Err(super::errors::out_of_memory(SQL_MEMORY_BYTES_MAX));
            }
            self.charged += step;
        }
        Ok(())
    }

    /// Compares events so that a call's stages stand together and in order.
    fn compare(&self, a: usize, b: usize) -> Ordering {
        let text = |event, column| self.text(self.key(event, column));
        let number = |event, column| match self.key(event, column) {
            Slot::Int(number) | Slot::Time(number) => Some(number),
            _ => None,
        };
        let keys = KEY
            .iter()
            .map(|&column| text(a, column).cmp(&text(b, column)));
        keys.fold(Ordering::Equal, Ordering::then)
            .then_with(|| self.place(a).cmp(&self.place(b)))
            .then_with(|| number(a, Column::Time).cmp(&number(b, Column::Time)))
            .then_with(|| number(a, Column::Id).cmp(&number(b, Column::Id)))
    }

    fn place(&self, event: usize) -> u8 {
        stages::place(self.text(self.key(event, Column::Stage)))
    }

    fn belong_together(&self, a: usize, b: usize) -> bool {
        self.key(a, Column::ReceivedTime) != Slot::Null
            && KEY.iter().all(|&column| {
                let one = self.text(self.key(a, column));
                one.is_some() && one == self.text(self.key(b, column))
            })
    }

    /// Puts the requests together once all events are there.
    fn group(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        order.extend(0..self.events());
        if order.len() > 1 {
            order.sort_unstable_by(|&a, &b| self.compare(a, b));
        }
        let mut start = 0;
        while start < order.len() {
            let same = |&other: &usize| self.belong_together(order[start], other);
            let end = start
                + 1
                + order[start + 1..]
                    .iter()
                    .take_while(|other| same(other))
                    .count();
            let mut pairs = order[start..end].windows(2);
            let ambiguous = pairs.any(|pair| self.place(pair[0]) == self.place(pair[1]));
            let furthest = self.place(order[end - 1]);
            let earlier = match furthest {
                stages::STARTED => end - start - 1,
                _ => order[start..end].partition_point(|&event| self.place(event) < furthest),
            };
            self.requests
                .extend((start + earlier..end).map(|last| Request {
                    start,
                    end: start + earlier,
                    last,
                    ambiguous,
                }));
            start = end;
        }
        self.order = order;
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        quota::take_memory(-self.charged);
    }
}

struct RequestsCursor {
    session: Arc<Session>,
    scan: Option<Scan>,
    /// The scan stands on an event that belongs to the next batch.
    read_ahead: bool,
    /// The event columns that are read: [`ALWAYS`], then what the statement uses.
    columns: Vec<Column>,
    batch: Batch,
    at: usize,
    /// The text of the column `stages` while SQLite copies it.
    stages: String,
}

impl RequestsCursor {
    /// Reads the next batch; false at the end.
    fn load(&mut self) -> Result<bool> {
        let RequestsCursor {
            scan: Some(scan),
            columns,
            batch,
            read_ahead,
            ..
        } = self
        else {
            return Ok(false);
        };
        batch.clear();
        batch.width = columns.len();
        self.at = 0;
        let mut first = None;
        loop {
            if !std::mem::take(read_ahead) && !scan.advance()? {
                break;
            }
            let received = match scan.cell(Column::ReceivedTime)? {
                Cell::Time(micros) => Some(micros),
                _ => None,
            };
            if batch.width > 0 && !batch.slots.is_empty() && first != received {
                *read_ahead = true;
                break;
            }
            first = received;
            for &column in columns.iter() {
                let slot = match scan.cell(column)? {
                    Cell::Null | Cell::Bytes(_) => Slot::Null,
                    Cell::Int(number) => Slot::Int(number),
                    Cell::Time(micros) => Slot::Time(micros),
                    Cell::Text(text) => {
                        let start = batch.texts.len();
                        batch.texts.push_str(text);
                        Slot::Text(start, batch.texts.len())
                    }
                };
                batch.slots.push(slot);
            }
            batch.charge()?;
            if received.is_none() {
                break;
            }
        }
        batch.group();
        Ok(!batch.requests.is_empty())
    }

    /// The current request, the events of its earlier stages in order, and that of the last one.
    fn current(&self) -> Option<(Request, &[usize], usize)> {
        let Batch {
            requests, order, ..
        } = &self.batch;
        let request = *requests.get(self.at)?;
        let earlier = order.get(request.start..request.end)?;
        Some((request, earlier, *order.get(request.last)?))
    }

    fn slot(&self, event: usize, column: Column) -> Slot {
        let at = self.columns.iter().position(|known| *known == column);
        at.map_or(Slot::Null, |at| self.batch.slot(event, at))
    }

    fn stage(&self, event: usize) -> Option<&str> {
        self.batch.text(self.slot(event, Column::Stage))
    }

    /// A long-running call answers `ResponseStarted` with success (or 101) and ends with
    /// `ResponseComplete` or `Panic`. A request that is rejected before authentication also stops
    /// at `ResponseStarted`, with a 4xx.
    fn is_open(&self, last: usize) -> bool {
        let failed = matches!(self.slot(last, Column::Code), Slot::Int(code) if code >= 400);
        self.stage(last) == Some("ResponseStarted") && !failed
    }
}

impl TableCursor for RequestsCursor {
    fn start(&mut self, used: i32, plan: &str, arguments: &Filters<'_>) -> Result<bool> {
        self.scan = None;
        self.read_ahead = false;
        self.batch.clear();
        self.columns = ALWAYS.to_vec();
        for (at, (_, _, output)) in COLUMNS.iter().enumerate() {
            if let (true, Output::Last(column) | Output::Found(column)) =
                (used & (1 << at) != 0, *output)
                && !self.columns.contains(&column)
            {
                self.columns.push(column);
            }
        }
        let plan = read_plan(plan)?;
        let Some(filter) = pushdown::filter(&plan, arguments)? else {
            return Ok(false);
        };
        self.scan = Some(self.session.scan(&filter, plan.order)?);
        self.load()
    }

    fn advance(&mut self) -> Result<bool> {
        self.at += 1;
        Ok(self.at < self.batch.requests.len() || self.load()?)
    }

    fn cell(&mut self, column: usize) -> Result<Cell<'_>> {
        let Some(&(_, _, output)) = COLUMNS.get(column) else {
            return Ok(Cell::Null);
        };
        let Some((request, earlier, last)) = self.current() else {
            return Ok(Cell::Null);
        };
        let slot = match output {
            Output::Last(column) => self.slot(last, column),
            Output::Found(column) => std::iter::once(&last)
                .chain(earlier.iter().rev())
                .map(|&event| self.slot(event, column))
                .find(|slot| *slot != Slot::Null)
                .unwrap_or(Slot::Null),
            Output::FirstTime => self.slot(*earlier.first().unwrap_or(&last), Column::Time),
            Output::Open => Slot::Int(self.is_open(last).into()),
            Output::Ambiguous => Slot::Int(request.ambiguous.into()),
            Output::Stages => {
                let events = earlier.iter().chain([&last]);
                let names: Vec<_> = events.map(|&event| self.stage(event)).collect();
                self.stages = serde_json::to_string(&names)
                    .map_err(|error| StoreError::Io(error.to_string()))?;
                return Ok(Cell::Text(&self.stages));
            }
        };
        Ok(match slot {
            Slot::Null => Cell::Null,
            Slot::Int(number) => Cell::Int(number),
            Slot::Time(micros) => Cell::Time(micros),
            Slot::Text(..) => self.batch.text(slot).map_or(Cell::Null, Cell::Text),
        })
    }

    fn rowid(&mut self) -> Result<i64> {
        match self
            .current()
            .map(|(_, _, last)| self.slot(last, Column::Id))
        {
            Some(Slot::Int(id)) => Ok(id),
            _ => Err(StoreError::Io("an event has no id".into())),
        }
    }
}
