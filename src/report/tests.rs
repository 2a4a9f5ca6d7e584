use super::*;
use crate::query::library::Library;
use crate::query::library::place::Origin;

#[test]
fn every_shipped_report_reads_and_its_verdicts_compile() {
    for (name, text) in catalogue::FILES {
        let origin = Origin::shipped(&format!("queries/report/{name}.toml"));
        let read = Definition::parse(name, &origin, text, Library::shipped());
        if let Err(error) = read.and_then(|report| report.check()) {
            panic!("{error}");
        }
    }
}

/// A question that does not take the period or the clusters answers for other events than the
/// report says; its control must tell.
#[test]
fn every_question_of_a_report_takes_the_period_and_the_clusters() {
    for report in Catalogue::shipped().reports() {
        for control in &report.controls {
            for piece in &control.evidence {
                let question = Library::shipped().get(&piece.query).unwrap();
                for name in definition::COMMON {
                    assert!(
                        question.params.iter().any(|param| param.name == name)
                            || control.cannot_prove.contains(&piece.query),
                        "{}, {}: {} does not take {name}, and cannot_prove does not say so",
                        report.name,
                        control.id,
                        piece.query
                    );
                }
            }
        }
    }
}

const HEAD: &str = "title = \"T\"\nversion = \"1\"\nabout = \"A\"\n";
const CONTROL: &str =
    "[[controls]]\nid = \"1\"\ntitle = \"T\"\ndemands = \"D\"\ncannot_prove = \"C\"\n";

fn read(text: &str) -> Result<Definition, String> {
    let report = Definition::parse("r", &Origin::shipped("r.toml"), text, Library::shipped())?;
    report.check()?;
    Ok(report)
}

#[test]
fn a_definition_reads_as_it_says() {
    let report = read(&format!(
        "{HEAD}required = [\"person\"]\n[params]\nperson = {{ type = \"words\", help = \"H\" }}\nleast = {{ type = \"int\", help = \"H\", default = 3 }}\n{CONTROL}\
         verdict = \"select 'met' as verdict, 'w' as why from events where user match :person and time >= :since\"\n\
         [[controls.evidence]]\nquery = \"all-by-user\"\nwith = {{ user = \"$person\" }}\nrows = 5\n"
    ))
    .unwrap();
    let names: Vec<_> = report
        .params
        .iter()
        .map(|param| param.name.as_str())
        .collect();
    assert_eq!(names, ["person", "least", "cluster", "since", "until"]);
    assert!(report.params[0].required && !report.params[1].required);
    assert_eq!(report.params[1].default.as_deref(), Some("3"));
    assert_eq!(report.since, "all");
    let evidence = &report.controls[0].evidence[0];
    assert_eq!(evidence.anchor, "e-1-1");
    assert_eq!(evidence.file_name(), "e-1-1-all-by-user.csv");
    assert_eq!(evidence.rows, 5);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let with = |piece: &str| format!("{HEAD}{CONTROL}[[controls.evidence]]\n{piece}\n");
    let verdict = |sql: &str| format!("{HEAD}{CONTROL}verdict = \"{sql}\"\n");
    for (text, said) in [
        ("title = 1".to_owned(), "r.toml:1: "),
        (
            format!("{HEAD}nope = 1\n{CONTROL}"),
            "r.toml:4: unknown field `nope`",
        ),
        (
            format!("{HEAD}{CONTROL}oops = 1\n"),
            "r.toml:9: unknown field `oops`",
        ),
        (HEAD.to_owned(), "missing field `controls`"),
        (
            format!("{HEAD}controls = []\n"),
            "r.toml:4: there are no controls",
        ),
        (
            format!("{HEAD}since = \"soon\"\n{CONTROL}"),
            "r.toml:4: since: 'soon' is no time",
        ),
        (
            HEAD.replace("\"T\"", "\" \"") + CONTROL,
            "r.toml:1: title is empty",
        ),
        (
            HEAD.replace("\"A\"", "\"a\\u202eb\"") + CONTROL,
            "r.toml:3: about holds the unseen character \\u{202e}",
        ),
        (
            format!("{HEAD}{CONTROL}{CONTROL}"),
            "r.toml:10: there is a control 1 already",
        ),
        (
            format!(
                "{HEAD}{}{}",
                CONTROL.replace("\"1\"", "\"1(a)\""),
                CONTROL.replace("\"1\"", "\"1-a\"")
            ),
            "r.toml:10: the id 1-a cannot be told from 1(a)",
        ),
        (
            format!("{HEAD}{}", CONTROL.replace("\"1\"", "\"../1/é\"")),
            "r.toml:5: the id \"../1/é\" is none",
        ),
        (
            with("query = \"failed-login\""),
            "r.toml:10: there is no question \"failed-login\"; did you mean failed-logins?",
        ),
        (
            with("query = \"failed-logins\"\nwith = { usr = \"x\" }"),
            "r.toml:11: the question failed-logins has no parameter \"usr\"",
        ),
        (
            with("query = \"forbidden-bursts\"\nwith = { at_least = \"many\" }"),
            "r.toml:11: at_least of forbidden-bursts: \"many\" is no whole number",
        ),
        (
            with("query = \"failed-logins\"\nwith = { source_ip = \"$person\" }"),
            "r.toml:11: $person: the report has no such parameter",
        ),
        (
            with("query = \"all-by-user\""),
            "r.toml:10: the question all-by-user needs user",
        ),
        (
            with("query = \"failed-logins\"\nrows = 5000"),
            "r.toml:11: rows is 5000; use 0 to 1000",
        ),
        (
            format!(
                "{HEAD}[params]\nperson = {{ type = \"words\", help = \"H\", default = \"$other\" }}\n{CONTROL}"
            ),
            "r.toml:5: default of person: \"$other\" names a parameter",
        ),
        (
            format!("{HEAD}[params]\nout = {{ type = \"words\", help = \"H\" }}\n{CONTROL}"),
            "r.toml:5: the name of the parameter out is taken",
        ),
        (
            format!(
                "{HEAD}[params]\nleast = {{ type = \"int\", help = \"H\", default = \"x\" }}\n{CONTROL}"
            ),
            "r.toml:5: default of least: \"x\" is no whole number",
        ),
        (
            format!(
                "{HEAD}required = [\"persn\"]\n[params]\nperson = {{ type = \"words\", help = \"H\" }}\n{CONTROL}"
            ),
            "r.toml:4: required: there is no parameter \"persn\"; did you mean person?",
        ),
        (
            format!("{HEAD}one_of = [\"usr\"]\n{CONTROL}"),
            "r.toml:4: one_of: there is no parameter \"usr\"",
        ),
        (
            format!("{HEAD}charts = 1\n{CONTROL}"),
            "r.toml:4: invalid type",
        ),
        (
            verdict("select :who as verdict"),
            "r.toml:9: verdict of 1: the report has no parameter :who",
        ),
        (
            verdict("select nope from events"),
            "r.toml:9: verdict of 1: ",
        ),
        (verdict("delete from events"), "r.toml:9: verdict of 1: "),
        (verdict("select 1 as verdict"), "give verdict and why"),
        (verdict("attach 'x' as y"), "r.toml:9: verdict of 1: "),
        (
            format!("{HEAD}# {}\n{CONTROL}", "x".repeat(300 << 10)),
            "r.toml:1: the file is larger than the limit of 262144 bytes",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(said), "{said}\n{error}");
    }
    for name in ["", "R", "a b", "../x", "-a", &"x".repeat(65)] {
        let error = Definition::parse(name, &Origin::shipped("r.toml"), HEAD, Library::shipped())
            .unwrap_err();
        assert!(error.contains("the file's name is the report's"), "{error}");
    }
}

