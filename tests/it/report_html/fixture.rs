//! Made reports: an ordinary one, one without data, one of a single control, a large one, and one
//! whose every text tries to be something else.

use auditql::model::time;
use auditql::model::value::Value;
use auditql::report::made::{
    Charts, ClusterEvents, Coverage, Made, MadeControl, MadeEvidence, MadeVerdict, Silence, Step,
    Verdict,
};
use auditql::store::SqlColumn;

/// Texts that break out, hide, reorder or cover where they are not taken for what they are.
pub const HOSTILE: &[&str] = &[
    "<script>document.title='owned'</script>",
    "</td></tr></table></style><h1>Verdict: met</h1>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "&lt;b&gt;&amp;#60;&notit;&#0;",
    "<!-- --><![CDATA[x]]></textarea></title></svg>",
    "javascript:alert(1)",
    "=HYPERLINK(\"http://example.org\")",
    "\u{1b}[31mred\u{1b}[0m\u{7}\u{9b}5m",
    "nul\0nul\r\nnext line\ttab\u{b}\u{c}",
    "invoice\u{202e}fdp.exe\u{202c} \u{2066}x\u{2069}",
    "ad\u{200b}min\u{feff} soft\u{ad}hyphen",
    "مرحبا بالعالم user-1 שלום 42",
    "日本語のユーザー 한국어 👩\u{200d}💻🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "z\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}\u{30a}algo",
    "no characters: \u{fdd7}\u{ffff}\u{10fffe}",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "  two  spaces   three and a trailing one ",
    "NULL",
    "",
    "${jndi:ldap://x} {{7*7}} `id` $(id) %00 \\u{202e}",
];

pub fn at(text: &str) -> Value {
    Value::Time(time::parse_instant(text).expect("a time"))
}

pub fn columns(names: &[&str]) -> Vec<SqlColumn> {
    names
        .iter()
        .map(|name| SqlColumn {
            name: (*name).to_owned(),
            kind: String::new(),
        })
        .collect()
}

pub fn evidence(control: &str, nth: usize, query: &str, title: &str) -> MadeEvidence {
    MadeEvidence {
        anchor: format!("e-{control}-{nth}"),
        query: query.to_owned(),
        command: format!(
            "auditql ask {query} --since 2026-08-23T00:00:00.000000Z --until 2026-11-21T00:00:00.000000Z --limit 0"
        ),
        title: title.to_owned(),
        answers: "One row per request that was turned away, the newest first. The apiserver records \
                  such a request at ResponseStarted only and without a user."
            .to_owned(),
        cannot_see: "Requests without any credential become system:anonymous (see \
                     anonymous-calls). Failed logins at an identity provider or a proxy in front."
            .to_owned(),
        sql: "select\n  time, user, verb, resource, outcome\nfrom events\nwhere outcome = 'denied_authz'\n  and cluster match :cluster\n  and time >= :since and time < :until -- half open\norder by time desc\n".to_owned(),
        bound: vec![
            ("since".to_owned(), Some("2026-08-23T00:00:00.000000Z".to_owned())),
            ("until".to_owned(), Some("2026-11-21T00:00:00.000000Z".to_owned())),
            ("cluster".to_owned(), None),
            ("resource".to_owned(), Some("*".to_owned())),
            ("audit_id".to_owned(), None),
        ],
        ..MadeEvidence::default()
    }
}

/// Evidence with 14 columns, of which some say the same in each row.
pub fn wide(control: &str, nth: usize, rows: usize, all: u64) -> MadeEvidence {
    let mut made = evidence(
        control,
        nth,
        "who-read-secret",
        "Who read a secret, or a list that may have shown it",
    );
    made.columns = columns(&[
        "time",
        "user",
        "as_user",
        "verb",
        "namespace",
        "name",
        "scope",
        "outcome",
        "request_uri",
        "source_ip",
        "user_agent",
        "cluster",
        "audit_id",
    ]);
    made.rows = (0..rows)
        .map(|n| {
            let user = ["system:serviceaccount:shop:ci-deployer", "alice@example.org", "kubernetes-admin", "system:node:worker-2"][n % 4];
            let named = !n.is_multiple_of(3);
            vec![
                Value::Time(time::parse_instant("2026-11-20T14:03:07.120000Z").unwrap() - (n as i64) * 61_500_000),
                Value::text(user),
                Value::Null,
                Value::text(["get", "list", "watch"][n % 3]),
                if n % 5 == 4 { Value::Null } else { Value::text(["payments", "shop"][n % 2]) },
                if named { Value::text("stripe-api-credentials") } else { Value::Null },
                Value::text(["secret", "namespace", "all namespaces"][n % 3]),
                Value::text("success"),
                Value::text(format!("/api/v1/namespaces/payments/secrets/stripe-api-credentials?limit=500&resourceVersion={n}&timeoutSeconds=412&watch=true")),
                Value::text(format!("203.0.113.{}", n % 250)),
                Value::text("kubectl/v1.34.1 (linux/amd64) kubernetes/93248f9"),
                Value::text("prod-eu"),
                Value::text(format!("8f14e45f-ceea-467f-a8d1-{n:012x}")),
            ]
        })
        .collect();
    made.row_count = all;
    if all > rows as u64 {
        made.file = Some(format!("pci-dss/e-{control}-{nth}-who-read-secret.csv"));
        made.file_sha256 =
            Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned());
    }
    made
}

