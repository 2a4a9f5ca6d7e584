//! Filters in CEL, the Common Expression Language: `verb == "delete" && user.startsWith("system:")`.
//!
//! An expression is read by the `cel` crate and becomes the same terms as the other filters, so it
//! costs what they cost; nothing is evaluated per event beside them. What terms cannot say is refused
//! with what can be done instead. A field that an event lacks is null: it equals nothing but null, and
//! no function holds for it.

#[cfg(test)]
mod tests;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::parser::PrattParser;

use super::clock;
use crate::model::column::{Column, Kind};
use crate::model::suggest::suggest;
use crate::store::filter::{Filter, Pattern, Term, Test};

/// Longer expressions are refused.
const LENGTH_MAX: usize = 4096;

/// So are those with more brackets in one another, or `!` in a row: the parser descends into each.
const DEPTH_MAX: usize = 100;

type Ranges = Vec<(i64, i64)>;

/// Adds what an expression asks of events.
pub(super) fn push(filter: &mut Filter, text: &str) -> Result<(), String> {
    if text.len() > LENGTH_MAX {
        return Err(format!(
            "is longer than {LENGTH_MAX} bytes; use SQL for long lists"
        ));
    }
    if depth(text) > DEPTH_MAX {
        return Err(format!("has more than {DEPTH_MAX} brackets in one another"));
    }
    let parsed = PrattParser::new()
        .parse(text)
        .map_err(|errors| match errors.errors.first() {
            Some(_) if text.contains("namespace") && !text.contains(".namespace") => {
                "is no CEL: namespace is a reserved word there; write event.namespace".to_owned()
            }
            Some(error) => format!("is no CEL: {} at column {}", error.msg, error.pos.1),
            None => "is no CEL".to_owned(),
        })?;
    for term in terms(&parsed, false)? {
        narrow(filter, &term);
        filter.terms.push(term);
    }
    Ok(())
}

/// At least how deep brackets stand in one another; those within texts count too.
fn depth(text: &str) -> usize {
    let (mut deepest, mut open, mut bangs) = (0_usize, 0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b'!' => bangs += 1,
            b' ' => {}
            _ => bangs = 0,
        }
        deepest = deepest.max(open + bangs);
    }
    deepest
}

/// Bounds on the time leave out segments.
fn narrow(filter: &mut Filter, term: &Term) {
    if let (false, Test::Number { column, any }) = (term.negate, &term.test)
        && *column == Column::Time
    {
        let low = any.iter().map(|range| range.0).min().unwrap_or(i64::MAX);
        let high = any.iter().map(|range| range.1).max().unwrap_or(i64::MIN);
        filter.since = Some(filter.since.map_or(low, |since| since.max(low)));
        let end = high.saturating_add(1);
        filter.until = Some(filter.until.map_or(end, |until| until.min(end)));
    }
}

/// The terms that must all hold for an expression, or for its opposite.
fn terms(expr: &IdedExpr, negate: bool) -> Result<Vec<Term>, String> {
    match &expr.expr {
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [inner]) => terms(inner, !negate),
            (operators::LOGICAL_AND, [left, right]) if !negate => both(left, right, false),
            (operators::LOGICAL_OR, [left, right]) if negate => both(left, right, true),
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
                either(terms(left, negate)?, terms(right, negate)?)
            }
            _ => Ok(vec![comparison(call)?.negated(negate)]),
        },
        // has(event.name)
        Expr::Select(select) if select.test => {
            let given = Compared {
                test: Test::Absent {
                    column: column(&select.field)?,
                },
                negate: true,
            };
            Ok(vec![given.negated(negate)])
        }
        Expr::Ident(_) | Expr::Select(_) => {
            let column = field(expr)?;
            let name = column.name();
            if column.kind() != Kind::Bool {
                return Err(format!(
                    "{name} alone is no condition; compare it with a value"
                ));
            }
            Ok(vec![Compared::ranges(column, vec![(1, 1)]).negated(negate)])
        }
        _ => Err(unsupported("this")),
    }
}

fn both(left: &IdedExpr, right: &IdedExpr, negate: bool) -> Result<Vec<Term>, String> {
    let mut all = terms(left, negate)?;
    all.extend(terms(right, negate)?);
    Ok(all)
}

