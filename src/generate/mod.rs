//! Realistic audit events without a cluster: for the demo, the benchmark and anyone's own trials.
//!
//! Equal [`Options`] give equal bytes, on every machine and in every later version, unless the
//! change log says otherwise. Memory does not grow with the number of events.

mod bodies;
mod call;
mod incident;
mod put;
mod queue;
mod random;
#[cfg(test)]
mod tests;
mod traffic;
mod world;

use std::time::Duration;

pub use incident::{EVENTS_MIN, Incident, Step, incident};
use queue::Queue;
use traffic::Traffic;
use world::World;

/// When generated events begin unless told otherwise: 2026-01-05T00:00:00Z, in microseconds.
pub const START: i64 = 1_767_571_200_000_000;

/// What is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub events: u64,
    pub seed: u64,
    /// Time of the first events, microseconds since 1970.
    pub start: i64,
    /// Time from the first to the last events. With a day or more the rate follows the day.
    pub span: Duration,
}

impl Default for Options {
    /// A day from [`START`], without events yet.
    fn default() -> Options {
        Options {
            events: 0,
            seed: 1,
            start: START,
            span: Duration::from_secs(86_400),
        }
    }
}

impl Options {
    fn span_us(&self) -> i64 {
        i64::try_from(self.span.as_micros()).unwrap_or(i64::MAX / 4)
    }
}

/// Generates events one by one, in the order of their stage times.
pub struct Generator {
    options: Options,
    world: World,
    traffic: Traffic,
    queue: Queue,
    incident: Option<Incident>,
    /// Steps of the incident that are in the queue.
    played: usize,
    /// When the next call arrives.
    arrival: i64,
    emitted: u64,
}

impl Generator {
    pub fn new(options: Options) -> Generator {
        let watch_max = options.span_us() / 30;
        Generator {
            world: World::new(options.seed),
            traffic: Traffic::new(options.seed, watch_max),
            queue: Queue::default(),
            incident: incident(&options),
            played: 0,
            arrival: options.start,
            emitted: 0,
            options,
        }
    }

    /// Appends the next event and a newline; false when there are no more.
    pub fn next_into(&mut self, out: &mut Vec<u8>) -> bool {
        if self.emitted == self.options.events {
            return false;
        }
        while !self.queue.pop(self.arrival, out) {
            self.traffic
                .call(&self.world, &mut self.queue, self.arrival);
            let next = self.options.start + self.offset(self.queue.progress());
            self.arrival = self.arrival.max(next);
            self.play();
        }
        self.emitted += 1;
        true
    }

    /// Puts the steps of the incident whose time has come into the queue.
    fn play(&mut self) {
        let Some(incident) = &self.incident else {
            return;
        };
        while let Some(step) = incident.steps.get(self.played)
            && step.time <= self.arrival
        {
            incident::play(incident, self.played, &self.world, &mut self.queue);
            self.played += 1;
        }
    }

    /// How long after the start the `index`th event comes.
    fn offset(&self, index: u64) -> i64 {
        let span = self.options.span_us();
        let events = self.options.events.max(1);
        let even = (i128::from(span) * i128::from(index) / i128::from(events)) as i64;
        let days = span / DAY;
        if days == 0 {
            return even;
        }
        // Two parabolas instead of a sine, whose last bits differ between machines: a quiet half of
        // the day and a busy one.
        let period = span / days;
        let half = period / 2;
        let phase = even % period;
        let (phase, sign) = match phase < half {
            true => (phase, -1),
            false => (phase - half, 1),
        };
        let height = i128::from(phase) * i128::from(half - phase) * 4 / i128::from(half);
        even + sign * (height / 6) as i64
    }
}

const DAY: i64 = 86_400_000_000;
