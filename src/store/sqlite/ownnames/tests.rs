use std::ops::ControlFlow;
use std::sync::Arc;

use fastrand::Rng;
use proptest::prelude::*;

use super::*;
use crate::model::column::Column;
use crate::model::normalise::normalise;
use crate::model::value::Value;
use crate::store::filter::{Filter, Pattern, Test};
use crate::store::sqlite::ngrams::{Ngrams, rows_of};
use crate::store::{EventQuery, OpenOptions, Store, Work, open_write};

proptest! {
    /// The rule that searching stands on, over bodies that repeat and overlap each other's names.
    #[test]
    fn a_text_is_noted_or_reaches_into_the_name(
        bodies in prop::collection::vec(
            ("[ab]{7,12}", prop::collection::vec(("[ab\"]{0,9}", 0usize..3), 1..6)),
            1..5,
        ),
        pick in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        length in WINDOW..40,
    ) {
        let names: Vec<&str> = bodies.iter().map(|(name, _)| &**name).collect();
        let made = bodies.iter().enumerate().map(|(at, (name, pieces))| {
            let others = [name, "", names[(at + 1) % names.len()]];
            let pieces = pieces.iter().map(|(text, of)| format!("{text}{}", others[*of]));
            pieces.collect::<String>().into_bytes()
        });
        let made: Vec<Vec<u8>> = made.collect();
        let mut ngrams = Ngrams::new(1).unwrap();
        let mut before: &[u8] = &[];
        for (body, name) in made.iter().zip(&names) {
            ngrams.add(body, name, before);
            before = body;
        }
        let at = pick.index(made.len());
        let from = from.index(made[at].len() + 1);
        let text = &made[at][from..(from + length).min(made[at].len())];
        let noted = rows_of(text).unwrap_or_default().iter().all(|&row| ngrams.notes(row));
        prop_assert!(noted || reaches(text, names[at].as_bytes()), "{:?}", str::from_utf8(text));
    }

    #[test]
    fn a_text_reaches_where_eight_bytes_of_it_lie_in_the_name(
        text in "[ab]{0,20}",
        name in "[ab]{0,20}",
    ) {
        let (text, name) = (text.as_bytes(), name.as_bytes());
        // Every way to lay one over the other.
        let lies = |shift: isize| {
            let common = (0..text.len() as isize).filter(|at| (0..name.len() as isize).contains(&(at + shift)));
            let common: Vec<isize> = common.collect();
            let same = |at: &isize| text[*at as usize] == name[(at + shift) as usize];
            common.len() >= WINDOW && common.iter().all(same)
        };
        prop_assert_eq!(reaches(text, name), (-20..=20).any(lies));
    }
}

/// Names that have much in common.
const NAMES: [&str; 10] = [
    "alice@example.com",
    "malice@example.com",
    "alice@example.community",
    "alice",
    "aaaaaaaaaaaaaaaa",
    "system:serviceaccount:kube-system:job-controller",
    "system:serviceaccount:kube-system:cronjob-controller",
    "oidc:bj\u{f6}rn\\\"example\"",
    "12345678",
    "lonesome@example.org",
];

/// Events that name their users, and some another one; enough for several blocks.
fn lines() -> Vec<(&'static str, String)> {
    let mut rng = Rng::with_seed(11);
    let line = |n: usize| {
        let user = NAMES[rng.usize(..NAMES.len())];
        let named = match rng.u8(..100) {
            0..60 => user,
            60 => NAMES[rng.usize(..NAMES.len() - 1)],
            _ => "",
        };
        let quoted = serde_json::to_string(user).unwrap();
        let agent = serde_json::to_string(&format!("x/{named}")).unwrap();
        let reason =
            serde_json::to_string(&format!("to User \"{named}\" by {user}{user}")).unwrap();
        let line = format!(
            r#"{{"level":"Metadata","auditID":"{n:08x}-1111-4222-8333-444455556666","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{{"username":{quoted},"groups":[{quoted}]}},"userAgent":{agent},"annotations":{{"reason":{reason},"filler":"{:01500}"}},"stageTimestamp":"2026-11-20T{:02}:{:02}:{:02}.000000Z"}}"#,
            n * 7919,
            n / 3600,
            n / 60 % 60,
            n % 60,
        );
        (user, line)
    };
    (0..9000).map(line).collect()
}

fn contains(text: &[u8]) -> Test {
    Test::Contains {
        any: vec![text.into()],
    }
}

fn user_is(name: &str) -> Test {
    Test::Text {
        column: Column::User,
        any: vec![Pattern::Is(name.into())],
    }
}