/// One of two alternatives: a term can say that of values of one field only.
fn either(left: Vec<Term>, right: Vec<Term>) -> Result<Vec<Term>, String> {
    let refused = || {
        "|| works between values of one field (verb == \"get\" || verb == \"list\"); ask twice for \
         the rest, or use SQL"
            .to_owned()
    };
    let ([left], [right]) = (left.as_slice(), right.as_slice()) else {
        return Err(refused());
    };
    if left.negate || right.negate {
        return Err(refused());
    }
    let test = match (&left.test, &right.test) {
        (
            Test::Text { column, any },
            Test::Text {
                column: other,
                any: more,
            },
        ) if column == other => Test::Text {
            column: *column,
            any: [any.as_slice(), more].concat(),
        },
        (
            Test::Number { column, any },
            Test::Number {
                column: other,
                any: more,
            },
        ) if column == other => Test::Number {
            column: *column,
            any: [any.as_slice(), more].concat(),
        },
        _ => return Err(refused()),
    };
    Ok(vec![Term {
        test,
        negate: false,
    }])
}

/// A comparison, not yet negated.
struct Compared {
    test: Test,
    negate: bool,
}

impl Compared {
    fn patterns(column: Column, any: Vec<Pattern>) -> Compared {
        Compared {
            test: Test::Text { column, any },
            negate: false,
        }
    }

    fn ranges(column: Column, any: Ranges) -> Compared {
        Compared {
            test: Test::Number { column, any },
            negate: false,
        }
    }

    fn negated(self, negate: bool) -> Term {
        Term {
            test: self.test,
            negate: self.negate != negate,
        }
    }
}

fn comparison(call: &CallExpr) -> Result<Compared, String> {
    let name = call.func_name.as_str();
    if let (Some(target), [argument]) = (&call.target, call.args.as_slice()) {
        return function(name, field(target)?, argument);
    }
    let [left, right] = call.args.as_slice() else {
        return Err(unsupported(name));
    };
    if name == operators::IN {
        return among(left, right);
    }
    // The field may stand on either side.
    let (column, name, value) = match field(left) {
        Ok(column) => (column, name, right),
        Err(refused) => match field(right) {
            Ok(column) => (column, turned(name), left),
            Err(_) => return Err(refused),
        },
    };
    if let Expr::Literal(LiteralValue::Null) = value.expr {
        let negate = match name {
            operators::EQUALS => false,
            operators::NOT_EQUALS => true,
            _ => return Err("null can be compared with == and != only".to_owned()),
        };
        return Ok(Compared {
            test: Test::Absent { column },
            negate,
        });
    }
    let mut compared = match column.kind() {
        Kind::Text => {
            let text = text(column, value)?;
            let pattern = match name {
                operators::EQUALS | operators::NOT_EQUALS => Pattern::Is(text),
                operators::LESS => Pattern::Range(None, Some((text, false))),
                operators::LESS_EQUALS => Pattern::Range(None, Some((text, true))),
                operators::GREATER => Pattern::Range(Some((text, false)), None),
                operators::GREATER_EQUALS => Pattern::Range(Some((text, true)), None),
                _ => return Err(unsupported(name)),
            };
            Compared::patterns(column, vec![pattern])
        }
        Kind::Int | Kind::Time | Kind::Bool => {
            let number = number(column, value)?;
            let range = match name {
                operators::EQUALS | operators::NOT_EQUALS => Some((number, number)),
                operators::LESS => number.checked_sub(1).map(|high| (i64::MIN, high)),
                operators::LESS_EQUALS => Some((i64::MIN, number)),
                operators::GREATER => number.checked_add(1).map(|low| (low, i64::MAX)),
                operators::GREATER_EQUALS => Some((number, i64::MAX)),
                _ => return Err(unsupported(name)),
            };
            Compared::ranges(column, range.into_iter().collect())
        }
        Kind::Json | Kind::Bytes => return Err(of_no_text(column)),
    };
    compared.negate = name == operators::NOT_EQUALS;
    Ok(compared)
}

/// `value OPERATOR field` as `field OPERATOR value`.
fn turned(operator: &str) -> &str {
    match operator {
        operators::LESS => operators::GREATER,
        operators::LESS_EQUALS => operators::GREATER_EQUALS,
        operators::GREATER => operators::LESS,
        operators::GREATER_EQUALS => operators::LESS_EQUALS,
        other => other,
    }
}