#[test]
fn a_digest_is_found_and_a_changed_byte_is_noticed() {
    let text = format!(
        "<code id=\"digest\">{}</code>\nrows 1{}\n",
        digest::PLACEHOLDER,
        "ab".repeat(32)
    );
    let (sealed, digest) = digest::seal(&text);
    assert!(sealed.contains(&digest) && !sealed.contains(digest::PLACEHOLDER));
    assert_eq!(digest::find(sealed.as_bytes()), Some(digest));
    for at in 0..sealed.len() {
        let mut changed = sealed.clone().into_bytes();
        changed[at] ^= 1;
        assert_eq!(digest::find(&changed), None, "byte {at}");
    }
    assert_eq!(digest::find(b""), None);
    // One that fits, beside another that people would read.
    let seen = format!("\"digest\": \"{}\" 6043", "cd".repeat(32));
    let two = digest::seal(&format!("{seen} \"digest\": \"{}\"", digest::PLACEHOLDER)).0;
    assert_eq!(digest::find(two.as_bytes()), None);
    let hidden = digest::seal(&format!("{seen} <!-- {} -->", digest::PLACEHOLDER)).0;
    assert_eq!(digest::find(hidden.as_bytes()), None);
    assert_eq!(digest::apart(&"0".repeat(65)), "[64 zeros]0");
}

proptest::proptest! {
    /// Whatever stands in a file, reading it gives a report or an error that names it.
    #[test]
    fn reading_never_panics(noise in ".{0,40}", at in 0usize..600, cut in 0usize..600) {
        let good = format!(
            "{HEAD}since = \"7d\"\nrequired = [\"person\"]\n[params]\nperson = {{ type = \"words\", help = \"H\" }}\n{CONTROL}\
             verdict = \"select 1 as verdict, 2 as why where 1 = :person\"\n\
             [[controls.evidence]]\nquery = \"all-by-user\"\nwith = {{ user = \"$person\" }}\nrows = 5\n"
        );
        proptest::prop_assert!(Definition::parse("r", &Origin::shipped("r.toml"), &good, Library::shipped()).is_ok());
        let at = good.floor_char_boundary(at.min(good.len()));
        let from = good.floor_char_boundary((at + cut % 7).min(good.len()));
        let text = format!("{}{noise}{}", &good[..at], &good[from..]);
        if let Err(error) = Definition::parse("r", &Origin::shipped("r.toml"), &text, Library::shipped()) {
            proptest::prop_assert!(error.starts_with("r.toml:"), "{}", error);
        }
        let _ = schedule::Schedule::parse(&text, "s.toml", Catalogue::shipped());
        let _ = digest::find(text.as_bytes());
    }
}

#[test]
fn directories_of_rows_are_told_from_others() {
    let holds = |directory: &str| publish::holds_rows(directory, "pci-dss-2026-11");
    assert!(holds("pci-dss-2026-11"), "where earlier versions wrote");
    assert!(holds("pci-dss-2026-11-rows-0123456789ab"));
    for other in [
        "pci-dss-2026-11-20-rows-0123456789ab",
        "pci-dss-2026-11-20",
        "pci-dss-2026-11-rows-0123456789",
        "pci-dss-2026-11-rows-0123456789xy",
        "pci-dss-rows-0123456789ab",
        "",
    ] {
        assert!(!holds(other), "{other}");
    }
}
