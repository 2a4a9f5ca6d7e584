//! What is wrong with questions and shared tables of one's own is told with the file and the line.

mod far;
mod written;

use std::path::Path;

use super::STORE;
use crate::support::{Server, cli, event, local, temp_dir};

const HEADER: &str = "/*\ntitle = \"T\"\ngroup = \"own\"\nanswers = \"a\"\ncannot_see = \"c\"\nlevel = \"Metadata\"\n";
const COLUMNS: &str = "[columns]\nn = \"N\"\n*/\n";

/// A question whose statement begins in line 11; `more` is a line of its header.
fn question(more: &str, sql: &str) -> String {
    format!("{HEADER}{more}\n{COLUMNS}{sql}\n")
}

/// A shared table whose statement begins in line 5; `more` is a line of its header.
fn table(more: &str, sql: &str) -> String {
    format!("/*\nrows = \"R\"\n{more}\n*/\n{sql}\n")
}

/// A report with one control; what defines that begins in line 9.
fn report(control: &str) -> String {
    format!(
        "title = \"Mine\"\nversion = \"1\"\nabout = \"A\"\n[[controls]]\nid = \"1.a\"\ntitle = \"T\"\n\
         demands = \"D\"\ncannot_prove = \"C\"\n{control}\n"
    )
}

/// A directory with these files.
fn directory(files: &[(&str, String)]) -> tempfile::TempDir {
    let dir = temp_dir();
    std::fs::create_dir(dir.path().join("tables")).unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const USES_MINE: &str = "tables = [\"mine\"]";

#[test]
fn what_sqlite_finds_is_told_with_file_and_line() {
    let dir = directory(&[
        (
            "tables/mine.sql",
            table("", "select 1 as a,\n  usr from events"),
        ),
        ("tables/far.sql", table("", "select 1 as a\n\nfrom evnts")),
    ]);
    let cases = [
        (
            "column",
            question("", "select\n  nme as n\nfrom events"),
            "column.sql:12: in the question column: no such column: nme (column 3)",
        ),
        (
            "table",
            question("", "select 1 as n\nfrom evnts"),
            "table.sql:12: in the question table: no such table: evnts (column 6)",
        ),
        (
            "syntax",
            question("", "\nselect 1 as n\nfrom events wher 1 = 1"),
            "syntax.sql:13: in the question syntax: near \"1\": syntax error",
        ),
        (
            "circle",
            question(
                "",
                "with a as (select * from b),\nb as (select * from a)\nselect 1 as n from a",
            ),
            "circle.sql:11: in the question circle: circular reference: a",
        ),
        (
            "running",
            question(
                "",
                "select id as n from events\nwhere json_extract('{', '$.' || id) = 1",
            ),
            "running.sql:11: in the question running: malformed JSON",
        ),
        (
            "time",
            question("", "select 1 as n from events where time > 'soon'"),
            "time.sql:11: in the question time: 'soon' is not a time",
        ),
        (
            "writing",
            question("", "delete from events"),
            "writing.sql:11: in the question writing: ",
        ),
        (
            "shared",
            question(USES_MINE, "select 1 as n from mine"),
            "tables/mine.sql:6: in the question shared: no such column: usr (column 3)",
        ),
        (
            "far",
            question("tables = [\"far\"]", "select 1 as n from far"),
            "tables/far.sql:7: in the question far: no such table: evnts (column 6)",
        ),
    ];
    for (name, text, _) in &cases {
        std::fs::write(dir.path().join(format!("{name}.sql")), text).unwrap();
    }
    let store = STORE.get();
    let data = temp_dir();
    let server = Server::start(data.path(), &["--queries", text(dir.path())]);
    server.post("/webhook", event(0)).expect(200);
    let reports = temp_dir();
    for (name, _, told) in &cases {
        let path = format!("error: {}/{told}", text(dir.path()));
        let args = ["--queries", text(dir.path()), name];
        let near = local(store.data(), "ask", &args).expect(2);
        assert!(near.stderr.starts_with(&path), "{path}\n{}", near.stderr);
        let far = server.cli("ask", &args).expect(2);
        assert!(far.stderr.starts_with(&path), "{path}\n{}", far.stderr);

        // A client of the API learns nothing of the server's disk.
        let answer = server.get(&format!("/api/v1/queries/{name}"));
        let answer = answer.expect(400).json();
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.starts_with(told), "{told}\n{detail}");

        // As evidence of a report, too.
        let evidence = format!("[[controls.evidence]]\nquery = \"{name}\"");
        std::fs::write(reports.path().join("r.toml"), report(&evidence)).unwrap();
        let args = [
            "--queries",
            text(dir.path()),
            "--reports",
            text(reports.path()),
            "r",
        ];
        let made = local(store.data(), "report", &args).expect(2);
        let about = format!("in the question {name}");
        let path = path.replace(&about, &format!("control 1.a, question {name}"));
        assert!(made.stderr.starts_with(&path), "{path}\n{}", made.stderr);
    }
}

