//! `auditql generate`.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};

use super::Exit;
use super::print;
use crate::generate::{Generator, Options, START};
use crate::query::clock;

/// Bytes collected before they are written.
const CHUNK: usize = 1 << 18;

/// Write realistic audit events, one JSON line each, in order of time
///
/// Controllers, kubelets, people, pipelines and GitOps at work, and one incident late in the story
/// (from 1,000 events on). Equal arguments give equal bytes, except with --start now.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 done, 2 error.\n\n\
    Examples:\n  \
    auditql generate --events 100000 > audit.log\n  \
    auditql generate --events 1000000 --start now --span 7d | auditql import -\n  \
    auditql generate --events 5000 --rate 50 --seed 7")]
pub(super) struct Args {
    /// How many events
    #[arg(long, value_name = "N")]
    events: u64,
    /// Another seed gives another cluster and another day
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Time of the first event; now ends the events now instead [default: 2026-01-05]
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Time from the first event to the last [default: 1d]
    #[arg(long, value_name = "DURATION", value_parser = print::duration, conflicts_with = "rate")]
    span: Option<Duration>,
    /// Mean events per second, instead of --span
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    let mut generator = Generator::new(args.options(clock::now())?);
    // Not line by line, as stdout would be.
    let mut out = std::io::stdout().lock();
    let mut chunk = Vec::with_capacity(CHUNK + CHUNK / 4);
    while generator.next_into(&mut chunk) {
        if chunk.len() >= CHUNK {
            out.write_all(&chunk).context("writing events")?;
            chunk.clear();
        }
    }
    out.write_all(&chunk)
        .and_then(|()| out.flush())
        .context("writing events")?;
    Ok(Exit::of_rows(args.events))
}

impl Args {
    fn options(&self, now: i64) -> anyhow::Result<Options> {
        let mut options = Options {
            events: self.events,
            seed: self.seed,
            ..Options::default()
        };
        if let Some(rate) = self.rate {
            let span = Duration::try_from_secs_f64(self.events as f64 / rate);
            match span {
                Ok(span) if rate > 0.0 && span < SPAN_MAX => options.span = span,
                _ => bail!("--rate {rate}: is no rate of events per second; use for example 50"),
            }
        }
        if let Some(span) = self.span {
            if span >= SPAN_MAX || span.is_zero() {
                bail!("--span must be more than 0 and less than 100 years");
            }
            options.span = span;
        }
        let span = i64::try_from(options.span.as_micros()).context("--span is too long")?;
        options.start = match self.start.as_deref() {
            None => START,
            Some("now") => now - span,
            Some(text) => clock::parse_human(text, now, clock::Zone::UTC)
                .map_err(anyhow::Error::msg)
                .context("--start")?,
        };
        Ok(options)
    }
}

const SPAN_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Args {
        Args {
            events: 6000,
            seed: 1,
            start: None,
            span: None,
            rate: None,
        }
    }

    #[test]
    fn the_default_is_fixed_and_now_ends_now() {
        assert_eq!(args().options(5).unwrap().start, START);
        let now = Args {
            start: Some("now".to_owned()),
            rate: Some(100.0),
            ..args()
        };
        let options = now.options(100_000_000).unwrap();
        assert_eq!((options.start, options.span.as_secs()), (40_000_000, 60));
    }

    #[test]
    fn senseless_rates_and_spans_are_refused() {
        for rate in [0.0, -1.0, f64::NAN, 1e-30] {
            let args = Args {
                rate: Some(rate),
                ..args()
            };
            assert!(args.options(0).is_err(), "{rate}");
        }
        let args = Args {
            span: Some(Duration::ZERO),
            ..args()
        };
        assert!(args.options(0).is_err());
    }
}
