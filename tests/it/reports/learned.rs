//! Reports that only a server knows, from directories of its own.

use super::{definition, json, own, settled, text};
use crate::support::{Server, cli, event, temp_dir};

#[test]
fn a_report_that_only_the_server_knows_is_learned_from_it() {
    let queries = temp_dir();
    let question = "/*\ntitle = \"Theirs\"\ngroup = \"own\"\nanswers = \"a\"\ncannot_see = \"c\"\n\
                    level = \"Metadata\"\n[columns]\nn = \"count\"\n*/\n\
                    select count(*) as n from events where verb match :verb\n\
                    and cluster match :cluster and time >= :since and time < :until";
    std::fs::write(queries.path().join("theirs.sql"), question).unwrap();
    let definition = definition(&["query = \"theirs\"\nwith = { verb = \"$what\" }"])
        .replace(
            "[[controls]]",
            "one_of = [\"what\"]\n[params]\nwhat = { type = \"words\", help = \"Which \\u001B[2J verb\" }\n[[controls]]",
        )
        .replace(
            "[[controls.evidence]]",
            "verdict = '''\nselect 'finding' as verdict, count(*) as why from events\n\
             where verb match :what -- \"quoted\"\n'''\n[[controls.evidence]]",
        );
    let reports = own(&definition);
    let data = temp_dir();
    let flags = [
        "--queries",
        text(queries.path()),
        "--reports",
        text(reports.path()),
    ];
    let server = Server::start(data.path(), &flags);
    server.post("/webhook", event(0)).expect(200);
    let verb: serde_json::Value = serde_json::from_str(&event(0)).unwrap();
    let verb = verb["verb"].as_str().unwrap();

    let args = ["mine", "--since", "all", "-o", "json", "--what"];
    let far = server.cli("report", &[&args[..], &[verb]].concat());
    let far = json(&far.expect(0).stdout);
    assert_eq!(far["controls"][0]["verdict"]["why"], "1");
    assert_eq!(far["controls"][0]["evidence"][0]["rows"][0][0], 1);
    // As who has the files makes it.
    let url = server.url();
    let near = [&["report"], &args[..], &[verb, "--server", &url], &flags].concat();
    let near = json(&cli(&near).expect(0).stdout);
    let without_period = |mut made: serde_json::Value| {
        made["until"] = serde_json::Value::Null;
        // Bounds of the period stand in what was bound and in commands.
        for part in ["verdict", "evidence"] {
            made["controls"][0][part] = serde_json::Value::Null;
        }
        settled(made)
    };
    assert_eq!(without_period(far), without_period(near));

    let out = temp_dir();
    let written = [&args[..], &[verb, "--out", text(out.path())]].concat();
    server.cli("report", &written).expect(0);
    assert!(out.path().join("mine.json").exists());

    let help = server.cli("report", &["mine", "--help"]).expect(0);
    assert!(help.text().contains("--what <LIST>"), "{}", help.text());
    assert!(!help.text().contains('\u{1b}'), "{}", help.text());
    let listed = server.cli("report", &["-o", "jsonl"]).expect(0);
    assert!(listed.text().contains("\"mine\""), "{}", listed.text());
    for (args, said) in [
        (&["mine"][..], "makes no sense without one of --what"),
        (&["mien", "--what", "x"], "did you mean mine?"),
    ] {
        let refused = server.cli("report", args).expect(2);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }

    server.kill();
    let gone = cli(&["report", "mine", "--what", "x", "--server", &url]).expect(2);
    let told = &gone.stderr;
    assert!(told.contains("there is no report \"mine\""), "{told}");
    assert!(told.contains("no answer from http://"), "{told}");
    let listed = cli(&["report", "--server", &url]).expect(0);
    assert!(listed.text().contains("pci-dss"));
    let note = "only the reports known here";
    assert!(listed.stderr.contains(note), "{}", listed.stderr);
}
