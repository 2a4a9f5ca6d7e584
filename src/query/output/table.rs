//! Aligned columns for people.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Render, plain, visible};
use crate::model::value::Value;
use crate::store::SqlColumn;

/// Rows that decide the widths; later ones may stick out.
const SAMPLE_ROWS: usize = 1000;

/// No column is cut below this many cells.
const NARROWEST: usize = 8;

const GAP: usize = 2;

pub(super) struct Table<W> {
    out: W,
    terminal: Option<usize>,
    header: Vec<String>,
    numeric: Vec<bool>,
    sample: Vec<Vec<Cell>>,
    widths: Option<Vec<usize>>,
}

struct Cell {
    text: String,
    right: bool,
    /// Numbers and times are useless in part.
    whole: bool,
}

impl<W: Write> Table<W> {
    pub(super) fn new(out: W, terminal: Option<usize>) -> Table<W> {
        Table {
            out,
            terminal,
            header: Vec::new(),
            numeric: Vec::new(),
            sample: Vec::new(),
            widths: None,
        }
    }

    fn write_sample(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.sample);
        let mut widths: Vec<usize> = self.header.iter().map(|name| name.width()).collect();
        let mut whole = vec![false; widths.len()];
        for row in &rows {
            for (at, cell) in row.iter().enumerate().take(widths.len()) {
                widths[at] = widths[at].max(cell.text.width());
                whole[at] |= cell.whole;
            }
        }
        if let Some(terminal) = self.terminal {
            fit(&mut widths, &whole, terminal);
        }
        let header: Vec<Cell> = self
            .header
            .iter()
            .enumerate()
            .map(|(at, name)| Cell {
                text: name.to_uppercase(),
                // A header stands over its numbers.
                right: self.numeric[at]
                    || rows.iter().any(|row| row[at].right)
                        && rows.iter().all(|row| row[at].right || row[at].text == "-"),
                whole: true,
            })
            .collect();
        self.widths = Some(widths);
        if !header.is_empty() && !rows.is_empty() {
            self.write_row(&header)?;
        }
        for row in &rows {
            self.write_row(row)?;
        }
        Ok(())
    }

    fn write_row(&mut self, row: &[Cell]) -> io::Result<()> {
        let widths = self.widths.as_deref().unwrap_or_default();
        let mut line = String::new();
        for (at, (cell, &width)) in row.iter().zip(widths).enumerate() {
            let text = match self.terminal {
                Some(_) => cut(&cell.text, width),
                None => cell.text.clone(),
            };
            let room = width.saturating_sub(text.width());
            if cell.right {
                line.extend(std::iter::repeat_n(' ', room));
            }
            line.push_str(&text);
            if at + 1 < row.len() {
                let room = if cell.right { 0 } else { room };
                line.extend(std::iter::repeat_n(' ', room + GAP));
            }
        }
        line.push('\n');
        self.out.write_all(line.as_bytes())
    }
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
        Ok(())
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        let cells: Vec<Cell> = row
            .iter()
            .zip(&self.numeric)
            .map(|(value, &numeric)| {
                let number = matches!(value, Value::Int(_) | Value::Real(_));
                Cell {
                    text: match plain(value) {
                        Some(text) => visible(&text).into_owned(),
                        None => "-".to_owned(),
                    },
                    right: number || (numeric && *value == Value::Null),
                    whole: number || matches!(value, Value::Time(_)),
                }
            })
            .collect();
        if self.widths.is_some() {
            return self.write_row(&cells);
        }
        self.sample.push(cells);
        if self.sample.len() == SAMPLE_ROWS {
            self.write_sample()?;
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.widths.is_none() {
            self.write_sample()?;
        }
        self.out.flush()
    }
}

/// Narrows the widest columns that may be cut until all fit, as far as [`NARROWEST`] lets them.
fn fit(widths: &mut [usize], whole: &[bool], terminal: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    loop {
        let total = widths.iter().sum::<usize>() + gaps;
        let open = || (0..widths.len()).filter(|&at| !whole[at]);
        let Some(widest) = open().map(|at| widths[at]).max() else {
            return;
        };
        if total <= terminal || widest <= NARROWEST {
            return;
        }
        let chosen: Vec<usize> = open().filter(|&at| widths[at] == widest).collect();
        let next = open().map(|at| widths[at]).filter(|&width| width < widest);
        let floor = next.max().unwrap_or(0).max(NARROWEST);
        let step = (total - terminal)
            .div_ceil(chosen.len())
            .min(widest - floor)
            .max(1);
        for at in chosen {
            widths[at] -= step;
        }
    }
}

/// `text` in at most `width` cells; what is cut off leaves an ellipsis.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let cells = letter.width().unwrap_or(0);
        if used + cells + 1 > width {
            break;
        }
        used += cells;
        shown.push(letter);
    }
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fitting_takes_from_the_widest() {
        for (widths, terminal, expected) in [
            (vec![10, 20], 40, vec![10, 20]),
            (vec![10, 60], 40, vec![10, 28]),
            (vec![30, 60], 42, vec![20, 20]),
            (vec![5, 100, 100], 20, vec![5, 8, 8]),
            (vec![3, 3], 2, vec![3, 3]),
            (vec![], 10, vec![]),
        ] {
            let mut fitted = widths.clone();
            fit(&mut fitted, &vec![false; widths.len()], terminal);
            assert_eq!(fitted, expected, "{widths:?} in {terminal}");
        }
    }

    #[test]
    fn times_and_numbers_stay_whole() {
        let mut widths = [27, 30, 20];
        fit(&mut widths, &[true, false, false], 60);
        assert_eq!(widths, [27, 14, 14]);
        let mut widths = [27, 5];
        fit(&mut widths, &[true, false], 10);
        assert_eq!(widths, [27, 5]);
    }

    #[test]
    fn cutting_counts_cells() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本語", 5), "日本…");
    }
}