pub fn narrow(control: &str, nth: usize) -> MadeEvidence {
    let mut made = evidence(
        control,
        nth,
        "failed-logins",
        "Failed logins: requests whose credential was not accepted (401)",
    );
    made.columns = columns(&[
        "user",
        "verb",
        "outcome",
        "requests",
        "first_time",
        "last_time",
    ]);
    made.rows = (0..9)
        .map(|n| {
            vec![
                match n {
                    4 => Value::Null,
                    5 => Value::text(""),
                    _ => Value::text(
                        [
                            "system:anonymous",
                            "bob",
                            "system:serviceaccount:kube-system:generic-garbage-collector",
                        ][n % 3],
                    ),
                },
                Value::text(["get", "create", "deletecollection"][n % 3]),
                Value::text(["denied_authn", "denied_authz"][n % 2]),
                Value::Int(48_211 / (n as i64 + 1)),
                at("2026-08-24T08:00:11.000001Z"),
                at("2026-11-20T17:42:59.5Z"),
            ]
        })
        .collect();
    made.row_count = made.rows.len() as u64;
    made
}

fn verdict(control: &str, verdict: Verdict, why: &str) -> Option<MadeVerdict> {
    Some(MadeVerdict {
        anchor: format!("v-{control}"),
        verdict,
        why: why.to_owned(),
        bound: vec![("cluster".to_owned(), Some("prod-*".to_owned()))],
        command: "auditql sql --param cluster=prod-* -".to_owned(),
        sql: "select case when sum(events) > 0 then 'met' else 'not enough data' end as verdict,\n  sum(events) || ' requests were refused' as why\nfrom event_counts\nwhere outcome match 'denied_*' and time >= :since and time < :until and cluster match :cluster".to_owned(),
    })
}

fn steps(count: usize, marked: bool) -> Vec<Step> {
    let start = time::parse_instant("2026-08-23").unwrap();
    (0..count)
        .map(|n| {
            let mut step = Step {
                from: time::to_text(start + n as i64 * 86_400_000_000),
                events: 9000 + (n as u64 * 7919) % 6000 + if n % 7 < 5 { 12_000 } else { 0 },
                failures: (n as u64 * 31) % 700 + if n == count * 2 / 3 { 9000 } else { 0 },
                ..Step::default()
            };
            step.succeeded = (step.events - step.failures) * 2 / 3;
            let nothing = Step {
                from: step.from.clone(),
                ..Step::default()
            };
            if marked && n < count / 10 {
                step = Step {
                    pruned: true,
                    ..nothing.clone()
                };
            }
            if marked && (count / 10..count / 10 + 3).contains(&n) {
                step = Step {
                    before: true,
                    ..nothing.clone()
                };
            }
            if marked && (count / 2..count / 2 + 3).contains(&n) {
                step = Step {
                    silent_hours: 24,
                    ..nothing
                };
            }
            if marked && n + 4 == count {
                step.silent_hours = 5;
            }
            step
        })
        .collect()
}

