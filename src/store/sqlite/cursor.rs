//! The cursor: matching events of all parts of a snapshot, merged into one order.

mod ahead;
mod found_in;
mod values;

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::bytes::{self, Body};
use super::groups::Groups;
use super::layout::IntColumn;
use super::matched::Matcher;
use super::part::{Part, gather_ints};
use super::partscan::{Direction, PartScan};
use super::rowbatch::Batch;
pub use super::rowreader::Cell;
use super::rowreader::RowReader;
use super::scan::{PartAt, PartSource, ScanOrder, Snapshot, advised};
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::{Budget, Place, Result, StoreError, Work};

/// A running scan. It owns what it reads; nothing that happens to the store changes its answer.
pub struct Cursor {
    snapshot: Arc<Snapshot>,
    filter: Filter,
    order: ScanOrder,
    skip_damaged: bool,
    budget: Budget,
    work: Work,
    damaged: Vec<String>,
    /// Parts not begun yet, the next one last.
    waiting: Vec<PartAt>,
    /// Parts that have rows to give.
    streams: Vec<Stream>,
    /// The stream whose row is the current one.
    current: Option<usize>,
    groups: Option<Groups>,
    /// Tells in which fields of a row the texts of the filter stand, once somebody asks.
    matcher: Option<Matcher>,
    /// Rows up to this place of an ordered scan are passed over.
    pub(super) after: Option<Place>,
    /// Closes segments behind itself that hold much in memory: who reads all of a store keeps what
    /// it read of none.
    pub(super) lets_go: bool,
    /// What the last call of `cell` lent out.
    scratch: Value,
    texts: values::Texts,
    /// How many streams there were.
    begun: u32,
}

/// An open segment that holds more is not kept by those who will not come back to it.
const LARGE_SEGMENT_BYTES: usize = 8 << 20;

/// The matching rows of one part, a batch at a time.
pub(crate) struct Stream {
    /// From 1, in the order in which the cursor began them.
    serial: u32,
    scan: PartScan,
    /// The batch that is being given, and the place in it.
    batch: Batch,
    position: usize,
    /// Batches that were looked up ahead of their turn, for their bodies.
    ahead: VecDeque<Batch>,
    ended: bool,
    after: Option<Place>,
    buffer: Vec<i64>,
    reader: RowReader,
    raw: HashMap<u32, Body>,
    raw_rows: usize,
    /// Columns inside the bytes are read, too.
    reads_inside: bool,
}

