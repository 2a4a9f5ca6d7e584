//! What the store saw of the period, and what it did not, in words and figures.

use super::text::{Count, Data, When, in_words_of_time};
use super::zone;
use crate::limits::REPORT_LISTED_MAX;
use crate::report::figures::{percent, plural};
use crate::report::made::{Coverage, Made, Silence};

pub(super) fn coverage(out: &mut String, made: &Made) {
    let coverage = &made.coverage;
    out.push_str(
        "<section aria-labelledby=\"coverage\">\n<h2 id=\"coverage\">Coverage and gaps</h2>\n",
    );
    in_words(out, made);
    if !coverage.notes.is_empty() {
        out.push_str("<ul class=\"notes\">\n");
        for note in &coverage.notes {
            put!(
                out,
                "<li><bdi>{}</bdi></li>\n",
                Data(&in_words_of_time(note))
            );
        }
        out.push_str("</ul>\n");
    }
    figures(out, made);
    clusters(out, made);
    silences(out, made);
    out.push_str("</section>\n");
}

fn in_words(out: &mut String, made: &Made) {
    let coverage = &made.coverage;
    if coverage.events == 0 {
        out.push_str(
            "<p class=\"lead\"><b>The store holds no event of this period.</b> Nothing below can \
             show that something did not happen.</p>\n",
        );
        return;
    }
    put!(
        out,
        "<p class=\"lead\">{} of {} were examined.",
        plural(coverage.events, "event", "events"),
        plural(made.clusters.len() as u64, "cluster", "clusters")
    );
    let silent = coverage.hours.saturating_sub(coverage.covered_hours);
    match silent {
        0 if coverage.hours > 0 => put!(
            out,
            " All {} are covered.",
            plural(coverage.hours, "hour", "hours")
        ),
        0 => {}
        _ => put!(
            out,
            " <b>{} of {} are not covered</b>{}: what happened then is not in this report.",
            Count(silent),
            plural(coverage.hours, "hour", "hours"),
            match coverage.before_hours {
                0 => String::new(),
                before if before == silent =>
                    ", all before the first event of the store".to_owned(),
                before => format!(
                    ", {} of them before the first event of the store",
                    Count(before)
                ),
            }
        ),
    }
    out.push_str(
        " An event that the audit policy left out, or that never arrived, is in no figure.</p>\n",
    );
}

/// The figures, each with what it means for a reader.
fn figures(out: &mut String, made: &Made) {
    let coverage = &made.coverage;
    out.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Coverage in figures\">\n\
         <table class=\"figures\"><caption>Coverage in figures</caption>\n<thead><tr>\
         <th scope=\"col\">Of</th><th scope=\"col\">Figure</th><th scope=\"col\">What it means</th>\
         </tr></thead>\n<tbody>\n",
    );
    let mut line = |of: &str, figure: String, means: &str| {
        put!(
            out,
            "<tr><th scope=\"row\">{of}</th><td>{figure}</td><td>{means}</td></tr>\n"
        );
    };
    if coverage.hours > 0 {
        line(
            "Hours covered",
            format!(
                "{} of {}",
                Count(coverage.covered_hours),
                Count(coverage.hours)
            ),
            "Hours since the first event in which no cluster was silent.",
        );
        if coverage.before_hours > 0 {
            line(
                "Before the first event",
                plural(coverage.before_hours, "hour", "hours"),
                "Nothing is known of them: the store's first event of these clusters is later.",
            );
        }
    }
    line(
        "Levels",
        levels(coverage),
        "Metadata says who did what and when; only Request and RequestResponse also hold what was \
         sent, and RequestResponse what was answered.",
    );
    line(
        "Pruned",
        match &coverage.pruned_before {
            Some(before) => format!(
                "{}, before {} {}",
                plural(coverage.pruned, "event", "events"),
                When(before),
                zone(made)
            ),
            None => "none".to_owned(),
        },
        "Removed by retention; counted, but no longer here to be examined.",
    );
    line(
        "Truncated",
        none_or(coverage.truncated, "event", "events"),
        "The apiserver cut their bodies off; who did what is known, not all of what was sent.",
    );
    line(
        "Quarantined",
        none_or(coverage.quarantined, "item", "items"),
        "Arrived but could not be read as events; the bytes are kept, no figure counts them.",
    );
    line(
        "Damaged",
        damaged(coverage),
        "Files of the store that were left out of every answer.",
    );
    line(
        "The whole store",
        match (&coverage.oldest, &coverage.newest) {
            (Some(oldest), Some(newest)) => {
                format!("{} to {} {}", When(oldest), When(newest), zone(made))
            }
            _ => "no events".to_owned(),
        },
        "Its oldest and its newest event, whatever the period.",
    );
    out.push_str("</tbody></table></div>\n");
}