/// `user in ["a", "b"]`, `"10.0.0.1" in source_ips`.
fn among(left: &IdedExpr, right: &IdedExpr) -> Result<Compared, String> {
    if let Ok(Column::SourceIps) = field(right) {
        let address = text(Column::SourceIps, left)?;
        return Ok(Compared::patterns(
            Column::SourceIps,
            vec![Pattern::Is(address)],
        ));
    }
    let column = field(left)?;
    let Expr::List(list) = &right.expr else {
        return Err("in takes a list of values: verb in [\"get\", \"list\"]".to_owned());
    };
    match column.kind() {
        Kind::Text => {
            let texts = list.elements.iter().map(|value| text(column, value));
            let any = texts.map(|text| text.map(Pattern::Is));
            Ok(Compared::patterns(column, any.collect::<Result<_, _>>()?))
        }
        Kind::Int | Kind::Time | Kind::Bool => {
            let numbers = list.elements.iter().map(|value| number(column, value));
            let any = numbers.map(|number| number.map(|number| (number, number)));
            Ok(Compared::ranges(column, any.collect::<Result<_, _>>()?))
        }
        Kind::Json | Kind::Bytes => Err(of_no_text(column)),
    }
}

/// `user.startsWith("system:")`
fn function(name: &str, column: Column, argument: &IdedExpr) -> Result<Compared, String> {
    if column.kind() != Kind::Text {
        return Err(of_no_text(column));
    }
    let text = text(column, argument)?;
    let pattern = match name {
        "startsWith" => Pattern::Prefix(text),
        "endsWith" | "contains" if text.contains('*') => {
            return Err(format!("{name} takes no text with a *; use SQL"));
        }
        "endsWith" => Pattern::Wildcard(format!("*{text}")),
        "contains" => Pattern::Wildcard(format!("*{text}*")),
        _ => return Err(unsupported(name)),
    };
    Ok(Compared::patterns(column, vec![pattern]))
}

fn field(expr: &IdedExpr) -> Result<Column, String> {
    match &expr.expr {
        Expr::Ident(name) => column(name),
        Expr::Select(select)
            if !select.test && select.operand.expr == Expr::Ident("event".into()) =>
        {
            column(&select.field)
        }
        _ => Err("a condition compares a field, such as user, with a value".to_owned()),
    }
}

fn column(name: &str) -> Result<Column, String> {
    Column::by_name(name).ok_or_else(|| {
        let names = Column::ALL.iter().map(|column| column.name());
        format!("there is no field {name:?}; {}", suggest(name, names))
    })
}

fn text(column: Column, value: &IdedExpr) -> Result<String, String> {
    match &value.expr {
        Expr::Literal(LiteralValue::String(text)) => Ok(text.inner().to_owned()),
        _ => Err(format!("{} is compared with \"text\"", column.name())),
    }
}

fn number(column: Column, value: &IdedExpr) -> Result<i64, String> {
    match (column.kind(), &value.expr) {
        (Kind::Int, Expr::Literal(LiteralValue::Int(number))) => Ok(*number.inner()),
        (Kind::Bool, Expr::Literal(LiteralValue::Boolean(truth))) => Ok((*truth.inner()).into()),
        (Kind::Time, Expr::Call(call)) if call.func_name == "timestamp" => match &call.args[..] {
            [argument] => instant(column, argument),
            _ => Err("timestamp takes one text".to_owned()),
        },
        (Kind::Time, _) => instant(column, value),
        (Kind::Bool, _) => Err(format!("{} is compared with true or false", column.name())),
        _ => Err(format!("{} is compared with a whole number", column.name())),
    }
}

fn instant(column: Column, value: &IdedExpr) -> Result<i64, String> {
    let refused = || {
        format!(
            "{} is compared with a time such as timestamp(\"2026-11-20T14:00:00Z\")",
            column.name()
        )
    };
    let text = text(column, value).map_err(|_| refused())?;
    clock::parse_instant(&text).ok_or_else(refused)
}

fn of_no_text(column: Column) -> String {
    format!(
        "{} is no plain value; use SQL, or --contains for text anywhere in the event",
        column.name()
    )
}

fn unsupported(what: &str) -> String {
    format!(
        "{what} is not supported; there are == != < <= > >= in && || !, startsWith, endsWith and \
         contains; SQL has more"
    )
}
