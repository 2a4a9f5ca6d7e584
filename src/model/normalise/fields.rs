//! One pass over an item: its members, each checked for its type.

use std::ops::Range;

use super::Reject;
use super::typed::{Reader, Stamp, once};
use crate::model::event::Text;
use crate::model::identity::Kept;
use crate::model::json::{INVALID_UTF8, Literal};

/// What an item holds. `None` is absent or null; texts that the API omits when empty are absent
/// when they are empty.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub level: Option<Text<'a>>,
    pub audit_id: Option<Text<'a>>,
    pub audit_id_span: Option<Range<usize>>,
    pub stage: Option<Text<'a>>,
    pub request_uri: Option<Text<'a>>,
    pub verb: Option<Text<'a>>,
    pub has_user: bool,
    pub user: Person<'a>,
    pub impersonated: Person<'a>,
    pub source_ips: Option<Text<'a>>,
    pub user_agent: Option<Text<'a>>,
    pub object: ObjectRef<'a>,
    pub status: Status<'a>,
    pub received: Option<Stamp>,
    pub staged: Option<Stamp>,
    pub timestamp: Option<Stamp>,
    pub created: Option<Stamp>,
    pub annotations: Option<Text<'a>>,
    pub decision: Option<Text<'a>>,
    pub decision_reason: Option<Text<'a>>,
    pub truncated: bool,
    pub deprecated: bool,
    pub issued_credential_id: Option<Text<'a>>,
    pub request_object: Option<Range<usize>>,
    pub request_problem: Option<&'static str>,
    pub response_object: Option<Range<usize>>,
    pub response_problem: Option<&'static str>,
    pub kept: Kept,
    pub spaced: bool,
}

impl Fields<'_> {
    /// The request body, if there is one that can be read.
    pub(super) fn request_body<'r>(&self, raw: &'r [u8]) -> Option<&'r [u8]> {
        let span = self
            .request_object
            .clone()
            .filter(|_| self.request_problem.is_none())?;
        raw.get(span)
    }

    /// The response body, if there is one that can be read.
    pub(super) fn response_body<'r>(&self, raw: &'r [u8]) -> Option<&'r [u8]> {
        let span = self
            .response_object
            .clone()
            .filter(|_| self.response_problem.is_none())?;
        raw.get(span)
    }
}

/// `UserInfo`; groups and extra as JSON text.
#[derive(Debug, Default)]
pub(super) struct Person<'a> {
    pub username: Option<Text<'a>>,
    pub uid: Option<Text<'a>>,
    pub groups: Option<Text<'a>>,
    pub extra: Option<Text<'a>>,
}

/// `ObjectReference`.
#[derive(Debug, Default)]
pub(super) struct ObjectRef<'a> {
    pub resource: Option<Text<'a>>,
    pub namespace: Option<Text<'a>>,
    pub name: Option<Text<'a>>,
    pub uid: Option<Text<'a>>,
    pub api_group: Option<Text<'a>>,
    pub api_version: Option<Text<'a>>,
    pub subresource: Option<Text<'a>>,
}

/// `Status`.
#[derive(Debug, Default)]
pub(super) struct Status<'a> {
    pub code: Option<i64>,
    pub success: bool,
    pub reason: Option<Text<'a>>,
    pub message: Option<Text<'a>>,
    pub details: Option<Range<usize>>,
}

/// Reads the members of `raw`.
pub(super) fn read(raw: &[u8]) -> Result<Fields<'_>, Reject> {
    let mut item = Item {
        reader: Reader::new(raw),
        fields: Fields::default(),
    };
    item.read()?;
    Ok(item.fields)
}

/// An item and what was read of it.
struct Item<'a> {
    reader: Reader<'a>,
    fields: Fields<'a>,
}