fn levels(coverage: &Coverage) -> String {
    let all = coverage
        .levels
        .iter()
        .map(|(_, events)| events)
        .sum::<u64>();
    let parts: Vec<String> = coverage
        .levels
        .iter()
        .map(|(level, events)| {
            format!(
                "<span class=\"part\">{} {} ({})</span>",
                Data(level),
                Count(*events),
                percent(*events, all)
            )
        })
        .collect();
    match parts.is_empty() {
        true => "none".to_owned(),
        false => parts.concat(),
    }
}

fn damaged(coverage: &Coverage) -> String {
    match coverage.damaged.as_slice() {
        [] => "none".to_owned(),
        files => {
            let names: Vec<String> = files
                .iter()
                .map(|name| format!("<span class=\"part\">{}</span>", Data(name)))
                .collect();
            names.concat()
        }
    }
}

fn clusters(out: &mut String, made: &Made) {
    if made.clusters.is_empty() {
        return;
    }
    let mut clusters: Vec<_> = made.clusters.iter().collect();
    clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.events));
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Clusters\">\n\
         <table class=\"tight\"><caption>Clusters{}</caption>\n<thead><tr><th scope=\"col\">Cluster</th>\
         <th scope=\"col\" class=\"n\">Events</th><th scope=\"col\">Oldest <small>{zone}</small></th>\
         <th scope=\"col\">Newest <small>{zone}</small></th></tr></thead>\n<tbody>\n",
        listed(clusters.len(), "with the most events"),
        zone = zone(made)
    );
    let when = |time: &Option<String>| match time {
        Some(time) => When(time).to_string(),
        None => "none".to_owned(),
    };
    for cluster in clusters.iter().take(REPORT_LISTED_MAX) {
        put!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"t\">{}</td>\
             <td class=\"t\">{}</td></tr>\n",
            Data(&cluster.cluster),
            Count(cluster.events),
            when(&cluster.oldest),
            when(&cluster.newest)
        );
    }
    out.push_str("</tbody></table></div>\n");
}

fn silences(out: &mut String, made: &Made) {
    let silent = &made.coverage.silent;
    if silent.is_empty() {
        return;
    }
    let mut longest: Vec<(usize, &Silence)> = silent.iter().enumerate().collect();
    longest.sort_by_key(|(at, silence)| (std::cmp::Reverse(silence.hours), *at));
    longest.truncate(REPORT_LISTED_MAX);
    longest.sort_by_key(|(at, _)| *at);
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Silent hours\">\n\
         <table class=\"tight\"><caption>Silent hours{}</caption>\n<thead><tr><th scope=\"col\">Cluster</th>\
         <th scope=\"col\">From <small>{zone}</small></th>\
         <th scope=\"col\">Until <small>{zone}</small></th>\
         <th scope=\"col\" class=\"n\">Hours</th></tr></thead>\n<tbody>\n",
        listed(silent.len(), "that are longest"),
        zone = zone(made)
    );
    for (_, silence) in longest {
        put!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"t\">{}</td><td class=\"t\">{}</td>\
             <td class=\"n\">{}</td></tr>\n",
            Data(&silence.cluster),
            When(&silence.from),
            When(&silence.until),
            Count(silence.hours)
        );
    }
    out.push_str("</tbody></table></div>\n");
}

/// What a caption adds when a list is cut.
fn listed(all: usize, which: &str) -> String {
    match all > REPORT_LISTED_MAX {
        true => format!(": the {REPORT_LISTED_MAX} of {} {which}", Count(all as u64)),
        false => String::new(),
    }
}

fn none_or(count: u64, one: &str, many: &str) -> String {
    match count {
        0 => "none".to_owned(),
        _ => plural(count, one, many),
    }
}