/// What an auditor gets on an ordinary day.
pub fn ordinary() -> Made {
    Made {
        stem: String::new(),
        summary: false,
        nothing_matches: false,
        name: "pci-dss".to_owned(),
        title: "PCI DSS: audit log requirements".to_owned(),
        framework: "PCI DSS".to_owned(),
        framework_version: "4.0".to_owned(),
        about: "What the audit events of the clusters in scope show for the requirements on audit \
                logs: which actions are recorded, by whom and when, and for how long the records \
                are there."
            .to_owned(),
        version: "1".to_owned(),
        definition_sha256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".to_owned(),
        program: "auditql 0.1.0".to_owned(),
        store: "6f1c2a9e-prod-audit at /var/lib/auditql".to_owned(),
        made_at: "2026-11-21T09:14:33.120934Z".to_owned(),
        made_for: "Jane Ortiz, internal audit".to_owned(),
        since: "2026-08-23T00:00:00.000000Z".to_owned(),
        until: "2026-11-21T00:00:00.000000Z".to_owned(),
        zone: "UTC".to_owned(),
        params: vec![("cluster".to_owned(), "prod-*".to_owned())],
        clusters: vec![
            ClusterEvents {
                cluster: "prod-eu".to_owned(),
                events: 1_204_331,
                finished: 1_204_331,
                earlier: true,
                oldest: Some("2026-09-01T00:00:02.1Z".to_owned()),
                newest: Some("2026-11-20T23:59:58.9Z".to_owned()),
            },
            ClusterEvents {
                cluster: "prod-us".to_owned(),
                events: 310_007,
                finished: 310_007,
                earlier: false,
                oldest: Some("2026-09-01T00:00:00Z".to_owned()),
                newest: Some("2026-11-20T23:59:59.9Z".to_owned()),
            },
        ],
        coverage: Coverage {
            events: 1_514_338,
            levels: vec![
                ("Metadata".to_owned(), 1_203_000),
                ("Request".to_owned(), 1_338),
                ("RequestResponse".to_owned(), 310_000),
            ],
            silent: vec![
                Silence {
                    cluster: "prod-eu".to_owned(),
                    from: "2026-10-07T00:00:00.000000Z".to_owned(),
                    until: "2026-10-10T00:00:00.000000Z".to_owned(),
                    hours: 72,
                },
                Silence {
                    cluster: "prod-us".to_owned(),
                    from: "2026-11-17T03:00:00.000000Z".to_owned(),
                    until: "2026-11-17T08:00:00.000000Z".to_owned(),
                    hours: 5,
                },
            ],
            hours: 2160,
            covered_hours: 2011,
            before_hours: 72,
            oldest: Some("2026-09-01T00:00:00.000000Z".to_owned()),
            newest: Some("2026-11-21T09:14:20.000000Z".to_owned()),
            truncated: 17,
            quarantined: 3,
            pruned: 411_204,
            pruned_before: Some("2026-09-01T00:00:00.000000Z".to_owned()),
            damaged: Vec::new(),
            notes: vec![
                "Retention removed 411,204 events before 2026-09-01: the first nine days of the period cannot be examined.".to_owned(),
                "prod-eu was silent for 72 hours from 2026-10-07.".to_owned(),
                "Secrets are recorded at Metadata: what was in them when they were read is not here.".to_owned(),
            ],
        },
        charts: Some(Charts {
            steps: steps(90, true),
            step_seconds: 86_400,
            actors: vec![
                ("system:serviceaccount:kube-system:generic-garbage-collector".to_owned(), 412_337),
                ("system:node:worker-2".to_owned(), 288_002),
                ("alice@example.org".to_owned(), 12_009),
                (String::new(), 310),
            ],
            failures: vec![
                ("denied_authz".to_owned(), 48_211),
                ("not_found".to_owned(), 20_991),
                ("server_error".to_owned(), 12),
            ],
        }),
        controls: vec![
            MadeControl {
                id: "10.2.1.1".to_owned(),
                title: "Access to cardholder data".to_owned(),
                demands: "Every access of a person to cardholder data leaves a record.".to_owned(),
                cannot_prove: "That the data is only where the report looks. Events know namespaces and objects, not what is in a database behind a service.".to_owned(),
                verdict: verdict("10.2.1.1", Verdict::Met, "1,234 reads of secrets by 14 users are recorded in all 2,083 covered hours."),
                evidence: vec![wide("10.2.1.1", 1, 20, 1234), narrow("10.2.1.1", 2)],
            },
            MadeControl {
                id: "10.2.1.4".to_owned(),
                title: "Refused access".to_owned(),
                demands: "Attempts at access that are refused leave a record.".to_owned(),
                cannot_prove: "Attempts that never reached the apiserver.".to_owned(),
                verdict: verdict("10.2.1.4", Verdict::NotMet, "The policy in force leaves out 401 answers in prod-us: 0 of 310,007 events."),
                evidence: vec![wide("10.2.1.4", 1, 1, 1), evidence("10.2.1.4", 2, "anonymous-calls", "Calls without a credential")],
            },
            MadeControl {
                id: "10.5.1".to_owned(),
                title: "Twelve months of history".to_owned(),
                demands: "Records are kept for twelve months, the last three at hand.".to_owned(),
                cannot_prove: String::new(),
                verdict: verdict("10.5.1", Verdict::NotEnoughData, "The store begins 81 days before the end of the period."),
                evidence: vec![narrow("10.5.1", 1)],
            },
            MadeControl {
                id: "10.6".to_owned(),
                title: "Clocks".to_owned(),
                demands: "Systems agree on the time.".to_owned(),
                cannot_prove: "That the clocks are right: only that they differ little.".to_owned(),
                verdict: None,
                evidence: Vec::new(),
            },
        ],
    }
}

