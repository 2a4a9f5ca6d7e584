//! What a reader needs to repeat the report and to check it.

use std::collections::{HashMap, HashSet};

use super::text::{Attribute, Count, Data, Plain, file_link, ident};
use super::{Numbered, statement};
use crate::report::made::{Made, MadeEvidence, MadeVerdict};

/// Texts of statements with the anchor and number of the first that has it.
type Texts<'a> = HashMap<&'a str, (&'a str, usize)>;

/// Every statement with what was bound to it and how to run it again.
pub(super) fn queries<'a>(out: &mut String, controls: &'a [Numbered<'a>]) {
    out.push_str(
        "<section class=\"appendix statements\" aria-labelledby=\"queries\">\n\
         <h2 id=\"queries\">Appendix A: queries</h2>\n\
         <p>Each number in this report comes from one of these statements, over the tables that \
         <code>.schema</code> in <code>auditql sql</code> describes.</p>\n<div>\n",
    );
    let mut texts = Texts::default();
    for numbered in controls {
        let control = numbered.control;
        if let (Some(verdict), Some(number)) = (&control.verdict, numbered.verdict) {
            of_verdict(out, &mut texts, &control.id, verdict, number);
        }
        for (at, evidence) in control.evidence.iter().enumerate() {
            of_evidence(
                out,
                &mut texts,
                &control.id,
                evidence,
                numbered.evidence + at,
            );
        }
    }
    out.push_str("</div>\n</section>\n");
}

fn of_verdict<'a>(
    out: &mut String,
    texts: &mut Texts<'a>,
    id: &str,
    verdict: &'a MadeVerdict,
    number: usize,
) {
    begin(out, &verdict.anchor, number, "verdict");
    put!(
        out,
        "<p class=\"origin\">Gives <a href=\"#{}\">the verdict of {}</a>: 1 row.</p>\n",
        ident(&verdict.anchor),
        Data(id)
    );
    text_of(out, texts, &verdict.sql, &verdict.anchor, number);
    bound_to(out, &verdict.bound);
    again(
        out,
        "To repeat it, with the statement on stdin",
        &verdict.command,
    );
    out.push_str("</article>\n");
}

fn of_evidence<'a>(
    out: &mut String,
    texts: &mut Texts<'a>,
    id: &str,
    evidence: &'a MadeEvidence,
    number: usize,
) {
    begin(out, &evidence.anchor, number, &evidence.query);
    put!(
        out,
        "<p class=\"origin\">Gives <a href=\"#{}\">“{}” of {}</a>: {}{} {}.</p>\n",
        ident(&evidence.anchor),
        Data(&evidence.title),
        Data(id),
        if evidence.truncated { "at least " } else { "" },
        Count(evidence.row_count),
        if evidence.row_count == 1 {
            "row"
        } else {
            "rows"
        },
    );
    text_of(out, texts, &evidence.sql, &evidence.anchor, number);
    bound_to(out, &evidence.bound);
    again(out, "To repeat it", &evidence.command);
    out.push_str("</article>\n");
}

fn begin(out: &mut String, anchor: &str, number: usize, name: &str) {
    let anchor = ident(anchor);
    put!(
        out,
        "<article class=\"query\" aria-labelledby=\"q-{anchor}\">\n\
         <h3 id=\"q-{anchor}\"><span class=\"id\">Q{number}</span> {}</h3>\n",
        Data(name)
    );
}

/// The text, whose lines stay lines; of a text that was there already, where.
fn text_of<'a>(
    out: &mut String,
    texts: &mut Texts<'a>,
    sql: &'a str,
    anchor: &'a str,
    number: usize,
) {
    if let Some((anchor, first)) = texts.get(sql) {
        put!(
            out,
            "<p class=\"origin\">Its text is that of {}.</p>\n",
            statement(anchor, *first)
        );
        return;
    }
    texts.insert(sql, (anchor, number));
    out.push_str("<pre class=\"sql\"><code>");
    code(out, sql.trim_matches(['\n', '\r']));
    out.push_str("</code></pre>\n");
}

