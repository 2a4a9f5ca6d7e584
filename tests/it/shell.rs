//! `auditql sql` without a statement: a shell on a terminal, a script from a pipe.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::both::Both;
use crate::pty::Terminal;
use crate::support::{Server, cli_with, command, event, local, sample_path, temp_dir, wait_until};

const TAB: &str = "\t";
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const UP: &str = "\u{1b}[A";
/// What is typed before it may be lost: the terminal is not the editor's then.
const PROMPT: &str = "auditql> ";

fn store() -> Both {
    Both::with_events(&(0..20).map(event).collect::<Vec<_>>())
}

/// The shell at this place, its state in `home`.
fn shell(place: [&str; 2], home: &Path, args: &[&str]) -> Command {
    let mut command = command(&[&["sql"], &place[..], args].concat());
    command
        .env("HOME", home)
        .env("XDG_STATE_HOME", home.join("state"));
    command
}

fn places(both: &Both) -> [[String; 2]; 2] {
    [
        ["--data".to_owned(), both.data().display().to_string()],
        ["--server".to_owned(), both.server.url()],
    ]
}

#[test]
fn a_conversation_on_a_directory_and_a_server() {
    let both = store();
    for [flag, place] in &places(&both) {
        let home = temp_dir();
        let mut terminal = Terminal::start(&mut shell([flag, place], home.path(), &[]), 120);
        terminal.expect(PROMPT);
        // Over several lines.
        terminal
            .type_in("select verb, count(*) as n\rfrom events\rwhere verb = 'list'\rgroup by 1;\r");
        terminal.expect("VERB");
        terminal.expect("list  4");
        terminal.expect("1 row in");
        terminal.expect(PROMPT);
        // An error ends the statement, and points.
        terminal.type_in("select nme from events;\r");
        let told = terminal.expect("no such column");
        assert!(!told.contains("row in"), "{told}");
        terminal.expect("  select nme from events");
        terminal.expect("         ^");
        terminal.expect(PROMPT);
        terminal.type_in(".mode jsonl\r");
        terminal.expect(PROMPT);
        terminal.type_in(".param who=user-3\r");
        terminal.expect(PROMPT);
        terminal.type_in("select count(*) as n from events where user = :who;\r");
        terminal.expect("{\"n\":2}");
        terminal.expect(PROMPT);
        // A parameter that the statement does not name is no error.
        terminal.type_in("select 1 as one union all select 2;\r");
        terminal.expect("{\"one\":1}");
        terminal.expect("{\"one\":2}");
        terminal.expect(PROMPT);
        terminal.type_in(".schema users\r");
        terminal.expect("\"first_seen\"");
        terminal.expect(PROMPT);
        terminal.type_in(".shema\r");
        terminal.expect("did you mean schema?");
        terminal.expect(PROMPT);
        terminal.type_in(".mode table\r");
        terminal.expect(PROMPT);
        terminal.type_in(".help\r");
        terminal.expect(".schema [TABLE]");
        terminal.expect(PROMPT);
        terminal.type_in(".quit\r");
        assert_eq!(terminal.end(), Some(0));
    }
}

#[test]
fn tab_completes_words_and_values() {
    let both = store();
    for [flag, place] in &places(&both) {
        let home = temp_dir();
        let mut terminal = Terminal::start(&mut shell([flag, place], home.path(), &[]), 120);
        terminal.expect(PROMPT);
        terminal.type_in(".mode jsonl\r");
        terminal.expect(PROMPT);
        terminal.type_in(&format!(
            "select impersonated_u{TAB} is null as n from eve{TAB}s{TAB} limit 1;\r"
        ));
        terminal.expect("{\"n\":1}");
        terminal.expect(PROMPT);
        // user-10 is the only one that goes on with 10.
        terminal.type_in(&format!(
            "select count(*) as n from events where user = 'user-10{TAB};\r"
        ));
        terminal.expect("{\"n\":1}");
        terminal.expect(PROMPT);
        terminal.type_in(&format!(
            "select 1 from events where user = 'user-{TAB}{TAB}"
        ));
        terminal.expect("user-2");
        terminal.expect(PROMPT);
        terminal.expect("where user = 'user-");
        terminal.type_in(CTRL_C);
        terminal.expect(PROMPT);
        terminal.type_in(CTRL_D);
        assert_eq!(terminal.end(), Some(0));
    }
}

