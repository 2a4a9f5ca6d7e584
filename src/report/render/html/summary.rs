//! Verdicts: their shapes, their counts, and the table of controls.

use super::text::{Count, Cut, Data, ident, in_words_of_time};
use super::{Numbered, statement};
use crate::report::made::{MadeControl, MadeVerdict, Verdict};

/// Letters of a verdict's reason, and of it in the table. It may hold names from events.
pub(super) const WHY_CHARS_MAX: usize = 2000;
const WHY_CHARS_ABREAST: usize = 300;

/// The shapes tell verdicts apart without their colours.
pub(super) const SHAPES: &str = "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\">\n\
<symbol id=\"s-met\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"8\"/>\
<path class=\"in\" d=\"M4.2 8.4l2.6 2.6 5-5.6\"/></symbol>\n\
<symbol id=\"s-not-met\" viewBox=\"0 0 16 16\"><path d=\"M4.7 0h6.6L16 4.7v6.6L11.3 16H4.7L0 11.3V4.7z\"/>\
<path class=\"in\" d=\"M5 5l6 6M11 5l-6 6\"/></symbol>\n\
<symbol id=\"s-unknown\" viewBox=\"0 0 16 16\"><path d=\"M8 .2L15.8 8 8 15.8.2 8z\"/>\
<path class=\"in\" d=\"M8 4v4.6M8 10.6v1.4\"/></symbol>\n\
<symbol id=\"s-finding\" viewBox=\"0 0 16 16\"><path class=\"line\" d=\"M8 2.5v1M8 6.5v7\"/></symbol>\n\
<symbol id=\"s-none\" viewBox=\"0 0 16 16\"><path class=\"line\" d=\"M3 8h10\"/></symbol>\n</svg>\n";

/// The five answers with their class, shape and words, in the order of the counts.
const ANSWERS: [(Option<Verdict>, &str, &str); 5] = [
    (Some(Verdict::NotMet), "not-met", "Not met"),
    (Some(Verdict::NotEnoughData), "unknown", "Not enough data"),
    (Some(Verdict::Met), "met", "Met"),
    (None, "none", "No verdict"),
    (Some(Verdict::Finding), "finding", "Finding"),
];

fn answer(verdict: Option<&MadeVerdict>) -> (&'static str, &'static str) {
    let verdict = verdict.map(|made| made.verdict);
    let (_, class, words) = ANSWERS
        .iter()
        .find(|(answer, ..)| *answer == verdict)
        .expect("every verdict has its line");
    (class, words)
}

/// The shape alone, for lists whose text says the rest; its name is there for who cannot see it.
pub(super) fn shape(verdict: Option<&MadeVerdict>) -> String {
    let (class, words) = answer(verdict);
    format!(
        "<svg class=\"shape {class}\" role=\"img\" aria-label=\"{words}:\"><use href=\"#s-{class}\"/></svg>"
    )
}

/// Shape and words.
pub(super) fn badge(verdict: Option<&MadeVerdict>) -> String {
    let (class, words) = answer(verdict);
    format!(
        "<span class=\"badge {class}\"><svg class=\"shape\" aria-hidden=\"true\"><use href=\"#s-{class}\"/></svg>{words}</span>"
    )
}

