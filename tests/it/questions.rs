//! Every shipped question, asked on recorded events through the command line and the API, against
//! answers that are counted here from the raw lines.

mod access;
mod blind_spots;
mod change;
mod compliance;
mod incident;
mod made;
mod operations;
mod own;
mod person;
pub(crate) mod plain;
mod policy;
mod quality;
mod reviews;
mod who;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::both::{Both, Shared, recorded, unpacked};
use crate::support::{Server, cli};

/// The recorded events, as JSON.
pub(crate) static EVENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    unpacked("recorded.jsonl.zst")
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
});

/// A store of the recorded events, in many segments.
static STORE: Shared = Shared::new(|| {
    Both::imported_with(
        &[&recorded("recorded.jsonl.zst")],
        &["--segment-events", "500"],
    )
});

/// A row of an answer.
pub(crate) type Row = Map<String, Value>;

/// All rows of the answer to a question. Both ways must give the same, and the columns that the
/// question promises.
#[track_caller]
fn ask(name: &str, flags: &[&str]) -> Vec<Row> {
    ask_of(&STORE.get(), name, flags)
}

/// [`ask`] of another store.
#[track_caller]
fn ask_of(both: &Both, name: &str, flags: &[&str]) -> Vec<Row> {
    let args = [&[name, "--limit", "0"], flags].concat();
    let rows = both.objects("ask", &args);
    let mut pairs = vec!["limit=0".to_owned(), "format=jsonl".to_owned()];
    let mut flags = flags.iter().peekable();
    while let Some(flag) = flags.next() {
        let key = flag.trim_start_matches('-').replace('-', "_");
        let key = if key == "n" {
            "namespace".to_owned()
        } else {
            key
        };
        let value = match flags.next_if(|next| !next.starts_with("--")) {
            Some(value) => encode(value),
            None => "true".to_owned(),
        };
        pairs.push(format!("{key}={value}"));
    }
    let path = format!("/api/v1/queries/{name}?{}", pairs.join("&"));
    let answer = both.server.get(&path).expect(200);
    let text = answer.text();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let from_api: Vec<Value> = lines.collect();
    assert_eq!(rows, from_api, "{path}");
    rows.into_iter()
        .map(|row| match row {
            Value::Object(row) => row,
            other => panic!("{other}"),
        })
        .collect()
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            byte if plain(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// A value inside an event, such as `text(event, "/user/username")`; empty when there is none.
pub(crate) fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// A text of a row; empty when it is NULL.
fn cell<'a>(row: &'a Row, column: &str) -> &'a str {
    match &row[column] {
        Value::Null => "",
        value => value
            .as_str()
            .unwrap_or_else(|| panic!("{column} is {value}")),
    }
}

/// The texts of a row's list.
#[track_caller]
fn list(row: &Row, column: &str) -> Vec<String> {
    serde_json::from_value(row[column].clone()).unwrap()
}

/// The audit IDs of rows, sorted; those of several rows stand there as often.
fn audit_ids(rows: &[Row]) -> Vec<&str> {
    let mut ids: Vec<_> = rows.iter().map(|row| cell(row, "audit_id")).collect();
    ids.sort_unstable();
    ids
}

/// The audit IDs of the recorded events that match, sorted.
fn recorded_ids(matches: impl Fn(&Value) -> bool) -> Vec<&'static str> {
    let matching = EVENTS.iter().filter(|event| matches(event));
    let mut ids: Vec<_> = matching.map(|event| text(event, "/auditID")).collect();
    ids.sort_unstable();
    ids
}

/// Questions with a test in one of the files beside this.
const TESTED: &[&[&str]] = &[
    who::TESTED,
    access::TESTED,
    change::TESTED,
    incident::TESTED,
    person::TESTED,
    operations::TESTED,
    quality::TESTED,
    policy::TESTED,
    compliance::TESTED,
];

