//! A report as Markdown (GitHub's, for its tables). Text of events stands in code spans, where
//! nothing is markup; what a code span cannot hold is written as character references.

mod statements;

use std::fmt::Write as _;

use crate::model::value::Value;
use crate::query::output::{plain, visible};
use crate::report::digest::PLACEHOLDER;
use crate::report::made::{Made, MadeControl, MadeEvidence, Step};

pub(super) fn write(made: &Made, out: &mut String) {
    // Memory takes everything.
    let _ = document(made, out);
}

fn document(made: &Made, out: &mut String) -> std::fmt::Result {
    writeln!(out, "# {}\n", prose(&made.title))?;
    writeln!(out, "{}\n", prose(&made.about))?;
    writeln!(out, "| | |\n|---|---|")?;
    let framework = format!("{} {}", made.framework, made.framework_version);
    for (name, value) in [
        ("SHA-256 of this document", code(PLACEHOLDER)),
        (
            "Report",
            prose(&format!("{}, version {}", made.name, made.version)),
        ),
        ("Framework", prose(framework.trim())),
        ("From", made.since.clone()),
        ("Until", format!("{} (not included)", made.until)),
        ("Time zone", made.zone.clone()),
        ("Made at", made.made_at.clone()),
        ("Made for", code(&made.made_for)),
        ("Made by", prose(&made.program)),
        ("Store", code(&made.store)),
        ("SHA-256 of its definition", code(&made.definition_sha256)),
    ] {
        if !value.is_empty() {
            writeln!(out, "| {name} | {value} |")?;
        }
    }
    for (name, value) in &made.params {
        writeln!(out, "| {} | {} |", prose(name), code(value))?;
    }
    summary(made, out)?;
    coverage(made, out)?;
    if !made.summary {
        charts(made, out)?;
        writeln!(out, "\n## Controls")?;
        for control in &made.controls {
            one_control(control, out)?;
        }
        statements::write(made, out)?;
    }
    writeln!(out, "\n## How to check this document\n")?;
    writeln!(
        out,
        "Its SHA-256 is that of its own bytes with these 64 digits replaced by zeros: `h=DIGEST; \
         sed \"s/$h/$(printf '0%.0s' $(seq 64))/g\" FILE | sha256sum`, or `auditql report --verify \
         FILE`, which checks the files beside it too."
    )
}

fn summary(made: &Made, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "\n## Summary\n\n| control | | verdict | why |\n|---|---|---|---|"
    )?;
    for control in &made.controls {
        let (verdict, why) = match &control.verdict {
            Some(verdict) => (verdict.verdict.words(), prose(&verdict.why)),
            None => ("evidence only", String::new()),
        };
        writeln!(
            out,
            "| {} | {} | {verdict} | {why} |",
            prose(&control.id),
            prose(&control.title)
        )?;
    }
    Ok(())
}

fn coverage(made: &Made, out: &mut String) -> std::fmt::Result {
    let coverage = &made.coverage;
    writeln!(out, "\n## What the store could see\n")?;
    for note in &coverage.notes {
        writeln!(out, "- {}", prose(note))?;
    }
    if !coverage.notes.is_empty() {
        out.push('\n');
    }
    writeln!(out, "| | |\n|---|---|")?;
    for (name, value) in [
        ("Events in the time range", coverage.events.to_string()),
        (
            "Hours covered",
            format!("{} of {}", coverage.covered_hours, coverage.hours),
        ),
        (
            "Hours before the first event",
            coverage.before_hours.to_string(),
        ),
        ("Events with bodies cut off", coverage.truncated.to_string()),
        ("Items in quarantine", coverage.quarantined.to_string()),
        ("Events removed by retention", coverage.pruned.to_string()),
        (
            "Damaged segments left out",
            coverage.damaged.len().to_string(),
        ),
        (
            "Oldest event of the store",
            coverage.oldest.clone().unwrap_or_default(),
        ),
        (
            "Newest event of the store",
            coverage.newest.clone().unwrap_or_default(),
        ),
    ] {
        writeln!(out, "| {name} | {value} |")?;
    }
    writeln!(
        out,
        "\n| cluster | events | oldest | newest |\n|---|---:|---|---|"
    )?;
    for cluster in &made.clusters {
        let time = |text: &Option<String>| text.clone().unwrap_or_default();
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            code(&cluster.cluster),
            cluster.events,
            time(&cluster.oldest),
            time(&cluster.newest)
        )?;
    }
    counts(out, ("level", "events"), &coverage.levels)?;
    if !coverage.silent.is_empty() {
        writeln!(
            out,
            "\n| silent cluster | from | until | hours |\n|---|---|---|---:|"
        )?;
    }
    for silence in &coverage.silent {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            code(&silence.cluster),
            silence.from,
            silence.until,
            silence.hours
        )?;
    }
    Ok(())
}