impl Cursor {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        filter: Filter,
        order: ScanOrder,
        skip_damaged: bool,
        budget: Budget,
    ) -> Result<Cursor> {
        let (mut waiting, pruned) = snapshot.parts(&filter);
        match order {
            ScanOrder::NewestFirst => waiting.sort_by_key(|part| part.newest),
            ScanOrder::OldestFirst => waiting.sort_by_key(|part| std::cmp::Reverse(part.oldest)),
            _ => {}
        }
        let mut work = Work {
            segments_pruned: pruned,
            ..Work::default()
        };
        work.segments_opened += u64::from(
            waiting
                .iter()
                .any(|part| matches!(part.source, PartSource::Open(_))),
        );
        let mut cursor = Cursor {
            snapshot,
            filter,
            order,
            skip_damaged,
            budget,
            work,
            damaged: Vec::new(),
            waiting,
            streams: Vec::new(),
            current: None,
            groups: None,
            matcher: None,
            after: None,
            lets_go: false,
            scratch: Value::Null,
            texts: values::Texts::default(),
            begun: 0,
        };
        if matches!(order, ScanOrder::GroupedBy(_) | ScanOrder::ByReceivedTime) {
            cursor.prepare_groups()?;
        }
        Ok(cursor)
    }

    /// Orders that need all matching rows at hand before the first is given.
    fn prepare_groups(&mut self) -> Result<()> {
        let mut streams = Vec::new();
        while let Some(part) = self.waiting.pop() {
            if let Some(stream) = self.begin(&part)? {
                streams.push(stream);
            }
        }
        let mut groups = Groups::new(self.order);
        for (index, stream) in streams.iter_mut().enumerate() {
            let mut rows = Vec::new();
            let result = loop {
                match stream
                    .scan
                    .next_rows(&mut rows, &self.budget, &mut self.work)
                {
                    Ok(true) => {
                        if let Err(error) = groups.add(index, &stream.scan.part, &rows) {
                            break Err(error);
                        }
                    }
                    Ok(false) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            self.tolerate(result)?;
        }
        groups.finish(
            &streams
                .iter()
                .map(|stream| &stream.scan.part)
                .collect::<Vec<_>>(),
        )?;
        self.streams = streams;
        self.groups = Some(groups);
        Ok(())
    }

    /// Damage ends a part quietly when the caller asked for that, and is reported.
    fn tolerate(&mut self, result: Result<()>) -> Result<()> {
        match result {
            Err(StoreError::Damaged(text)) if self.skip_damaged => {
                self.damaged.push(text);
                Ok(())
            }
            other => other.map_err(advised),
        }
    }

    /// The place of the current row of an ordered scan.
    pub(super) fn place(&self) -> Option<Place> {
        self.current.map(|current| self.streams[current].head())
    }

    /// The part of the current row, the number of its stream, and the row there.
    pub(super) fn at(&self) -> Option<(&Part, u32, u32)> {
        let stream = &self.streams[self.current?];
        Some((&stream.reader.part, stream.serial, stream.row()))
    }

    /// Opens a part; `None` when it has no matching row.
    fn begin(&mut self, part: &PartAt) -> Result<Option<Stream>> {
        let direction = match self.order {
            ScanOrder::NewestFirst => Direction::Descending,
            _ => Direction::Ascending,
        };
        let opened = part
            .open(&self.snapshot.shared, &mut self.work)
            .and_then(|part| {
                let deriver = &self.snapshot.deriver;
                let (budget, work) = (&self.budget, &mut self.work);
                PartScan::new(part, &self.filter, direction, deriver, budget, work)
            });
        match opened {
            Ok(scan) => Ok(scan.map(|mut scan| {
                scan.tells = self.matcher.is_some();
                self.work.parts_indexed += u64::from(scan.indexed());
                self.begun += 1;
                Stream::new(self.begun, scan, self.after)
            })),
            Err(error) => self.tolerate(Err(error)).map(|()| None),
        }
    }

    /// Damaged segments that were left out.
    pub fn damaged(&self) -> &[String] {
        &self.damaged
    }

    /// Moves to the next row; false at the end. Starts before the first row.
    pub fn advance(&mut self) -> Result<bool> {
        if let Some(groups) = &mut self.groups {
            let Some((stream, row)) = groups.next() else {
                self.current = None;
                return Ok(false);
            };
            self.streams[stream].set_row(row);
            self.current = Some(stream);
            return Ok(true);
        }
        if let Some(current) = self.current {
            self.streams[current].position += 1;
        }
        match self.order {
            ScanOrder::NewestFirst | ScanOrder::OldestFirst => self.advance_ordered(),
            _ => self.advance_any(),
        }
    }

    fn advance_any(&mut self) -> Result<bool> {
        loop {
            if let Some(stream) = self.streams.first_mut() {
                let result = stream.fill(false, &self.budget, &mut self.work);
                let has_row = match result {
                    Ok(has_row) => has_row,
                    Err(error) => {
                        self.tolerate(Err(error))?;
                        false
                    }
                };
                if has_row {
                    self.current = Some(0);
                    return Ok(true);
                }
                self.streams.clear();
            }
            let Some(part) = self.waiting.pop() else {
                self.current = None;
                return Ok(false);
            };
            if let Some(stream) = self.begin(&part)? {
                self.streams.push(stream);
            }
        }
    }

    /// Merges the streams by (time, id). Parts are opened only when their range is reached.
    fn advance_ordered(&mut self) -> Result<bool> {
        if let Some(current) = self.current.take() {
            self.refill(current)?;
        }
        loop {
            let best = self.best();
            let reached = self.waiting.last().is_some_and(|part| match best {
                None => true,
                Some(best) => {
                    let time = self.streams[best].head().0;
                    match self.order {
                        ScanOrder::NewestFirst => part.newest >= time,
                        _ => part.oldest <= time,
                    }
                }
            });
            if reached {
                if let Some(part) = self.waiting.pop()
                    && let Some(stream) = self.begin(&part)?
                {
                    self.streams.push(stream);
                    self.refill(self.streams.len() - 1)?;
                }
                continue;
            }
            self.current = best;
            return Ok(best.is_some());
        }
    }

    /// Makes a stream show its next row, or removes it.
    fn refill(&mut self, index: usize) -> Result<()> {
        let result = self.streams[index].fill(true, &self.budget, &mut self.work);
        let has_row = match result {
            Ok(has_row) => has_row,
            Err(error) => {
                self.tolerate(Err(error))?;
                false
            }
        };
        if !has_row {
            let stream = self.streams.swap_remove(index);
            if let Part::Sealed(sealed) = &stream.reader.part
                && (self.lets_go && sealed.memory() > LARGE_SEGMENT_BYTES)
                && let Some(name) = sealed.path.file_name().and_then(|name| name.to_str())
            {
                // Who still reads it goes on.
                self.snapshot.shared.forget_open(&[name.to_owned()]);
            }
        }
        Ok(())
    }

    fn best(&self) -> Option<usize> {
        let newest_first = self.order == ScanOrder::NewestFirst;
        (0..self.streams.len()).reduce(|best, index| {
            let ordering = self.streams[index].head().cmp(&self.streams[best].head());
            let wins = if newest_first {
                Ordering::Greater
            } else {
                Ordering::Less
            };
            if ordering == wins { index } else { best }
        })
    }

    /// A cell of the current row. Bodies are decompressed only for columns that need them.
    pub fn cell(&mut self, column: Column) -> Result<Cell<'_>> {
        let current = self
            .current
            .ok_or_else(|| StoreError::BadRequest("there is no current row".into()))?;
        let stream = &mut self.streams[current];
        let row = stream.row();
        if stream.reader.holds(column) {
            return stream.reader.cell(column, row, &self.snapshot.deriver);
        }
        let ordered = matches!(self.order, ScanOrder::NewestFirst | ScanOrder::OldestFirst);
        stream.reads_inside |= bytes::is_inside(column);
        let body = stream.raw(row, ordered, &self.budget, &mut self.work)?;
        if column == Column::Raw {
            return Ok(Cell::Bytes(&body.raw));
        }
        if bytes::is_inside(column) {
            return Ok(body.text(column).map_or(Cell::Null, Cell::Text));
        }
        self.scratch = bytes::column(column, &body.raw);
        Ok(match &self.scratch {
            Value::Text(text) | Value::Json(text) => Cell::Text(text),
            Value::Bytes(bytes) => Cell::Bytes(bytes),
            Value::Int(value) => Cell::Int(*value),
            _ => Cell::Null,
        })
    }

    /// Work done so far.
    pub fn work(&self) -> Work {
        Work {
            elapsed_us: self.budget.elapsed().as_micros() as u64,
            ..self.work
        }
    }
}

