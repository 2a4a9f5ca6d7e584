//! Exports: long listings, which are written on all processors, say what pages say.

use crate::both::Both;
use crate::support::{self, Server, event, event_at, local, sample_path, temp_dir};

/// More events than a page may have, sealed and not, over several segments.
fn many() -> Both {
    let both = Both::imported(&[&sample_path()]);
    for batch in 0..6 {
        let lines: Vec<String> = (batch * 2000..batch * 2000 + 2000).map(event).collect();
        both.server.post("/webhook", lines.join("\n")).expect(200);
        if batch % 2 == 0 {
            both.server.post("/api/v1/seal", "").expect(200);
        }
    }
    both
}

/// All pages of a listing, one after the other.
fn pages(server: &Server, question: &str, columns: &str) -> String {
    let (mut text, mut cursor) = (String::new(), String::new());
    loop {
        let path = format!("/api/v1/events?limit=900&{question}{cursor}");
        let page = server.get(&format!("{path}&columns={columns}&format=jsonl"));
        text.push_str(&page.expect(200).text());
        let next = server.get(&format!("{path}&columns=id")).expect(200).json();
        match next["next"].as_str() {
            Some(word) => cursor = format!("&cursor={word}"),
            None => return text,
        }
    }
}

fn lines(server: &Server, path: &str) -> Vec<String> {
    let text = server.get(path).expect(200).text();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn an_export_is_all_pages_in_one() {
    let both = many();
    let columns = "id,time,cluster,audit_id,stage,user,user_groups,effective_user,source_ip,\
                   source_ips,user_agent,request_uri,path,resource,name,code,message,outcome,\
                   dry_run,images,command,raw_bytes,latency_us";
    for question in [
        "",
        "reverse=true",
        "verb=get,list&reverse=true",
        "final=true",
    ] {
        let paged = pages(&both.server, question, columns);
        let path = format!("/api/v1/events?limit=0&columns={columns}&{question}");
        let whole = both.server.get(&format!("{path}&format=jsonl")).expect(200);
        assert!(whole.text() == paged, "{question}");
        // With bodies among the columns rows are written where they are found.
        let path = format!("/api/v1/events?limit=0&columns={columns},annotations&{question}");
        let bodies = both.server.get(&format!("{path}&format=jsonl"));
        let bodies = bodies.expect(200).text();
        assert_eq!(bodies.lines().count(), paged.lines().count());
        for (with, without) in bodies.lines().zip(paged.lines()) {
            assert!(with.starts_with(without.trim_end_matches('}')), "{with}");
        }
    }
    for format in ["jsonl", "csv"] {
        let here = both.ask("query", &["--limit", "0", "-o", format]);
        let path = format!("/api/v1/events?limit=0&format={format}");
        assert!(both.server.get(&path).expect(200).text() == here.text());
    }
    let rows = both
        .server
        .get("/api/v1/events?limit=0&format=rows")
        .expect(200);
    let json = both
        .server
        .get("/api/v1/events?limit=0&format=json")
        .expect(200);
    let json = json.json();
    let rows: Vec<serde_json::Value> = rows
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        rows[1..rows.len() - 1],
        json["rows"].as_array().unwrap()[..]
    );
    assert_eq!(rows[0]["columns"], json["columns"]);
}

#[test]
fn a_long_export_goes_on_where_its_limit_ended_it() {
    let both = many();
    let head = "/api/v1/events?format=rows&columns=id,user,request_uri";
    let whole = lines(&both.server, &format!("{head}&limit=0"));
    let first = lines(&both.server, &format!("{head}&limit=10500"));
    assert_eq!(first.len(), 10_502);
    let end: serde_json::Value = serde_json::from_str(&first[10_501]).unwrap();
    assert_eq!(end["end"]["truncated"], true);
    let cursor = end["end"]["next"].as_str().unwrap();
    let rest = lines(&both.server, &format!("{head}&limit=0&cursor={cursor}"));
    let rows = [&first[1..10_501], &rest[1..rest.len() - 1]].concat();
    assert!(rows[..] == whole[1..whole.len() - 1]);
}

/// Damage in the middle of three segments: what is exported never ends as if it were all.
#[test]
fn damage_in_the_middle_breaks_an_export_off() {
    let dir = temp_dir();
    let data = dir.path();
    for day in 10..13 {
        let lines: Vec<String> = (0..1500)
            .map(|n| {
                let time = format!("2026-11-{day}T10:{:02}:{:02}.000000Z", n / 60 % 60, n % 60);
                event_at(day * 10_000 + n, &time)
            })
            .collect();
        let import = ["import", "--data", data.to_str().unwrap(), "-"];
        support::cli_with(&import, lines.join("\n").as_bytes()).expect(0);
    }
    let mut sealed: Vec<_> = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("sealed-")
        })
        .collect();
    sealed.sort();
    assert_eq!(sealed.len(), 3);
    let whole = local(data, "query", &["--limit", "0", "-o", "jsonl"]).expect(0);
    assert_eq!(whole.text().lines().count(), 4500);

    // One column's chunk: the rows are found, and only writing them fails.
    let spoil = support::sqlite(&sealed[1]);
    let user_agents = (2i64 << 40) | (11 << 32);
    let sql = "update chunk set checksum = checksum + 1 where id = ?1";
    assert_eq!(spoil.execute(sql, [user_agents]).unwrap(), 1);
    spoil.close().unwrap();
    let server = Server::start(data, &[]);
    for format in ["jsonl", "csv"] {
        let columns = [
            "--columns",
            "id,user_agent,name",
            "--limit",
            "0",
            "-o",
            format,
        ];
        let run = local(data, "query", &columns).expect(2);
        assert!(run.stderr.contains("wrong checksum"), "{}", run.stderr);
        let path = format!("/api/v1/events?limit=0&columns=id,user_agent,name&format={format}");
        let mut client = server.connect();
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        client.send(head.as_bytes()).unwrap();
        // Without its last chunk, or refused as a whole.
        match client.read_response() {
            Err(_) => {}
            Ok(answer) => assert_eq!(answer.status, 500, "{}", answer.text()),
        }
        let columns = ["--columns", "id,name", "--limit", "0", "-o", format];
        let rows = local(data, "query", &columns).expect(0);
        assert!(rows.text().lines().count() >= 4500);
    }
    let rows = server.get("/api/v1/events?limit=0&columns=user_agent&format=rows");
    if rows.status == 200 {
        let text = rows.text();
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("{\"error\":"), "{last}");
    }
}
