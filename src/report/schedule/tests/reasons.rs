//! Why a report failed, as it is recorded.

use super::*;

/// Clients read it in the table `reports`.
#[test]
fn why_a_report_failed_does_not_say_where_its_definition_is() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut keeper, _) = keeper(dir.path());
    let verdict = "verdict = \"select 'met' as verdict, json('{') as why\"\n[[controls.evidence]]";
    let reports = dir.path().join("reports");
    let broken = REPORT.replace("[[controls.evidence]]", verdict);
    std::fs::write(reports.join("mine.toml"), broken).unwrap();
    keeper.catalogue = Catalogue::with_directory(&reports, Library::shipped()).unwrap();
    keeper.round(at("2026-11-20T00:10:00Z")).unwrap();
    let records = store.reports().unwrap();
    let reason = records.last().unwrap().reason.as_ref().unwrap();
    assert!(reason.starts_with("mine.toml:9: "), "{reason}");
    assert!(!reason.contains(reports.to_str().unwrap()), "{reason}");
    store.close().unwrap();
}

#[test]
fn a_report_that_cannot_be_made_is_recorded_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (store, keeper, out) = keeper(dir.path());
    std::fs::write(&out, "a file").unwrap();
    keeper.round(at("2026-11-20T00:10:00Z")).unwrap();
    let records = store.reports().unwrap();
    let last = records.last().unwrap();
    assert_eq!(last.outcome, "failed", "{last:?}");
    assert!(last.reason.as_ref().unwrap().contains("out"), "{last:?}");
    store.close().unwrap();
}

#[test]
fn a_limit_is_recorded_with_what_reached_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut keeper, _) = keeper(dir.path());
    keeper.time = std::time::Duration::ZERO;
    keeper.round(at("2026-11-20T00:10:00Z")).unwrap();
    let records = store.reports().unwrap();
    let reason = records.last().unwrap().reason.as_ref().unwrap();
    assert_eq!(
        reason,
        "report mine, coverage: not done within the report's time limit of 0ns; give it a shorter \
         period, or make it with auditql report --timeout: that of schedules is fixed"
    );
    store.close().unwrap();
}
