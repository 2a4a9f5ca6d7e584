use super::*;
use crate::model::value::Value;

fn file(header: &str, sql: &str) -> String {
    format!("/*\n{header}*/\n{sql}\n")
}

const HEADER: &str =
    "title = \"T\"\ngroup = \"who\"\nanswers = \"A\"\ncannot_see = \"C\"\nlevel = \"Metadata\"\n";

#[test]
fn every_shipped_question_reads() {
    let tables = Tables::shipped().unwrap();
    for (name, text) in shipped::FILES {
        if let Err(error) = Question::parse(
            name,
            &Origin::shipped(&format!("queries/{name}.sql")),
            text,
            &tables,
        ) {
            panic!("{error}");
        }
        assert_eq!(token::fault(text), None, "{name}");
    }
    for question in Library::shipped().questions() {
        assert!(GROUPS.iter().any(|(group, _)| *group == question.group));
    }
}

#[test]
fn parameters_come_from_the_statement_and_its_header() {
    let text = file(
        &format!(
            "{HEADER}since = \"7d\"\n[params]\nat_least = {{ type = \"int\", default = 5, help = \"H\" }}\n[columns]\nn = \"N\"\na = {{ json = \"A\" }}\n"
        ),
        "select 1 as n, ':no' -- :no either\n as a /* :nor */ where user match :user and n > :at_least and time >= :since",
    );
    let question = Question::parse(
        "q",
        &Origin::own("q.sql", "q.sql"),
        &text,
        &Tables::default(),
    )
    .unwrap();
    let names: Vec<_> = question
        .params
        .iter()
        .map(|param| param.name.as_str())
        .collect();
    assert_eq!(names, ["user", "at_least", "since"]);
    let columns: Vec<_> = question
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.doc.as_str(), column.json))
        .collect();
    assert_eq!(columns, [("n", "N", false), ("a", "A", true)]);

    let now = 1_000_000_000_000_000;
    let query = question.query(&[], 9, false, now).unwrap();
    let week = 7 * 24 * 3600 * 1_000_000;
    assert_eq!(
        query.params,
        [
            ("user".to_owned(), Value::Null),
            ("at_least".to_owned(), Value::Int(5)),
            ("since".to_owned(), Value::Time(now - week)),
        ]
    );
    let given = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        question.query(&pairs, 9, false, now)
    };
    assert_eq!(
        given(&[("user", "alice"), ("at_least", "7")])
            .unwrap()
            .params[..2],
        [
            ("user".to_owned(), Value::text("alice")),
            ("at_least".to_owned(), Value::Int(7)),
        ]
    );
    for (pairs, said) in [
        (&[("usr", "x")][..], "did you mean user?"),
        (&[("at_least", "x")], "--at-least: \"x\" is no whole number"),
        (&[("user", "x"), ("user", "y")], "given twice"),
        (&[("since", "x")], "--since"),
    ] {
        let error = given(pairs).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_bad_file_is_named_with_its_line() {
    let columns = "[columns]\nn = \"N\"\n";
    for (name, text, said) in [
        (
            "q",
            "select 1".to_owned(),
            "q.sql:1: the file does not begin with /*",
        ),
        ("q", "/* title = \"T\"".to_owned(), "has no end"),
        ("Q", file(HEADER, "select 1"), "use lower-case letters"),
        (
            "q",
            file(&format!("{HEADER}nope = 1\n{columns}"), "select 1"),
            "q.sql:7: bad header: unknown field `nope`",
        ),
        ("q", file("title = 1\n", "select 1"), "q.sql:2: bad header"),
        (
            "q",
            file(&format!("{HEADER}{columns}"), "select :who"),
            "q.sql:10: the header does not describe :who",
        ),
        (
            "q",
            file(
                &format!("{HEADER}[params]\nwho = {{ type = \"text\", help = \"H\" }}\n{columns}"),
                "select 1",
            ),
            "q.sql:8: the statement does not use the parameter :who",
        ),
        (
            "q",
            file(
                &format!(
                    "{HEADER}[params]\nwho = {{ type = \"int\", default = \"x\", help = \"H\" }}\n{columns}"
                ),
                "select :who",
            ),
            "q.sql:8: default of who: \"x\" is no whole number",
        ),
        (
            "q",
            file(&format!("{HEADER}[columns]\n"), "select 1"),
            "columns are empty",
        ),
    ] {
        let error = Question::parse(
            name,
            &Origin::own("q.sql", "q.sql"),
            &text,
            &Tables::default(),
        )
        .unwrap_err();
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn tables_of_ones_own_go_before_shipped_ones() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("tables")).unwrap();
    std::fs::write(
        dir.path().join("tables/mine.sql"),
        "/*\nrows = \"R\"\n*/\nselect user from events where user match :user",
    )
    .unwrap();
    let header = format!("{HEADER}tables = [\"mine\"]\n[columns]\nuser = \"U\"\n");
    let question = dir.path().join("q.sql");
    std::fs::write(&question, file(&header, "select user from mine")).unwrap();
    let library = Library::with_directory(dir.path()).unwrap();
    let read = library.get("q").unwrap();
    assert_eq!(read.params[0].name, "user");
    assert!(
        read.sql
            .starts_with("with mine as (\n  select user from events")
    );
    std::fs::write(&question, file(&header, "select user from events")).unwrap();
    let error = Library::with_directory(dir.path()).unwrap_err();
    assert!(
        error.ends_with("q.sql:7: the statement does not use the table mine"),
        "{error}"
    );
}

#[test]
fn errors_of_a_statement_are_told_with_the_file_and_the_line_of_the_part_that_is_to_blame() {
    let mut tables = Tables::default();
    let table = |sql: &str| format!("/*\nrows = \"R\"\n*/\n\n  {sql}\n");
    for (name, text) in [
        ("good", table("select 1 as a,\n  2 as b")),
        ("typo", table("select 1 as a,\n  usr from events")),
        ("far", table("select user\nfrom evnts")),
        ("open", table("select 1 as a /* no end")),
        ("odd", table("select 1 as a\nunion select 1, 2")),
        // One that a table of the statement serves.
        ("late", table("select n as a from later")),
    ] {
        let origin = Origin::own(
            &format!("/d/tables/{name}.sql"),
            &format!("tables/{name}.sql"),
        );
        tables.add(name, &origin, &text).unwrap();
    }
    let origin = Origin::own("/d/q.sql", "q.sql");
    // The first line of a statement is the file's tenth.
    for (named, sql, told) in [
        (
            "",
            "select\n\n usr from events",
            "q.sql:12: Q: no such column: usr (column 2)",
        ),
        (
            "",
            "\n\n  select 'é', usr from events",
            "q.sql:12: Q: no such column: usr (column 15)",
        ),
        (
            "",
            "select 1\nfrom evnts",
            "q.sql:11: Q: no such table: evnts (column 6)",
        ),
        (
            "",
            "select 'evnts' -- from evnts\nfrom users, evnts",
            "q.sql:11: Q: no such table: evnts (column 13)",
        ),
        (
            "",
            "with b as (select 1 as a),\na as (select * from c), c as (select * from a) select 1 from a",
            "q.sql:11: Q: circular reference: a (column 1)",
        ),
        ("", "\nselect 1 from", "q.sql:11: Q: incomplete input"),
        (
            "",
            "select 1 union\nselect 1, 2",
            "q.sql:10: Q: SELECTs to the left and right",
        ),
        (
            "good",
            "select a,\n nix from good",
            "q.sql:11: Q: no such column: nix (column 2)",
        ),
        (
            "good",
            "with z as (select 1), y as (select nix from good) select 1 from y",
            "q.sql:10: Q: no such column: nix (column 36)",
        ),
        (
            "good",
            "\n -- of z\n with z\nas (select nix) select 1 from good, z",
            "q.sql:13: Q: no such column: nix (column 12)",
        ),
        (
            "good, typo",
            "select 1 from good, typo",
            "tables/typo.sql:6: Q: no such column: usr (column 3)",
        ),
        (
            "good, far",
            "select 1 from far, good",
            "tables/far.sql:6: Q: no such table: evnts (column 6)",
        ),
        (
            "good, open",
            "select 1 from good, open",
            "tables/open.sql:5: Q: incomplete input",
        ),
        (
            "odd",
            "select a from odd",
            "tables/odd.sql:5: Q: SELECTs to the left",
        ),
        (
            "late",
            "with later as (select 1 as n)\nselect nix from late",
            "q.sql:11: Q: no such column: nix (column 8)",
        ),
    ] {
        let named = match named {
            "" => "tags = []".to_owned(),
            named => format!("tables = [\"{}\"]", named.replace(", ", "\", \"")),
        };
        let text = format!("/*{HEADER}{named}\n[columns]\nn = \"N\"\n*/\n{sql}");
        let question = Question::parse("q", &origin, &text, &tables).unwrap();
        let error = crate::store::check_sql(&question.sql).unwrap_err();
        let tell = |reader| question.tell(&error.to_string(), "Q", reader).unwrap();
        let said = tell(Reader::Client);
        assert!(said.starts_with(told), "{told}\n{said}");
        assert_eq!(tell(Reader::Owner), format!("/d/{said}"));
    }
    let shipped = Library::shipped().get("who-deleted").unwrap();
    assert_eq!(shipped.tell("bad", "Q", Reader::Owner), None);
}

#[test]
fn a_parameter_that_nobody_describes_is_told_where_it_is_named() {
    let mut tables = Tables::default();
    let origin = Origin::own("/d/tables/t.sql", "tables/t.sql");
    let text = "/*\nrows = \"R\"\n*/\nselect 1 as n\nwhere 1 < :who";
    tables.add("t", &origin, text).unwrap();
    let origin = Origin::own("/d/q.sql", "q.sql");
    for (sql, told) in [
        (
            "select n from t",
            "/d/tables/t.sql:5: in the question q: the header does not describe :who",
        ),
        (
            "select n from t\nwhere :who",
            "/d/q.sql:11: the header does not describe :who",
        ),
        (
            "select n from t\nwhere :limit",
            "/d/q.sql:11: the name of the parameter limit is taken",
        ),
    ] {
        let text = format!("/*{HEADER}tables = [\"t\"]\n[columns]\nn = \"N\"\n*/\n{sql}");
        let error = Question::parse("q", &origin, &text, &tables).unwrap_err();
        assert!(error.starts_with(told), "{told}\n{error}");
    }
    let text = format!("/*{HEADER}since = \"soon\"\n[columns]\nn = \"N\"\n*/\nselect :since as n");
    let error = Question::parse("q", &origin, &text, &tables).unwrap_err();
    assert!(
        error.starts_with("/d/q.sql:6: default of since: "),
        "{error}"
    );
}

#[test]
fn places_of_parts_survive_the_wire_and_only_fitting_ones_are_learned() {
    let mut tables = Tables::default();
    let origin = Origin::own("/d/tables/t.sql", "tables/t.sql");
    let text = "/*\nrows = \"R\"\n*/\nselect 1 as n,\n  usr from events";
    tables.add("t", &origin, text).unwrap();
    let text = format!("/*{HEADER}tables = [\"t\"]\n[columns]\nn = \"N\"\n*/\nselect n from t");
    let origin = Origin::own("/d/q.sql", "q.sql");
    let question = Question::parse("q", &origin, &text, &tables).unwrap();
    let told = serde_json::to_value(&question).unwrap();
    assert!(!told.to_string().contains("/d/"), "{told}");
    let learned = |told: &serde_json::Value| {
        let told: Question = serde_json::from_value(told.clone()).ok()?;
        let mut library = Library::default();
        library.learn(vec![told]);
        library.get("q").ok().cloned()
    };
    let said = learned(&told)
        .unwrap()
        .tell("no such column: usr", "Q", Reader::Owner);
    let place = "the server's tables/t.sql:4: Q: no such column: usr";
    assert_eq!(said.unwrap(), place);
    for (at, value) in [
        ("/parts/0/file", serde_json::json!("/etc/passwd")),
        ("/parts/0/file", "../x.sql".into()),
        ("/parts/0/file", "x\u{1b}[2J.sql".into()),
        ("/parts/0/file", "".into()),
        ("/parts/0/table", "t; drop".into()),
        ("/parts/0/line", 0.into()),
        ("/parts/0/line", (-1).into()),
        ("/parts/0/until", 10_000.into()),
        ("/parts/1/from", 0.into()),
        ("/sql", "short".into()),
    ] {
        let mut bad = told.clone();
        *bad.pointer_mut(at).unwrap() = value;
        assert_eq!(learned(&bad), None, "{at}");
    }
    // One of an earlier version tells nothing of them.
    let mut earlier = told;
    earlier.as_object_mut().unwrap().remove("parts").unwrap();
    let said = learned(&earlier).unwrap().tell("x", "Q", Reader::Owner);
    assert_eq!(said, None);
}