impl Stream {
    fn new(serial: u32, scan: PartScan, after: Option<Place>) -> Stream {
        Stream {
            serial,
            reader: RowReader::new(scan.part.clone()),
            scan,
            batch: Batch::default(),
            position: 0,
            ahead: VecDeque::new(),
            ended: false,
            after,
            buffer: Vec::new(),
            raw: HashMap::new(),
            raw_rows: 0,
            reads_inside: false,
        }
    }

    /// Ensures a row at the position; false at the end of the part.
    fn fill(&mut self, ordered: bool, budget: &Budget, work: &mut Work) -> Result<bool> {
        while self.position >= self.batch.rows.len() {
            self.position = 0;
            if self.ahead.is_empty() && !self.look_ahead(ordered, budget, work)? {
                return Ok(false);
            }
            self.batch = self.ahead.pop_front().unwrap_or_default();
        }
        Ok(true)
    }

    /// Looks up one more batch; false at the end of the part.
    fn look_ahead(&mut self, ordered: bool, budget: &Budget, work: &mut Work) -> Result<bool> {
        let mut batch = Batch::default();
        if self.ended || !self.scan.next_rows(&mut batch.rows, budget, work)? {
            self.ended = true;
            return Ok(false);
        }
        if ordered {
            let part = &self.scan.part;
            gather_ints(
                part,
                IntColumn::Time,
                &batch.rows,
                &mut self.buffer,
                &mut batch.times,
            )?;
            gather_ints(
                part,
                IntColumn::Id,
                &batch.rows,
                &mut self.buffer,
                &mut batch.ids,
            )?;
            if let Some(after) = self.after {
                batch.pass_over(after, self.scan.direction());
            }
        }
        if !batch.rows.is_empty() {
            self.ahead.push_back(batch);
        }
        Ok(true)
    }

    fn head(&self) -> (i64, i64) {
        (
            self.batch.times[self.position],
            self.batch.ids[self.position],
        )
    }

    fn row(&self) -> u32 {
        self.batch.rows[self.position]
    }

    /// Shows one row, for orders that are made elsewhere.
    fn set_row(&mut self, row: u32) {
        self.batch.rows.clear();
        self.batch.rows.push(row);
        self.position = 0;
    }
}
