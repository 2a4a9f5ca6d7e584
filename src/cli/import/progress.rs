//! The progress bar of an import; nothing without a terminal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress over bytes, with events per second and the time left.
pub struct Bar {
    bar: ProgressBar,
    events: AtomicU64,
    started: Instant,
}

impl Bar {
    /// A bar on stderr; hidden when that is no terminal.
    pub fn new() -> Bar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar {
            bar,
            events: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// Sets how many bytes there are; 0 when nobody knows, as with stdin.
    pub fn total(&self, bytes: u64) {
        let template = if bytes > 0 {
            self.bar.set_length(bytes);
            "{wide_bar} {bytes}/{total_bytes} {msg} {eta} left"
        } else {
            "{spinner} {bytes} {msg} {elapsed}"
        };
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        self.bar.set_style(style);
    }

    /// So many more bytes were read and so many more events committed.
    pub fn advance(&self, bytes: u64, events: u64) {
        let events = self.events.fetch_add(events, Ordering::Relaxed) + events;
        self.bar.inc(bytes);
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rate = events as f64 / seconds;
        self.bar
            .set_message(format!("{events} events, {rate:.0}/s"));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