impl<'a> Item<'a> {
    fn read(&mut self) -> Result<(), Reject> {
        self.reader.scanner.space();
        match self.reader.scanner.peek() {
            Some(b'{') => self.reader.scanner.enter_object()?,
            None => return Err(Reject::new("empty")),
            Some(_) => {
                return Err(Reject::value(
                    "the item",
                    "is no JSON object",
                    self.reader.raw,
                ));
            }
        }
        // Whitespace around the item is no part of it and needs no compaction.
        self.reader.scanner.forget_space();
        let mut seen = 0_u32;
        let mut first = true;
        while let Some(key) = self.reader.scanner.next_key(first)? {
            first = false;
            let start = key.span.start - 1;
            let counts = self.member(&key, &mut seen)?;
            let span = start..self.reader.scanner.at();
            if counts {
                self.fields.kept.keep(span);
            } else {
                self.fields.kept.leave_out();
            }
        }
        self.fields.spaced = self.reader.scanner.spaced();
        self.reader.scanner.space();
        if self.reader.scanner.peek().is_some() {
            return Err(self
                .reader
                .scanner
                .broken("trailing characters after the object")
                .into());
        }
        Ok(())
    }

    /// Reads the value of a top-level member; false if it is no part of the content's identity.
    fn member(&mut self, key: &Literal, seen: &mut u32) -> Result<bool, Reject> {
        let decoded;
        let name = if key.escaped {
            decoded = self.reader.text(key, "a key")?;
            decoded.as_bytes()
        } else {
            &self.reader.raw[key.span.clone()]
        };
        let mut counts = true;
        match name {
            b"kind" => {
                once(seen, 0, "kind")?;
                if let Some(kind) = self.reader.optional("kind")?
                    && kind != "Event"
                {
                    return Err(Reject::value("kind", "is not Event", kind.as_bytes()));
                }
                counts = false;
            }
            b"apiVersion" => {
                once(seen, 1, "apiVersion")?;
                if let Some(version) = self.reader.optional("apiVersion")? {
                    check_version(&version)?;
                }
                counts = false;
            }
            b"level" => {
                once(seen, 2, "level")?;
                self.fields.level = Some(self.reader.required("level")?);
            }
            b"auditID" => {
                once(seen, 3, "auditID")?;
                let literal = self.reader.literal("auditID")?;
                self.fields.audit_id = Some(self.reader.text(&literal, "auditID")?);
                self.fields.audit_id_span = (!literal.escaped).then_some(literal.span);
            }
            b"stage" => {
                once(seen, 4, "stage")?;
                self.fields.stage = Some(self.reader.required("stage")?);
            }
            b"requestURI" => {
                once(seen, 5, "requestURI")?;
                let literal = self.reader.literal("requestURI")?;
                self.fields.request_uri = Some(self.reader.text(&literal, "requestURI")?);
            }
            b"verb" => {
                once(seen, 6, "verb")?;
                let literal = self.reader.literal("verb")?;
                self.fields.verb = Some(self.reader.text(&literal, "verb")?);
            }
            b"user" => {
                once(seen, 7, "user")?;
                self.fields.has_user = true;
                self.fields.user = self.person("user", &USER)?;
            }
            b"impersonatedUser" => {
                once(seen, 8, "impersonatedUser")?;
                self.fields.impersonated = self.person("impersonatedUser", &IMPERSONATED)?;
            }
            b"sourceIPs" => {
                once(seen, 9, "sourceIPs")?;
                self.fields.source_ips = self.reader.texts("sourceIPs")?;
            }
            b"userAgent" => {
                once(seen, 10, "userAgent")?;
                self.fields.user_agent = self.reader.optional("userAgent")?;
            }
            b"objectRef" => {
                once(seen, 11, "objectRef")?;
                self.object_ref()?;
            }
            b"responseStatus" => {
                once(seen, 12, "responseStatus")?;
                self.status()?;
            }
            b"requestObject" => {
                once(seen, 13, "requestObject")?;
                (self.fields.request_object, self.fields.request_problem) = self.body()?;
            }
            b"responseObject" => {
                once(seen, 14, "responseObject")?;
                (self.fields.response_object, self.fields.response_problem) = self.body()?;
            }
            b"requestReceivedTimestamp" => {
                once(seen, 15, "requestReceivedTimestamp")?;
                self.fields.received = self.reader.stamp("requestReceivedTimestamp")?;
            }
            b"stageTimestamp" => {
                once(seen, 16, "stageTimestamp")?;
                self.fields.staged = self.reader.stamp("stageTimestamp")?;
            }
            b"timestamp" => {
                once(seen, 17, "timestamp")?;
                self.fields.timestamp = self.reader.stamp("timestamp")?;
            }
            b"metadata" => {
                once(seen, 18, "metadata")?;
                self.metadata()?;
            }
            b"annotations" => {
                once(seen, 19, "annotations")?;
                self.annotations()?;
            }
            _ => {
                self.reader.scanner.skip()?;
            }
        }
        Ok(counts)
    }

