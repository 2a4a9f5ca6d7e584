//! What is certain about texts that match patterns of SQL.

use crate::store::filter::Pattern;

/// What every text that matches a `like` pattern begins with: `like` ignores the case of ASCII
/// letters, so only what stands before the first letter or wildcard is certain.
pub(super) fn like_prefix(pattern: &str) -> &str {
    let end = pattern.find(|c: char| matches!(c, '%' | '_' | '\0') || c.is_ascii_alphabetic());
    &pattern[..end.unwrap_or(pattern.len())]
}

/// A superset of a `glob` pattern.
pub(super) fn glob(pattern: &str) -> Option<Pattern> {
    match pattern.find(['*', '?', '[', '\0']) {
        None => Some(Pattern::Is(pattern.to_owned())),
        Some(_) if !pattern.contains(['?', '[', '\0']) => {
            Some(Pattern::Wildcard(pattern.to_owned()))
        }
        Some(0) => None,
        Some(end) => Some(Pattern::Prefix(pattern[..end].to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_certain_up_to_the_first_letter_or_wildcard() {
        for (pattern, prefix) in [
            ("10.0.%", "10.0."),
            ("system:%", ""),
            ("42_7", "42"),
            ("7", "7"),
            ("ä%", "ä"),
        ] {
            assert_eq!(like_prefix(pattern), prefix, "{pattern}");
        }
    }

    #[test]
    fn glob_becomes_the_closest_pattern() {
        assert_eq!(glob("abc"), Some(Pattern::Is("abc".into())));
        assert_eq!(glob("a*c*"), Some(Pattern::Wildcard("a*c*".into())));
        assert_eq!(glob("ab[cd]*"), Some(Pattern::Prefix("ab".into())));
        assert_eq!(glob("?b"), None);
    }
}
