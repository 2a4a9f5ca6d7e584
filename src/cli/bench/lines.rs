//! The events to measure with: lines of a file, or generated as they are needed.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::Context;

use crate::generate::{Generator, Options};

/// A stream of events, one line each.
pub(super) enum Lines {
    File(BufReader<File>),
    Generated(Box<Generator>),
}

/// What a log backend writes in front of an event and a webhook does not (`EventList` items carry
/// neither kind nor version).
const LOG_PREFIX: &[u8] = br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","#;

/// A line as a webhook would send it: the brace, and what follows it.
pub(super) fn without_kind(line: &[u8]) -> &[u8] {
    line.strip_prefix(LOG_PREFIX)
        .unwrap_or_else(|| line.get(1..).unwrap_or_default())
}

impl Lines {
    pub(super) fn open(path: &Path) -> anyhow::Result<Lines> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Lines::File(BufReader::with_capacity(1 << 20, file)))
    }

    pub(super) fn generated(options: Options) -> Lines {
        Lines::Generated(Box::new(Generator::new(options)))
    }

    /// Puts the next line into `line`, without its newline; false at the end.
    pub(super) fn next_into(&mut self, line: &mut Vec<u8>) -> anyhow::Result<bool> {
        line.clear();
        let more = match self {
            Lines::File(file) => file.read_until(b'\n', line).context("reading events")? > 0,
            Lines::Generated(generator) => generator.next_into(line),
        };
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(more)
    }

    /// Puts an `EventList` of the next events, at most `most`, into `body`; gives their number.
    pub(super) fn batch_into(
        &mut self,
        most: u64,
        body: &mut Vec<u8>,
        line: &mut Vec<u8>,
    ) -> anyhow::Result<u64> {
        body.clear();
        body.extend_from_slice(
            br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#,
        );
        let mut events = 0;
        while events < most && self.next_into(line)? {
            body.extend_from_slice(if events == 0 { b"{" } else { b",{" });
            body.extend_from_slice(without_kind(line));
            events += 1;
        }
        body.extend_from_slice(b"]}\n");
        Ok(events)
    }
}

/// Writes generated events to a file.
pub(super) fn write(options: Options, path: &Path) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut generator = Generator::new(options);
    let mut line = Vec::new();
    while generator.next_into(&mut line) {
        out.write_all(&line)?;
        line.clear();
    }
    out.flush()?;
    Ok(())
}