/// A store without events, and a report without a framework.
pub fn empty() -> Made {
    Made {
        controls: vec![MadeControl {
            evidence: vec![evidence("10.2.1.4", 1, "failed-logins", "Failed logins")],
            ..ordinary().controls.swap_remove(1)
        }],
        framework: String::new(),
        framework_version: String::new(),
        clusters: Vec::new(),
        coverage: Coverage {
            hours: 2160,
            ..Coverage::default()
        },
        charts: Some(Charts {
            steps: steps(90, false)
                .into_iter()
                .map(|step| Step {
                    from: step.from,
                    ..Step::default()
                })
                .collect(),
            step_seconds: 86_400,
            ..Charts::default()
        }),
        made_for: String::new(),
        ..ordinary()
    }
}

pub fn single() -> Made {
    let mut made = ordinary();
    made.controls.truncate(1);
    made.charts.as_mut().unwrap().steps = steps(1, false);
    made.clusters.truncate(1);
    made
}

/// 60 controls with three pieces of evidence each, and as many steps as a chart may have.
pub fn large() -> Made {
    let mut made = ordinary();
    made.charts.as_mut().unwrap().steps = steps(120, true);
    made.coverage.silent = (0..150)
        .map(|n| Silence {
            cluster: "prod-eu".to_owned(),
            from: format!("2026-10-{:02}T00:00:00.000000Z", n % 30 + 1),
            until: format!("2026-10-{:02}T{:02}:00:00.000000Z", n % 30 + 1, n % 23 + 1),
            hours: n % 23 + 1,
        })
        .collect();
    made.controls = (0..60)
        .map(|n| {
            let id = format!("AU-{}({})", n / 4 + 1, n % 4 + 1);
            let mut control = made.controls[n % 4].clone();
            if let Some(verdict) = &mut control.verdict {
                verdict.anchor = format!("v-{id}");
            }
            control.evidence = vec![
                wide(&id, 1, 20, 20 + n as u64),
                narrow(&id, 2),
                wide(&id, 3, 1, 1),
            ];
            control.id = id;
            control
        })
        .collect();
    made
}

/// Every text of the report is hostile, in turn.
pub fn hostile() -> Made {
    let mut made = ordinary();
    let mut next = HOSTILE.iter().cycle();
    let mut text = || (*next.next().expect("a cycle")).to_owned();
    made.title = text();
    made.framework = format!("x{}", text());
    made.framework_version = text();
    made.about = text();
    made.version = text();
    made.program = text();
    made.store = text();
    made.made_for = text();
    made.zone = text();
    made.params = (0..HOSTILE.len()).map(|_| (text(), text())).collect();
    made.coverage.notes = (0..HOSTILE.len()).map(|_| text()).collect();
    made.coverage.damaged = vec![text(), "w".repeat(300)];
    made.coverage.levels = vec![(text(), 1), (text(), 2)];
    for silence in &mut made.coverage.silent {
        silence.cluster = text();
        silence.from = text();
    }
    for cluster in &mut made.clusters {
        cluster.cluster = "very-long-name-of-a-cluster".repeat(4) + &text();
    }
    made.charts.as_mut().unwrap().actors =
        HOSTILE.iter().map(|name| ((*name).to_owned(), 5)).collect();
    made.charts
        .as_mut()
        .unwrap()
        .actors
        .push(("m".repeat(1 << 20), 9));
    made.charts.as_mut().unwrap().failures = vec![(text(), 12)];
    for (nth, control) in made.controls.iter_mut().enumerate() {
        control.id = format!("{nth} {}", text());
        control.title = text() + &"W".repeat(120);
        control.demands = text();
        control.cannot_prove = text();
        if let Some(verdict) = &mut control.verdict {
            verdict.anchor = format!("v-{}", control.id);
            verdict.why = text() + &"x".repeat(10_000);
            verdict.sql = text();
        }
        for (at, evidence) in control.evidence.iter_mut().enumerate() {
            evidence.anchor = format!("e-{}-{at}", control.id);
            evidence.title = text();
            evidence.query = text();
            evidence.command = text();
            evidence.answers = text();
            evidence.cannot_see = text();
            evidence.sql = HOSTILE.join("\n");
            evidence.bound = vec![(text(), Some(text())), (text(), None)];
            evidence.file = Some("pci-dss/javascript:alert(1) \"x\" <b>.csv".to_owned());
            evidence
                .columns
                .iter_mut()
                .for_each(|column| column.name = format!("c{}", text()));
        }
    }
    made.controls.push(MadeControl {
        id: "h".to_owned(),
        title: "Hostile rows".to_owned(),
        evidence: vec![hostile_rows()],
        ..MadeControl::default()
    });
    made
}

