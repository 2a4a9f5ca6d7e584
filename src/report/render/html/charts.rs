//! Charts as inline SVG. Widths are in per cent, so that they fit any screen and page while their
//! letters keep their size.

use super::mark::{Mark, mark};
use super::scale::{scale, short};
use super::text::{Attribute, Count, Cut, Plain, When};
use super::zone;
use crate::report::figures::{percent, plural};
use crate::report::made::{Charts, Made, Step};

/// Pixels: the strip above the bars for the names of gaps, the bars, the strip below for times.
const STRIP: f64 = 20.0;
const HEIGHT: f64 = 150.0;
const TIMES: f64 = 24.0;

/// A bar of something is never lower, so that one failure among a million events is seen.
const LOWEST: f64 = 1.5;

/// Per cent of the width that the name of a gap takes on the narrowest screen.
const NAME_ROOM: f64 = 15.0;

/// Letters of a name beside a bar.
const NAME_CHARS_MAX: usize = 120;

pub(super) fn charts(out: &mut String, made: &Made) {
    let Some(charts) = &made.charts else {
        return;
    };
    out.push_str(
        "<section class=\"activity\" aria-labelledby=\"activity\">\n\
         <h2 id=\"activity\">Activity</h2>\n",
    );
    over_time(out, made, charts);
    out.push_str("<div class=\"pair\">\n");
    bars(
        out,
        "Requests that were refused or failed, by outcome",
        "Outcome",
        "Requests",
        "bad",
        &charts.failures,
    );
    bars(
        out,
        "Users with the most events",
        "User",
        "Events",
        "good",
        &charts.actors,
    );
    out.push_str("</div>\n</section>\n");
}

fn over_time(out: &mut String, made: &Made, charts: &Charts) {
    let every = every(charts.step_seconds);
    put!(
        out,
        "<figure class=\"chart\">\n<figcaption><b>Events {every} <small>{}</small></b>",
        zone(made)
    );
    if charts.steps.iter().all(|step| step.events == 0) {
        out.push_str(": there are none in this period.</figcaption>\n</figure>\n");
        return;
    }
    let words = in_words(charts, &every);
    put!(
        out,
        " <span class=\"key\"><i class=\"good\"></i>requests that succeeded</span> \
         <span class=\"key\"><i class=\"bad\"></i>requests refused or failed</span> \
         <span class=\"key\"><i class=\"other\"></i>other stages of requests</span>"
    );
    for wanted in [Mark::Before, Mark::Gap, Mark::Pruned] {
        if charts.steps.iter().any(|step| mark(step) == Some(wanted)) {
            put!(
                out,
                " <span class=\"key\"><svg width=\"16\" height=\"12\" aria-hidden=\"true\">\
                 <rect class=\"edge\" x=\".5\" y=\".5\" width=\"15\" height=\"11\" fill=\"url(#{})\"/>\
                 </svg>{}: {}</span>",
                wanted.pattern(),
                wanted.name(),
                wanted.meaning()
            );
        }
    }
    put!(
        out,
        "</figcaption>\n<div class=\"plot\" role=\"img\" aria-label=\"{}\">\n",
        Attribute(&words)
    );
    plot(out, charts);
    put!(out, "</div>\n<p class=\"note\">{}</p>\n", Plain(&words));
    figures(out, made, charts, &every);
    out.push_str("</figure>\n");
}