fn charts(made: &Made, out: &mut String) -> std::fmt::Result {
    let Some(charts) = &made.charts else {
        return Ok(());
    };
    writeln!(out, "\n## Events over time")?;
    counts(out, ("user", "events"), &charts.actors)?;
    counts(out, ("refused or failed", "requests"), &charts.failures)?;
    writeln!(
        out,
        "\n| from | events | requests that succeeded | refused or failed | hours without events |\n|---|---:|---:|---:|---:|"
    )?;
    for step in &charts.steps {
        let remark = match step {
            Step { pruned: true, .. } => " (pruned)",
            Step { before: true, .. } => " (before the first event of the store)",
            _ => "",
        };
        writeln!(
            out,
            "| {}{remark} | {} | {} | {} | {} |",
            step.from, step.events, step.succeeded, step.failures, step.silent_hours
        )?;
    }
    Ok(())
}

fn counts(
    out: &mut String,
    (name, of): (&str, &str),
    counts: &[(String, u64)],
) -> std::fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| {name} | {of} |\n|---|---:|")?;
    for (text, events) in counts {
        writeln!(out, "| {} | {events} |", code(text))?;
    }
    Ok(())
}

fn one_control(control: &MadeControl, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "\n### {} {}\n",
        prose(&control.id),
        prose(&control.title)
    )?;
    writeln!(out, "**Demands:** {}\n", prose(&control.demands))?;
    if let Some(verdict) = &control.verdict {
        writeln!(
            out,
            "<a id=\"{0}\"></a>**Verdict: {1}.** {2} ([statement](#{0}-statement))\n",
            verdict.anchor,
            verdict.verdict.words(),
            prose(&verdict.why)
        )?;
    }
    writeln!(
        out,
        "**Events cannot prove:** {}",
        prose(&control.cannot_prove)
    )?;
    for evidence in &control.evidence {
        one_evidence(evidence, out)?;
    }
    Ok(())
}

fn one_evidence(evidence: &MadeEvidence, out: &mut String) -> std::fmt::Result {
    let anchor = &evidence.anchor;
    writeln!(
        out,
        "\n#### <a id=\"{anchor}\"></a>{}\n",
        prose(&evidence.title)
    )?;
    writeln!(out, "{}\n", prose(&evidence.answers))?;
    writeln!(out, "Cannot see: {}\n", prose(&evidence.cannot_see))?;
    let more = if evidence.truncated { " or more" } else { "" };
    writeln!(
        out,
        "Rows: [{}{more}](#{anchor}-statement)",
        evidence.row_count
    )?;
    if !evidence.rows.is_empty() {
        out.push_str("\n|");
        for column in &evidence.columns {
            write!(out, " {} |", prose(&column.name.replace('_', " ")))?;
        }
        out.push_str("\n|");
        for _ in &evidence.columns {
            out.push_str("---|");
        }
        out.push('\n');
    }
    for row in &evidence.rows {
        out.push('|');
        for value in row {
            write!(out, " {} |", cell(value))?;
        }
        out.push('\n');
    }
    if let (Some(file), Some(hash)) = (&evidence.file, &evidence.file_sha256) {
        writeln!(out, "\nAll rows: [{file}]({file}), SHA-256 {hash}")?;
    } else if evidence.row_count > evidence.rows.len() as u64 {
        writeln!(out, "\nOnly the first rows are shown.")?;
    }
    Ok(())
}

