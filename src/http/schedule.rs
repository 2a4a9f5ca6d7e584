//! `--report-schedule`: writes reports regularly, while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use super::App;
use crate::limits::{REPORT_SCHEDULE_ROUND, REPORT_SCHEDULED_TIME};
use crate::model::time;
use crate::report::schedule::Keeper;

/// The thread that keeps the schedule.
pub(super) struct Running {
    stop: Sender<()>,
    cancelled: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Starts the thread when there is a schedule; the first round is at once.
pub(super) fn start(app: &App) -> Option<Running> {
    let settings = &app.0.settings;
    let schedule = settings.schedule.clone();
    if schedule.entries.is_empty() {
        return None;
    }
    let cancelled = Arc::new(AtomicBool::new(false));
    let keeper = Keeper {
        store: Arc::clone(&app.0.store),
        schedule,
        catalogue: settings.reports.clone(),
        library: settings.library.clone(),
        time: REPORT_SCHEDULED_TIME,
        cancelled: Arc::clone(&cancelled),
    };
    let (stop, stopped) = channel();
    let work = move || {
        loop {
            if let Err(error) = keeper.round(time::now()) {
                tracing::error!("reports could not be recorded: {error}");
            }
            match stopped.recv_timeout(REPORT_SCHEDULE_ROUND) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("reports".to_owned())
        .spawn(work);
    match thread {
        Ok(thread) => Some(Running {
            stop,
            cancelled,
            thread,
        }),
        Err(error) => {
            tracing::error!("reports will not be written: {error}");
            None
        }
    }
}

impl Running {
    /// Ends what is being made and waits for the thread. Blocks.
    pub(super) fn stop(self) {
        self.cancelled.store(true, Ordering::Relaxed);
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}