    fn person(&mut self, field: &str, names: &PersonNames) -> Result<Person<'a>, Reject> {
        let mut person = Person::default();
        if !self.reader.enter(field)? {
            return Ok(person);
        }
        let mut seen = 0;
        let mut first = true;
        while let Some(key) = self.reader.scanner.next_key(first)? {
            first = false;
            match &*self.reader.key(&key, field)? {
                "username" => {
                    once(&mut seen, 0, names.username)?;
                    person.username = self.reader.optional(names.username)?;
                }
                "uid" => {
                    once(&mut seen, 1, names.uid)?;
                    person.uid = self.reader.optional(names.uid)?;
                }
                "groups" => {
                    once(&mut seen, 2, names.groups)?;
                    person.groups = self.reader.texts(names.groups)?;
                }
                "extra" => {
                    once(&mut seen, 3, names.extra)?;
                    person.extra = self.reader.extra(names.extra)?;
                }
                _ => {
                    self.reader.scanner.skip()?;
                }
            }
        }
        Ok(person)
    }

    fn object_ref(&mut self) -> Result<(), Reject> {
        if !self.reader.enter("objectRef")? {
            return Ok(());
        }
        let mut object = ObjectRef::default();
        let mut seen = 0;
        let mut first = true;
        while let Some(key) = self.reader.scanner.next_key(first)? {
            first = false;
            let (bit, field, slot) = match &*self.reader.key(&key, "objectRef")? {
                "resource" => (0, "objectRef.resource", Some(&mut object.resource)),
                "namespace" => (1, "objectRef.namespace", Some(&mut object.namespace)),
                "name" => (2, "objectRef.name", Some(&mut object.name)),
                "uid" => (3, "objectRef.uid", Some(&mut object.uid)),
                "apiGroup" => (4, "objectRef.apiGroup", Some(&mut object.api_group)),
                "apiVersion" => (5, "objectRef.apiVersion", Some(&mut object.api_version)),
                "subresource" => (6, "objectRef.subresource", Some(&mut object.subresource)),
                "resourceVersion" => (7, "objectRef.resourceVersion", None),
                _ => {
                    self.reader.scanner.skip()?;
                    continue;
                }
            };
            once(&mut seen, bit, field)?;
            let value = self.reader.optional(field)?;
            if let Some(slot) = slot {
                *slot = value;
            }
        }
        self.fields.object = object;
        Ok(())
    }

    fn status(&mut self) -> Result<(), Reject> {
        if !self.reader.enter("responseStatus")? {
            return Ok(());
        }
        let mut status = Status::default();
        let mut seen = 0;
        let mut first = true;
        while let Some(key) = self.reader.scanner.next_key(first)? {
            first = false;
            match &*self.reader.key(&key, "responseStatus")? {
                "code" => {
                    once(&mut seen, 0, "responseStatus.code")?;
                    status.code = self.code()?;
                }
                "reason" => {
                    once(&mut seen, 1, "responseStatus.reason")?;
                    status.reason = self.reader.optional("responseStatus.reason")?;
                }
                "message" => {
                    once(&mut seen, 2, "responseStatus.message")?;
                    status.message = self.reader.optional("responseStatus.message")?;
                }
                "status" => {
                    once(&mut seen, 3, "responseStatus.status")?;
                    let word = self.reader.optional("responseStatus.status")?;
                    status.success = word.as_deref() == Some("Success");
                }
                "details" => {
                    once(&mut seen, 4, "responseStatus.details")?;
                    let start = self.reader.scanner.at();
                    self.reader.scanner.skip()?;
                    status.details = Some(start..self.reader.scanner.at());
                }
                _ => {
                    self.reader.scanner.skip()?;
                }
            }
        }
        self.fields.status = status;
        Ok(())
    }

    /// `code` is an int32 in the API; 0 is its zero value.
    fn code(&mut self) -> Result<Option<i64>, Reject> {
        if self.reader.scanner.null() {
            return Ok(None);
        }
        let start = self.reader.scanner.at();
        self.reader.scanner.skip()?;
        let literal = &self.reader.raw[start..self.reader.scanner.at()];
        let code = std::str::from_utf8(literal)
            .ok()
            .and_then(|text| text.parse::<i32>().ok());
        match code {
            Some(0) => Ok(None),
            Some(code) => Ok(Some(i64::from(code))),
            None => Err(Reject::value(
                "responseStatus.code",
                "is no status code",
                literal,
            )),
        }
    }

    /// `metadata` of v1alpha1 and v1beta1: only its creation time.
    fn metadata(&mut self) -> Result<(), Reject> {
        if !self.reader.enter("metadata")? {
            return Ok(());
        }
        let mut first = true;
        while let Some(key) = self.reader.scanner.next_key(first)? {
            first = false;
            if &*self.reader.key(&key, "metadata")? == "creationTimestamp" {
                self.fields.created = self.reader.stamp("metadata.creationTimestamp")?;
            } else {
                self.reader.scanner.skip()?;
            }
        }
        Ok(())
    }

    fn annotations(&mut self) -> Result<(), Reject> {
        let start = self.reader.scanner.at();
        if !self.reader.enter("annotations")? {
            return Ok(());
        }
        let mut first = true;
        while let Some(key) = self.reader.scanner.next_key(first)? {
            first = false;
            if self.reader.scanner.null() {
                continue;
            }
            let value = self.reader.literal("annotations")?;
            match &*self.reader.key(&key, "annotations")? {
                "authorization.k8s.io/decision" => {
                    let decision = self.reader.text(&value, "annotations")?;
                    self.fields.decision = Some(decision).filter(|text| !text.is_empty());
                }
                "authorization.k8s.io/reason" => {
                    self.fields.decision_reason = Some(self.reader.text(&value, "annotations")?);
                }
                "audit.k8s.io/truncated" => {
                    self.fields.truncated = self.reader.text(&value, "annotations")? == "true";
                }
                "k8s.io/deprecated" => {
                    self.fields.deprecated = self.reader.text(&value, "annotations")? == "true";
                }
                "authentication.kubernetes.io/issued-credential-id" => {
                    let id = self.reader.text(&value, "annotations")?;
                    self.fields.issued_credential_id = Some(id).filter(|text| !text.is_empty());
                }
                _ => {}
            }
        }
        let text = self
            .reader
            .str(start..self.reader.scanner.at(), "annotations")?;
        self.fields.annotations = Some(Text::Borrowed(text));
        Ok(())
    }

    /// A body: where it stands and what speaks against reading it. Null is none.
    fn body(&mut self) -> Result<(Option<Range<usize>>, Option<&'static str>), Reject> {
        let (span, mut problem) = self.reader.scanner.skip_body()?;
        if &self.reader.raw[span.clone()] == b"null" {
            return Ok((None, None));
        }
        if self.reader.whole.is_none()
            && std::str::from_utf8(&self.reader.raw[span.clone()]).is_err()
        {
            problem = Some(INVALID_UTF8);
        }
        Ok((Some(span), problem))
    }
}

struct PersonNames {
    username: &'static str,
    uid: &'static str,
    groups: &'static str,
    extra: &'static str,
}

const USER: PersonNames = PersonNames {
    username: "user.username",
    uid: "user.uid",
    groups: "user.groups",
    extra: "user.extra",
};

const IMPERSONATED: PersonNames = PersonNames {
    username: "impersonatedUser.username",
    uid: "impersonatedUser.uid",
    groups: "impersonatedUser.groups",
    extra: "impersonatedUser.extra",
};

fn check_version(version: &str) -> Result<(), Reject> {
    match version {
        "audit.k8s.io/v1" | "audit.k8s.io/v1beta1" | "audit.k8s.io/v1alpha1" => Ok(()),
        _ => Err(Reject::value(
            "apiVersion",
            "is no known audit.k8s.io version",
            version.as_bytes(),
        )),
    }
}