/// The axis and the bars.
fn plot(out: &mut String, charts: &Charts) {
    let most = charts.steps.iter().map(|step| step.events).max();
    let (top, lines) = scale(most.unwrap_or(0));
    let y = |events: f64| STRIP + HEIGHT * (1.0 - events / top as f64);
    let whole = STRIP + HEIGHT + TIMES;
    put!(
        out,
        "<svg class=\"axis\" width=\"46\" height=\"{whole}\" aria-hidden=\"true\">"
    );
    for line in 0..=lines {
        let value = top / lines * line;
        put!(
            out,
            "<text x=\"40\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            y(value as f64) + 4.0,
            short(value)
        );
    }
    put!(
        out,
        "</svg>\n<svg class=\"bars\" width=\"100%\" height=\"{whole}\" aria-hidden=\"true\">\n<defs>\
         <pattern id=\"gap\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M0 0v6\"/></pattern>\
         <pattern id=\"pruned\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
         <circle class=\"dot\" cx=\"1.5\" cy=\"1.5\" r=\"1\"/></pattern>\
         <pattern id=\"before\" width=\"9\" height=\"9\" patternUnits=\"userSpaceOnUse\">\
         <rect class=\"unknown\" width=\"9\" height=\"9\"/></pattern></defs>\n"
    );
    for line in 0..=lines {
        put!(
            out,
            "<line class=\"{}\" x1=\"0\" x2=\"100%\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            if line == 0 { "base" } else { "grid" },
            at = y((top / lines * line) as f64)
        );
    }
    out.push('\n');
    marks(out, &charts.steps);
    let wide = 100.0 / charts.steps.len() as f64;
    for (at, step) in charts.steps.iter().enumerate() {
        if step.events == 0 {
            continue;
        }
        let tall = |events: u64| match events {
            0 => 0.0,
            _ => (HEIGHT * events as f64 / top as f64).max(LOWEST),
        };
        let failed = tall(step.failures);
        let succeeded = tall(step.succeeded);
        let other = match others(step) {
            0 => 0.0,
            _ => (tall(step.events) - failed - succeeded).max(LOWEST),
        };
        let left = wide * (at as f64 + 0.1);
        let mut floor = STRIP + HEIGHT;
        for (class, tall) in [("bad", failed), ("good", succeeded), ("other", other)] {
            if tall > 0.0 {
                floor -= tall;
                put!(
                    out,
                    "<rect class=\"{class}\" x=\"{left:.3}%\" width=\"{:.3}%\" y=\"{floor:.1}\" height=\"{tall:.1}\"/>",
                    wide * 0.8
                );
            }
        }
    }
    out.push('\n');
    times(out, charts);
    out.push_str("</svg>\n");
}

/// Events of a step that say neither that a request succeeded nor that it did not.
fn others(step: &Step) -> u64 {
    let told = step.succeeded.saturating_add(step.failures);
    step.events.saturating_sub(told)
}

/// Hatched stretches behind the bars, with their names where there is room.
fn marks(out: &mut String, steps: &[Step]) {
    let wide = 100.0 / steps.len() as f64;
    let mut free = 0.0;
    let mut at = 0;
    for stretch in steps.chunk_by(|a, b| mark(a) == mark(b)) {
        let (from, until) = (wide * at as f64, wide * (at + stretch.len()) as f64);
        at += stretch.len();
        let Some(mark) = mark(&stretch[0]) else {
            continue;
        };
        put!(
            out,
            "<rect class=\"edge\" x=\"{from:.3}%\" width=\"{:.3}%\" y=\"{STRIP}\" height=\"{HEIGHT}\" fill=\"url(#{})\"/>",
            until - from,
            mark.pattern()
        );
        let middle = (from + until) / 2.0;
        let (left, anchor, x) = match middle {
            ..7.5 => (0.0, "start", 0.0),
            92.5.. => (100.0 - NAME_ROOM, "end", 100.0),
            _ => (middle - NAME_ROOM / 2.0, "middle", middle),
        };
        if left >= free {
            put!(
                out,
                "<text x=\"{x:.3}%\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                STRIP - 6.0,
                mark.name()
            );
            free = left + NAME_ROOM;
        }
    }
    out.push('\n');
}

/// The first, the middle and the last step's time.
fn times(out: &mut String, charts: &Charts) {
    let steps = &charts.steps;
    let last = steps.len() - 1;
    for (at, anchor, x) in [
        (0, "start", 0.0),
        (
            last / 2,
            "middle",
            (last / 2) as f64 * 100.0 / steps.len() as f64,
        ),
        (last, "end", 100.0),
    ] {
        if (at == 0 && anchor != "start") || (at == last && anchor == "middle") {
            continue;
        }
        // Months of bars on a telephone leave no room for a third.
        let class = if anchor == "middle" {
            " class=\"mid\""
        } else {
            ""
        };
        let text = begin(charts, &steps[at]);
        put!(
            out,
            "<text{class} x=\"{x:.3}%\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            STRIP + HEIGHT + 17.0,
            Plain(&text)
        );
    }
    out.push('\n');
}

