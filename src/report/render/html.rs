//! A report as one HTML file that needs nothing else: read on a screen, printed, filed.
//!
//! Everything from events and from users' files goes through `text`. There is no script, and the
//! document's own policy forbids whatever an oversight might let in.

/// Appends formatted text to a string.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {
        $out.push_str(&format!($($arg)*))
    };
}

mod appendix;
mod charts;
mod columns;
mod control;
mod coverage;
mod mark;
mod scale;
mod summary;
mod table;
mod text;

use text::{Count, Data, Paragraphs, Plain, When, ident};

use crate::report::digest::PLACEHOLDER;
use crate::report::made::{Made, MadeControl};

const STYLE: &str = include_str!("html/style.css");

/// A control with the numbers of its statements, which run through the report.
struct Numbered<'a> {
    control: &'a MadeControl,
    /// Of its verdict's statement.
    verdict: Option<usize>,
    /// Of its first evidence.
    evidence: usize,
}

/// Appends the document to `out`.
pub fn html(made: &Made, out: &mut String) {
    let controls = number(&made.controls);
    let title = Plain(&made.title).to_string();
    put!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"generator\" content=\"{}\">\n<title>{}</title>\n<style>\n{STYLE}{}</style>\n\
         </head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the report</a>\n",
        text::Attribute(&made.program),
        text::Attribute(&made.title),
        footer_of_pages(made)
    );
    out.push_str(summary::SHAPES);
    out.push_str("<div class=\"sheet\">\n");
    if !made.summary {
        contents(out, made, &controls);
    }
    out.push_str("<div class=\"document\">\n<header>\n");
    heading(out, made, &title);
    out.push_str("</header>\n<main id=\"main\">\n");
    let from = out.len();
    summary::summary(out, &controls);
    if made.summary {
        // What it leads to is left out.
        let unlinked = text::unlinked(&out.split_off(from));
        out.push_str(&unlinked);
    }
    coverage::coverage(out, made);
    if !made.summary {
        charts::charts(out, made);
        out.push_str("<section class=\"controls\" aria-labelledby=\"controls\">\n");
        out.push_str("<h2 id=\"controls\">Controls and evidence</h2>\n");
        for numbered in &controls {
            control::control(out, numbered);
        }
        out.push_str("</section>\n");
        appendix::queries(out, &controls);
        appendix::checking(out, made);
    }
    put!(
        out,
        "</main>\n<footer><p>{title}. Made {} {} by {} for {}.</p></footer>\n</div>\n</div>\n\
         </body>\n</html>\n",
        When(&made.made_at),
        "UTC",
        Plain(&made.program),
        someone(&made.made_for)
    );
}

fn number(controls: &[MadeControl]) -> Vec<Numbered<'_>> {
    let mut next = 1;
    let mut numbered = Vec::with_capacity(controls.len());
    for control in controls {
        let verdict = control.verdict.as_ref().map(|_| next);
        next += usize::from(verdict.is_some());
        numbered.push(Numbered {
            control,
            verdict,
            evidence: next,
        });
        next += control.evidence.len();
    }
    numbered
}

