//! A server as the sink of an import: items are posted to its webhook, documents one after the
//! other, each with its exact bytes.

use std::io::{Read, Seek, SeekFrom};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use ureq::{Agent, SendBody};

use super::import::{Part, Sink, SinkError, Taken};
use crate::model::token::Token;
use crate::store::Receipt;

/// Attempts for one batch, and the pause after the first one; it doubles each time.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(250);

/// How long one batch may take: a server under load lets it wait before it answers.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A server that takes events.
#[derive(Debug)]
pub struct RemoteSink {
    agent: Agent,
    url: String,
    token: Option<Token>,
    pause: Duration,
}

/// The server's answer.
#[derive(Deserialize)]
struct Answer {
    stored: u64,
    duplicates: u64,
    quarantined: u64,
}

/// What to post.
enum Payload<'a> {
    Memory(&'a [u8]),
    File(&'a std::fs::File, u64),
}

impl RemoteSink {
    /// The server at `server` (`http://host:port`), which is to file the events under `cluster`.
    pub fn new(server: &str, cluster: &str) -> Result<RemoteSink, SinkError> {
        if !server.starts_with("http://") {
            return Err(SinkError::Remote(format!(
                "cannot import to '{server}': give the server as http://HOST:PORT"
            )));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        Ok(RemoteSink {
            agent: config.into(),
            url: format!(
                "{}/webhook/{}",
                server.trim_end_matches('/'),
                encode(cluster)
            ),
            token: None,
            pause: PAUSE,
        })
    }

    /// This server, told a token with every batch.
    pub fn with_token(self, token: Option<Token>) -> RemoteSink {
        RemoteSink { token, ..self }
    }

    /// Posts until the server takes it. Safe to repeat: the server knows what it has.
    fn post(&self, payload: &Payload<'_>) -> Result<Receipt, SinkError> {
        let mut pause = self.pause;
        for attempt in 1.. {
            let why = match self.attempt(payload) {
                Ok((200..=206, text)) => {
                    let Answer {
                        stored,
                        duplicates,
                        quarantined,
                    } = serde_json::from_str(&text).map_err(|error| {
                        self.failed(&format!(
                            "its answer is not that of an AuditQL server: {error}"
                        ))
                    })?;
                    return Ok(Receipt {
                        stored,
                        duplicates,
                        quarantined,
                    });
                }
                Ok((status @ (429 | 500..), text)) => {
                    format!("it answered {status}: {}", shown(&text))
                }
                Ok((status, text)) => {
                    return Err(self.failed(&format!("it answered {status}: {}", shown(&text))));
                }
                Err(error) => error.to_string(),
            };
            if attempt == ATTEMPTS {
                return Err(self.failed(&format!("{why} ({ATTEMPTS} attempts)")));
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "the server said that it is busy; only time helps"
            )]
            thread::sleep(pause);
            pause *= 2;
        }
        unreachable!("the loop ends at the last attempt")
    }

    fn attempt(&self, payload: &Payload<'_>) -> Result<(u16, String), ureq::Error> {
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", token.authorization());
        }
        let mut response = match payload {
            Payload::Memory(bytes) => request.send(*bytes)?,
            Payload::File(file, bytes) => {
                let mut file = *file;
                file.seek(SeekFrom::Start(0))?;
                let mut part = file.take(*bytes);
                request
                    .header("content-length", bytes.to_string())
                    .send(SendBody::from_reader(&mut part))?
            }
        };
        let text = response.body_mut().read_to_string()?;
        Ok((response.status().as_u16(), text))
    }

    fn failed(&self, why: &str) -> SinkError {
        SinkError::Remote(format!(
            "the server did not take a batch at {}: {why}",
            self.url
        ))
    }
}

impl Sink for RemoteSink {
    fn take(&self, part: &Part, _names: &[String]) -> Result<Taken, SinkError> {
        let mut taken = Taken::default();
        let mut posted = Vec::with_capacity(part.bytes.len() + part.pieces.len());
        for piece in part.pieces.iter().filter(|piece| piece.broken.is_none()) {
            posted.extend_from_slice(&part.bytes[piece.bytes.clone()]);
            posted.push(b'\n');
        }
        if !posted.is_empty() {
            add(&mut taken, self.post(&Payload::Memory(&posted))?);
        }
        // A broken piece goes alone: beside others it could be taken for a part of them.
        for piece in &part.pieces {
            let Some(broken) = &piece.broken else {
                continue;
            };
            let payload = match &broken.file {
                None => Payload::Memory(&part.bytes[piece.bytes.clone()]),
                Some((file, bytes)) => Payload::File(file, *bytes),
            };
            add(&mut taken, self.post(&payload)?);
            taken.bad(piece.input, piece.at, &broken.text);
        }
        Ok(taken)
    }
}

fn add(taken: &mut Taken, receipt: Receipt) {
    taken.receipt.stored += receipt.stored;
    taken.receipt.duplicates += receipt.duplicates;
    taken.receipt.quarantined += receipt.quarantined;
}

/// The beginning of an answer, for a message.
fn shown(text: &str) -> String {
    text.chars()
        .take(300)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Percent-encodes a path segment (RFC 3986, section 2.3).
fn encode(segment: &str) -> String {
    let mut encoded = String::new();
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