#[test]
fn every_question_has_a_test_and_gives_the_columns_that_it_promises() {
    let listed = STORE.get().server.get("/api/v1/queries").expect(200).json();
    let questions = listed["queries"].as_array().unwrap();
    let names: BTreeSet<&str> = questions
        .iter()
        .map(|q| q["name"].as_str().unwrap())
        .collect();
    let tested: BTreeSet<&str> = TESTED
        .iter()
        .flat_map(|names| names.iter().copied())
        .collect();
    assert_eq!(names, tested);

    for question in questions {
        let name = question["name"].as_str().unwrap();
        let mut pairs = String::from("limit=1");
        let one_of = question["one_of"].as_array().unwrap();
        for param in question["params"].as_array().unwrap() {
            if param["required"] == true || one_of.first() == Some(&param["name"]) {
                let name = param["name"].as_str().unwrap();
                let value = if name == "source_ip" {
                    "10.1.2.3"
                } else {
                    "nobody"
                };
                pairs.push_str(&format!("&{name}={value}"));
            }
        }
        let answer = STORE
            .get()
            .server
            .get(&format!("/api/v1/queries/{name}?{pairs}"));
        let answer = answer.expect(200).json();
        let column = |column: &Value| column["name"].as_str().unwrap().to_owned();
        let given: Vec<_> = answer["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(column)
            .collect();
        let promised: Vec<_> = question["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(column)
            .collect();
        assert_eq!(given, promised, "{name}");
    }
}

#[test]
fn the_library_is_listed_and_a_directory_adds_to_it() {
    let listed = cli(&["ask", "-o", "jsonl"]).expect(0);
    assert!(listed.text().contains("\"who-deleted\""));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.sql");
    let header = "title = \"Mine\"\ngroup = \"own\"\nanswers = \"a\"\ncannot_see = \"c\"\nlevel = \"Metadata\"\n[columns]\nn = \"count\"\n";
    std::fs::write(
        &file,
        format!("/*\n{header}*/\nselect count(*) as n from events where verb match :verb"),
    )
    .unwrap();
    let path = dir.path().to_str().unwrap();
    let store = STORE.get();
    let data = store.data().to_str().unwrap();
    let asked = cli(&[
        "ask",
        "--queries",
        path,
        "mine",
        "--verb",
        "get",
        "--data",
        data,
        "-o",
        "csv",
    ]);
    let gets = EVENTS.iter().filter(|event| event["verb"] == "get").count();
    assert_eq!(asked.expect(0).text(), format!("n\r\n{gets}\r\n"));

    let misspelt = "select count(*) as n\nfrom events where vrb = 'get'";
    std::fs::write(&file, format!("/*\n{header}*/\n{misspelt}")).unwrap();
    let refused = cli(&["ask", "--queries", path, "mine", "--data", data]).expect(2);
    let told = "mine.sql:11: in the question mine: no such column: vrb (column 19); did you mean verb?\n  \
                from events where vrb = 'get'\n                    ^";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);

    let taken = header.replace(
        "[columns]",
        "[params.limit]\ntype = \"text\"\nhelp = \"h\"\n[columns]",
    );
    for (text, told) in [
        (
            "/*\ntitle = 1\n*/ select 1".to_owned(),
            "mine.sql:2: bad header",
        ),
        (
            format!("/*\n{taken}*/\nselect :limit as n"),
            "choose another",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        // Also where the question itself is the one that cannot be read.
        for name in ["who-deleted", "mine"] {
            let refused = cli(&["ask", "--queries", path, name, "--data", data]).expect(2);
            assert!(refused.stderr.contains(told), "{name}: {}", refused.stderr);
        }
    }
}

#[test]
fn the_documented_question_of_ones_own_can_be_asked() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OWN_QUESTIONS.md");
    let document = std::fs::read_to_string(document).unwrap();
    let example = document.split("```sql\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("night-writes.sql"), example).unwrap();
    let changes = |args: &[&str]| {
        let own = ["night-writes", "--since", "all", "--queries"];
        let args = [&own[..], &[dir.path().to_str().unwrap()], args].concat();
        let rows = STORE.get().objects("ask", &args);
        rows.iter()
            .map(|row| row["changes"].as_u64().unwrap())
            .sum::<u64>()
    };
    // All of the recording lies between three and four.
    let expected = plain::count(|event| {
        plain::ended(event)
            && plain::succeeded(event)
            && plain::WRITES.contains(&plain::verb(event))
    });
    assert!(expected > 0);
    assert_eq!(changes(&["--limit", "0"]), expected);
    assert_eq!(changes(&["--from", "4", "--to", "3"]), 0);
}

/// A server's own directory is not known here.
#[test]
fn a_question_that_only_the_server_knows_is_learned_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = "/*\ntitle = \"Theirs\"\ngroup = \"own\"\nanswers = \"a\\u001B[2J\"\n\
                cannot_see = \"c\"\nlevel = \"Metadata\"\nrequired = [\"verb\"]\n[columns]\n\
                n = \"count\"\n*/\nselect count(*) as n from events where verb match :verb";
    std::fs::write(dir.path().join("theirs.sql"), file).unwrap();
    let data = tempfile::tempdir().unwrap();
    let queries = dir.path().to_str().unwrap();
    let server = Server::start(data.path(), &["--queries", queries]);
    server
        .post("/webhook", crate::support::event(0))
        .expect(200);

    let verb = serde_json::from_str::<Value>(&crate::support::event(0)).unwrap();
    let verb = text(&verb, "/verb");
    let asked = server.cli("ask", &["theirs", "--verb", verb, "-o", "csv"]);
    assert_eq!(asked.expect(0).text(), "n\r\n1\r\n");
    let before = cli(&[
        "ask",
        "theirs",
        "--verb=none",
        "-o",
        "csv",
        "--server",
        &server.url(),
    ]);
    assert_eq!(before.expect(0).text(), "n\r\n0\r\n");
    let help = server.cli("ask", &["theirs", "--help"]).expect(0);
    assert!(help.text().contains("--verb <LIST>"), "{}", help.text());
    assert!(!help.text().contains('\u{1b}'), "{}", help.text());
    let listed = server.cli("ask", &["-o", "jsonl"]).expect(0);
    assert!(listed.text().contains("\"theirs\""));
    let missing = server.cli("ask", &["theirs"]).expect(2);
    assert!(missing.stderr.contains("--verb"), "{}", missing.stderr);
    let unknown = server.cli("ask", &["their"]).expect(2);
    assert!(unknown.stderr.contains("theirs"), "{}", unknown.stderr);

    let url = server.url();
    server.kill();
    let gone = cli(&["ask", "theirs", "--server", &url]).expect(2);
    let told = &gone.stderr;
    assert!(told.contains("there is no question \"theirs\""), "{told}");
    assert!(told.contains("no answer from http://"), "{told}");
    let listed = cli(&["ask", "--server", &url]).expect(0);
    assert!(listed.text().contains("who-deleted"));
    assert!(
        listed.stderr.contains("only the questions known here"),
        "{}",
        listed.stderr
    );
}

#[test]
fn an_empty_answer_says_what_there_is_and_how_far_it_looked() {
    let both = Both::imported(&[&crate::support::sample_path()]);
    let run = both.ask("ask", &["who-deleted", "-n", "prd"]).expect(1);
    assert!(run.stderr.contains("did you mean prod?"), "{}", run.stderr);
    let run = both.ask("ask", &["forbidden-bursts"]).expect(1);
    assert!(run.stderr.contains("the last 1d only"), "{}", run.stderr);
}

#[test]
fn columns_of_an_answer_can_be_chosen() {
    let whole = ask(
        "all-by-user",
        &["--user", "kubernetes-admin", "--since", "all"],
    );
    let pick = ["request_uri", "time", "code"];
    let flags = [
        "--user",
        "kubernetes-admin",
        "--since",
        "all",
        "--columns",
        "request_uri, time,code",
    ];
    let chosen = ask("all-by-user", &flags);
    assert!(!chosen.is_empty() && chosen.len() == whole.len());
    for (row, whole) in chosen.iter().zip(&whole) {
        assert_eq!(row.len(), pick.len());
        assert!(pick.iter().all(|name| row[*name] == whole[*name]));
    }
    let store = STORE.get();
    let header = |flags: &[&str]| {
        let args = [
            &[
                "all-by-user",
                "-o",
                "csv",
                "--user",
                "kubernetes-admin",
                "--since",
                "all",
            ],
            flags,
        ];
        let run = store.ask("ask", &args.concat()).expect(0);
        run.text().lines().next().unwrap().to_owned()
    };
    assert_eq!(
        header(&["--columns", "request_uri,time"]),
        "request_uri,time"
    );
    assert_eq!(header(&["--columns", "all"]), header(&[]));
    for (columns, said) in [
        (
            "tiem",
            "columns: unknown column \"tiem\"; did you mean time?",
        ),
        ("", "columns: unknown column \"\"; use one of time, user, "),
        ("time,time", "columns: time is given twice; remove one"),
        // One of events, but not of this answer.
        ("stage", "columns: unknown column \"stage\""),
    ] {
        let run = store
            .ask("ask", &["all-by-user", "--user", "x", "--columns", columns])
            .expect(2);
        assert!(run.stderr.contains(&format!("--{said}")), "{}", run.stderr);
        let path = format!("/api/v1/queries/all-by-user?user=x&columns={columns}");
        let problem = store.server.get(&path).expect(400).json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with(said), "{detail}");
    }
    let args = [
        "all-by-user",
        "--user",
        "x",
        "--columns",
        "time,user",
        "--explain",
    ];
    let run = store.ask("ask", &args);
    assert!(
        run.stderr.contains("user=x&columns=time,user"),
        "{}",
        run.stderr
    );
}

#[test]
fn what_is_no_question_or_parameter_is_an_error_with_the_fix() {
    for (path, status, said) in [
        (
            "/api/v1/queries/who-delete",
            404,
            "did you mean who-deleted?",
        ),
        (
            "/api/v1/queries/who-deleted?nmae=x",
            400,
            "did you mean name?",
        ),
        ("/api/v1/queries/who-deleted?since=x", 400, "since"),
        (
            "/api/v1/queries/who-deleted?since=2026-02-02&until=2026-01-01",
            400,
            "swap them",
        ),
        (
            "/api/v1/queries/who-deleted?limit=x",
            400,
            "limit \"x\" is no number",
        ),
        (
            "/api/v1/queries/who-deleted?outcome=sucess",
            400,
            "did you mean success?",
        ),
        (
            "/api/v1/queries/who-deleted?name=a&name=b",
            400,
            "given twice",
        ),
    ] {
        let problem = STORE.get().server.get(path).expect(status).json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{path}: {detail}");
    }
}
