//! Aligned columns for people.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::fit::{GAP, cut, cut_front, fit, total};
use super::look::{TimeForm, colour, zone_name};
use super::{Columns, Look, Render, plain, visible};
use crate::model::time;
use crate::model::value::Value;
use crate::store::SqlColumn;

/// Rows that decide which columns there are and how wide; later ones may stick out.
const SAMPLE_ROWS: usize = 1000;

/// Columns whose end tells more than their beginning.
const CUT_IN_FRONT: [&str; 3] = ["user", "effective_user", "impersonated_user"];

/// Usual columns that go, in this order, while another would be cut below so many cells.
const DISPENSABLE: [(&str, usize); 2] = [("source_ip", usize::MAX), ("code", 16)];

/// Of other columns the last ones go while any would be cut below so many cells, but for the first
/// few.
const LEAST: usize = 16;
const ALWAYS: usize = 2;

/// Usual columns whose words are short, and useless in part.
const NEVER_CUT: [&str; 4] = ["verb", "stage", "outcome", "matched_ip"];

/// The value of `stage` that goes without saying.
const LAST_STAGE: &str = "ResponseComplete";

pub(super) struct Table<W> {
    out: W,
    look: Look,
    /// Whether [`LAST_STAGE`] goes without saying.
    terse: bool,
    header: Vec<String>,
    numeric: Vec<bool>,
    /// Columns that are computed, whose times come as text.
    computed: Vec<bool>,
    sample: Vec<Vec<Cell>>,
    layout: Option<Layout>,
}

struct Cell {
    text: String,
    time: Option<i64>,
    right: bool,
    /// NULL, which is shown as a dash.
    absent: bool,
}

/// What the sample decided.
struct Layout {
    columns: Vec<Shown>,
    /// Columns that went although they say something.
    crowded_out: Vec<usize>,
    form: TimeForm,
    /// The day of the first row.
    day: String,
    /// Clocks were changed within the sample, so every time says its distance to UTC.
    offsets: bool,
}

struct Shown {
    at: usize,
    title: String,
    width: usize,
    /// Its header stands to the right, over numbers.
    right: bool,
}

impl<W: Write> Table<W> {
    pub(super) fn new(out: W, look: Look) -> Table<W> {
        Table {
            out,
            look,
            terse: true,
            header: Vec::new(),
            numeric: Vec::new(),
            computed: Vec::new(),
            sample: Vec::new(),
            layout: None,
        }
    }

    /// A table that is never fitted.
    pub(super) fn wide(out: W, look: Look) -> Table<W> {
        let look = Look {
            width: None,
            ..look
        };
        Table {
            terse: false,
            ..Table::new(out, look)
        }
    }

    fn usual(&self) -> bool {
        self.look.columns == Columns::Usual
    }

    fn offered(&self) -> bool {
        self.look.columns == Columns::Offered
    }

