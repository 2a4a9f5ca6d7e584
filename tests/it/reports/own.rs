//! Reports of one's own, and what is wrong with them.

use super::{STORE, definition, json, own, text};
use crate::support::{Server, cli, local, temp_dir};

#[test]
fn a_directory_adds_reports_with_parameters_of_their_own() {
    let dir = own(
        "title = \"Mine\"\nversion = \"1\"\nabout = \"A\"\nrequired = [\"person\"]\n[params]\n\
         person = { type = \"words\", help = \"whose\" }\n[[controls]]\nid = \"1\"\ntitle = \"T\"\n\
         demands = \"D\"\ncannot_prove = \"C\"\n\
         verdict = \"select 'met' as verdict, count(*) || ' events' as why from events where user match :person\"\n\
         [[controls.evidence]]\nquery = \"all-by-user\"\nwith = { user = \"$person\" }\n",
    );
    let store = STORE.get();
    let flags = ["--reports", text(dir.path())];
    let listed = cli(&[&["report"], &flags[..]].concat()).expect(0);
    assert!(listed.text().contains("mine"), "{}", listed.text());
    let args = [
        &flags[..],
        &["mine", "--since", "all", "-o", "json", "--person"],
    ]
    .concat();
    let made = local(
        store.data(),
        "report",
        &[&args[..], &["kubernetes-admin"]].concat(),
    );
    let made = json(&made.expect(0).stdout);
    let verdict = &made["controls"][0]["verdict"];
    let count = crate::questions::EVENTS
        .iter()
        .filter(|event| event["user"]["username"] == "kubernetes-admin")
        .count();
    assert_eq!(verdict["why"], format!("{count} events"));
    assert_eq!(made["params"]["person"], "kubernetes-admin");
    let missing = local(store.data(), "report", &[&flags[..], &["mine"]].concat()).expect(2);
    assert!(missing.stderr.contains("--person"), "{}", missing.stderr);

    // The server has them too, and says what is wrong before it listens.
    let data = temp_dir();
    let server = Server::start(data.path(), &flags);
    let answer = server.get("/api/v1/reports/mine").expect(400).json();
    let detail = answer["detail"].as_str().unwrap();
    assert!(
        detail.contains("makes no sense without person;"),
        "{detail}"
    );
    server
        .get("/api/v1/reports/mine?person=x&since=1d")
        .expect(200);
}

#[test]
fn a_bad_file_is_named_with_its_line() {
    let dir = own("title = \"T\"\n");
    let file = dir.path().join("mine.toml");
    let flags = ["report", "--reports", text(dir.path())];
    let verdict = |sql: &str| definition(&[]) + "verdict = \"" + sql + "\"\n";
    for (definition, said) in [
        ("title = ".to_owned(), "mine.toml:1: "),
        (
            definition(&["query = \"nope\""]),
            "mine.toml:10: there is no question \"nope\"",
        ),
        (
            definition(&["query = \"dry-runs\"\nwith = { x = 1 }"]),
            "mine.toml:11: ",
        ),
        (
            definition(&["query = \"dry-runs\"\nwith = { user = [\"x\"] }"]),
            "mine.toml:11: a value is of another type than what a flag takes; write a text,",
        ),
        (
            verdict("select nope as verdict, 1 as why from events"),
            "mine.toml:9: verdict of 1.a: ",
        ),
        (
            verdict("select :person as verdict, 1 as why"),
            "has no parameter :person",
        ),
        (verdict("drop table events"), "mine.toml:9: "),
    ] {
        std::fs::write(&file, definition).unwrap();
        for more in [&[][..], &["pci-dss"], &["mine"]] {
            let refused = cli(&[&flags[..], more].concat()).expect(2);
            assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
            assert!(!refused.stderr.contains("Usage"), "{}", refused.stderr);
        }
        let data = temp_dir();
        let (status, log) = Server::try_start(data.path(), &flags[1..]).err().unwrap();
        assert_eq!(status.code(), Some(2));
        assert!(log.contains(said), "{log}");
    }
    std::fs::remove_file(&file).unwrap();

    // A pipe would be read for ever.
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    let refused = cli(&flags).expect(2);
    assert!(
        refused.stderr.contains("mine.toml: is no plain file"),
        "{}",
        refused.stderr
    );
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(cli(&flags).expect(2).stderr.contains("mine.toml:1: "));
    std::fs::remove_file(&file).unwrap();
    std::fs::write(dir.path().join("Bad name.toml"), "").unwrap();
    assert!(
        cli(&flags)
            .expect(2)
            .stderr
            .contains("use lower-case letters")
    );
    let nowhere = cli(&["report", "--reports", "/nowhere"]).expect(2);
    assert!(
        nowhere.stderr.contains("directory of reports /nowhere"),
        "{}",
        nowhere.stderr
    );
}

#[test]
fn a_verdict_that_is_none_is_an_error_that_names_its_control() {
    for (sql, said) in [
        (
            "select 'maybe' as verdict, 1 as why",
            "the statement says \"maybe\"",
        ),
        (
            "select null as verdict, 1 as why",
            "the statement says NULL; give 'met', ",
        ),
        (
            "select 1 as verdict, 1 as why",
            "the statement says 1; give ",
        ),
        (
            "select 0.5 as verdict, 1 as why",
            "the statement says 0.5; give ",
        ),
        (
            "select '' as verdict, 1 as why",
            "the statement says \"\"; ",
        ),
        (
            "select x'00ff' as verdict, 1 as why",
            "the statement says a blob of 2 bytes; ",
        ),
        ("select 'met' as verdict, 1 as why where 0", "gives no rows"),
        (
            "select 'met' as verdict, 1 as why union all select 'met', 2",
            "gives several rows",
        ),
    ] {
        let dir = own(&(definition(&[]) + "verdict = \"" + sql + "\"\n"));
        let args = ["mine", "--reports", text(dir.path())];
        let run = local(STORE.get().data(), "report", &args).expect(2);
        assert!(
            run.stderr.contains(said) && run.stderr.contains("verdict of 1.a"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn a_question_and_a_command_line_that_make_no_sense_are_told_so() {
    for (args, said) in [
        (
            &["pci-ds"][..],
            "there is no report \"pci-ds\"; did you mean pci-dss? auditql report lists them",
        ),
        (
            &["nope"],
            "there is no report \"nope\"; use one of access-review, ",
        ),
        (
            &["pci-dss", "--since", "2026-02-02", "--until", "2026-01-01"],
            "swap them",
        ),
        (
            &["pci-dss", "--since", "2999-01-01", "--until", "2999-02-01"],
            "lies in the future",
        ),
        (&["pci-dss", "--since", "soon"], "'soon' is no time"),
        (&["pci-dss", "--cluster", "nope"], "there are default"),
        (
            &["pci-dss", "--cluster", "default,nope"],
            "no event of \"nope\"",
        ),
        (&["pci-dss", "--cluster", "no*"], "there are default"),
        (&["pci-dss", "-o", "json,md"], "write them with --out DIR"),
        (&["pci-dss", "-o", "pdf"], "invalid value 'pdf'"),
        (&["pci-dss", "--timeout", "soon"], "soon"),
        (&["-o", "json", "pci-dss"], "behind the report's name"),
        (
            &["--verify", "x", "pci-dss"],
            "--verify takes files and no report",
        ),
        (&["--check"], "--schedule"),
    ] {
        let run = local(STORE.get().data(), "report", args).expect(2);
        assert!(run.stderr.contains(said), "{args:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{args:?}");
    }
}
