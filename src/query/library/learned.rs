//! Questions that another program tells of.

use std::collections::HashSet;

use super::question::{Question, RESERVED, is_name};
use crate::query::output::visible;

impl Question {
    /// A question that a server tells of, made fit to be a command: no text in it can reach a
    /// terminal's controls. `None` if no server of this kind can have it.
    pub(super) fn learned(mut self) -> Option<Question> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let names = self.params.iter().map(|param| param.name.as_str());
        let mut seen = HashSet::new();
        let fit =
            |name: &str| !name.is_empty() && name.bytes().all(plain) && !RESERVED.contains(&name);
        let sound = is_name(&self.name)
            && names.into_iter().all(|name| fit(name) && seen.insert(name))
            && self.one_of.iter().all(|name| seen.contains(name.as_str()))
            && self.places.fit(&self.sql);
        if !sound {
            return None;
        }
        let clean = |text: &mut String| {
            *text = text.split('\n').map(visible).collect::<Vec<_>>().join("\n");
        };
        for text in [
            &mut self.title,
            &mut self.group,
            &mut self.answers,
            &mut self.cannot_see,
            &mut self.level,
        ] {
            clean(text);
        }
        self.tags.iter_mut().for_each(clean);
        for param in &mut self.params {
            clean(&mut param.help);
            param.default.iter_mut().for_each(clean);
        }
        for column in &mut self.columns {
            clean(&mut column.doc);
        }
        Some(self)
    }
}
