//! `/healthz`: the process answers. `/readyz`: it can take events.

use std::io::Write;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::App;
use super::problem::Problem;

/// How long a failed commit counts against readiness when no later one has succeeded. It must
/// lapse: a server that is not ready may be sent nothing that could show that it is well again.
const FAILURE_COUNTS: Duration = Duration::from_secs(15);

impl App {
    /// Notes how a commit went.
    pub(super) fn wrote(&self, well: bool) {
        let mut failed = self
            .0
            .write_failed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *failed = (!well).then(Instant::now);
    }

    fn failed_to_write(&self) -> bool {
        let failed = self
            .0
            .write_failed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < FAILURE_COUNTS)
    }
}

pub(super) async fn healthz() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "ok\n")
}

pub(super) async fn readyz(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    if *app.0.stopping.borrow() {
        return Err(Problem::unavailable("the server is stopping"));
    }
    if app.failed_to_write() {
        return Err(Problem::unavailable(
            "the last batch could not be stored; the server's log has the cause",
        ));
    }
    tokio::task::spawn_blocking(move || {
        // Enough to meet a full disk or a read-only file system.
        let mut file = tempfile::tempfile_in(&app.0.settings.spool_dir)?;
        file.write_all(&[0; 4096])
    })
    .await
    .unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
    .map_err(|error| {
        Problem::unavailable(format!("the data directory cannot be written: {error}"))
    })?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], "ready\n"))
}
