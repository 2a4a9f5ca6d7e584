//! Reports as CSV: a spreadsheet has what the other forms have, and runs none of it.

use serde_json::{Value, json};

use super::sets::{PERIOD, verify};
use super::{STORE, definition, json as parsed, own, text};
use crate::support::{Server, event_at, local, temp_dir};

/// The records of a document, each with its cells by the names of columns.
fn records(bytes: &[u8]) -> Vec<Value> {
    let mut reader = csv::Reader::from_reader(bytes);
    let names = reader.headers().unwrap().clone();
    let record = |record: csv::StringRecord| {
        let cells = names.iter().zip(&record);
        cells
            .map(|(name, cell)| (name.to_owned(), json!(cell)))
            .collect()
    };
    reader
        .records()
        .map(|found| record(found.unwrap()))
        .collect()
}

fn of<'a>(records: &'a [Value], section: &str) -> Vec<&'a Value> {
    let found = records.iter().filter(|record| record["section"] == section);
    found.collect()
}

#[test]
fn a_spreadsheet_has_each_statement_and_its_rows() {
    let dir = temp_dir();
    let args = ["pci-dss", "-o", "json,csv", "--out", text(dir.path())];
    local(STORE.get().data(), "report", &[&args[..], &PERIOD].concat()).expect(0);
    let read = |form: &str| std::fs::read(dir.path().join(format!("pci-dss.{form}"))).unwrap();
    let (made, sheet) = (parsed(&read("json")), records(&read("csv")));
    let controls = made["controls"].as_array().unwrap();
    assert_eq!(of(&sheet, "control").len(), controls.len());
    let same = |record: &Value, said: &Value| {
        assert_eq!(record["statement"], said["sql"]);
        assert_eq!(record["command"], said["command"]);
        let bound = record["parameters"].as_str().unwrap();
        assert_eq!(parsed(bound.as_bytes()), said["bound"], "{record}");
    };
    let mut evidence = of(&sheet, "evidence").into_iter();
    for (record, control) in of(&sheet, "control").into_iter().zip(controls) {
        for name in ["id", "title", "demands", "cannot_prove"] {
            assert_eq!(record[name], control[name]);
        }
        for name in ["verdict", "why"] {
            assert_eq!(record[name], control["verdict"][name]);
        }
        same(record, &control["verdict"]);
        for said in control["evidence"].as_array().unwrap() {
            let record = evidence.next().unwrap();
            assert_eq!(record["id"], said["anchor"]);
            assert_eq!(record["evidence"], said["query"]);
            assert_eq!(record["title"], said["title"]);
            assert_eq!(record["cannot_prove"], said["cannot_see"]);
            assert_eq!(record["rows"], said["row_count"].to_string());
            same(record, said);
        }
    }
    assert_eq!(evidence.next(), None);
    let gaps: Vec<Value> = of(&sheet, "gap")
        .into_iter()
        .map(|record| {
            let hours: u64 = record["title"].as_str().unwrap().parse().unwrap();
            json!({"cluster": record["id"], "from": record["from"], "until": record["until"], "hours": hours})
        })
        .collect();
    assert_eq!(made["coverage"]["silent"], json!(gaps));
    assert!(!gaps.is_empty());
    let cluster = of(&sheet, "cluster")[0];
    assert_eq!(cluster["from"], made["clusters"][0]["oldest"]);
    assert_eq!(cluster["until"], made["clusters"][0]["newest"]);

    // Shortened like the other forms.
    let args = ["pci-dss", "-o", "csv", "--summary"];
    let short = local(STORE.get().data(), "report", &[&args[..], &PERIOD].concat()).expect(0);
    let short = records(&short.stdout);
    assert!(of(&short, "evidence").is_empty());
    assert!(
        of(&short, "control")
            .iter()
            .all(|record| record["statement"] == "")
    );
    assert_eq!(of(&short, "gap").len(), gaps.len());
}

#[test]
fn no_cell_of_a_spreadsheet_is_a_formula_and_no_text_names_a_file() {
    let data = temp_dir();
    let server = Server::start(data.path(), &[]);
    for hour in [1, 2, 9] {
        let time = format!("2026-11-20T{hour:02}:10:00.000000Z");
        server.post("/webhook", event_at(hour, &time)).expect(200);
    }
    server.stop();
    // A statement may begin with a comment, and hold lines as the document itself has them.
    let named = format!("file,mine-rows-0123456789abcdef/e-1.csv,{}", "0".repeat(63));
    let report = definition(&["query = \"noisiest-identities\"\ntitle = \"@sum\"\nrows = 1"])
        .replace("title = \"T\"", "title = \"+T\"")
        .replace("demands = \"D\"", "demands = \"=1+1\"")
        .replace("[[controls.evidence]]", &format!(
            "verdict = \"\"\"\n-- \"a\n{named}\n-- \"\nselect 'met' as verdict, '=2+2' as why from events limit 1\"\"\"\n[[controls.evidence]]"
        ).replace(&named, &format!("/*\n{named}\n*/")));
    let reports = own(&report);
    let out = temp_dir();
    let args = [
        "mine",
        "--reports",
        text(reports.path()),
        "--out",
        text(out.path()),
        "-o",
        "csv",
        "--since",
        "2026-11-20",
        "--until",
        "2026-11-21",
        "--for",
        "\t=3+3",
    ];
    local(data.path(), "report", &args).expect(0);
    let file = out.path().join("mine.csv");
    let sheet = records(&std::fs::read(&file).unwrap());
    for cell in sheet
        .iter()
        .flat_map(|record| record.as_object().unwrap().values())
    {
        let cell = cell.as_str().unwrap();
        assert!(
            !cell.trim_start().starts_with(['=', '+', '-', '@']),
            "{cell:?}"
        );
    }
    let control = of(&sheet, "control")[0];
    assert_eq!(control["demands"], "'=1+1");
    let statement = control["statement"].as_str().unwrap();
    assert!(
        statement.starts_with("'-- \"a\n") && statement.contains(&named),
        "{statement}"
    );
    verify(&file).expect(0);
}
