//! Which events a filter finds. Every event here has a letter as its name.

use crate::both::Both;

struct Made<'a> {
    name: char,
    user: Option<&'a str>,
    /// Verb, resource, group, subresource, namespace.
    object: [&'a str; 5],
    code: Option<u32>,
    addresses: &'a str,
    agent: &'a str,
    body: &'a str,
}

const PLAIN: Made<'_> = Made {
    name: '?',
    user: Some("alice"),
    object: ["get", "pods", "", "", "prod"],
    code: Some(200),
    addresses: r#"["10.0.0.1"]"#,
    agent: "kubectl/v1.36.2",
    body: "null",
};

impl Made<'_> {
    fn json(&self) -> String {
        let [verb, resource, group, subresource, namespace] = self.object;
        let user = self
            .user
            .map_or(String::new(), |user| format!(r#""username":"{user}""#));
        let status = self.code.map_or(String::new(), |code| {
            format!(r#""responseStatus":{{"metadata":{{}},"code":{code}}},"#)
        });
        let stage = match self.code {
            Some(_) => "ResponseComplete",
            None => "RequestReceived",
        };
        let time = format!("2026-11-20T12:00:{:02}Z", self.name as u32 - 'a' as u32);
        let optional = |key: &str, value: &str| match value {
            "" => String::new(),
            value => format!(r#""{key}":"{value}","#),
        };
        format!(
            r#"{{"level":"Request","auditID":"id-{name}","stage":"{stage}","requestURI":"/api/{resource}/{name}?x=1","verb":"{verb}","user":{{{user}}},"sourceIPs":{addresses},"userAgent":"{agent}","objectRef":{{"resource":"{resource}",{group}{subresource}{namespace}"name":"{name}","apiVersion":"v1"}},{status}"requestObject":{body},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#,
            name = self.name,
            addresses = self.addresses,
            agent = self.agent,
            body = self.body,
            group = optional("apiGroup", group),
            subresource = optional("subresource", subresource),
            namespace = optional("namespace", namespace),
        )
    }
}

fn store() -> Both {
    let made = [
        Made { name: 'a', ..PLAIN },
        Made {
            name: 'b',
            user: Some("system:node:n1"),
            object: ["list", "secrets", "", "", "dev"],
            ..PLAIN
        },
        Made {
            name: 'c',
            user: None,
            code: Some(401),
            addresses: "[]",
            ..PLAIN
        },
        Made {
            name: 'd',
            object: ["create", "deployments", "apps", "", "prod"],
            code: Some(201),
            body: r#"{"a":"say \"hi\" \u003cb\u003e"}"#,
            ..PLAIN
        },
        Made {
            name: 'e',
            object: ["create", "pods", "", "exec", "prod"],
            code: Some(101),
            addresses: r#"["192.168.7.7","10.0.0.2"]"#,
            ..PLAIN
        },
        Made {
            name: 'f',
            object: ["delete", "nodes", "", "", ""],
            code: Some(403),
            agent: "curl/8.5.0",
            ..PLAIN
        },
        Made {
            name: 'g',
            user: Some("a,b"),
            code: Some(404),
            addresses: r#"["2001:db8::7"]"#,
            ..PLAIN
        },
        Made {
            name: 'h',
            user: Some("star*"),
            code: None,
            body: r#"{"caf":"é","nl":"a\nb"}"#,
            ..PLAIN
        },
        Made {
            name: 'i',
            user: Some("system:kube-scheduler"),
            object: ["patch", "deployments", "extensions", "status", "prod"],
            code: Some(500),
            ..PLAIN
        },
    ];
    let events: Vec<String> = made.iter().map(Made::json).collect();
    Both::with_events(&events)
}

/// Name of the events found, oldest first.
fn found(both: &Both, args: &[&str]) -> String {
    let args = [
        &[
            "--limit",
            "0",
            "--reverse",
            "-o",
            "csv",
            "--columns",
            "name",
        ],
        args,
    ]
    .concat();
    let run = both.ask("query", &args);
    let names: String = run.text().split("\r\n").skip(1).collect();
    assert_eq!(
        run.code,
        Some(i32::from(names.is_empty())),
        "{args:?}: {}",
        run.stderr
    );
    names
}

#[test]
fn filters_find_what_they_say() {
    let both = store();
    let check = || {
        for (filter, expected) in [
            ("", "abcdefghi"),
            ("--user alice", "adef"),
            ("--user !alice", "bcghi"),
            ("--user alice,system:*", "abdefi"),
            ("--user !alice,system:*", "cgh"),
            ("--user system:*,!system:node:*", "i"),
            ("--user !*", "c"),
            ("--user *", "abdefghi"),
            (r"--user a\,b", "g"),
            (r"--user star\*", "h"),
            ("--user *:n*", "b"),
            ("--user ALICE", ""),
            ("--verb delete,patch", "fi"),
            ("--verb GET", "acgh"),
            ("--verb !get,create", "bfi"),
            ("--resource pods", "acegh"),
            ("--resource po", "acegh"),
            ("--resource pod,no", "acefgh"),
            ("--resource deploy", "di"),
            ("--resource deployments.apps", "d"),
            ("--resource deploy.apps", "d"),
            ("--resource *.extensions", "i"),
            ("--resource !deployments.apps", "abcefghi"),
            ("--resource *s", "abcdefghi"),
            ("--resource !po,deploy", "bf"),
            ("--subresource exec", "e"),
            ("--subresource !*", "abcdfgh"),
            ("--subresource !exec", "abcdfghi"),
            ("-n prod", "acdeghi"),
            ("-n !prod", "bf"),
            ("--namespace !*", "f"),
            ("--namespace p*,dev", "abcdeghi"),
            ("--name b,c", "bc"),
            ("--stage RequestReceived", "h"),
            ("--stage response*", "abcdefgi"),
            ("--level request", "abcdefghi"),
            ("--code 403", "f"),
            ("--code 4xx", "cfg"),
            ("--code 4xx,!404", "cf"),
            ("--code !2xx", "cefghi"),
            ("--code 400-403,5xx", "cfi"),
            ("--code *", "abcdefgi"),
            ("--code !*", "h"),
            ("--outcome success", "abd"),
            ("--outcome denied_*", "cf"),
            ("--outcome upgraded,pending", "eh"),
            ("--source-ip 10.0.0.1", "abdfhi"),
            ("--source-ip 192.168.0.0/16", "e"),
            ("--source-ip 10.0.0.0/8", "abdefhi"),
            ("--source-ip !10.0.0.0/8", "cg"),
            ("--source-ip 10.0.*", "abdefhi"),
            ("--source-ip 2001:db8::/32", "g"),
            ("--source-ip 2001:0db8:0:0::7", "g"),
            ("--source-ip !*", "c"),
            ("--user-agent kubectl/*", "abcdeghi"),
            ("--user-agent !kubectl/*", "f"),
            ("--audit-id id-a,id-b", "ab"),
            ("--uri /api/pods/*", "acegh"),
            ("--uri */a?x=1", "a"),
            ("--cluster default", "abcdefghi"),
            ("--cluster !default", ""),
            ("--contains hi", "d"),
            ("--contains HI", ""),
            ("--contains é", "h"),
            ("--contains \"auditID\":\"id-f\"", "f"),
            ("--contains kubectl --user system:*", "bi"),
            ("--since 2026-11-20T12:00:03Z", "defghi"),
            ("--until 2026-11-20T12:00:03Z", "abc"),
            (
                "--since 2026-11-20T12:00:03 --until 2026-11-20T13:00:05+01:00",
                "de",
            ),
            ("--since 2026-11-20 --until 2026-11-21", "abcdefghi"),
            ("--since 2026-11-21", ""),
            ("--user alice --verb create --code !101", "d"),
        ] {
            let plain: Vec<&str> = filter.split_whitespace().collect();
            assert_eq!(found(&both, &plain), expected, "{filter}");
        }
        // In the spelling that JSON gives them.
        assert_eq!(found(&both, &["--contains", "a\nb"]), "h");
        assert_eq!(found(&both, &["--contains", "say \"hi\" <b>"]), "d");
    };
    check();
    // And from a sealed segment.
    both.server.cli("seal", &[]).expect(0);
    check();
}

#[test]
fn the_matching_address_is_shown() {
    let both = store();
    let row = &both.objects(
        "query",
        &["--source-ip", "192.168.0.0/16", "--columns", "source_ip"],
    )[0];
    assert_eq!(row["matched_ip"], "192.168.7.7");
    assert_eq!(row["source_ip"], "10.0.0.2", "the last hop");
    let table = both.ask("query", &["--source-ip", "192.168.7.7"]).expect(0);
    assert!(
        table.text().lines().next().unwrap().ends_with("MATCHED_IP"),
        "{}",
        table.text()
    );
    assert!(table.text().contains("192.168.7.7"));
}

#[test]
fn errors_name_the_flag_the_value_and_the_fix() {
    let both = store();
    for (args, told) in [
        (&["--stage", "Complete"][..], "--stage \"Complete\""),
        (&["--outcome", "denied"], "denied_authz"),
        (&["--code", "4x"], "use 403, 4xx, 400-499"),
        (&["--source-ip", "10.0.0"], "use 10.1.2.3"),
        (
            &["--resource", "pods/exec"],
            "--resource pods --subresource exec",
        ),
        (&["--since", "tomorrow"], "--since \"tomorrow\""),
        (&["--user", "a,"], "empty item"),
        (&["--columns", "usr"], "user"),
        (&["--columns", "user,user"], "given twice"),
        (&["--contains", ""], "is empty"),
    ] {
        let run = both.ask("query", args).expect(2);
        assert!(run.stderr.contains(told), "{args:?}: {}", run.stderr);
    }
}

/// Newest first, ties by id; and one row per request.
#[test]
fn order_limit_and_final() {
    let stage = |id: &str, stage: &str, second: u32, user: &str| {
        format!(
            r#"{{"level":"Metadata","auditID":"{id}","stage":"{stage}","requestURI":"/{id}","verb":"get","user":{{"username":"{user}"}},"requestReceivedTimestamp":"2026-11-20T10:00:00Z","stageTimestamp":"2026-11-20T10:00:{second:02}Z"}}"#
        )
    };
    let both = Both::with_events(&[
        stage("one", "RequestReceived", 0, "a"),
        stage("one", "ResponseComplete", 5, "a"),
        stage("watch", "RequestReceived", 1, "a"),
        stage("watch", "ResponseStarted", 2, "a"),
        stage("same", "RequestReceived", 3, "a"),
        stage("same", "RequestReceived", 3, "b"),
    ]);
    let shown = |args: &[&str]| {
        let args = [&["-o", "csv", "--columns", "audit_id,stage,user"], args].concat();
        let run = both.ask("query", &args).expect(0);
        let rows = crate::both::cells(&run);
        let short = |row: &Vec<String>| format!("{}:{}{}", row[0], row[2], row[1].len());
        rows.iter().map(short).collect::<Vec<_>>().join(" ")
    };
    let newest = "one:a16 same:b15 same:a15 watch:a15 watch:a15 one:a15";
    for _ in 0..2 {
        assert_eq!(shown(&[]), newest);
        let mut oldest: Vec<&str> = newest.split(' ').collect();
        oldest.reverse();
        assert_eq!(shown(&["--reverse"]), oldest.join(" "));
        assert_eq!(shown(&["--limit", "2"]), "one:a16 same:b15");
        assert_eq!(shown(&["--limit", "1", "--reverse"]), "one:a15");
        assert_eq!(shown(&["--final"]), "one:a16 same:b15 same:a15 watch:a15");
        assert_eq!(
            shown(&["--final", "--limit", "2", "--reverse"]),
            "watch:a15 same:a15"
        );
        both.server.cli("seal", &[]).expect(0);
    }
}
