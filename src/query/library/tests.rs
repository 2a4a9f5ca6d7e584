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
        if let Err(error) = Question::parse(name, &format!("queries/{name}.sql"), text, &tables) {
            panic!("{error}");
        }
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
    let question = Question::parse("q", "q.sql", &text, &Tables::default()).unwrap();
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
            "q.sql:1: the header does not describe :who",
        ),
        (
            "q",
            file(
                &format!("{HEADER}[params]\nwho = {{ type = \"text\", help = \"H\" }}\n{columns}"),
                "select 1",
            ),
            "does not use the parameter :who",
        ),
        (
            "q",
            file(
                &format!(
                    "{HEADER}[params]\nwho = {{ type = \"int\", default = \"x\", help = \"H\" }}\n{columns}"
                ),
                "select :who",
            ),
            "default of who: \"x\" is no whole number",
        ),
        (
            "q",
            file(&format!("{HEADER}[columns]\n"), "select 1"),
            "columns are empty",
        ),
    ] {
        let error = Question::parse(name, "q.sql", &text, &Tables::default()).unwrap_err();
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
        error.ends_with("q.sql:1: the statement does not use the table mine"),
        "{error}"
    );
}
