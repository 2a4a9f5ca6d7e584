//! Events of calls in flight, in the order of their times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::call::{self, Call, Stage, Stages};
use super::random::Uuid;

/// Events whose time has not come.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Time, order of arrival, slot.
    due: BinaryHeap<Reverse<(i64, u64, usize)>>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Events put in, ever.
    made: u64,
    /// Ends of long-running calls that are still in the queue.
    open: u64,
}

#[derive(Debug, Default)]
struct Slot {
    line: Vec<u8>,
    ends_long: bool,
}

/// Long-running calls that are open at once, at most: it bounds the queue's memory.
pub(super) const OPEN_MAX: u64 = 400;

impl Queue {
    /// Puts in the events of a call that arrives at `arrival` and takes `took` microseconds; gives
    /// their number.
    pub(super) fn call(&mut self, call: &Call<'_>, id: Uuid, arrival: i64, took: i64) -> usize {
        let end = arrival + took;
        let started = arrival + took.min(900);
        let stages: &[(Stage, i64)] = match call.stages {
            Stages::Complete => &[(Stage::Complete, end)],
            Stages::Both => &[(Stage::Received, arrival), (Stage::Complete, end)],
            Stages::Watch => &[(Stage::Started, started), (Stage::Complete, end)],
            Stages::LongRunning => &[
                (Stage::Received, arrival),
                (Stage::Started, started),
                (Stage::Complete, end),
            ],
            Stages::Unauthenticated => &[(Stage::Started, end)],
        };
        let long = matches!(call.stages, Stages::Watch | Stages::LongRunning);
        for &(stage, time) in stages {
            let slot = self.free.pop().unwrap_or_else(|| {
                self.slots.push(Slot::default());
                self.slots.len() - 1
            });
            self.slots[slot].line.clear();
            call::write(&mut self.slots[slot].line, call, stage, id, arrival, time);
            self.slots[slot].ends_long = long && stage == Stage::Complete;
            self.due.push(Reverse((time, self.made, slot)));
            self.made += 1;
        }
        self.open += u64::from(long);
        stages.len()
    }

    /// Appends the first event if its time is not after `until`.
    pub(super) fn pop(&mut self, until: i64, out: &mut Vec<u8>) -> bool {
        match self.due.peek() {
            Some(Reverse((time, _, _))) if *time <= until => {}
            _ => return false,
        }
        let Some(Reverse((_, _, slot))) = self.due.pop() else {
            return false;
        };
        out.extend_from_slice(&self.slots[slot].line);
        self.open -= u64::from(self.slots[slot].ends_long);
        self.free.push(slot);
        true
    }

    /// How many events stand behind or near: what the clock of arrivals goes by.
    pub(super) fn progress(&self) -> u64 {
        self.made - self.open
    }

    /// Whether another long-running call may begin.
    pub(super) fn may_open(&self) -> bool {
        self.open < OPEN_MAX
    }
}
