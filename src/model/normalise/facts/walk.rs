//! The walk through one body.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::limits::FACT_ELEMENTS_MAX;
use crate::model::event::Text;
use crate::model::json::{Broken, Literal, Scanner, unescape};
use crate::model::normalise::shape::{Node, Wanted};

/// What was found in one body.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub images: Vec<Text<'a>>,
    pub security: Vec<Text<'a>>,
    pub secrets: Vec<Text<'a>>,
    pub account: Option<Text<'a>>,
    /// The old name of the same field, which stands in where that is empty.
    pub old_account: Option<Text<'a>>,
    pub role_ref: Option<Text<'a>>,
    pub subjects: Vec<Text<'a>>,
    /// And whether it is the controlling one.
    pub owner: Option<(Text<'a>, bool)>,
    pub has_spec: bool,
    pub has_containers: bool,
    pub replicas: Option<i64>,
    /// How many there are, by a status; one that leaves the number out says 0.
    pub observed: Option<i64>,
    pub service_type: Option<Text<'a>>,
    pub has_external_ips: bool,
    pub has_tls: bool,
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
/// `answered`: the body is the apiserver's answer.
pub(super) fn read(body: &[u8], wanted: Wanted, answered: bool) -> Found<'_> {
    let mut walk = Walk {
        body,
        wanted,
        answered,
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
    answered: bool,
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
        match node {
            Node::Spec => self.found.has_spec = true,
            Node::Containers | Node::PassedContainers => self.found.has_containers = true,
            Node::Status => self.found.observed = Some(0),
            Node::ExternalIp => self.found.has_external_ips = true,
            Node::TlsEntry => self.found.has_tls = true,
            _ => {}
        }
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
            if node == Node::Object && self.wanted.all_in(seen) && self.ends(scanner.at()) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether nothing that is wanted can stand again behind an offset of the body. What the
    /// apiserver answers never holds a member twice; for the rest finding out is cheaper than
    /// stepping through it.
    fn ends(&self, at: usize) -> bool {
        static AGAIN: LazyLock<[Finder<'static>; 6]> = LazyLock::new(|| {
            [
                "\\u",
                "\"metadata\"",
                "\"spec\"",
                "\"template\"",
                "\"roleRef\"",
                "\"subjects\"",
            ]
            .map(Finder::new)
        });
        let rest = &self.body[at..];
        self.answered || AGAIN.iter().all(|again| again.find(rest).is_none())
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
            Node::SecretName => {
                text.into_iter()
                    .for_each(|name| push(&mut self.found.secrets, name));
                None
            }
            Node::ServiceAccountName => {
                self.found.account = text;
                None
            }
            Node::ServiceAccount => {
                self.found.old_account = text;
                None
            }
            Node::Replicas => {
                self.found.replicas = whole(literal);
                None
            }
            Node::StatusReplicas => {
                self.found.observed = whole(literal).or(self.found.observed);
                None
            }
            Node::ServiceType => {
                self.found.service_type = text;
                None
            }
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

fn whole(literal: &[u8]) -> Option<i64> {
    std::str::from_utf8(literal).ok()?.parse().ok()
}

fn number(literal: &[u8]) -> Option<f64> {
    std::str::from_utf8(literal).ok()?.parse().ok()
}
