//! From a file's TOML to a definition.

use serde::Deserialize;
use toml::Spanned;

use super::evidence::{FileEvidence, one_evidence};
use super::{COMMON, Control, Definition, NAME_BYTES_MAX, Wrong, plain_id, words, wrong};
use crate::limits::REPORT_EVIDENCE_MAX;
use crate::model::suggest::suggest;
use crate::query::library::header::{InOrder, OwnParam, Scalar, uses};
use crate::query::library::place::{Begin, Origin, Places};
use crate::query::library::token::fault;
use crate::query::library::{Library, Param};

/// Names of flags and of query parameters that every report has.
const RESERVED: [&str; 25] = [
    "check",
    "data",
    "for",
    "format",
    "h",
    "help",
    "limit",
    "local",
    "made_for",
    "o",
    "out",
    "output",
    "profile",
    "queries",
    "reports",
    "rows",
    "rows_max",
    "schedule",
    "server",
    "skip_damaged",
    "summary",
    "timeout",
    "timeout_ms",
    "verify",
    "version",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    title: Spanned<String>,
    framework: Option<Spanned<String>>,
    framework_version: Option<Spanned<String>>,
    version: Spanned<String>,
    about: Spanned<String>,
    since: Option<Spanned<String>>,
    charts: Option<bool>,
    #[serde(default)]
    one_of: Vec<Spanned<String>>,
    #[serde(default)]
    required: Vec<Spanned<String>>,
    #[serde(default)]
    params: InOrder<Spanned<OwnParam>>,
    controls: Spanned<Vec<Spanned<FileControl>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileControl {
    id: Spanned<String>,
    title: Spanned<String>,
    demands: Spanned<String>,
    cannot_prove: Spanned<String>,
    verdict: Option<Spanned<String>>,
    /// Shared tables that it names.
    #[serde(default)]
    tables: Vec<Spanned<String>>,
    #[serde(default)]
    evidence: Vec<Spanned<FileEvidence>>,
}

/// A file's text, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) origin: &'a Origin,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// Where a statement begins. Its lines are the file's if no letter of it is escaped.
    fn begin(&self, sql: &Spanned<String>) -> Begin {
        let span = sql.span();
        match self.text[span.clone()].find(sql.as_ref().trim()) {
            Some(at) => Begin::verbatim(self.origin, self.text, span.start + at),
            None => Begin::within(self.origin, self.text, span.start),
        }
    }
}

pub(super) fn define(
    name: &str,
    file: File,
    library: &Library,
    source: Source<'_>,
) -> Result<Definition, Wrong> {
    let optional = |text: Option<Spanned<String>>, what: &str| {
        let text = text.filter(|text| !text.as_ref().is_empty());
        text.map_or(Ok(String::new()), |text| words(text, what))
    };
    let since = match file.since {
        None => "all".to_owned(),
        Some(since) => {
            let at = since.span().start;
            let param = Param::of_filter("since").expect("it is a filter");
            if let Err(error) = param.value(Some(since.as_ref()), 0) {
                return wrong(at, format!("since: {error}"));
            }
            since.into_inner()
        }
    };
    let params = params(&file.required, file.params, &since)?;
    all_known("required", &file.required, &params)?;
    all_known("one_of", &file.one_of, &params)?;
    let at = file.controls.span().start;
    let file_controls = file.controls.into_inner();
    if file_controls.is_empty() {
        return wrong(
            at,
            "there are no controls; give at least one as [[controls]]",
        );
    }
    let mut controls: Vec<Control> = Vec::new();
    let mut pieces = 0;
    for control in file_controls {
        let at = control.get_ref().id.span().start;
        let control = one_control(control.into_inner(), &params, library, source)?;
        let same = |other: &&Control| {
            other
                .verdict_anchor()
                .eq_ignore_ascii_case(&control.verdict_anchor())
        };
        if let Some(other) = controls.iter().find(same) {
            return wrong(
                at,
                match other.id == control.id {
                    true => format!(
                        "there is a control {} already; give each an id of its own",
                        control.id
                    ),
                    false => format!(
                        "the id {} cannot be told from {} in file names; change one",
                        control.id, other.id
                    ),
                },
            );
        }
        pieces += control.evidence.len();
        if pieces > REPORT_EVIDENCE_MAX {
            return wrong(
                at,
                format!(
                    "there are more than {REPORT_EVIDENCE_MAX} pieces of evidence; make two reports"
                ),
            );
        }
        controls.push(control);
    }
    Ok(Definition {
        name: name.to_owned(),
        title: words(file.title, "title")?,
        framework: optional(file.framework, "framework")?,
        framework_version: optional(file.framework_version, "framework_version")?,
        version: words(file.version, "version")?,
        about: words(file.about, "about")?,
        since,
        charts: file.charts.unwrap_or(true),
        one_of: file.one_of.into_iter().map(Spanned::into_inner).collect(),
        params,
        controls,
        sha256: String::new(),
    })
}