    fn write_sample(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.sample);
        let layout = self.lay_out(&rows);
        if !rows.is_empty() && !layout.columns.is_empty() {
            let titles = layout.columns.iter().map(|shown| {
                let title = shown.title.clone();
                (shown, title, shown.right, None)
            });
            let mut header = Vec::new();
            write_line(&mut header, titles.collect())?;
            if self.look.colour {
                header = [b"\x1b[1m", header.trim_ascii_end(), b"\x1b[0m\n"].concat();
            }
            self.out.write_all(&header)?;
        }
        for row in &rows {
            self.write_row(&layout, row)?;
        }
        self.layout = Some(layout);
        Ok(())
    }

    fn lay_out(&self, rows: &[Vec<Cell>]) -> Layout {
        let zone = self.look.zone;
        let times = || rows.iter().flatten().filter_map(|cell| cell.time);
        let day = |time| TimeForm::Whole.write(time, zone, "", false)[..10].to_owned();
        let ahead = times().next().map_or(0, |time| zone.ahead(time));
        let mut layout = Layout {
            columns: Vec::new(),
            crowded_out: Vec::new(),
            form: TimeForm::Whole,
            day: times().next().map_or(String::new(), day),
            offsets: times().any(|time| zone.ahead(time) != ahead),
        };
        let mut columns: Vec<usize> = (0..self.header.len())
            .filter(|&at| !self.usual() || rows.iter().any(|row| self.tells(at, row)))
            .collect();
        let mut shown = self.measure(&layout, &columns, rows);
        if let Some(terminal) = self.look.width {
            if self.offered() && total(&widths(&shown)) > terminal {
                columns.retain(|&at| rows.iter().any(|row| self.tells(at, row)));
            }
            let one_day = times().all(|time| day(time) == layout.day);
            for form in TimeForm::ON_TERMINAL {
                if form == TimeForm::Clock && !(self.usual() && one_day && !layout.offsets) {
                    break;
                }
                layout.form = form;
                shown = self.measure(&layout, &columns, rows);
                if total(&widths(&shown)) <= terminal {
                    break;
                }
            }
            while let Some(dispensable) = self.dispensable(&shown, rows, terminal) {
                columns.retain(|&at| at != dispensable);
                layout.crowded_out.push(dispensable);
                shown = self.measure(&layout, &columns, rows);
            }
            let fitted = self.fitted(&shown, rows, terminal);
            for (shown, width) in shown.iter_mut().zip(fitted) {
                shown.width = width;
            }
        }
        layout.columns = shown;
        layout
    }

    /// Widths that fit a terminal, as far as columns can be cut.
    fn fitted(&self, shown: &[Shown], rows: &[Vec<Cell>], terminal: usize) -> Vec<usize> {
        // Numbers and times are useless in part.
        let whole = |cell: &Cell| cell.right || cell.time.is_some();
        let whole = |shown: &Shown| {
            self.usual() && NEVER_CUT.contains(&self.header[shown.at].as_str())
                || rows.iter().any(|row| whole(&row[shown.at]))
        };
        let mut fitted = widths(shown);
        fit(
            &mut fitted,
            &shown.iter().map(whole).collect::<Vec<_>>(),
            terminal,
        );
        fitted
    }

    /// The column to go next so that the others can be read, if any must.
    fn dispensable(&self, shown: &[Shown], rows: &[Vec<Cell>], terminal: usize) -> Option<usize> {
        let fitted = self.fitted(shown, rows, terminal);
        let suffers = |least: usize| {
            let mut pairs = fitted.iter().zip(shown);
            pairs.any(|(&fitted, shown)| fitted < shown.width && fitted < least)
        };
        if self.offered() {
            let crowded = suffers(LEAST) || total(&fitted) > terminal;
            return (crowded && shown.len() > ALWAYS).then(|| shown[shown.len() - 1].at);
        }
        let mut usual = DISPENSABLE
            .iter()
            .filter(|(_, least)| self.usual() && suffers(*least));
        usual.find_map(|(name, _)| {
            let mut places = shown.iter().map(|shown| shown.at);
            places.find(|&at| self.header[at] == *name)
        })
    }

    /// On a terminal, the texts of a JSON array without what JSON puts around them.
    fn listed(&self, value: &Value) -> Option<String> {
        let (Value::Json(text), Some(_)) = (value, self.look.width) else {
            return None;
        };
        let texts: Vec<String> = serde_json::from_str(text).ok()?;
        Some(texts.join(", "))
    }

    /// Whether a cell says what does not go without saying.
    fn tells(&self, at: usize, row: &[Cell]) -> bool {
        match self.header[at].as_str() {
            "stage" if self.terse && self.usual() => row[at].text != LAST_STAGE,
            _ => !row[at].absent,
        }
    }

    /// The columns as wide as their cells are.
    fn measure(&self, layout: &Layout, columns: &[usize], rows: &[Vec<Cell>]) -> Vec<Shown> {
        let column = |&at: &usize| {
            let mut title = self.header[at].to_uppercase();
            let first = rows.iter().find_map(|row| row[at].time);
            if let (Some(time), false) = (first, layout.form == TimeForm::Whole || layout.offsets) {
                let zone = zone_name(self.look.zone.ahead(time));
                title = match layout.form {
                    TimeForm::Clock => format!("{} {zone}", &layout.day[5..]),
                    _ => format!("{title} ({zone})"),
                };
            }
            let cells = rows
                .iter()
                .map(|row| self.text(layout, at, &row[at]).width());
            Shown {
                at,
                width: cells.fold(title.width(), usize::max),
                title,
                right: self.numeric[at]
                    || rows.iter().any(|row| row[at].right)
                        && rows.iter().all(|row| row[at].right || row[at].absent),
            }
        };
        columns.iter().map(column).collect()
    }

    fn text(&self, layout: &Layout, at: usize, cell: &Cell) -> String {
        let crowded = matches!(layout.form, TimeForm::Short | TimeForm::Clock);
        match cell.time {
            Some(time) => {
                let zone = self.look.zone;
                layout.form.write(time, zone, &layout.day, layout.offsets)
            }
            None if crowded && self.usual() && self.header[at] == "stage" => {
                let text = cell.text.as_str();
                let short = text.strip_prefix("Response");
                let short = short.or_else(|| text.strip_prefix("Request"));
                short.unwrap_or(text).to_owned()
            }
            None => cell.text.clone(),
        }
    }

    fn write_row(&mut self, layout: &Layout, row: &[Cell]) -> io::Result<()> {
        let cells = layout.columns.iter().map(|shown| {
            let cell = &row[shown.at];
            let name = self.header[shown.at].as_str();
            let mut text = self.text(layout, shown.at, cell);
            if self.look.width.is_some() {
                text = if CUT_IN_FRONT.contains(&name) {
                    cut_front(&text, shown.width)
                } else {
                    cut(&text, shown.width)
                };
            }
            let colour = (self.look.colour && name == "outcome")
                .then(|| colour(&cell.text))
                .flatten();
            (shown, text, cell.right, colour)
        });
        let cells = cells.collect();
        write_line(&mut self.out, cells)
    }
}

