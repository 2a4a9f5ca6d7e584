//! The parameters of a question: what its header says of those that its statement names.

use toml::Spanned;

use super::header::{InOrder, OwnParam, Scalar, names, uses};
use super::params::{Param, SINCE, UNTIL};
use super::question::RESERVED;
use crate::model::suggest::{nearest, suggest};
use crate::query::params::FilterParams;

/// What a header says of parameters.
pub(super) struct Declared<'a> {
    pub(super) params: &'a InOrder<Spanned<OwnParam>>,
    pub(super) since: Option<&'a Spanned<String>>,
    pub(super) required: &'a [Spanned<String>],
    pub(super) one_of: &'a [Spanned<String>],
}

/// What is wrong, and where.
pub(super) struct Wrong {
    pub(super) place: Place,
    pub(super) what: String,
}

pub(super) enum Place {
    /// At a byte of the header.
    Header(usize),
    /// Wherever the statement names a parameter: bytes of it.
    Statement(Vec<usize>),
}

impl Declared<'_> {
    /// The parameters that the statement names, in the order of its `own` text, then of the `whole`.
    pub(super) fn params(&self, own: &str, whole: &str) -> Result<Vec<Param>, Wrong> {
        let named = names(&format!("{own}\n{whole}"));
        let params = self.described(&named, whole)?;
        let in_header = |at: usize, what: String| Wrong {
            place: Place::Header(at),
            what,
        };
        let is_named = |name: &str| named.iter().any(|known| known == name);
        let declared = self.params.0.iter();
        let declared = declared.map(|(name, own)| (name.as_str(), own.span().start));
        let needed = self.required.iter().chain(self.one_of);
        let needed = needed.map(|name| (name.as_ref().as_str(), name.span().start));
        let since = self.since.iter().map(|since| (SINCE, since.span().start));
        for (name, at) in declared.chain(needed).chain(since) {
            if !is_named(name) {
                let mut what = format!("the statement does not use the parameter :{name}");
                if let Some(near) = nearest(name, named.iter().map(String::as_str)) {
                    what.push_str(&format!("; did you mean :{near}?"));
                }
                return Err(in_header(at, what));
            }
        }
        Ok(params)
    }

    /// The parameters of these names, which the `whole` statement uses.
    fn described(&self, named: &[String], whole: &str) -> Result<Vec<Param>, Wrong> {
        let mut params = Vec::new();
        for name in named {
            let own = self.params.0.iter().find(|(known, _)| known == name);
            let own = own.map(|(_, own)| own);
            let since = self.since.filter(|_| name == SINCE);
            let at = own.map(Spanned::span).or(since.map(Spanned::span));
            let wrong = |what: String| {
                let uses = || uses(whole).filter(|(_, used)| used == name);
                let place = match &at {
                    Some(at) => Place::Header(at.start),
                    None => Place::Statement(uses().map(|(at, _)| at).collect()),
                };
                Wrong { place, what }
            };
            let param = self.param(name, own.map(Spanned::as_ref));
            params.push(param.map_err(wrong)?);
        }
        params.sort_by_key(|param| match param.name.as_str() {
            SINCE => 1,
            UNTIL => 2,
            _ => 0,
        });
        Ok(params)
    }

    /// The parameter of this name, of which the header says `own`.
    fn param(&self, name: &str, own: Option<&OwnParam>) -> Result<Param, String> {
        if RESERVED.contains(&name) {
            return Err(format!(
                "the name of the parameter {name} is taken by `auditql ask` or the API; choose another"
            ));
        }
        let mut param = match (Param::of_filter(name), own) {
            (Some(param), _) => param,
            (None, Some(own)) => Param {
                name: name.to_owned(),
                kind: own
                    .kind
                    .ok_or_else(|| format!("the parameter {name} has no type"))?,
                help: String::new(),
                default: None,
                required: false,
            },
            (None, None) => {
                let own = self.params.0.iter().map(|(known, _)| known.as_str());
                let known = FilterParams::NAMES.iter().copied().chain(own);
                let known: Vec<String> = known.map(|known| format!(":{known}")).collect();
                return Err(format!(
                    "the header does not describe :{name}, and it is no filter; {}",
                    suggest(&format!(":{name}"), known.iter().map(String::as_str))
                ));
            }
        };
        if let Some(own) = own {
            param.kind = own.kind.unwrap_or(param.kind);
            if let Some(help) = &own.help {
                param.help.clone_from(help);
            }
            param.default = own.default.as_ref().map(Scalar::text);
        }
        if param.name == SINCE {
            param.default = self.since.map(|since| since.as_ref().clone());
        }
        param.required = self.required.iter().any(|known| known.as_ref() == name);
        if param.help.is_empty() {
            return Err(format!("the parameter {name} has no help"));
        }
        // A default that cannot be read would fail every question.
        if param.default.is_some() {
            param
                .value(None, 0)
                .map_err(|error| format!("default of {name}: {error}"))?;
        }
        Ok(param)
    }
}
