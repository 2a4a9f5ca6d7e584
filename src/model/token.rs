//! A secret that a server may ask for.

use std::fmt;

/// A bearer token (RFC 6750). Nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Reads a token. The error does not repeat it.
    pub fn new(text: &str) -> Result<Token, &'static str> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token is one word of ASCII letters, digits and signs");
        }
        Ok(Token(text.to_owned()))
    }

    /// The value of the header `Authorization`.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_into_a_header_and_is_not_shown() {
        for text in ["", "a b", "a\n", "é", "\u{7f}"] {
            assert!(Token::new(text).is_err(), "{text:?}");
        }
        let token = Token::new("ab.c-_~+/=").unwrap();
        assert_eq!(token.authorization(), "Bearer ab.c-_~+/=");
        assert_eq!(format!("{token:?}"), "Token(***)");
    }
}
