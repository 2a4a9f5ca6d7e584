//! A document as an HTML parser reads it: elements, attributes, text.

use std::cell::RefCell;

use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// Elements without an end.
const VOID: &[&str] = &["br", "meta", "wbr"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Start(String, Vec<(String, String)>),
    End(String),
    Text(String),
}

#[derive(Default)]
struct Sink {
    pieces: RefCell<Vec<Piece>>,
    open: RefCell<Vec<String>>,
    wrong: RefCell<Vec<String>>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let mut wrong = |what: String| self.wrong.borrow_mut().push(format!("line {line}: {what}"));
        match token {
            Token::TagToken(tag) => return self.tag(tag, &mut wrong),
            Token::CharacterTokens(text) => {
                let mut pieces = self.pieces.borrow_mut();
                match pieces.last_mut() {
                    Some(Piece::Text(before)) => before.push_str(&text),
                    _ => pieces.push(Piece::Text(text.to_string())),
                }
            }
            Token::NullCharacterToken => wrong("a NUL".to_owned()),
            Token::CommentToken(text) => wrong(format!("a comment: {text}")),
            Token::ParseError(error) => wrong(error.into_owned()),
            Token::DoctypeToken(_) | Token::EOFToken => {}
        }
        TokenSinkResult::Continue
    }
}

impl Sink {
    fn tag(&self, tag: Tag, wrong: &mut dyn FnMut(String)) -> TokenSinkResult<()> {
        let name = tag.name.to_string();
        let mut pieces = self.pieces.borrow_mut();
        let mut open = self.open.borrow_mut();
        match tag.kind {
            TagKind::StartTag => {
                let text = |attribute: &html5ever::Attribute| {
                    let name = attribute.name.local.to_string();
                    (name, attribute.value.to_string())
                };
                let attributes = tag.attrs.iter().map(text).collect();
                let raw = match name.as_str() {
                    "style" => TokenSinkResult::RawData(RawKind::Rawtext),
                    "title" => TokenSinkResult::RawData(RawKind::Rcdata),
                    _ => TokenSinkResult::Continue,
                };
                if !tag.self_closing && !VOID.contains(&name.as_str()) {
                    open.push(name.clone());
                }
                pieces.push(Piece::Start(name, attributes));
                raw
            }
            TagKind::EndTag => {
                let expected = open.pop();
                if expected.as_ref() != Some(&name) {
                    wrong(format!("{name} ends where {expected:?} is open"));
                }
                pieces.push(Piece::End(name));
                TokenSinkResult::Continue
            }
        }
    }
}

/// The pieces of a document without an error in it.
#[track_caller]
pub fn parse(html: &str) -> Vec<Piece> {
    let input = BufferQueue::default();
    input.push_back(html.into());
    let options = TokenizerOpts {
        exact_errors: true,
        ..TokenizerOpts::default()
    };
    let tokenizer = Tokenizer::new(Sink::default(), options);
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let wrong = tokenizer.sink.wrong.take();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tokenizer.sink.open.take().is_empty());
    tokenizer.sink.pieces.take()
}

/// The names of the elements in their order, without those that text may have inside of it.
pub fn shape(pieces: &[Piece]) -> Vec<String> {
    let mut shape = Vec::new();
    let mut inside = 0;
    for piece in pieces {
        match piece {
            Piece::Start(name, attributes) if name == "span" && has_class(attributes, "x") => {
                inside += 1;
            }
            Piece::End(_) if inside > 0 => inside -= 1,
            Piece::Start(name, _) if name != "wbr" => shape.push(name.clone()),
            Piece::End(name) => shape.push(format!("/{name}")),
            _ => {}
        }
    }
    shape
}

fn has_class(attributes: &[(String, String)], class: &str) -> bool {
    let mut attributes = attributes.iter();
    attributes.any(|(name, value)| name == "class" && value == class)
}

/// The contents of the cells of tables with rows: what was written into them, and whether it is
/// marked as no text (`NULL`, `empty text`).
pub fn cells(pieces: &[Piece]) -> Vec<(String, bool)> {
    let mut cells = Vec::new();
    let mut rows = false;
    let mut cell: Option<(String, bool)> = None;
    let mut spelled = false;
    for piece in pieces {
        match piece {
            Piece::Start(name, attributes) => match name.as_str() {
                "table" => rows = has_class(attributes, "rows"),
                "td" if rows => cell = Some((String::new(), false)),
                "i" => cell = cell.map(|(text, _)| (text, true)),
                "span" => spelled = has_class(attributes, "x"),
                _ => {}
            },
            Piece::End(name) => match name.as_str() {
                "td" => cells.extend(cell.take()),
                "span" => spelled = false,
                _ => {}
            },
            Piece::Text(text) => {
                if let Some((all, _)) = &mut cell {
                    match spelled {
                        true => all.push(unspelled(text)),
                        false => all.push_str(text),
                    }
                }
            }
        }
    }
    cells
}

/// The letter that `\n` or `\u{202e}` stands for.
fn unspelled(text: &str) -> char {
    match text {
        "\\n" => '\n',
        "\\r" => '\r',
        "\\t" => '\t',
        _ => {
            let code = text
                .strip_prefix("\\u{")
                .and_then(|text| text.strip_suffix('}'));
            let code = u32::from_str_radix(code.expect("a code"), 16).unwrap();
            char::from_u32(code).unwrap()
        }
    }
}