fn bound_to(out: &mut String, bound: &[(String, Option<String>)]) {
    if bound.is_empty() {
        return;
    }
    out.push_str("<dl class=\"bound\">\n");
    for (name, value) in bound {
        put!(out, "<div><dt>:{}</dt><dd>", Data(name));
        match value.as_deref() {
            None => out.push_str("<i class=\"null\">NULL</i>"),
            Some("") => out.push_str("<i class=\"null\">empty text</i>"),
            Some(value) => put!(out, "<bdi>{}</bdi>", Data(value)),
        }
        out.push_str("</dd></div>\n");
    }
    out.push_str("</dl>\n");
}

fn again(out: &mut String, how: &str, command: &str) {
    if !command.is_empty() {
        put!(
            out,
            "<p class=\"label\">{how}</p>\n<pre class=\"command\"><code>"
        );
        code(out, command);
        out.push_str("</code></pre>\n");
    }
}

fn code(out: &mut String, text: &str) {
    for (at, line) in text.lines().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        put!(out, "{}", Plain(line));
    }
}

/// How somebody else checks that nothing was changed.
pub(super) fn checking(out: &mut String, made: &Made) {
    let name = format!("{}.html", stem(made));
    put!(
        out,
        "<section class=\"appendix\" aria-labelledby=\"checking\">\n\
         <h2 id=\"checking\">Appendix B: checking this report</h2>\n\
         <p>The <a href=\"#digest\">SHA-256 in the document’s head</a> is that of the document’s bytes \
         with these 64 digits as zeros. This checks the document and the files beside it:</p>\n\
         <pre class=\"command\"><code>auditql report --verify {}</code></pre>\n\
         <p>So does any system with a shell: both lines that this prints must be the same.</p>\n\
         <pre class=\"command\"><code>f={}\n\
         h=$(sed -n &#39;s/.*id=&quot;digest&quot;&gt;\\([0-9a-f]*\\).*/\\1/p&#39; &quot;$f&quot;)\n\
         echo &quot;$h  -&quot;; sed &quot;s/$h/$(printf %064d 0)/g&quot; &quot;$f&quot; | sha256sum</code></pre>\n",
        Plain(&quoted(&name)),
        Plain(&quoted(&name))
    );
    files(out, made);
    out.push_str(
        "<p>That shows that the document is as it was made, not that the store told the truth. The \
         statements of Appendix A, asked again of the store, show that.</p>\n</section>\n",
    );
}

/// How the document's name begins.
fn stem(made: &Made) -> &str {
    match made.stem.as_str() {
        "" => &made.name,
        stem => stem,
    }
}

/// The files beside the document, which hold all rows.
fn files(out: &mut String, made: &Made) {
    // Controls that ask the same share a file.
    let mut seen = HashSet::new();
    let files: Vec<(&MadeEvidence, &str)> = made
        .controls
        .iter()
        .flat_map(|control| &control.evidence)
        .filter_map(|evidence| Some((evidence, evidence.file.as_deref()?)))
        .filter(|(_, file)| seen.insert(*file))
        .collect();
    if files.is_empty() {
        return;
    }
    let label = "Files beside this document";
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n\
         <table class=\"files\"><caption>{label}</caption>\n<thead><tr><th scope=\"col\">File</th>\
         <th scope=\"col\" class=\"n\">Rows</th><th scope=\"col\">SHA-256</th></tr></thead>\n<tbody>\n",
        Attribute(label)
    );
    for (evidence, file) in files {
        put!(
            out,
            "<tr><th scope=\"row\"><a href=\"{}\">{}</a></th><td class=\"n\">{}</td>\
             <td><code>{}</code></td></tr>\n",
            file_link(file),
            Data(file),
            Count(evidence.row_count),
            Plain(evidence.file_sha256.as_deref().unwrap_or("not known"))
        );
    }
    out.push_str("</tbody></table></div>\n");
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
