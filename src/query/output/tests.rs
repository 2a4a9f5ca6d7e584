use super::*;
use proptest::prelude::*;

fn columns(names: &[&str]) -> Vec<SqlColumn> {
    names
        .iter()
        .map(|name| SqlColumn {
            name: (*name).to_owned(),
            kind: String::new(),
        })
        .collect()
}

fn render(format: Format, width: Option<usize>, names: &[&str], rows: &[Vec<Value>]) -> String {
    let mut out = Vec::new();
    {
        let look = Look {
            width,
            ..Look::default()
        };
        let mut renderer = format.renderer(&mut out, look);
        renderer.begin(&columns(names)).unwrap();
        for row in rows {
            renderer.row(row).unwrap();
        }
        renderer.end().unwrap();
    }
    String::from_utf8(out).unwrap()
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.into())
}

#[test]
fn tables_align_and_escape() {
    let rows = [
        vec![Value::text("ann"), Value::Int(5), Value::Null],
        vec![
            Value::text("日本"),
            Value::Int(-100),
            Value::text("a\u{1b}[2Jb"),
        ],
        vec![Value::text("x"), Value::Null, Value::text("\u{202e}")],
    ];
    assert_eq!(
        render(Format::Table, None, &["user", "n", "what"], &rows),
        "USER     N  WHAT\n\
         ann      5  -\n\
         日本  -100  a\\u{1b}[2Jb\n\
         x     -     \\u{202e}\n"
    );
    assert_eq!(render(Format::Table, None, &["user"], &[]), "");
}

#[test]
fn tables_fit_a_terminal_only() {
    let rows = [vec![
        Value::text("a".repeat(50)),
        Value::text("b".repeat(9)),
    ]];
    let fitted = render(Format::Table, Some(30), &["x", "y"], &rows);
    assert!(
        fitted.lines().all(|line| line.chars().count() <= 30),
        "{fitted}"
    );
    assert!(fitted.contains(&format!("{}…  bbbbbbbbb", "a".repeat(18))));
    let wide = render(Format::Wide, Some(30), &["x", "y"], &rows);
    assert!(wide.contains(&"a".repeat(50)));
}

