//! What questions need from inside the bodies of writes: images, what a pod may do, role bindings,
//! owners. Nothing found here, or not found, makes an event refused.

use std::borrow::Cow;

use super::fields::Fields;
use super::shape::{Node, Wanted};
use crate::limits::{FACT_ELEMENTS_MAX, FACT_LIST_BYTES_MAX, FACT_TEXT_BYTES_MAX};
use crate::model::event::Text;
use crate::model::json::{Broken, Literal, Scanner, unescape};

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
        found = read(body, missing);
        missing.pods = false;
        missing.owner = found.owner.is_none();
        missing.bindings &= found.role_ref.is_none() || found.subjects.is_empty();
    }
    if (missing.owner || missing.pods || missing.bindings)
        && let Some(body) = fields.response_body(raw)
        && body.first() == Some(&b'{')
    {
        let answered = read(body, missing);
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

/// What was found in one body.
#[derive(Debug, Default)]
struct Found<'a> {
    images: Vec<Text<'a>>,
    security: Vec<Text<'a>>,
    role_ref: Option<Text<'a>>,
    subjects: Vec<Text<'a>>,
    /// And whether it is the controlling one.
    owner: Option<(Text<'a>, bool)>,
}

/// Why a walk ends early.
enum Stop {
    /// Not JSON; what was found so far counts.
    Broken,
    /// A member stands twice.
    Repeated,
}

impl From<Broken> for Stop {
    fn from(_: Broken) -> Stop {
        Stop::Broken
    }
}

/// Reads an object, a partial object, or a JSON Patch (RFC 6902).
fn read(body: &[u8], wanted: Wanted) -> Found<'_> {
    let mut walk = Walk {
        body,
        wanted,
        careful: false,
        found: Found::default(),
    };
    if let Err(Stop::Repeated) = walk.whole() {
        // Of members of one name the last counts, as in the apiserver's decoder. Rare enough to
        // begin again and look at the whole object before each step into it.
        walk.careful = true;
        walk.found = Found::default();
        // Broken bodies are not handed here; were one, what was found so far counts.
        let _ = walk.whole();
    }
    walk.found
}

struct Walk<'a> {
    body: &'a [u8],
    wanted: Wanted,
    careful: bool,
    found: Found<'a>,
}

impl<'a> Walk<'a> {
    fn whole(&mut self) -> Result<(), Stop> {
        let mut scanner = Scanner::new(self.body);
        scanner.space();
        if scanner.peek() != Some(b'[') {
            return self.value(&mut scanner, Node::Object);
        }
        scanner.enter_array()?;
        let mut first = true;
        while scanner.next_element(first)? {
            first = false;
            if scanner.peek() == Some(b'{') {
                self.operation(&mut scanner)?;
            } else {
                scanner.skip()?;
            }
        }
        Ok(())
    }

