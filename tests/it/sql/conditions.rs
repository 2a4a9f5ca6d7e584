//! Conditions that a scan decides mean what SQLite means by them.

use crate::both::{Both, recorded};

#[test]
fn conditions_that_the_scan_decides_mean_what_sqlite_means() {
    let both = Both::imported(&[&recorded("recorded.jsonl.zst")]);
    let mut kept = 0;
    for (column, condition) in [
        ("user", "= cast(x'ff' as text)"),
        ("user", "is cast(x'ff' as text)"),
        ("user", "<> cast(x'ff' as text)"),
        ("user", "is not cast(x'ff' as text)"),
        ("user", "< cast(x'ff' as text)"),
        ("user", "in (cast(x'ff' as text))"),
        ("user", "in (cast(x'ff' as text), 'alice')"),
        ("user", "between 'a' and 'k'"),
        ("user", ">= 'system:'"),
        ("user", "= x'616c696365'"),
        ("user", "collate nocase in ('ALICE')"),
        ("user", "collate nocase > 'B'"),
        ("verb", "in ('get', 'list')"),
        ("verb", "in ('get', null)"),
        ("verb", "in (null)"),
        ("verb", "in ()"),
        ("verb", "in (1, x'676574', 2.5)"),
        ("verb", "not in ('get', 'list')"),
        ("verb", "in (select 'watch' union select 'list')"),
        ("verb", "> 5"),
        ("code", "= 404"),
        ("code", "= '404'"),
        ("code", "= 404.0"),
        ("code", "= 404.5"),
        ("code", "<> 200"),
        ("code", "is not 200"),
        ("code", "is 200"),
        ("code", "between 400 and 499"),
        ("code", "> 403.5"),
        ("code", "< '403'"),
        ("code", "in (200, '404')"),
        ("code", "in (404.0, 404.5)"),
        ("code", "in ('x', x'01', null)"),
        ("code", "in (9223372036854775807, 1e300, -1e300)"),
        ("code", "in (select code from events where verb = 'create')"),
        ("code", "in (select text from (select '201' as text))"),
        ("namespace", "in ('kube-system')"),
        ("namespace", "is not null"),
        ("dry_run", "in (1)"),
        ("dry_run", "= 0"),
        ("dry_run", "= true"),
        ("truncated", "<> 1"),
    ] {
        // A limit keeps the condition from the scan.
        let sqlite = format!(
            "select count(*) from (select {column} from events limit -1) where {column} {condition}"
        );
        let wanted = both.number(&sqlite);
        let scan = format!("select count(*) from events where {column} {condition}");
        assert_eq!(both.number(&scan), wanted, "{column} {condition}");
        kept += u32::from(wanted > 0);
        if column == "truncated" {
            continue;
        }
        let counted =
            format!("select ifnull(sum(events), 0) from event_counts where {column} {condition}");
        assert_eq!(both.number(&counted), wanted, "{column} {condition}");
    }
    assert!(kept > 25, "{kept} conditions keep something");
}

#[test]
fn what_only_conditions_name_makes_no_groups() {
    let both = Both::imported(&[&recorded("recorded.jsonl.zst")]);
    for condition in [
        "verb in ('get', 'list', 'watch')",
        "verb in (select distinct verb from events)",
        "verb = 'get'",
        "verb <> 'get'",
        "verb between 'c' and 'l'",
        "namespace match '*'",
        "code = 200",
        "code between 400 and 499",
        "code in (200, 201, 403)",
    ] {
        let counted = format!("select events from event_counts where {condition}");
        let events = format!("select count(*) from events where {condition}");
        assert_eq!(both.rows(&counted), both.rows(&events), "{condition}");
    }
}