#[test]
fn on_a_terminal_what_says_nothing_goes_first_and_then_the_last_columns() {
    let names = ["began", "user", "n", "groups", "object", "id"];
    let row = |user: &str, empty| {
        vec![
            Value::text("2026-11-21T03:40:53.734113Z"),
            Value::text(user),
            empty,
            Value::Json(r#"["system:masters","ops"]"#.into()),
            Value::text("o".repeat(30)),
            Value::text("i".repeat(36)),
        ]
    };
    let user = format!("system:serviceaccount:payments:{}", "x".repeat(19));
    let rows = [row(&user, Value::Null), row("ann", Value::Null)];
    assert_eq!(
        render(Format::Table, Some(84), &names, &rows),
        format!(
            "BEGAN (UTC)     USER                    GROUPS               OBJECT\n\
             11-21 03:40:53  …s:{}  system:masters, ops  {object}…\n\
             11-21 03:40:53  ann                     system:masters, ops  {object}…\n\
             no room for id; -o wide has all\n",
            "x".repeat(19),
            object = "o".repeat(21),
        )
    );
    let whole = render(Format::Table, Some(300), &names, &rows);
    assert!(whole.starts_with("BEGAN (UTC)"), "{whole}");
    assert!(whole.contains("  N  ") && whole.contains(&user), "{whole}");
    // A program reads the value as it is.
    for format in [Format::Table, Format::Wide, Format::Csv] {
        let piped = render(format, None, &names, &rows);
        assert!(piped.contains("2026-11-21T03:40:53.734113Z"), "{piped}");
        assert!(piped.contains(r#""system:masters"#), "{piped}");
    }
    // What was hidden because nothing stood in it comes back with a value.
    let mut later = vec![row("ann", Value::Null); 1000];
    later.push(row("bob", Value::Int(7)));
    let text = render(Format::Table, Some(84), &names, &later);
    let header = text.lines().rev().find(|line| line.starts_with("BEGAN"));
    assert!(header.unwrap().contains("  N  "), "{text}");
    let bob = text.lines().rev().find(|line| line.contains("  bob  "));
    assert!(bob.unwrap().contains("  7  "), "{text}");
}

#[test]
fn tables_stream_after_the_sample() {
    let rows: Vec<_> = (0..2500).map(|n| vec![Value::Int(n)]).collect();
    let text = render(Format::Table, None, &["n"], &rows);
    assert_eq!(text.lines().count(), 2501);
    assert_eq!(text.lines().last(), Some("2499"));
}

#[test]
fn json_kinds() {
    let names = [
        "null", "int", "real", "time", "text", "json", "bad", "raw", "bin", "int",
    ];
    let row = vec![
        Value::Null,
        Value::Int(i64::MIN),
        Value::Real(1.0),
        Value::Time(1_500_000),
        Value::text("a\"\n"),
        Value::Json("{\"b\":1,\n \"a\": [1e400]}".into()),
        Value::Json("{broken".into()),
        bytes(b"{\"kind\":1}"),
        bytes(&[0xff, 0]),
        Value::Int(2),
    ];
    let object = concat!(
        r#"{"null":null,"int":-9223372036854775808,"real":1.0,"#,
        r#""time":"1970-01-01T00:00:01.500000Z","text":"a\"\n","json":{"b":1,  "a": [1e400]},"#,
        r#""bad":"{broken","raw":"{\"kind\":1}","bin":{"base64":"/wA="},"int_2":2}"#
    );
    let rows = [row.clone(), row];
    assert_eq!(
        render(Format::Jsonl, None, &names, &rows),
        format!("{object}\n{object}\n")
    );
    assert_eq!(
        render(Format::Json, None, &names, &rows),
        format!("[\n{object},\n{object}\n]\n")
    );
    assert_eq!(render(Format::Json, None, &names, &[]), "[]\n");
    assert_eq!(render(Format::Jsonl, None, &names, &[]), "");
}

#[test]
fn csv_quotes_and_neutralises() {
    let rows = [
        vec![Value::text("=1+1"), Value::Int(-5), Value::Null],
        vec![
            Value::text("a,\"b\"\nc"),
            Value::Real(-0.5),
            Value::text("@x"),
        ],
        vec![Value::Json("[\"-\"]".into()), Value::Time(0), bytes(b"-1")],
    ];
    assert_eq!(
        render(Format::Csv, None, &["user", "n", "=cmd"], &rows),
        "user,n,'=cmd\r\n\
         '=1+1,-5,\r\n\
         \"a,\"\"b\"\"\nc\",-0.5,'@x\r\n\
         \"[\"\"-\"\"]\",1970-01-01T00:00:00.000000Z,'-1\r\n"
    );
    assert_eq!(render(Format::Csv, None, &["a"], &[]), "a\r\n");
}

#[test]
fn raw_gives_the_bytes() {
    let mut out = Vec::new();
    {
        let mut renderer = Format::Raw.renderer(&mut out, Look::default());
        renderer.begin(&columns(&["id", "raw"])).unwrap();
        renderer
            .row(&[Value::Int(1), bytes(&[b'{', 0xff, b'}'])])
            .unwrap();
        renderer.row(&[Value::Int(2), bytes(b"{ }\n")]).unwrap();
        renderer.end().unwrap();
    }
    assert_eq!(out, b"{\xff}\n{ }\n\n");
    let error = Format::Raw
        .renderer(io::sink(), Look::default())
        .begin(&columns(&["a", "b"]))
        .unwrap_err();
    assert!(error.to_string().contains("needs the column raw"));
}

#[test]
fn names_become_unique() {
    let unique = unique_names(&columns(&["a", "a", "a_2", "a"]));
    let names: Vec<_> = unique.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "a_2", "a_2_2", "a_3"]);
}

proptest! {
    #[test]
    fn no_csv_field_is_a_formula(texts in prop::collection::vec("[=+\\-@\t\r\nab,\"＝é]{0,6}", 1..5)) {
        let row: Vec<_> = texts.iter().map(|text| Value::text(text.as_str())).collect();
        let names: Vec<&str> = row.iter().map(|_| "c").collect();
        let text = render(Format::Csv, None, &names, &[row]);
        let mut reader = ::csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let record = reader.records().next().unwrap().unwrap();
        prop_assert_eq!(record.len(), texts.len());
        for (field, text) in record.iter().zip(&texts) {
            prop_assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝']));
            prop_assert!(field == text || field.strip_prefix('\'') == Some(text));
        }
    }

    #[test]
    fn jsonl_reads_back(texts in prop::collection::vec(any::<String>(), 1..5), number: i64, real in -1e300..1e300f64) {
        let mut row: Vec<_> = texts.iter().map(|text| Value::text(text.as_str())).collect();
        row.push(Value::Int(number));
        row.push(Value::Real(real));
        row.push(Value::Json(serde_json::to_string(&texts).unwrap().into()));
        let names: Vec<String> = (0..row.len()).map(|at| format!("c{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = render(Format::Jsonl, None, &names, &[row]);
        prop_assert_eq!(text.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (at, text) in texts.iter().enumerate() {
            prop_assert_eq!(&object[format!("c{at}")], text);
        }
        prop_assert_eq!(&object[format!("c{}", texts.len())], number);
        prop_assert_eq!(&object[format!("c{}", texts.len() + 2)], &serde_json::json!(texts));
    }

    #[test]
    fn tables_hold_one_line_per_row(text: String) {
        let shown = render(Format::Table, Some(40), &["a"], &[vec![Value::text(text)]]);
        prop_assert_eq!(shown.matches('\n').count(), 2);
        prop_assert!(shown.trim_end_matches('\n').chars().all(|c| c == '\n' || !c.is_control()));
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = "[a-z,\"=@\\r\\n\\u{0}é' -]{0,8}";
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Real),
        any::<i64>().prop_map(Value::Time),
        text.prop_map(Value::text),
        text.prop_map(|text| Value::Json(text.into())),
        Just(Value::Json("{\"a\":\n[1]}".into())),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Value::Bytes(bytes.into())),
    ]
}

proptest! {
    #[test]
    fn rows_are_the_same_by_their_encoder(
        rows in prop::collection::vec(prop::collection::vec(any_value(), 3), 0..4),
        width in 1usize..=3,
    ) {
        let names = &["a", "b", "a"][..width];
        let rows: Vec<Vec<Value>> = rows.iter().map(|row| row[..width].to_vec()).collect();
        for format in [Format::Jsonl, Format::Csv] {
            let mut out = Vec::new();
            let mut renderer = format.renderer(&mut out, Look::default());
            let encoder = renderer.encoder(&columns(names)).unwrap();
            renderer.begin(&columns(names)).unwrap();
            let mut text = Vec::new();
            for row in &rows {
                for (at, value) in row.iter().enumerate() {
                    encoder.cell(at, value.borrowed(), &mut text);
                }
                encoder.end_row(&mut text);
            }
            renderer.encoded(&text).unwrap();
            renderer.end().unwrap();
            drop(renderer);
            prop_assert_eq!(String::from_utf8(out).unwrap(), render(format, None, names, &rows));
        }
    }

    #[test]
    fn csv_is_quoted_as_the_library_does(
        rows in prop::collection::vec(prop::collection::vec(any_value(), 3), 0..4),
        width in 1usize..=3,
    ) {
        let rows: Vec<Vec<Value>> = rows.iter().map(|row| row[..width].to_vec()).collect();
        let mut expected = ::csv::WriterBuilder::new()
            .terminator(::csv::Terminator::CRLF)
            .from_writer(Vec::new());
        expected.write_record(&["a", "b", "c"][..width]).unwrap();
        for row in &rows {
            let fields = row.iter().map(|value| {
                let text = plain(value).unwrap_or_default();
                match value {
                    Value::Int(_) | Value::Real(_) => text,
                    _ => neutral(&text).into_owned(),
                }
            });
            expected.write_record(fields).unwrap();
        }
        let expected = String::from_utf8(expected.into_inner().unwrap()).unwrap();
        let written = render(Format::Csv, None, &["a", "b", "c"][..width], &rows);
        prop_assert_eq!(written, expected);
    }
}