/// The report's own parameters and those that every report has.
fn params(
    required: &[Spanned<String>],
    own: InOrder<Spanned<OwnParam>>,
    since: &str,
) -> Result<Vec<Param>, Wrong> {
    let mut params = Vec::new();
    for (name, own) in own.0 {
        let at = own.span().start;
        let own = own.into_inner();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) || name.len() > NAME_BYTES_MAX {
            return wrong(
                at,
                format!("{name:?} is no name of a parameter; use lower-case letters, digits and _"),
            );
        }
        if RESERVED.contains(&name.as_str()) || COMMON.contains(&name.as_str()) {
            return wrong(
                at,
                format!(
                    "the name of the parameter {name} is taken by `auditql report` or the API; choose another"
                ),
            );
        }
        let (Some(kind), Some(help)) = (own.kind, own.help.filter(|help| !help.is_empty())) else {
            return wrong(
                at,
                format!("the parameter {name} has no type or no help; give both"),
            );
        };
        let param = Param {
            required: required.iter().any(|known| *known.as_ref() == name),
            default: own.default.as_ref().map(Scalar::text),
            name,
            kind,
            help,
        };
        if let Some(default) = &param.default {
            if default.starts_with('$') {
                return wrong(
                    at,
                    format!(
                        "default of {}: {default:?} names a parameter; a default stands for itself only",
                        param.name
                    ),
                );
            }
            if let Err(error) = param.value(None, 0) {
                return wrong(at, format!("default of {}: {error}", param.name));
            }
        }
        params.push(param);
    }
    for name in ["cluster", "since", "until"] {
        let mut param = Param::of_filter(name).expect("it is a filter");
        param.required = required.iter().any(|known| known.as_ref() == name);
        if name == "since" {
            param.default = Some(since.to_owned());
        }
        params.push(param);
    }
    Ok(params)
}

/// Whether all names that the member `what` lists are parameters.
fn all_known(what: &str, names: &[Spanned<String>], params: &[Param]) -> Result<(), Wrong> {
    for name in names {
        if !params.iter().any(|param| param.name == *name.as_ref()) {
            let known = params.iter().map(|param| param.name.as_str());
            let hint = suggest(name.as_ref(), known);
            return wrong(
                name.span().start,
                format!("{what}: there is no parameter {:?}; {hint}", name.as_ref()),
            );
        }
    }
    Ok(())
}

fn one_control(
    control: FileControl,
    params: &[Param],
    library: &Library,
    source: Source<'_>,
) -> Result<Control, Wrong> {
    let at = control.id.span().start;
    let id = words(control.id, "id")?;
    let allowed = |letter: char| letter.is_ascii_graphic() || letter == ' ';
    if id.len() > NAME_BYTES_MAX || !id.chars().all(allowed) || plain_id(&id).is_empty() {
        return wrong(
            at,
            format!(
                "the id {id:?} is none; use letters, digits and signs of ASCII, at most {NAME_BYTES_MAX}"
            ),
        );
    }
    let (mut verdict, mut places) = (None, Places::default());
    if let Some(sql) = control.verdict {
        let at = sql.span().start;
        let begin = source.begin(&sql);
        let named: Vec<&str> = control.tables.iter().map(|name| &**name.as_ref()).collect();
        let (sql, parts) = library
            .with_tables(&named, sql.as_ref().trim(), &begin)
            .map_err(|fault| {
                let at = control.tables[fault.at].span().start;
                Wrong::Here(at, format!("verdict of {id}: {}", fault.what))
            })?;
        let here = |byte: usize, what: String| match parts.first(&sql, &[byte]) {
            Some((place, _)) => Wrong::There(place, what),
            None => Wrong::Here(at, what),
        };
        if let Some((byte, what)) = fault(&sql) {
            return Err(here(byte, format!("verdict of {id}: {what}")));
        }
        for (byte, name) in uses(&sql) {
            if !params.iter().any(|param| param.name == name) {
                let known = params.iter().map(|param| param.name.as_str());
                let what = format!(
                    "verdict of {id}: the report has no parameter :{name}; {}",
                    suggest(name, known)
                );
                return Err(here(byte, what));
            }
        }
        (verdict, places) = (Some(sql), parts);
    }
    let mut evidence = Vec::new();
    for (number, piece) in control.evidence.into_iter().enumerate() {
        let anchor = format!("e-{}-{}", plain_id(&id), number + 1);
        evidence.push(one_evidence(anchor, piece.into_inner(), params, library)?);
    }
    Ok(Control {
        id,
        title: words(control.title, "title")?,
        demands: words(control.demands, "demands")?,
        cannot_prove: words(control.cannot_prove, "cannot_prove")?,
        verdict,
        evidence,
        places,
    })
}
