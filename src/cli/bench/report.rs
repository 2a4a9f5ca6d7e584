//! The figures, beside what they are measured against.

use std::io::Write;

use serde::Serialize;

use super::super::print;

/// One measured figure.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub part: &'static str,
    pub what: String,
    pub value: f64,
    pub unit: &'static str,
    /// Such as the size of an answer; empty without one.
    pub note: String,
    /// The goals of the project, as set for a million events of 2.4 KB (questions: ten million) on
    /// two cores; empty without one.
    pub at_least: &'static str,
    pub aim: &'static str,
}

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub version: &'static str,
    pub cores: usize,
    pub events: u64,
    pub bytes_per_event: f64,
    pub figures: Vec<Figure>,
}

impl Report {
    pub(super) fn add(&mut self, part: &'static str, what: &str, value: f64, unit: &'static str) {
        self.add_noted(part, what, value, unit, String::new());
    }

    pub(super) fn add_noted(
        &mut self,
        part: &'static str,
        what: &str,
        value: f64,
        unit: &'static str,
        note: String,
    ) {
        let (at_least, aim) = goal(part, what);
        // Progress: a run takes minutes.
        print::say(&format!("{part}: {what}: {} {unit} {note}", number(value)));
        self.figures.push(Figure {
            part,
            what: what.to_owned(),
            value,
            unit,
            note,
            at_least,
            aim,
        });
    }

    pub(super) fn write(&self, out: &mut impl Write, json: bool) -> anyhow::Result<()> {
        if json {
            serde_json::to_writer_pretty(&mut *out, self)?;
            writeln!(out)?;
            return Ok(out.flush()?);
        }
        writeln!(
            out,
            "auditql {}, {} cores, {} events of {} bytes\n",
            self.version,
            self.cores,
            number(self.events as f64),
            number(self.bytes_per_event)
        )?;
        writeln!(
            out,
            "| part | what | measured | unit | at least | aim | |\n|---|---|---:|---|---|---|---|"
        )?;
        for figure in &self.figures {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                figure.part,
                figure.what,
                number(figure.value),
                figure.unit,
                figure.at_least,
                figure.aim,
                figure.note
            )?;
        }
        Ok(out.flush()?)
    }
}

/// What is at least to be reached, and what is aimed at.
fn goal(part: &str, what: &str) -> (&'static str, &'static str) {
    match (part, what) {
        ("import", "rate") => ("50,000", "80,000"),
        ("import" | "webhook", "peak resident memory") => ("300", "150"),
        ("webhook", "rate") => ("30,000", "50,000"),
        ("webhook", "wait, 99 %") => ("500", ""),
        ("import" | "webhook", "stored") => ("320", "220"),
        ("bodies", "peak resident memory") => ("1,024", "500"),
        ("export", "jsonl" | "query -o jsonl") => ("200,000", "500,000"),
        ("export", "peak resident memory") => ("100", ""),
        ("live", _) => ("200", ""),
        ("growth", "last rate / first rate") => ("0.9", "1.0"),
        (
            "query",
            "who deleted an object"
            | "all by a user in an hour"
            | "who read secrets in a namespace"
            | "one event by auditID, with its body",
        ) => ("10", "3"),
        ("query", "count by verb, in SQL") => ("3,000", "1,000"),
        ("query", "events of one minute, in SQL") => ("20", "5"),
        ("query", "a text only in a request body") => ("15,000", "5,000"),
        _ => ("", ""),
    }
}

/// Three digits that count, whole numbers grouped.
fn number(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 {
        super::super::stats::grouped(value.round() as u64)
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        for (value, text) in [
            (1_234_567.4, "1,234,567"),
            (99.96, "100.0"),
            (12.34, "12.3"),
            (0.456, "0.46"),
            (3.0, "3"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn tables_show_goals_and_json_is_json() {
        let mut report = Report {
            version: "0",
            cores: 2,
            events: 1000,
            bytes_per_event: 2384.0,
            figures: Vec::new(),
        };
        report.add("import", "rate", 60_000.0, "events/s");
        let mut out = Vec::new();
        report.write(&mut out, false).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("| import | rate | 60,000 | events/s | 50,000 | 80,000 |  |"),
            "{text}"
        );
        let mut out = Vec::new();
        report.write(&mut out, true).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["figures"][0]["value"], 60_000.0);
    }
}