/// Whether any control has a verdict.
pub(super) fn any_verdict(controls: &[Numbered<'_>]) -> bool {
    let verdict = |numbered: &Numbered<'_>| numbered.control.verdict.as_ref().map(|v| v.verdict);
    controls
        .iter()
        .any(|numbered| !matches!(verdict(numbered), None | Some(Verdict::Finding)))
}

/// What the section is called.
pub(super) fn name(controls: &[Numbered<'_>]) -> &'static str {
    match controls.is_empty() || any_verdict(controls) {
        true => "Verdicts",
        false => "Controls at a glance",
    }
}

pub(super) fn summary(out: &mut String, controls: &[Numbered<'_>]) {
    if !controls.is_empty() && !any_verdict(controls) {
        glance(out, controls);
        return;
    }
    out.push_str(
        "<section aria-labelledby=\"summary\">\n<h2 id=\"summary\">Verdicts</h2>\n\
         <ul class=\"counts\">\n",
    );
    // A finding is not counted: it judges no control.
    for (verdict, class, words) in &ANSWERS[..4] {
        let count = controls
            .iter()
            .filter(|numbered| {
                numbered.control.verdict.as_ref().map(|made| made.verdict) == *verdict
            })
            .count();
        put!(
            out,
            "<li class=\"{class}\"><b>{}</b> <span><svg class=\"shape {class}\" aria-hidden=\"true\">\
             <use href=\"#s-{class}\"/></svg>{words}</span></li>\n",
            Count(count as u64)
        );
    }
    out.push_str("</ul>\n");
    if controls.is_empty() {
        out.push_str("<p>This report has no controls.</p>\n</section>\n");
        return;
    }
    out.push_str(
        "<p class=\"note\">A verdict is what a statement over the recorded events gives; its number \
         leads to the statement. <b>No verdict</b> means that events cannot decide: the evidence is \
         for a person to judge.</p>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Controls and verdicts\">\n\
         <table class=\"verdicts\"><caption>Controls and verdicts</caption>\n<thead><tr>\
         <th scope=\"col\">Control</th><th scope=\"col\">Verdict</th><th scope=\"col\">Why</th>\
         <th scope=\"col\">Evidence rows</th></tr></thead>\n<tbody>\n",
    );
    for Numbered {
        control,
        verdict,
        evidence,
    } in controls
    {
        put!(
            out,
            "<tr><th scope=\"row\"><a href=\"#c-{}\"><b class=\"id\">{}</b> {}</a></th><td>{}",
            ident(&control.id),
            Data(&control.id),
            Data(&control.title),
            badge(control.verdict.as_ref())
        );
        let made = control.verdict.as_ref();
        if let (Some(made), Some(number)) = (made, verdict) {
            put!(out, " {}", statement(&made.anchor, *number));
        }
        out.push_str("</td><td>");
        match made {
            Some(made) => put!(
                out,
                "<bdi>{}</bdi>",
                Cut(&in_words_of_time(&made.why), WHY_CHARS_ABREAST)
            ),
            None => out.push_str("For a person to judge."),
        }
        out.push_str("</td>");
        counts_of(out, control, *evidence);
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n</section>\n");
}

/// The controls of a report without verdicts, with the rows of their evidence.
fn glance(out: &mut String, controls: &[Numbered<'_>]) {
    let found = controls.iter().any(|numbered| numbered.verdict.is_some());
    put!(
        out,
        "<section aria-labelledby=\"summary\">\n<h2 id=\"summary\">{}</h2>\n\
         <p class=\"note\">This report gives no verdicts: the evidence is for a person to judge.</p>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Controls\">\n\
         <table class=\"verdicts none\"><caption>Controls and their evidence</caption>\n<thead><tr>\
         <th scope=\"col\">Control</th>{}<th scope=\"col\">Evidence rows</th></tr></thead>\n<tbody>\n",
        name(controls),
        if found {
            "<th scope=\"col\">In short</th>"
        } else {
            ""
        }
    );
    for Numbered {
        control,
        verdict,
        evidence,
    } in controls
    {
        put!(
            out,
            "<tr><th scope=\"row\"><a href=\"#c-{}\"><b class=\"id\">{}</b> {}</a></th>",
            ident(&control.id),
            Data(&control.id),
            Data(&control.title)
        );
        if found {
            out.push_str("<td>");
            if let (Some(made), Some(number)) = (&control.verdict, verdict) {
                put!(
                    out,
                    "<bdi>{}</bdi> {}",
                    Cut(&in_words_of_time(&made.why), WHY_CHARS_ABREAST),
                    statement(&made.anchor, *number)
                );
            }
            out.push_str("</td>");
        }
        counts_of(out, control, *evidence);
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n</section>\n");
}

/// A cell with how many rows each piece of evidence has; `first` is the number of the first one's
/// statement.
fn counts_of(out: &mut String, control: &MadeControl, first: usize) {
    out.push_str("<td class=\"counts-of\">");
    for (at, made) in control.evidence.iter().enumerate() {
        put!(
            out,
            "<span><a href=\"#q-{}\">{}{}<span class=\"q\">Q{}</span></a></span> ",
            ident(&made.anchor),
            Count(made.row_count),
            if made.truncated { "+ " } else { " " },
            first + at
        );
    }
    if control.evidence.is_empty() {
        out.push_str("none");
    }
    out.push_str("</td>");
}
