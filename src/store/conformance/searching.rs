//! Where in events the texts stand that a search found.

use super::grouping::ask;
use super::questions::filled;
use super::{Open, at_every_age};
use crate::model::value::Value;

/// Per field the columns that it is made of.
const FIELDS: [(&str, &[&str]); 10] = [
    ("uri", &["request_uri"]),
    (
        "user",
        &["user", "impersonated_user", "user_uid", "user_groups"],
    ),
    ("user agent", &["user_agent"]),
    ("addresses", &["source_ips"]),
    ("name", &["name", "namespace"]),
    ("message", &["message"]),
    ("annotations", &["annotations"]),
    ("user attributes", &["user_extra"]),
    ("request body", &["request_object"]),
    ("response body", &["response_object"]),
];

/// What a search tells of fields is what looking for the text in each column finds.
pub(super) fn finds_texts_in_the_fields_that_hold_them(open: Open) {
    let (bench, _) = filled(open);
    let fields = FIELDS.map(|(name, columns)| {
        let found = columns
            .iter()
            .map(|column| format!("instr(ifnull({column}, ''), :text)"));
        let found = found.collect::<Vec<_>>().join(" or ");
        format!("iif({found}, ',\"{name}\"', '')")
    });
    let plainly = format!("'[' || substr({}, 2) || ']'", fields.join(" || "));
    at_every_age(bench, &|bench, age| {
        let mut found = 0;
        for text in [
            "a",
            "mallory",
            "system:",
            "kube",
            "7",
            "2026-11-2",
            "default",
            "192.0.2.",
        ] {
            for also in [
                "",
                // Of few events, of none of these fields, and found before a second search.
                "and verb = 'delete'",
                "and user match '!mallory'",
                "and raw not like 'x' and raw match :text",
                "order by time desc",
            ] {
                let sql =
                    format!("select found_in, {plainly} from events where raw match :text {also}");
                let params = [("text".to_owned(), Value::text(text))];
                let rows = ask(bench, &sql, &params).unwrap().0;
                found += rows.len();
                for row in rows {
                    assert!(row[0] == row[1], "{age}, {text} {also}: {row:?}");
                }
            }
        }
        assert!(found > 5000, "{age}: {found}");
        let nothing = "select count(found_in) from events where verb = 'get'";
        assert_eq!(ask(bench, nothing, &[]).unwrap().0, [[Value::Int(0)]]);
    });
}
