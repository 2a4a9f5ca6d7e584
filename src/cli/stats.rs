//! `auditql stats`.

use std::io::Write;

use anyhow::Context;

use super::Exit;
use super::connection::Connection;
use super::print;
use crate::query::output::visible;
use crate::store::Stats;

/// Show counts and sizes of the store
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 done, 1 the store is empty, 2 error.\n\n\
    Examples:\n  \
    auditql stats\n  \
    auditql stats --server http://127.0.0.1:9770 -o json")]
pub(super) struct Args {
    /// How the answer is written
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        value_enum,
        default_value = "table",
        help_heading = "Answer"
    )]
    format: Format,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Lines for people
    Table,
    /// One JSON object
    Json,
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    let stats = args.connection.open_read()?.stats()?;
    let text = match args.format {
        Format::Table => lines(&stats),
        Format::Json => serde_json::to_string_pretty(&stats)? + "\n",
    };
    let mut out = print::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("writing the answer")?;
    Ok(Exit::of_rows(stats.events))
}

fn lines(stats: &Stats) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    row("events", grouped(stats.events));
    row("  sealed", grouped(stats.sealed_events));
    row("  active", grouped(stats.active_events));
    row("oldest", or_dash(&stats.oldest));
    row("newest", or_dash(&stats.newest));
    row("raw bytes", sized(stats.raw_bytes, stats.events));
    row("stored bytes", sized(stats.stored_bytes, stats.events));
    for (name, bytes) in &stats.components {
        row(&format!("  {name}"), sized(*bytes, stats.events));
    }
    row("segments", grouped(stats.segments));
    if stats.outdated > 0 {
        let advice = "auditql reseal makes their new columns fast";
        row(
            "  outdated",
            format!("{}; {advice}", grouped(stats.outdated)),
        );
    }
    row("clusters", grouped(stats.clusters.len() as u64));
    for (name, events) in &stats.clusters {
        row(&format!("  {name}"), grouped(*events));
    }
    row("received", grouped(stats.received));
    row("duplicates", grouped(stats.duplicates));
    row("quarantined", grouped(stats.quarantined));
    row("pruned", grouped(stats.pruned));
    row("damaged segments", grouped(stats.damaged.len() as u64));
    for file in &stats.damaged {
        row("", file.clone());
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0);
    rows.iter()
        .map(|(name, value)| {
            let line = format!("{name:width$}  {value}");
            format!("{}\n", visible(line.trim_end()))
        })
        .collect()
}

fn sized(bytes: u64, events: u64) -> String {
    match events {
        0 => grouped(bytes),
        _ => {
            let each = bytes as f64 / events as f64;
            format!("{} ({each:.1} per event)", grouped(bytes))
        }
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn lines_hold_every_part() {
        let stats = Stats {
            events: 1000,
            raw_bytes: 2_390_000,
            stored_bytes: 300_500,
            components: vec![("bodies".to_owned(), 200_000)],
            clusters: vec![("prod".to_owned(), 1000)],
            outdated: 2,
            damaged: vec!["x.seg".to_owned()],
            ..Stats::default()
        };
        let text = lines(&stats);
        for line in [
            "events            1,000\n",
            "raw bytes         2,390,000 (2390.0 per event)\n",
            "stored bytes      300,500 (300.5 per event)\n",
            "  bodies          200,000 (200.0 per event)\n",
            "  prod            1,000\n",
            "  outdated        2; auditql reseal makes their new columns fast\n",
            "oldest            -\n",
            "damaged segments  1\n                  x.seg\n",
        ] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
    }
}
