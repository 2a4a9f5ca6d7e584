//! What is wrong with files of one's own before anything is asked.

use super::{COLUMNS, HEADER, STORE, USES_MINE, directory, question, report, table, text};
use crate::support::{Server, cli, local, temp_dir};

const MINE: &str = "select n from mine";

/// A question that describes these columns from its ninth line on; its statement begins in line
/// `10 + columns`.
fn describing(columns: &[&str], sql: &str) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|name| format!("{name} = \"C\""))
        .collect();
    format!("{HEADER}\n[columns]\n{}\n*/\n{sql}\n", columns.join("\n"))
}

#[test]
fn faults_are_told_with_file_and_line_when_the_files_are_read() {
    let params = "[params]\nat_least = { type = \"int\", help = \"H\", default = 1 }";
    for (files, told) in [
        (
            &[("q.sql", question("", "select 1 as n\nwhere 'a' match ?1"))][..],
            "q.sql:12: parameters have names; write :name for ?1, such as :user",
        ),
        (
            &[("q.sql", question("", "select 1 as n\nwhere ? = 2"))],
            "q.sql:12: parameters have names; write :name for ?, such as :user",
        ),
        (
            &[
                ("q.sql", question(USES_MINE, MINE)),
                (
                    "tables/mine.sql",
                    table("", "select 1 as n\nwhere 1 = $user"),
                ),
            ],
            "tables/mine.sql:6: parameters begin with a colon; write :user for $user",
        ),
        (
            &[("tables/mine.sql", table("", "select @who as n"))],
            "tables/mine.sql:5: parameters begin with a colon; write :who for @who",
        ),
        // Told where it is misspelt, not where it is described.
        (
            &[(
                "q.sql",
                question(params, "select 1 as n\n\nwhere 1 > :at_leest"),
            )],
            "q.sql:14: the header does not describe :at_leest, and it is no filter; did you mean :at_least?",
        ),
        (
            &[(
                "q.sql",
                question("required = [\"user\"]", "select 1 as n\nwhere 1 = :usr"),
            )],
            "q.sql:12: the header does not describe :usr, and it is no filter; did you mean :user?",
        ),
        (
            &[(
                "q.sql",
                question("required = [\"usr\"]", "select 1 as n\nwhere 1 = :user"),
            )],
            "q.sql:7: the statement does not use the parameter :usr; did you mean :user?",
        ),
        // Signs that would close or swallow what stands around a table.
        (
            &[
                ("q.sql", question(USES_MINE, MINE)),
                (
                    "tables/mine.sql",
                    table("", "select 1 as n\nwhere (1 = 1))"),
                ),
            ],
            "tables/mine.sql:6: this ) closes nothing; remove it",
        ),
        (
            &[
                ("q.sql", question(USES_MINE, MINE)),
                (
                    "tables/mine.sql",
                    table("", "select 1 as n\nwhere ((1 = 1)"),
                ),
            ],
            "tables/mine.sql:6: this ( is not closed; add a )",
        ),
        (
            &[("q.sql", question("", "select 1 as n\nwhere 1 in (2"))],
            "q.sql:12: this ( is not closed; add a )",
        ),
    ] {
        let dir = directory(files);
        let path = format!("{}/{told}\n", text(dir.path()));
        for command in [&["ask", "q"][..], &["ask", "who-deleted"], &["report"]] {
            let refused = cli(&[command, &["--queries", text(dir.path())]].concat()).expect(2);
            assert!(refused.stderr.contains(&path), "{path}\n{}", refused.stderr);
        }
        let data = temp_dir();
        let started = Server::try_start(data.path(), &["--queries", text(dir.path())]);
        let (status, log) = started.err().unwrap();
        assert_eq!(status.code(), Some(2));
        assert!(log.contains(path.trim_end()), "{path}\n{log}");
    }
}