/// The numbers of the events that a filter leaves, ascending, and the work that it took.
fn found(store: &Arc<dyn Store>, filter: Filter) -> (Vec<usize>, Work) {
    let mut rows = Vec::new();
    let query = EventQuery {
        filter,
        columns: vec![Column::AuditId],
        ..EventQuery::default()
    };
    let answer = store.events(&query, &Budget::new(None), &mut |row| {
        let Value::Text(id) = &row[0] else {
            panic!("{row:?}")
        };
        rows.push(usize::from_str_radix(&id[..8], 16).unwrap());
        ControlFlow::Continue(())
    });
    rows.sort_unstable();
    (rows, answer.unwrap().stats)
}

fn with_index(
    sealed: u64,
) -> (
    tempfile::TempDir,
    Arc<dyn Store>,
    Vec<(&'static str, String)>,
) {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = open_write(dir.path(), &OpenOptions::default()).unwrap();
    let lines = lines();
    for (n, lines) in lines.chunks(lines.len() / sealed as usize).enumerate() {
        let mut batch = store.batch("c", "test");
        for (_, line) in lines {
            let (event, content) = normalise("c", line.as_bytes()).unwrap();
            batch.event(&event, line.as_bytes(), content);
        }
        batch.commit().unwrap();
        store.seal(n as u64 + 1 == sealed).unwrap();
    }
    (dir, store, lines)
}

#[test]
fn texts_around_names_are_found_where_they_stand() {
    // Sealed at once, and merged from two.
    for sealed in [1, 2] {
        let (_dir, store, lines) = with_index(sealed);
        let mut rng = Rng::with_seed(5);
        for round in 0..40 {
            let (user, line) = &lines[rng.usize(..lines.len())];
            let places: Vec<usize> = line.match_indices(&user[..5]).map(|(at, _)| at).collect();
            let begin = (places[rng.usize(..places.len())] + rng.usize(..16)).saturating_sub(12);
            let end = (begin + rng.usize(8..60)).min(line.len());
            let text = &line.as_bytes()[begin..end];
            let other = &NAMES[rng.usize(..NAMES.len())].as_bytes()[..5];
            let holds =
                |line: &str, text: &[u8]| memchr::memmem::find(line.as_bytes(), text).is_some();
            let check = |terms: [Option<(Test, bool)>; 2], expects: &dyn Fn(&str, &str) -> bool| {
                let mut filter = Filter::default();
                for (test, negate) in terms.into_iter().flatten() {
                    match negate {
                        true => filter.push_not(test),
                        false => filter.push(test),
                    }
                }
                let expected = lines.iter().enumerate();
                let expected = expected.filter(|(_, (user, line))| expects(user, line));
                let expected: Vec<usize> = expected.map(|(n, _)| n).collect();
                let text = String::from_utf8_lossy(text);
                assert!(
                    found(&store, filter).0 == expected,
                    "{sealed}, {round}: {text}"
                );
            };
            let sought = Some((contains(text), false));
            match round % 4 {
                0 => check([sought, None], &|_, line| holds(line, text)),
                1 => check([sought, Some((user_is(user), true))], &|by, line| {
                    by != *user && holds(line, text)
                }),
                2 => check(
                    [Some((contains(text), true)), Some((user_is(user), false))],
                    &|by, line| by == *user && !holds(line, text),
                ),
                _ => check([sought, Some((contains(other), false))], &|_, line| {
                    holds(line, text) && holds(line, other)
                }),
            }
        }
    }
}

#[test]
fn who_looks_for_a_name_elsewhere_reads_few_blocks_of_its_user() {
    let (_dir, store, lines) = with_index(1);
    let blocks = |tests: [Option<Test>; 2]| {
        let mut filter = Filter::default();
        let [text, user] = tests;
        text.into_iter().for_each(|test| filter.push(test));
        user.into_iter().for_each(|test| filter.push_not(test));
        let (rows, work) = found(&store, filter);
        (rows.len(), work.blocks_read)
    };
    let name = "lonesome@example.org";
    let own = lines.iter().filter(|(user, _)| *user == name).count();
    let (rows, with_own) = blocks([Some(contains(name.as_bytes())), None]);
    assert_eq!(rows, own);
    assert!(with_own > 0);
    let elsewhere = blocks([Some(contains(name.as_bytes())), Some(user_is(name))]);
    assert_eq!(elsewhere, (0, 0));
    // Too short to be looked up: where no row of the user's lies nothing is read.
    let short = contains(&name.as_bytes()[..5]);
    let (rows, all) = blocks([Some(short.clone()), None]);
    assert_eq!(rows, own);
    let mut filter = Filter::default();
    filter.push(short);
    filter.push(user_is(name));
    let (rows, work) = found(&store, filter);
    assert_eq!(rows.len(), own);
    assert!(work.blocks_read * 4 < all, "{work:?} of {all}");
}
