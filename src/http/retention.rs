//! `--retain`: removes what is too old, while the server runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::App;
use crate::model::time;

/// Starts the task when events are to be removed; the first round is at once.
pub(super) fn start(app: &App) -> Option<JoinHandle<()>> {
    let age = app.0.settings.retain?;
    let store = Arc::clone(&app.0.store);
    Some(tokio::spawn(async move {
        let mut rounds = tokio::time::interval(every(age));
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let store = Arc::clone(&store);
            let cutoff =
                time::now().saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
            match tokio::task::spawn_blocking(move || store.prune(cutoff, false)).await {
                Ok(Ok(pruned)) if pruned.events > 0 => tracing::info!(
                    before = pruned.before,
                    events = pruned.events,
                    segments_removed = pruned.segments_removed,
                    segments_rewritten = pruned.segments_rewritten,
                    "retention removed events"
                ),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::error!("retention could not remove events: {error}"),
                Err(panic) => tracing::error!("retention could not remove events: {panic}"),
            }
        }
    }))
}

/// How often to look: the shorter the age, the more often, but never so often that it costs.
fn every(age: Duration) -> Duration {
    if age < Duration::from_secs(600) {
        (age / 10).clamp(Duration::from_secs(1), Duration::from_secs(60))
    } else {
        (age / 100).clamp(Duration::from_secs(60), Duration::from_secs(3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_follow_the_age() {
        for (age, round) in [
            (1, 1),
            (60, 6),
            (3600, 60),
            (86_400, 864),
            (365 * 86_400, 3600),
        ] {
            assert_eq!(
                every(Duration::from_secs(age)),
                Duration::from_secs(round),
                "{age}"
            );
        }
    }
}