/// What the chart shows, for who does not see it.
fn in_words(charts: &Charts, every: &str) -> String {
    let steps = &charts.steps;
    let bars = Count(steps.len() as u64);
    let sum = |of: fn(&Step) -> u64| steps.iter().map(of).sum::<u64>();
    let (events, failures) = (sum(|step| step.events), sum(|step| step.failures));
    let told = failures + sum(|step| step.succeeded);
    // Of the time before the first event nothing is known.
    let known = steps.iter().skip_while(|step| step.events == 0).count() as u64;
    let mut words = format!(
        "{} {every} on average",
        plural(events / known.max(1), "event", "events")
    );
    if known < steps.len() as u64 {
        words.push_str(" since the first one");
    }
    let before = steps.iter().filter(|step| step.before).count() as u64;
    if before > 0 {
        words.push_str(&format!(
            "; {} of {bars} bars are before the first event of the store",
            Count(before),
        ));
    }
    words.push_str(&match told {
        0 => ". None says what came of a request.".to_owned(),
        _ => format!(
            ". Of {} whose outcome is known, {} ({}) were refused or failed.",
            plural(told, "request", "requests"),
            Count(failures),
            percent(failures, told)
        ),
    });
    if let Some(most) = steps.iter().rev().max_by_key(|step| step.events) {
        words.push_str(&format!(
            " The most were {}, in the bar from {}.",
            plural(most.events, "event", "events"),
            begin(charts, most)
        ));
    }
    let gaps = steps.iter().filter(|step| mark(step) == Some(Mark::Gap));
    let silent: u64 = gaps.clone().map(|step| step.silent_hours).sum();
    if silent > 0 {
        words.push_str(&format!(
            " {} of {bars} bars have gaps, {} in all.",
            Count(gaps.count() as u64),
            plural(silent, "hour", "hours")
        ));
    }
    let pruned = steps.iter().filter(|step| step.pruned).count();
    if pruned > 0 {
        words.push_str(&format!(
            " {} of {bars} bars reach into what was pruned.",
            Count(pruned as u64),
        ));
    }
    words
}

/// When a step begins: its day, and within days its hour.
fn begin(charts: &Charts, step: &Step) -> String {
    let letters = match charts.step_seconds {
        ..86_400 => 16,
        _ => 10,
    };
    let from = step.from.replacen('T', " ", 1);
    from.chars().take(letters).collect()
}

/// The same as a table, closed until somebody wants it.
fn figures(out: &mut String, made: &Made, charts: &Charts, every: &str) {
    put!(
        out,
        "<details><summary>Events {every} as a table</summary>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Events {every}\">\n\
         <table><caption>Events {every}</caption>\n<thead><tr>\
         <th scope=\"col\">From <small>{}</small></th><th scope=\"col\" class=\"n\">Events</th>\
         <th scope=\"col\" class=\"n\">Requests that succeeded</th>\
         <th scope=\"col\" class=\"n\">Refused or failed</th>\
         <th scope=\"col\" class=\"n\">Hours without events</th>\
         <th scope=\"col\">Remark</th></tr></thead>\n<tbody>\n",
        zone(made)
    );
    for step in &charts.steps {
        put!(
            out,
            "<tr><th scope=\"row\" class=\"s\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
            When(&step.from),
            Count(step.events),
            Count(step.succeeded),
            Count(step.failures),
            Count(step.silent_hours),
            match mark(step) {
                Some(mark @ (Mark::Before | Mark::Pruned)) => mark.meaning(),
                Some(Mark::Gap) | None => "",
            }
        );
    }
    out.push_str("</tbody></table></div>\n</details>\n");
}

/// A table whose last column draws the numbers.
fn bars(
    out: &mut String,
    title: &str,
    of: &str,
    counted: &str,
    class: &str,
    values: &[(String, u64)],
) {
    let most = values.iter().map(|(_, events)| *events).max().unwrap_or(0);
    if most == 0 {
        put!(out, "<div><p><b>{title}</b>: none.</p></div>\n");
        return;
    }
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\n\
         <table class=\"drawn\"><caption>{title}</caption>\n<thead><tr><th scope=\"col\">{of}</th>\
         <th scope=\"col\" class=\"n\">{counted}</th>\
         <th scope=\"col\"><span class=\"unseen\">Drawn</span></th></tr></thead>\n<tbody>\n"
    );
    for (name, events) in values {
        let name = match name.as_str() {
            "" => "<i class=\"null\">NULL</i>".to_owned(),
            name => Cut(name, NAME_CHARS_MAX).to_string(),
        };
        put!(
            out,
            "<tr><th scope=\"row\">{name}</th><td class=\"n\">{}</td><td class=\"bar\">\
             <svg width=\"100%\" height=\"10\" aria-hidden=\"true\">\
             <rect class=\"{class}\" width=\"{:.2}%\" height=\"10\"/></svg></td></tr>\n",
            Count(*events),
            (*events as f64 * 100.0 / most as f64).max(0.5)
        );
    }
    out.push_str("</tbody></table></div>\n");
}

fn every(seconds: u64) -> String {
    match seconds {
        3600 => "per hour".to_owned(),
        86_400 => "per day".to_owned(),
        604_800 => "per week".to_owned(),
        0 => "over time".to_owned(),
        _ if seconds.is_multiple_of(86_400) => format!("per {} days", seconds / 86_400),
        _ => format!("per {} hours", seconds.div_ceil(3600)),
    }
}