/// The title and what the report is about, for whom, and of when.
fn heading(out: &mut String, made: &Made, title: &str) {
    let framework = match made.framework.as_str() {
        "" => "Report".to_owned(),
        name => format!("{} {}", Plain(name), Plain(&made.framework_version)),
    };
    put!(
        out,
        "<p class=\"kind\">{}</p>\n<h1>{title}</h1>\n<p class=\"period\">{} to {} {}</p>\n\
         <div class=\"about\">{}</div>\n<dl class=\"facts\">\n",
        framework.trim_end(),
        When(&made.since),
        When(&made.until),
        zone(made),
        Paragraphs(&made.about)
    );
    let mut fact = |name: &str, value: String| {
        let whole = match name.starts_with("SHA-256") || name == "Report" {
            true => " class=\"whole\"",
            false => "",
        };
        put!(out, "<div{whole}><dt>{name}</dt><dd>{value}</dd></div>\n");
    };
    if !made.framework.is_empty() {
        fact("Framework", framework.trim_end().to_owned());
    }
    fact("Made for", someone(&made.made_for));
    fact("Made", format!("{} UTC", When(&made.made_at)));
    fact(
        "Period",
        format!(
            "from {} to before {}; zone {}",
            When(&made.since),
            When(&made.until),
            zone(made)
        ),
    );
    fact("Events examined", Count(made.coverage.events).to_string());
    let names: Vec<String> = made.clusters.iter().take(8).map(cluster_name).collect();
    let more = made.clusters.len().saturating_sub(names.len());
    fact(
        "Clusters",
        match (names.len(), more) {
            (0, _) => "none has events in this period".to_owned(),
            (_, 0) => names.join(", "),
            _ => format!("{} and {} more", names.join(", "), Count(more as u64)),
        },
    );
    for (name, value) in &made.params {
        let name = format!("Parameter <bdi>{}</bdi>", Data(name));
        fact(&name, format!("<bdi>{}</bdi>", Data(value)));
    }
    fact("Made by", Plain(&made.program).to_string());
    fact("Store", format!("<bdi>{}</bdi>", Data(&made.store)));
    fact(
        "Report",
        format!(
            "{}, version {}; SHA-256 of its definition <code>{}</code>",
            Data(&made.name),
            Plain(&made.version),
            Plain(&made.definition_sha256)
        ),
    );
    fact(
        "SHA-256 of this document",
        format!(
            "<code id=\"digest\">{PLACEHOLDER}</code> {}",
            match made.summary {
                true => "Check it with <code>auditql report --verify</code>",
                false => "<a href=\"#checking\">How to check it: Appendix B</a>",
            }
        ),
    );
    out.push_str("</dl>\n");
}

fn cluster_name(cluster: &crate::report::made::ClusterEvents) -> String {
    format!("<bdi>{}</bdi>", Data(&cluster.cluster))
}

fn someone(name: &str) -> String {
    match name {
        "" => "nobody in particular".to_owned(),
        name => format!("<bdi>{}</bdi>", Data(name)),
    }
}

fn zone(made: &Made) -> Plain<'_> {
    Plain(match made.zone.as_str() {
        "" => "UTC",
        zone => zone,
    })
}

/// Beside the document where a screen has room; on paper the table of verdicts leads the way.
fn contents(out: &mut String, made: &Made, controls: &[Numbered<'_>]) {
    put!(
        out,
        "<nav class=\"contents\" aria-label=\"Contents\">\n<ul>\n\
         <li><a href=\"#summary\">{}</a></li>\n\
         <li><a href=\"#coverage\">Coverage and gaps</a></li>\n",
        summary::name(controls)
    );
    if made.charts.is_some() {
        out.push_str("<li><a href=\"#activity\">Activity</a></li>\n");
    }
    out.push_str("<li><a href=\"#controls\">Controls and evidence</a>\n");
    if !controls.is_empty() {
        out.push_str("<ul>\n");
        for Numbered { control, .. } in controls {
            put!(
                out,
                "<li><a href=\"#c-{}\">{}<span><b>{}</b> {}</span></a></li>\n",
                ident(&control.id),
                summary::shape(control.verdict.as_ref()),
                Data(&control.id),
                Data(&control.title)
            );
        }
        out.push_str("</ul>\n");
    }
    out.push_str(
        "</li>\n<li><a href=\"#queries\">Appendix A: queries</a></li>\n\
         <li><a href=\"#checking\">Appendix B: checking</a></li>\n</ul>\n</nav>\n",
    );
}

/// A reference to statement `number`, which a reader of paper finds by its number.
fn statement(anchor: &str, number: usize) -> String {
    format!("<a class=\"q\" href=\"#q-{}\">Q{number}</a>", ident(anchor))
}

/// What stands at the foot of each printed page: the title as a CSS string, page of pages.
fn footer_of_pages(made: &Made) -> String {
    let mut title = String::new();
    for letter in made.title.chars().take(90) {
        match letter {
            ' ' | 'a'..='z' | 'A'..='Z' | '1'..='9' | ':' | ',' | '.' | '-' => title.push(letter),
            _ => title.push_str(&format!("\\{:x} ", u32::from(letter).max(1))),
        }
    }
    format!("@page {{ @bottom-left {{ content: \"{title}\"; }} }}\n")
}