/// Of the question that is asked, and of all where all are offered.
#[test]
fn columns_are_described_as_the_statement_gives_them() {
    for (columns, sql, told) in [
        (
            &["n", "usr"][..],
            "select 1 as n, user from events",
            "q.sql:10: the statement gives no column usr; did you mean user?",
        ),
        (
            &["n"],
            "select 1 as n, user from events",
            "q.sql:8: the statement gives the column user; say here what it means",
        ),
        // Letter by letter.
        (
            &["N"],
            "select 1 as n",
            "q.sql:9: the statement gives no column N; did you mean n?",
        ),
    ] {
        let dir = directory(&[("q.sql", describing(columns, sql))]);
        let flags = ["--queries", text(dir.path())];
        let path = format!("error: {}/{told}\n", text(dir.path()));
        for command in [
            &["ask", "q"][..],
            &["ask"],
            &["report"],
            &["report", "soc2"],
        ] {
            let refused = cli(&[command, &flags].concat()).expect(2);
            assert_eq!(refused.stderr, path, "{command:?}");
        }
        cli(&[&["ask", "who-deleted", "--help"], &flags[..]].concat()).expect(0);
        let data = temp_dir();
        let (status, log) = Server::try_start(data.path(), &flags).err().unwrap();
        assert_eq!(status.code(), Some(2));
        assert!(log.contains(path.trim_end()), "{path}\n{log}");
    }
    // Their order is the statement's own business.
    let dir = directory(&[("q.sql", describing(&["b", "a"], "select 1 as a, 2 as b"))]);
    let args = ["q", "--queries", text(dir.path()), "-o", "csv"];
    let run = local(STORE.get().data(), "ask", &args).expect(0);
    assert_eq!(run.text(), "a,b\r\n1,2\r\n");
}

#[test]
fn faults_of_verdicts_are_told_like_those_of_questions() {
    for (verdict, told) in [
        (
            "'''\nselect 'met' as verdict,\n  ?2 as why'''",
            "r.toml:11: verdict of 1.a: parameters have names; write :name for ?2, such as :user",
        ),
        (
            "'''\nselect 'met' as verdict,\n  (1 as why'''",
            "r.toml:11: verdict of 1.a: this ( is not closed; add a )",
        ),
    ] {
        let reports = temp_dir();
        let file = reports.path().join("r.toml");
        std::fs::write(&file, report(&format!("verdict = {verdict}"))).unwrap();
        let refused = cli(&["report", "r", "--reports", text(reports.path())]).expect(2);
        let path = format!("{}/{told}", text(reports.path()));
        assert!(refused.stderr.contains(&path), "{path}\n{}", refused.stderr);
    }
}

/// What SQLite takes for none of them is none.
#[test]
fn signs_in_texts_names_and_comments_are_no_faults() {
    let sql = "select '?1 $x @y :z (' as \"n)\" -- (\n/* ) */ from events as [a(] where 1 = 1";
    let columns = COLUMNS.replace("n =", "\"n)\" =");
    let dir = directory(&[("q.sql", format!("{HEADER}\n{columns}{sql}"))]);
    let args = [
        "q",
        "--queries",
        text(dir.path()),
        "--limit",
        "1",
        "-o",
        "csv",
    ];
    let run = local(STORE.get().data(), "ask", &args).expect(0);
    assert_eq!(run.text(), "n)\r\n?1 $x @y :z (\r\n");
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let mark = |text: String| format!("\u{feff}{text}");
    let dir = directory(&[
        ("q.sql", mark(question(USES_MINE, MINE))),
        ("tables/mine.sql", mark(table("", "select 1 as n"))),
    ]);
    let args = ["q", "--queries", text(dir.path()), "-o", "csv"];
    let run = local(STORE.get().data(), "ask", &args).expect(0);
    assert_eq!(run.text(), "n\r\n1\r\n");
}

/// Neither what is read nor what is told of it is without bound.
#[test]
fn huge_files_and_huge_words_are_told_in_short() {
    let word = "x".repeat(100_000);
    let comment = " ".repeat(300_000);
    for (name, content, told) in [
        (
            "q.sql",
            question("", &format!("select 1 as n, {word}")),
            "no such column: xxx",
        ),
        (
            "q.sql",
            question(&format!("{word} = 1"), "select 1 as n"),
            "q.sql:7: bad header: unknown field `xxx",
        ),
        (
            "q.sql",
            question("", &format!("select 1 as n, :{word}")),
            "q.sql:11: the header does not describe :xxx",
        ),
        (
            "tables/mine.sql",
            table("", &format!("select 1 {comment}")),
            "mine.sql:1: the file is larger than the limit of 262144 bytes",
        ),
    ] {
        let dir = directory(&[(name, content)]);
        let args = ["q", "--queries", text(dir.path())];
        let refused = local(STORE.get().data(), "ask", &args).expect(2).stderr;
        assert!(refused.contains(told), "{told}\n{refused}");
        assert!(refused.len() < 10_000, "{} bytes: {told}", refused.len());
    }
}