/// A block of code; its fence is longer than any in the text.
fn fenced(text: &str, out: &mut String) -> std::fmt::Result {
    let mut longest = 2;
    let mut run = 0;
    for letter in text.chars() {
        run = if letter == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    writeln!(out, "\n{fence}text")?;
    for line in text.lines() {
        writeln!(out, "{}", visible(line))?;
    }
    writeln!(out, "{fence}")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Int(_) | Value::Real(_) | Value::Time(_) => plain(value).unwrap_or_default(),
        Value::Text(text) | Value::Json(text) => code(text),
        Value::Bytes(_) => code(&plain(value).unwrap_or_default()),
    }
}

/// Text of an event as a code span; as references where a code span of a table cannot hold it.
fn code(text: &str) -> String {
    let text = visible(text);
    if text.trim().is_empty() {
        return String::new();
    }
    match text.contains(['`', '|']) || text.starts_with(' ') || text.ends_with(' ') {
        true => references(&text),
        false => format!("`{text}`"),
    }
}

/// Text in which every sign is a character reference, which is never markup. An address would still
/// be made a link, so its parts are kept apart.
fn references(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        match letter {
            '@' => escaped.push_str("<!---->&#64;"),
            letter if letter.is_ascii_alphanumeric() || !letter.is_ascii() => escaped.push(letter),
            ' ' => escaped.push(' '),
            letter => {
                let _ = write!(escaped, "&#{};", u32::from(letter));
            }
        }
    }
    escaped
}

/// A sentence: nothing in it is markup, and it reads as it is.
fn prose(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut rest = visible(&text).into_owned();
    // Without these no address is made a link.
    for (plain, apart) in [("://", ":&#47;&#47;"), ("www.", "www&#46;"), ("@", "\u{1}")] {
        rest = rest.replace(plain, &apart.replace('&', "\u{2}"));
    }
    for letter in rest.chars() {
        match letter {
            '\u{1}' => escaped.push_str("<!---->&#64;"),
            '\u{2}' => escaped.push('&'),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_events_is_never_markup() {
        for (text, written) in [
            ("system:kube-proxy", "`system:kube-proxy`"),
            ("<script>alert(1)</script>", "`<script>alert(1)</script>`"),
            ("[x](http://evil)", "`[x](http://evil)`"),
            ("a`b", "a&#96;b"),
            ("a\\|b", "a&#92;&#124;b"),
            ("a|b <b>", "a&#124;b &#60;b&#62;"),
            ("|me@evil.example", "&#124;me<!---->&#64;evil&#46;example"),
            ("line\nbreak", "`line\\nbreak`"),
            ("\u{202e}gpj", "`\\u{202e}gpj`"),
            ("", ""),
        ] {
            assert_eq!(code(text), written);
        }
    }

    #[test]
    fn a_sentence_is_never_markup_either() {
        for (text, written) in [
            ("10 of 20 requests", "10 of 20 requests"),
            ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
            (
                "[x](javascript:y) & *z*",
                r"\[x\](javascript:y) &amp; \*z\*",
            ),
            ("see http://evil", "see http:&#47;&#47;evil"),
            ("a@b.c | x", r"a<!---->&#64;b.c \| x"),
            ("one\n\n# two", "one # two"),
        ] {
            assert_eq!(prose(text), written);
        }
    }

    #[test]
    fn a_fence_is_longer_than_any_in_the_text() {
        let mut out = String::new();
        fenced("select 1 -- ````\n```", &mut out).unwrap();
        assert_eq!(out, "\n`````text\nselect 1 -- ````\n```\n`````\n");
    }
}