#[test]
fn ctrl_c_ends_the_statement_and_not_the_shell() {
    let [data, empty] = [temp_dir(), temp_dir()];
    local(data.path(), "import", &[sample_path().to_str().unwrap()]).expect(0);
    // With room for one query, which the cancelled one must leave.
    let limits = ["--queries-max", "1", "--query-wait", "1h"];
    let server = Server::start(empty.path(), &limits);
    let url = server.url();
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) \
                   select count(*) from n;\r";
    for [flag, place] in [
        ["--data", data.path().to_str().unwrap()],
        ["--server", &url],
    ] {
        let home = temp_dir();
        let args = ["--timeout", "0"];
        let mut terminal = Terminal::start(&mut shell([flag, place], home.path(), &args), 200);
        terminal.expect(PROMPT);
        terminal.type_in(endless);
        // Before, it is a key of the editor's.
        wait_until("the statement runs", || terminal.makes_signals());
        terminal.type_in(CTRL_C);
        terminal.expect("cancelled");
        terminal.expect(PROMPT);
        terminal.type_in("select 40 + 2 as n;\r");
        terminal.expect("42");
        terminal.expect(PROMPT);
        terminal.type_in(CTRL_D);
        assert_eq!(terminal.end(), Some(0));
    }
}

#[test]
fn what_is_typed_is_kept_for_its_owner_alone() {
    let both = store();
    let data = both.data().to_str().unwrap();
    let home = temp_dir();
    let history = home.path().join("state/auditql/history");
    let start = |args: &[&str]| {
        let mut terminal = Terminal::start(&mut shell(["--data", data], home.path(), args), 120);
        terminal.expect(PROMPT);
        terminal
    };
    let mut first = start(&["--no-history"]);
    first.type_in("select 'secret';\r");
    first.expect("1 row in");
    first.expect(PROMPT);
    first.type_in(CTRL_D);
    first.end();
    assert!(!history.exists());

    let mut second = start(&[]);
    second.type_in("select 40 +\r");
    second.expect("-- goes on until a ;");
    second.type_in("2 as answer;\r");
    second.expect("1 row in");
    second.expect(PROMPT);
    second.type_in(" select 'unkept';\r");
    second.expect("1 row in");
    second.expect(PROMPT);
    second.type_in(CTRL_D);
    second.end();
    let kept = fs::read_to_string(&history).unwrap();
    assert!(
        kept.contains("as answer;") && !kept.contains("unkept"),
        "{kept}"
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&history), 0o600);
    assert_eq!(mode(history.parent().unwrap()), 0o700);

    // A statement of several lines comes back whole.
    let mut third = start(&[]);
    third.type_in(&format!("{UP}\r"));
    third.expect("ANSWER");
    third.expect("42");
    third.expect(PROMPT);
    third.type_in(CTRL_D);
    third.end();
}

#[test]
fn a_script_from_a_pipe_stops_at_the_first_error() {
    let both = store();
    for [flag, place] in &places(&both) {
        let run = |script: &str| cli_with(&["sql", flag, place, "-o", "jsonl"], script.as_bytes());
        let script = "-- first\nselect ';' as a;\n.param n=2\nselect :n as b;\n\nselect 3 as c";
        let done = run(script).expect(0);
        assert_eq!(done.text(), "{\"a\":\";\"}\n{\"b\":2}\n{\"c\":3}\n");
        assert_eq!(run("select 1 where 0;\n").expect(1).text(), "");
        assert_eq!(run("").expect(1).text(), "");
        let failed = run("select 1 as a;\n\nselect\n  x;\nselect 2;").expect(2);
        assert_eq!(failed.text(), "{\"a\":1}\n");
        assert!(
            failed.stderr.contains("error: stdin:3: no such column: x")
                && failed.stderr.contains("\n    x\n    ^"),
            "{}",
            failed.stderr
        );
        // A dash is one statement, as ever.
        let dash = ["sql", flag, place, "-"];
        let several = cli_with(&dash, b"select 1; select 2").expect(2);
        assert!(several.stderr.contains("more than one statement"));
    }
}

#[test]
fn a_single_statement_points_at_its_error_too() {
    let both = store();
    for [flag, place] in &places(&both) {
        let run = crate::support::cli(&["sql", flag, place, "select\n  nope"]).expect(2);
        assert!(
            run.stderr.ends_with("\n    nope\n    ^\n"),
            "{}",
            run.stderr
        );
    }
}
