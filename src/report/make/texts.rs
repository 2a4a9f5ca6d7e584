//! What a report's parameters stand for, and what questions are given of them.

use super::Making;
use crate::model::value::Value;
use crate::query::clock;
use crate::query::library::header::names;
use crate::query::library::{Kind, Param, Question};
use crate::query::output::plain;
use crate::report::definition::{COMMON, Definition, Evidence};
use crate::report::digest;

/// What a report's parameters stand for.
pub(super) struct Texts<'a> {
    pub(super) definition: &'a Definition,
    pub(super) making: &'a Making<'a>,
}

impl Texts<'_> {
    /// What a parameter was given or is by default; times are the period's.
    fn get(&self, name: &str) -> Option<String> {
        match name {
            "since" => return Some(clock::to_text(self.making.period.since)),
            "until" => return Some(clock::to_text(self.making.period.until)),
            "cluster" => return self.making.cluster.clone(),
            _ => {}
        }
        let given = self.making.request.given.iter();
        let given = given.rev().find(|(known, _)| known == name);
        let default = || {
            self.definition
                .param(name)
                .and_then(|param| param.default.as_ref())
        };
        given.map(|(_, text)| text).or_else(default).cloned()
    }

    /// What a question is given as evidence.
    pub(super) fn for_question(
        &self,
        evidence: &Evidence,
        question: &Question,
    ) -> Vec<(String, String)> {
        let mut given = Vec::new();
        for param in &question.params {
            let with = evidence.with.iter().find(|(name, _)| *name == param.name);
            let text = match with.map(|(_, text)| text.strip_prefix('$').ok_or(text)) {
                Some(Ok(own)) => self.get(own),
                Some(Err(text)) => Some(text.clone()),
                None if COMMON.contains(&param.name.as_str()) => self.get(&param.name),
                None => None,
            };
            given.extend(text.map(|text| (param.name.clone(), text)));
        }
        given
    }

    /// What a verdict's statement is bound to.
    pub(super) fn for_verdict(&self, sql: &str) -> Result<Vec<(String, Value)>, String> {
        let bind = |name: String| {
            let Some(param) = self.definition.param(&name) else {
                return Err(format!("the report has no parameter :{name}"));
            };
            let text = self.get(&name);
            let value = param.value(text.as_deref(), self.making.request.now);
            let value = value.map_err(|error| format!("--{}: {error}", param.flag()))?;
            Ok((name, value))
        };
        names(sql).into_iter().map(bind).collect()
    }
}

/// How to ask a question again on a command line.
pub(super) fn command(question: &Question, given: &[(String, String)]) -> String {
    let mut command = format!("auditql ask {}", question.name);
    for (name, text) in given {
        let param = question.params.iter().find(|param| param.name == *name);
        let flag = param.map_or_else(|| name.clone(), Param::flag);
        let is_switch = param.is_some_and(|param| param.kind == Kind::Flag);
        match is_switch {
            true if text == "true" || text == "1" => command.push_str(&format!(" --{flag}")),
            true => {}
            false => command.push_str(&format!(" --{flag} {}", quoted(&digest::apart(text)))),
        }
    }
    command.push_str(" --limit 0");
    command
}

/// How to run a statement again on a command line that gets it on stdin. What is NULL is left out.
pub(super) fn sql_command(params: &[(String, Value)]) -> String {
    let mut command = "auditql sql".to_owned();
    for (name, text) in bound(params) {
        command.push_str(&match text {
            Some(text) => format!(" --param {}", quoted(&format!("{name}={text}"))),
            None => format!(" --null {name}"),
        });
    }
    command.push_str(" -");
    command
}

/// What parameters are bound to, as texts; `None` is NULL.
pub(super) fn bound(params: &[(String, Value)]) -> Vec<(String, Option<String>)> {
    let text = |value| plain(value).map(|text| digest::apart(&text).into_owned());
    let bound = params.iter();
    bound
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/@%+,=".contains(&byte);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
