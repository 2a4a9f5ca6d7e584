use super::*;
use proptest::prelude::*;

fn column(kind: &str) -> SqlColumn {
    SqlColumn {
        name: "c".to_owned(),
        kind: kind.to_owned(),
    }
}

fn value() -> impl Strategy<Value = (String, Value)> {
    let typed = |kind: &'static str| move |value| (kind.to_owned(), value);
    prop_oneof![
        Just((String::new(), Value::Null)),
        any::<i64>().prop_map(Value::Int).prop_map(typed("INTEGER")),
        proptest::num::f64::ANY
            .prop_filter("equal to itself", |number| !number.is_nan())
            .prop_map(Value::Real)
            .prop_map(typed("REAL")),
        any::<String>()
            .prop_map(Value::text)
            .prop_map(typed("TEXT")),
        any::<String>()
            .prop_map(|text| Value::Json(text.into()))
            .prop_map(typed("JSON")),
        (0i64..4_000_000_000_000_000)
            .prop_map(Value::Time)
            .prop_map(typed("TIME")),
        any::<Vec<u8>>()
            .prop_map(|bytes| Value::Bytes(bytes.into()))
            .prop_map(typed("BLOB")),
    ]
}

proptest! {
    #[test]
    fn rows_round_trip(cells in prop::collection::vec(value(), 0..6)) {
        let columns: Vec<_> = cells.iter().map(|(kind, _)| column(kind)).collect();
        let row: Vec<_> = cells.into_iter().map(|(_, value)| value).collect();
        let mut line = Vec::new();
        write_row_line(&mut line, &row);
        prop_assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        prop_assert_eq!(read_line(&line, &columns), Ok(Line::Row(row)));
    }
}

#[test]
fn markers_round_trip() {
    let mut line = Vec::new();
    let columns = vec![column("TEXT")];
    write_columns_line(&mut line, &columns);
    assert_eq!(read_line(&line, &[]), Ok(Line::Columns(columns)));

    let mut answer = Answer {
        truncated: true,
        ..Answer::default()
    };
    answer.coverage.damaged.push("a.seg".to_owned());
    answer.stats.rows_visited = 7;
    line.clear();
    write_end_line(&mut line, &(&answer).into());
    assert_eq!(read_line(&line, &[]), Ok(Line::End(answer)));

    let problem = Problem::from(&StoreError::Damaged("x".to_owned()));
    line.clear();
    write_error_line(&mut line, &problem);
    assert_eq!(read_line(&line, &[]), Ok(Line::Error(problem)));

    assert!(read_line(b"[1,2]", &[column("")]).is_err());
    assert!(read_line(b"[1", &[column("")]).is_err());
    assert!(read_line(b"{\"what\":1}", &[]).is_err());
}

#[test]
fn errors_survive_the_wire() {
    for error in [
        StoreError::BadRequest("no such column: x".to_owned()),
        StoreError::TimedOut {
            limit: Duration::from_millis(1500),
        },
        StoreError::LimitReached("too much".to_owned()),
        StoreError::Cancelled,
        StoreError::Locked("held".to_owned()),
        StoreError::Damaged("bad".to_owned()),
        StoreError::Unavailable("stopping".to_owned()),
        StoreError::Io("disk".to_owned()),
    ] {
        let before = format!("{error:?}");
        let after = Problem::from(&error).into_store_error();
        assert_eq!(format!("{after:?}"), before);
    }
}

#[test]
fn prune_needs_exactly_one_cutoff() {
    let day = 86_400_000_000;
    let request = |older_than: Option<&str>, before: Option<&str>| PruneRequest {
        older_than: older_than.map(str::to_owned),
        before: before.map(str::to_owned),
        dry_run: false,
    };
    assert_eq!(request(Some("2d"), None).cutoff(10 * day), Ok(8 * day));
    assert_eq!(request(None, Some("1970-01-02")).cutoff(10 * day), Ok(day));
    assert!(request(Some("2d"), Some("1970-01-02")).cutoff(0).is_err());
    assert!(request(None, None).cutoff(0).is_err());
    assert!(
        request(Some("soon"), None)
            .cutoff(0)
            .unwrap_err()
            .contains("soon")
    );
}
