//! The progress bar of an import; nothing without a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::intake::import::Progress;

/// Progress over bytes, with items per second and the time left.
pub(super) struct Bar {
    bar: ProgressBar,
    started: Instant,
}

impl Bar {
    /// A bar on stderr; hidden when that is no terminal.
    pub(super) fn new() -> Bar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(style("{spinner} {bytes} {msg} {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar {
            bar,
            started: Instant::now(),
        }
    }

    /// Shows how far the import is.
    pub(super) fn show(&self, progress: Progress) {
        if let Some(total) = progress.bytes_total
            && self.bar.length() != Some(total)
        {
            self.bar.set_length(total);
            let line = "{wide_bar} {bytes}/{total_bytes} {msg} {eta} left";
            self.bar.set_style(style(line));
        }
        self.bar.set_position(progress.bytes_read);
        let rate = progress.items as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        self.bar
            .set_message(format!("{} events, {rate:.0} events/s", progress.items));
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well-formed")
}
