//! Errors in questions and reports that only a server has, asked from afar: the server's files and
//! lines, never where they lie.

use super::{USES_MINE, directory, question, report, table, text};
use crate::support::{Server, event, temp_dir};

#[test]
fn what_is_learned_from_a_server_names_the_servers_files() {
    let queries = directory(&[
        (
            "tables/mine.sql",
            table("", "select 1 as a,\n  usr from events"),
        ),
        (
            "tables/broken.sql",
            table(
                "",
                "select 1 as n,\n json_extract('{', '$.' || id) as b from events",
            ),
        ),
        (
            "column.sql",
            question("", "select\n  nme as n\nfrom events"),
        ),
        ("shared.sql", question(USES_MINE, "select 1 as n from mine")),
        (
            "running.sql",
            question("tables = [\"broken\"]", "select n from broken where b = 1"),
        ),
    ]);
    let cases = [
        (
            "column",
            "column.sql:12: ",
            "no such column: nme (column 3)",
        ),
        (
            "shared",
            "tables/mine.sql:6: ",
            "no such column: usr (column 3)",
        ),
        (
            "running",
            "running.sql:11: ",
            "malformed JSON (found while the statement ran, here or in a shared table that it reads: \
             the server's tables/broken.sql:5)",
        ),
    ];
    let reports = temp_dir();
    for (name, ..) in cases {
        let evidence = format!("[[controls.evidence]]\nquery = \"{name}\"");
        std::fs::write(
            reports.path().join(format!("of-{name}.toml")),
            report(&evidence),
        )
        .unwrap();
    }
    let verdict = "tables = [\"broken\"]\nverdict = '''\n\n  select 'met' as verdict, max(b) as why\n  from broken'''";
    std::fs::write(reports.path().join("judged.toml"), report(verdict)).unwrap();
    let data = temp_dir();
    let flags = [
        "--queries",
        text(queries.path()),
        "--reports",
        text(reports.path()),
    ];
    let server = Server::start(data.path(), &flags);
    server.post("/webhook", event(0)).expect(200);
    let told = |command: &str, args: &[&str]| {
        let refused = server.cli(command, args).expect(2).stderr;
        for directory in [&queries, &reports] {
            assert!(!refused.contains(text(directory.path())), "{refused}");
        }
        refused
    };
    for (name, place, said) in cases {
        let asked = told("ask", &[name]);
        let expected = format!("error: the server's {place}in the question {name}: {said}");
        assert!(asked.starts_with(&expected), "{expected}\n{asked}");
        let made = told("report", &[&format!("of-{name}"), "--since", "all"]);
        let expected = format!("error: the server's {place}control 1.a, question {name}: {said}");
        assert!(made.starts_with(&expected), "{expected}\n{made}");
    }
    let judged = told("report", &["judged", "--since", "all"]);
    let expected = "error: the server's judged.toml:12: verdict of 1.a: malformed JSON (found while the \
                    statement ran, here or in a shared table that it reads: the server's \
                    tables/broken.sql:5)";
    assert!(judged.starts_with(expected), "{judged}");

    // What is told of them: parts of one's own files only.
    let listed = server.get("/api/v1/queries").expect(200).json();
    let of = |name: &str| {
        let mut questions = listed["queries"].as_array().unwrap().iter();
        questions.find(|question| question["name"] == name).unwrap()
    };
    assert!(of("who-deleted").get("parts").is_none());
    let shared = of("shared");
    let sql = shared["sql"].as_str().unwrap();
    let part = |at: usize| {
        let part = &shared["parts"][at];
        let byte = |name: &str| part[name].as_u64().unwrap() as usize;
        (
            part["table"].as_str().unwrap(),
            part["file"].as_str().unwrap(),
            part["line"].as_u64().unwrap(),
            &sql[byte("from")..byte("until")],
        )
    };
    let lines = "select 1 as a,\n    usr from events";
    assert_eq!(part(0), ("mine", "tables/mine.sql", 5, lines));
    let own = "select 1 as n from mine";
    assert_eq!(part(1), ("", "shared.sql", 11, own));
}