    /// One operation of a JSON Patch.
    fn operation(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Stop> {
        let (mut op, mut path, mut value) = (None, None, None);
        scanner.enter_object()?;
        let mut first = true;
        while let Some(key) = scanner.next_key(first)? {
            first = false;
            let start = scanner.at();
            let literal = self.string_or_skip(scanner)?;
            match &*self.key(&key) {
                b"op" => op = literal,
                b"path" => path = literal,
                b"value" => value = Some(start),
                _ => {}
            }
        }
        if let (Some("add" | "replace"), Some(path), Some(start)) = (op.as_deref(), path, value)
            && let Some(node) = Node::at_pointer(&path, self.wanted)
        {
            self.value(&mut Scanner::starting_at(self.body, start), node)?;
        }
        Ok(())
    }

    /// Reads the value here, which stands at `node`.
    fn value(&mut self, scanner: &mut Scanner<'a>, node: Node) -> Result<(), Stop> {
        match (node, scanner.peek()) {
            (Node::OwnerReference, Some(b'{')) => {
                let [kind, name, controller] =
                    self.record(scanner, [b"kind", b"name", b"controller"])?;
                let controls = controller.as_deref() == Some("true");
                let known = &self.found.owner;
                if known.as_ref().is_none_or(|(_, known)| controls && !known)
                    && let Some(name) = name
                {
                    let kind = kind.unwrap_or_default();
                    self.found.owner = Some((Cow::Owned(format!("{kind}/{name}")), controls));
                }
            }
            (Node::RoleRef, Some(b'{')) => {
                let [kind, name] = self.record(scanner, [b"kind", b"name"])?;
                if let Some(name) = name {
                    let kind = kind.unwrap_or_default();
                    self.found.role_ref = Some(Cow::Owned(format!("{kind}/{name}")));
                }
            }
            (Node::Subject, Some(b'{')) => {
                let [kind, name, namespace] =
                    self.record(scanner, [b"kind", b"name", b"namespace"])?;
                if let Some(name) = name {
                    let kind = kind.unwrap_or_default();
                    let subject = match namespace {
                        Some(namespace) if kind == "ServiceAccount" => {
                            format!("{kind}:{namespace}/{name}")
                        }
                        _ => format!("{kind}:{name}"),
                    };
                    push(&mut self.found.subjects, Cow::Owned(subject));
                }
            }
            (_, Some(b'{')) if self.careful => self.last_members(scanner, node)?,
            (_, Some(b'{')) => self.members(scanner, node)?,
            (_, Some(b'[')) if node.element().is_some() => {
                let element = node.element().expect("it was there in the guard");
                scanner.enter_array()?;
                let mut first = true;
                while scanner.next_element(first)? {
                    first = false;
                    self.value(scanner, element)?;
                }
            }
            _ => self.leaf(scanner, node)?,
        }
        Ok(())
    }

    fn members(&mut self, scanner: &mut Scanner<'a>, node: Node) -> Result<(), Stop> {
        let mut seen = 0;
        scanner.enter_object()?;
        let mut first = true;
        while let Some(key) = scanner.next_key(first)? {
            first = false;
            let Some(member) = node.member(&self.key(&key), self.wanted) else {
                scanner.skip()?;
                continue;
            };
            if seen & member.bit() != 0 {
                return Err(Stop::Repeated);
            }
            seen |= member.bit();
            self.value(scanner, member)?;
        }
        Ok(())
    }

    /// Reads the last one of the members of each name.
    fn last_members(&mut self, scanner: &mut Scanner<'a>, node: Node) -> Result<(), Stop> {
        let mut last: Vec<(Node, usize)> = Vec::new();
        scanner.enter_object()?;
        let mut first = true;
        while let Some(key) = scanner.next_key(first)? {
            first = false;
            if let Some(member) = node.member(&self.key(&key), self.wanted) {
                last.retain(|(known, _)| *known != member);
                last.push((member, scanner.at()));
            }
            scanner.skip()?;
        }
        for (member, start) in last {
            self.value(&mut Scanner::starting_at(self.body, start), member)?;
        }
        Ok(())
    }

    /// Some members of a small object: strings by their value, truth values as they stand.
    fn record<const N: usize>(
        &self,
        scanner: &mut Scanner<'a>,
        names: [&[u8]; N],
    ) -> Result<[Option<Text<'a>>; N], Stop> {
        let mut values = [const { None }; N];
        scanner.enter_object()?;
        let mut first = true;
        while let Some(key) = scanner.next_key(first)? {
            first = false;
            let start = scanner.at();
            let text = self.string_or_skip(scanner)?;
            let key = self.key(&key);
            if let Some(at) = names.iter().position(|name| **name == *key) {
                let literal = &self.body[start..scanner.at()];
                values[at] = text.or((literal == b"true").then_some(Cow::Borrowed("true")));
            }
        }
        Ok(values)
    }

    /// Reads a single value.
    fn leaf(&mut self, scanner: &mut Scanner<'a>, node: Node) -> Result<(), Stop> {
        let start = scanner.at();
        let text = self
            .string_or_skip(scanner)?
            .filter(|text| !text.is_empty());
        let literal = &self.body[start..scanner.at()];
        let is_true = literal == b"true";
        let flag = |name: &'static str| is_true.then_some(Cow::Borrowed(name));
        let marker = match node {
            Node::Image => {
                text.into_iter()
                    .for_each(|image| push(&mut self.found.images, image));
                None
            }
            Node::Privileged => flag("privileged"),
            Node::AllowPrivilegeEscalation => flag("allowPrivilegeEscalation"),
            Node::HostNetwork => flag("hostNetwork"),
            Node::HostPid => flag("hostPID"),
            Node::HostIpc => flag("hostIPC"),
            Node::HostPathPath => text.map(|path| Cow::Owned(format!("hostPath:{path}"))),
            Node::AddedCapability => text.map(|name| Cow::Owned(format!("capability:{name}"))),
            Node::ProcMount => {
                (text.as_deref() == Some("Unmasked")).then_some(Cow::Borrowed("procMount:Unmasked"))
            }
            Node::RunAsUser => {
                (number(literal) == Some(0.0)).then_some(Cow::Borrowed("runAsUser:0"))
            }
            Node::HostPort => number(literal)
                .filter(|&port| port >= 1.0 && port.fract() == 0.0)
                .map(|port| Cow::Owned(format!("hostPort:{port}"))),
            _ => None,
        };
        if let Some(marker) = marker {
            push(&mut self.found.security, marker);
        }
        Ok(())
    }

    /// The value of a string; anything else is passed.
    fn string_or_skip(&self, scanner: &mut Scanner<'a>) -> Result<Option<Text<'a>>, Stop> {
        if scanner.peek() != Some(b'"') {
            scanner.skip()?;
            return Ok(None);
        }
        let literal = scanner.string()?;
        let text = std::str::from_utf8(&self.body[literal.span]).ok();
        Ok(text.map(|text| {
            if literal.escaped {
                unescape(text)
            } else {
                Cow::Borrowed(text)
            }
        }))
    }

    fn key(&self, key: &Literal) -> Cow<'a, [u8]> {
        let bytes = &self.body[key.span.clone()];
        match std::str::from_utf8(bytes) {
            Ok(text) if key.escaped => Cow::Owned(unescape(text).into_owned().into_bytes()),
            _ => Cow::Borrowed(bytes),
        }
    }
}

/// Adds an element while there is room; the list is marked as cut when it is full.
fn push<'a>(texts: &mut Vec<Text<'a>>, text: Text<'a>) {
    if texts.len() < FACT_ELEMENTS_MAX {
        texts.push(text);
    }
}

fn number(literal: &[u8]) -> Option<f64> {
    std::str::from_utf8(literal).ok()?.parse().ok()
}