/// With the verdict's statement itself, and in a table that it shares.
#[test]
fn verdicts_are_told_with_the_line_of_the_statement() {
    let shared = "select 1 as a,\n  json_extract(user, '$') as b from events";
    let queries = directory(&[("tables/mine.sql", table("", shared))]);
    let reports = temp_dir();
    let file = reports.path().join("r.toml");
    let define = |more: &str, verdict: &str| {
        std::fs::write(&file, report(&format!("{more}\nverdict = {verdict}"))).unwrap();
    };
    let flags = [
        "--queries",
        text(queries.path()),
        "--reports",
        text(reports.path()),
    ];
    let data = temp_dir();
    for (more, verdict, told) in [
        (
            "",
            "'''\nselect 'met' as verdict,\n  nix as why'''",
            "r.toml:12: verdict of 1.a: no such column: nix (column 3)",
        ),
        // Lines of a text with escaped letters are not the file's.
        (
            "",
            "\"select 'met' as verdict,\\n\\n nix as why\"",
            "r.toml:10: verdict of 1.a: no such column: nix\n",
        ),
        (
            USES_MINE,
            "'select 1 as verdict, nix as why from mine'",
            "r.toml:10: verdict of 1.a: no such column: nix (column 33)",
        ),
        (
            USES_MINE,
            "'select 1 as verdict from mine'",
            "r.toml:10: verdict of 1.a: the statement gives the columns verdict;",
        ),
        (
            "tables = [\n\"nix\"]",
            "'select 1 from nix'",
            "r.toml:10: verdict of 1.a: there is no table \"nix\"",
        ),
    ] {
        define(more, verdict);
        let path = format!("error: {}/{told}", text(reports.path()));
        let refused = cli(&[&["report"], &flags[..], &["r"]].concat()).expect(2);
        assert!(
            refused.stderr.starts_with(&path),
            "{path}\n{}",
            refused.stderr
        );
        let (_, log) = Server::try_start(data.path(), &flags).err().unwrap();
        assert!(log.contains(&path), "{path}\n{log}");
    }

    // What is found when it runs names the file, to clients without its directory.
    let running = "'''\n\n  select 'met' as verdict, max(b) as why from mine'''";
    define(USES_MINE, running);
    // Which part was running is not known, so it is not told.
    let told = "r.toml:12: verdict of 1.a: malformed JSON (found while the statement ran, here or in a shared \
                table that it reads: ";
    let table = "tables/mine.sql:5)";
    let args = [&flags[..], &["r", "--since", "all"]].concat();
    let made = local(STORE.get().data(), "report", &args).expect(2);
    let paths = [text(reports.path()), text(queries.path())];
    let path = format!("error: {}/{told}{}/{table}", paths[0], paths[1]);
    assert!(made.stderr.starts_with(&path), "{path}\n{}", made.stderr);
    let server = Server::start(data.path(), &flags);
    server.post("/webhook", event(0)).expect(200);
    let answer = server.get("/api/v1/reports/r?since=all");
    let answer = answer.expect(400).json();
    let detail = answer["detail"].as_str().unwrap();
    assert_eq!(detail, format!("{told}{table}"));

    // What the statement gives is its own fault.
    define(
        USES_MINE,
        "'select 1 as verdict, a as why from mine limit 1'",
    );
    let made = local(STORE.get().data(), "report", &args).expect(2);
    let told = "r.toml:10: verdict of 1.a: the statement says 1; give 'met',";
    let path = format!("error: {}/{told}", text(reports.path()));
    assert!(made.stderr.starts_with(&path), "{path}\n{}", made.stderr);
    assert!(!made.stderr.contains("mine.sql"), "{}", made.stderr);
}