/// Writes cells with their columns, whether they stand to the right, and their colours.
fn write_line(
    out: &mut impl Write,
    cells: Vec<(&Shown, String, bool, Option<&str>)>,
) -> io::Result<()> {
    let mut line = String::new();
    let last = cells.len().saturating_sub(1);
    for (at, (shown, text, right, colour)) in cells.into_iter().enumerate() {
        let room = shown.width.saturating_sub(text.width());
        if right {
            line.extend(std::iter::repeat_n(' ', room));
        }
        match colour {
            Some(colour) => line.push_str(&format!("\u{1b}[{colour}m{text}\u{1b}[0m")),
            None => line.push_str(&text),
        }
        if at < last {
            let room = if right { 0 } else { room };
            line.extend(std::iter::repeat_n(' ', room + GAP));
        }
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}

fn widths(columns: &[Shown]) -> Vec<usize> {
    columns.iter().map(|shown| shown.width).collect()
}

impl<W: Write> Render for Table<W> {
    fn begin(&mut self, columns: &[SqlColumn]) -> io::Result<()> {
        self.header = columns
            .iter()
            .map(|column| visible(&column.name).into_owned())
            .collect();
        self.numeric = columns
            .iter()
            .map(|column| ["INTEGER", "REAL", "BOOLEAN"].contains(&column.kind.as_str()))
            .collect();
        self.computed = columns
            .iter()
            .map(|column| column.kind.is_empty())
            .collect();
        Ok(())
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        let cells: Vec<Cell> = row
            .iter()
            .zip(self.numeric.iter().zip(&self.computed))
            .map(|(value, (&numeric, &computed))| Cell {
                text: match self.listed(value).or_else(|| plain(value)) {
                    Some(text) => visible(&text).into_owned(),
                    None => "-".to_owned(),
                },
                time: match value {
                    Value::Time(time) => Some(*time),
                    Value::Text(text) if computed && time::is_canonical(text.as_bytes()) => {
                        time::parse_rfc3339(text.as_bytes())
                    }
                    _ => None,
                },
                right: matches!(value, Value::Int(_) | Value::Real(_))
                    || (numeric && *value == Value::Null),
                absent: *value == Value::Null,
            })
            .collect();
        if let Some(layout) = self.layout.take() {
            let kept = |at: &usize| layout.columns.iter().any(|shown| shown.at == *at);
            let mut hidden =
                (0..cells.len()).filter(|at| !kept(at) && !layout.crowded_out.contains(at));
            // A column that said nothing so far says something: another header follows.
            if !hidden.any(|at| self.tells(at, &cells)) {
                self.write_row(&layout, &cells)?;
                self.layout = Some(layout);
                return Ok(());
            }
        }
        self.sample.push(cells);
        if self.sample.len() == SAMPLE_ROWS {
            self.write_sample()?;
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.layout.is_none() {
            self.write_sample()?;
        }
        let crowded_out = self.layout.iter().flat_map(|layout| &layout.crowded_out);
        let mut names: Vec<&str> = crowded_out.map(|&at| self.header[at].as_str()).collect();
        if self.offered() && !names.is_empty() {
            names.reverse();
            let (faint, off) = if self.look.colour {
                ("\x1b[2m", "\x1b[0m")
            } else {
                ("", "")
            };
            let names = names.join(", ");
            writeln!(self.out, "{faint}no room for {names}; -o wide has all{off}")?;
        }
        self.out.flush()
    }
}
