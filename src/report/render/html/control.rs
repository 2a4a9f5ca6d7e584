//! One control: what it demands, the verdict and why, the evidence, and what events cannot prove.

use super::summary::{WHY_CHARS_MAX, badge};
use super::table::table;
use super::text::{Count, Cut, Data, Paragraphs, Plain, file_link, ident, in_words_of_time};
use super::{Numbered, statement};
use crate::report::made::{MadeEvidence, Verdict};

pub(super) fn control(out: &mut String, numbered: &Numbered<'_>) {
    let control = numbered.control;
    let id = ident(&control.id);
    put!(
        out,
        "<article class=\"control\" aria-labelledby=\"c-{id}\">\n<div class=\"head\">\n\
         <h3 id=\"c-{id}\"><span class=\"id\">{}</span> {}</h3>\n",
        Data(&control.id),
        Data(&control.title)
    );
    out.push_str("<dl class=\"terms\">\n");
    if !control.demands.trim().is_empty() {
        put!(
            out,
            "<div><dt>Demands</dt><dd>{}</dd></div>\n",
            Paragraphs(&control.demands)
        );
    }
    match (&control.verdict, numbered.verdict) {
        (Some(made), Some(number)) => put!(
            out,
            "<div id=\"{}\"><dt>{}</dt><dd><p>{} {}</p><p><bdi>{}</bdi></p></dd></div>\n",
            ident(&made.anchor),
            match made.verdict {
                Verdict::Finding => "In short",
                _ => "Verdict",
            },
            badge(Some(made)),
            statement(&made.anchor, number),
            Cut(&in_words_of_time(&made.why), WHY_CHARS_MAX)
        ),
        _ => put!(
            out,
            "<div><dt>Verdict</dt><dd><p>{}</p><p>Events alone cannot decide this; the evidence is \
             for a person to judge.</p></dd></div>\n",
            badge(None)
        ),
    }
    if !control.cannot_prove.trim().is_empty() {
        put!(
            out,
            "<div class=\"limits\"><dt>Events cannot prove</dt><dd>{}</dd></div>\n",
            Paragraphs(&control.cannot_prove)
        );
    }
    out.push_str("</dl>\n</div>\n");
    if control.evidence.is_empty() {
        out.push_str("<p class=\"note\">This control has no query of its own.</p>\n");
    }
    for (at, made) in control.evidence.iter().enumerate() {
        evidence(out, made, numbered.evidence + at);
    }
    out.push_str("</article>\n");
}

fn evidence(out: &mut String, made: &MadeEvidence, number: usize) {
    let id = ident(&made.anchor);
    put!(
        out,
        "<section class=\"evidence\" id=\"{id}\" aria-labelledby=\"t-{id}\">\n\
         <div class=\"start\">\n<h4 id=\"t-{id}\">{}</h4>\n\
         <div class=\"answers\">{}</div>\n</div>\n",
        Data(&made.title),
        Paragraphs(&made.answers)
    );
    let shown = made.rows.len() as u64;
    let rows = format!(
        "<a class=\"rows-of\" href=\"#q-{id}\">{}{} {}</a> <a class=\"q\" href=\"#q-{id}\">Q{number}</a>",
        if made.truncated { "at least " } else { "" },
        Count(made.row_count),
        if made.row_count == 1 { "row" } else { "rows" },
    );
    if made.rows.is_empty() {
        put!(
            out,
            "<p class=\"norows\">{rows}: {}</p>\n",
            match made.row_count {
                0 => "nothing recorded in this period matches.",
                _ => "none is shown here.",
            }
        );
    } else {
        let caption = match shown < made.row_count {
            true => format!("The first {} of {rows}", Count(shown)),
            false => rows,
        };
        table(
            out,
            &format!("Rows: {}", made.title),
            &caption,
            &made.columns,
            &made.rows,
        );
    }
    whereabouts(out, made, shown);
    if !made.cannot_see.trim().is_empty() {
        put!(
            out,
            "<div class=\"note limits\"><b class=\"label\">Cannot see</b> {}</div>\n",
            Paragraphs(&made.cannot_see)
        );
    }
    out.push_str("</section>\n");
}

/// Where the rows are that the table leaves out.
fn whereabouts(out: &mut String, made: &MadeEvidence, shown: u64) {
    if made.truncated {
        put!(
            out,
            "<p class=\"note warn\"><b>A limit was reached after {} rows: there are more.</b> Ask for \
             a shorter period to see them all.</p>\n",
            Count(made.row_count)
        );
    }
    let all = if made.truncated {
        "those that were counted"
    } else {
        "all"
    };
    if let Some(file) = &made.file {
        put!(
            out,
            "<p class=\"note\">{} of {} rows{}; {all} in <a href=\"{}\">{}</a>",
            Count(shown),
            Count(made.row_count),
            if shown < made.row_count {
                ""
            } else {
                ", long values cut"
            },
            file_link(file),
            Data(file)
        );
        if let Some(sha256) = &made.file_sha256 {
            put!(out, " (SHA-256 <code>{}</code>)", Plain(sha256));
        }
        out.push_str(".</p>\n");
    } else if shown < made.row_count || made.truncated {
        put!(
            out,
            "<p class=\"note\">{} of {} rows; this gives {all}: <code>{}</code></p>\n",
            Count(shown),
            Count(made.row_count),
            Data(&made.command)
        );
    }
}