/// A table whose cells are [`HOSTILE`], and a value of a megabyte.
fn hostile_rows() -> MadeEvidence {
    let mut made = evidence("h", 1, "hostile", "Hostile rows");
    made.columns = columns(&["n", "text", "json", "bytes", "real"]);
    made.rows = HOSTILE
        .iter()
        .enumerate()
        .map(|(n, text)| {
            vec![
                Value::Int(n as i64 - 3),
                Value::text(*text),
                Value::Json(serde_json::to_string(&[text]).unwrap().into()),
                Value::Bytes(text.as_bytes().into()),
                Value::Real(n as f64 / 3.0),
            ]
        })
        .collect();
    made.rows.push(vec![
        Value::Int(i64::MIN),
        Value::text("A".repeat(1 << 20)),
        Value::Json("{\"a\":[]}".into()),
        Value::Bytes([0xff, 0xfe, 0x00, 0x3c].into()),
        Value::Real(f64::INFINITY),
    ]);
    made.row_count = made.rows.len() as u64;
    made
}

/// A report of one piece of evidence, whose rows have one column, all of them shown.
pub fn with_rows(rows: Vec<Vec<Value>>) -> Made {
    let mut made = evidence("c", 1, "rows", "Rows");
    made.columns = columns(&["value"]);
    made.row_count = rows.len() as u64;
    made.rows = rows;
    let control = MadeControl {
        id: "c".to_owned(),
        evidence: vec![made],
        ..MadeControl::default()
    };
    Made {
        controls: vec![control],
        ..Made::default()
    }
}

/// A report of which every text is this one.
pub fn all_texts(text: &str) -> Made {
    let own = || text.to_owned();
    let mut made = with_rows(vec![
        vec![Value::text(text)],
        vec![Value::Json(text.into())],
    ]);
    made.name = own();
    made.title = own();
    made.framework = own();
    made.framework_version = own();
    made.about = own();
    made.version = own();
    made.definition_sha256 = own();
    made.program = own();
    made.store = own();
    made.made_at = own();
    made.made_for = own();
    made.since = own();
    made.until = own();
    made.zone = own();
    made.params = vec![(own(), own())];
    made.clusters = vec![ClusterEvents {
        cluster: own(),
        events: 1,
        finished: 1,
        earlier: false,
        oldest: Some(own()),
        newest: Some(own()),
    }];
    made.coverage = Coverage {
        events: 3,
        levels: vec![(own(), 3)],
        silent: vec![Silence {
            cluster: own(),
            from: own(),
            until: own(),
            hours: 1,
        }],
        hours: 2,
        covered_hours: 1,
        oldest: Some(own()),
        newest: Some(own()),
        pruned_before: Some(own()),
        damaged: vec![own()],
        notes: vec![own()],
        ..Coverage::default()
    };
    let step = Step {
        from: own(),
        events: 3,
        succeeded: 1,
        failures: 1,
        silent_hours: 1,
        pruned: false,
        before: false,
    };
    made.charts = Some(Charts {
        steps: vec![step.clone(), step],
        step_seconds: 3600,
        actors: vec![(own(), 1)],
        failures: vec![(own(), 1)],
    });
    let control = &mut made.controls[0];
    control.title = own();
    control.demands = own();
    control.cannot_prove = own();
    control.verdict = Some(MadeVerdict {
        anchor: "v".to_owned(),
        verdict: Verdict::Met,
        why: own(),
        sql: format!("1{text}"),
        bound: vec![(own(), Some(own()))],
        command: own(),
    });
    let evidence = &mut control.evidence[0];
    evidence.query = own();
    evidence.command = own();
    evidence.title = own();
    evidence.answers = own();
    evidence.cannot_see = own();
    evidence.sql = own();
    evidence.bound = vec![(own(), Some(own()))];
    evidence.columns[0].name = own();
    evidence.file = Some(own());
    evidence.file_sha256 = Some(own());
    made
}

/// All of them with their names.
pub fn all() -> Vec<(&'static str, Made)> {
    vec![
        ("ordinary", ordinary()),
        ("empty", empty()),
        ("single", single()),
        ("large", large()),
        ("hostile", hostile()),
    ]
}
