//! What questions need from inside the bodies of writes: images, what a pod may do, role bindings,
//! owners. Nothing found here, or not found, makes an event refused.

#[cfg(test)]
mod tests;
mod walk;

use std::borrow::Cow;

use self::walk::{Found, read};
use super::fields::Fields;
use super::shape::Wanted;
use crate::limits::{FACT_ELEMENTS_MAX, FACT_LIST_BYTES_MAX, FACT_TEXT_BYTES_MAX};
use crate::model::event::Text;
use crate::model::json::{Broken, Scanner, unescape};

/// Marks what was cut.
const CUT: &str = "...";

/// The facts of an event's bodies.
#[derive(Debug, Default)]
pub(super) struct BodyFacts<'a> {
    pub images: Option<Text<'a>>,
    pub pod_security: Option<Text<'a>>,
    pub role_ref: Option<Text<'a>>,
    pub subjects: Option<Text<'a>>,
    pub owner: Option<Text<'a>>,
}

/// Reads the bodies of a write. What is submitted is in the request; where its body was not recorded
/// or is no JSON object or patch (an apply patch in YAML), the answer shows what it came to.
pub(super) fn of_bodies<'a>(raw: &'a [u8], verb: &str, fields: &Fields<'a>) -> BodyFacts<'a> {
    let submits = matches!(verb, "create" | "update" | "patch");
    if !submits && verb != "delete" {
        return BodyFacts::default();
    }
    let binds = matches!(
        fields.object.resource.as_deref(),
        Some("rolebindings" | "clusterrolebindings")
    );
    // With the status alone nothing else of the object is taken over.
    let is_status = fields.object.subresource.as_deref() == Some("status");
    let mut found = Found::default();
    let mut missing = Wanted {
        owner: true,
        pods: submits && !is_status,
        bindings: binds,
    };
    if submits
        && let Some(body) = fields.request_body(raw)
        && matches!(body.first(), Some(b'{' | b'['))
    {
        found = read(body, missing, false);
        missing.pods = false;
        missing.owner = found.owner.is_none();
        missing.bindings &= found.role_ref.is_none() || found.subjects.is_empty();
    }
    if (missing.owner || missing.pods || missing.bindings)
        && let Some(body) = fields.response_body(raw)
        && body.first() == Some(&b'{')
    {
        let answered = read(body, missing, true);
        found.owner = found.owner.or(answered.owner);
        found.role_ref = found.role_ref.or(answered.role_ref);
        if found.subjects.is_empty() {
            found.subjects = answered.subjects;
        }
        if missing.pods {
            found.images = answered.images;
            found.security = answered.security;
        }
    }
    BodyFacts {
        images: list(found.images),
        pod_security: list(found.security),
        role_ref: found.role_ref.map(bounded),
        subjects: list(found.subjects),
        owner: found.owner.map(|(owner, _)| bounded(owner)),
    }
}

/// The first value of the credential's id among a user's extra attributes.
pub(super) fn credential_id(extra: &str) -> Option<Text<'static>> {
    let mut id = None;
    // The attributes were found to be JSON when they were read.
    let _ = read_credential_id(extra, &mut id);
    id.map(|id| Cow::Owned(bounded(id).into_owned()))
        .filter(|id: &Text<'_>| !id.is_empty())
}

fn read_credential_id<'a>(extra: &'a str, id: &mut Option<Text<'a>>) -> Result<(), Broken> {
    let mut scanner = Scanner::new(extra.as_bytes());
    scanner.enter_object()?;
    let mut first = true;
    while let Some(key) = scanner.next_key(first)? {
        first = false;
        let start = scanner.at();
        scanner.skip()?;
        if unescape(&extra[key.span]) == "authentication.kubernetes.io/credential-id" {
            *id = crate::model::json::texts(&extra[start..scanner.at()])
                .into_iter()
                .next();
        }
    }
    Ok(())
}

/// Cuts a text that is too long.
pub(super) fn bounded(text: Text<'_>) -> Text<'_> {
    if text.len() <= FACT_TEXT_BYTES_MAX {
        return text;
    }
    let mut end = FACT_TEXT_BYTES_MAX - CUT.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}{CUT}", &text[..end]))
}

/// Texts as a JSON array, sorted, each once; `None` without any.
fn list(mut texts: Vec<Text<'_>>) -> Option<Text<'static>> {
    if texts.is_empty() {
        return None;
    }
    let mut cut = texts.len() >= FACT_ELEMENTS_MAX;
    for text in &mut texts {
        cut |= text.len() > FACT_TEXT_BYTES_MAX;
        *text = bounded(std::mem::take(text));
    }
    texts.sort_unstable();
    texts.dedup();
    let mut json = String::from("[");
    for text in &texts {
        let element = serde_json::to_string(text).expect("text is always JSON");
        if json.len() + element.len() + 8 > FACT_LIST_BYTES_MAX {
            cut = true;
            break;
        }
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&element);
    }
    if cut {
        json.push_str(if json.len() > 1 {
            ",\"...\""
        } else {
            "\"...\""
        });
    }
    json.push(']');
    Some(Cow::Owned(json))
}