#[test]
fn what_is_wrong_with_a_header_is_told_where_it_stands() {
    let uses = |tables: &str| format!("tables = [{tables}]");
    let mine = "select 1 as n from mine";
    for (files, told) in [
        // Tables that need each other, whoever asks.
        (
            &[
                ("q.sql", question(USES_MINE, mine)),
                (
                    "tables/mine.sql",
                    table(&uses("\"other\""), "select * from other"),
                ),
                (
                    "tables/other.sql",
                    table(&uses("\n\"mine\""), "select * from mine"),
                ),
            ][..],
            "tables/mine.sql:3: the table mine needs itself: mine needs other needs mine",
        ),
        (
            &[("tables/mine.sql", table(&uses("\n\"othr\""), mine))],
            "tables/mine.sql:4: there is no table \"othr\"",
        ),
        (
            &[
                ("q.sql", question(USES_MINE, mine)),
                (
                    "tables/mine.sql",
                    table("", "select 1 as n\nwhere 1 = :whom"),
                ),
            ],
            "tables/mine.sql:6: in the question q: the header does not describe :whom",
        ),
        (
            &[("q.sql", question("", "select 1 as n\nwhere 1 = :whom"))],
            "q.sql:12: the header does not describe :whom",
        ),
        (
            &[("q.sql", question(&uses("\"mine\""), mine))],
            "q.sql:7: there is no table \"mine\"",
        ),
        (
            &[(
                "q.sql",
                question("required = [\n\"user\"]", "select 1 as n"),
            )],
            "q.sql:8: the statement does not use the parameter :user",
        ),
    ] {
        let dir = directory(files);
        let path = format!("{}/{told}", text(dir.path()));
        for command in [
            &["ask"][..],
            &["ask", "q"],
            &["ask", "who-deleted"],
            &["report"],
        ] {
            let refused = cli(&[command, &["--queries", text(dir.path())]].concat()).expect(2);
            assert!(refused.stderr.contains(&path), "{path}\n{}", refused.stderr);
        }
        let data = temp_dir();
        let started = Server::try_start(data.path(), &["--queries", text(dir.path())]);
        let (status, log) = started.err().unwrap();
        assert_eq!(status.code(), Some(2));
        assert!(log.contains(&path), "{path}\n{log}");
    }
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_line() {
    let bad = b"/*\ntitle = \"T\"\nanswers = \"caf\xe9\"\n*/\nselect '\xff'";
    let dir = directory(&[]);
    let told = "3: the byte 0xe9 is not UTF-8; save the file as UTF-8";
    for (name, flag, command) in [
        ("q.sql", "--queries", "ask"),
        ("tables/t.sql", "--queries", "ask"),
        ("r.toml", "--reports", "report"),
    ] {
        let file = dir.path().join(name);
        std::fs::write(&file, bad).unwrap();
        let refused = cli(&[command, flag, text(dir.path())]).expect(2);
        let path = format!("{}:{told}", text(&file));
        assert!(refused.stderr.contains(&path), "{path}\n{}", refused.stderr);
        std::fs::remove_file(&file).unwrap();
    }
    let file = dir.path().join("schedule");
    std::fs::write(&file, bad).unwrap();
    let refused = cli(&["report", "--check", "--schedule", text(&file)]).expect(2);
    let path = format!("schedule {}:{told}", text(&file));
    assert!(refused.stderr.contains(&path), "{path}\n{}", refused.stderr);
}

/// A link to nothing must not bring back the shipped question whose place it takes.
#[test]
fn what_is_no_file_is_an_error_and_names_are_spelled_out() {
    let dir = directory(&[]);
    let ask = || cli(&["ask", "who-deleted", "--queries", text(dir.path())]).expect(2);
    for name in ["who-deleted.sql", "tables/mine.sql"] {
        let file = dir.path().join(name);
        std::os::unix::fs::symlink("/nowhere/mine.sql", &file).unwrap();
        assert!(ask().stderr.contains(&format!("{name}: ")), "{name}");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        let refused = ask().stderr;
        let said = format!("{name}: is no plain file; remove it or put a file there");
        assert!(refused.contains(&said), "{refused}");
        std::fs::remove_dir(&file).unwrap();
    }
    for (name, shown) in [
        ("a\u{202e}b.sql", "a\\u{202e}b.sql"),
        ("a\nb.sql", "a\\nb.sql"),
    ] {
        let file = dir.path().join(name);
        for bytes in [&b"select 1"[..], b"\xff"] {
            std::fs::write(&file, bytes).unwrap();
            let refused = ask().stderr;
            assert!(
                refused.contains(shown) && !refused.contains(name),
                "{refused:?}"
            );
        }
        std::fs::remove_file(&file).unwrap();
    }
    std::fs::remove_dir(dir.path().join("tables")).unwrap();
    std::fs::write(dir.path().join("tables"), "").unwrap();
    assert!(ask().stderr.contains("tables: "));
}
