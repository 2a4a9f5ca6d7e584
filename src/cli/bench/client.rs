//! A cheap HTTP/1.1 client on one kept connection. It shares the machine with the server that it
//! measures, so it parses only what it must.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, bail, ensure};

/// A connection to a server.
pub(super) struct Client {
    stream: TcpStream,
    address: SocketAddr,
    /// Bytes read and not yet used.
    buffer: Vec<u8>,
    /// Where long answers land.
    landing: Vec<u8>,
}

/// Bytes of one read of a long answer.
const READ_BYTES: usize = 256 << 10;

/// An answer.
pub(super) struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

/// The head of an answer.
struct Head {
    status: u16,
    length: Option<usize>,
    chunked: bool,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(address)
            .with_context(|| format!("connecting to the server at {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream,
            address,
            buffer: Vec::new(),
            landing: Vec::new(),
        })
    }

    /// Fetches a path with its query; anything but 200 is an error.
    pub(super) fn get(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        let reply = self.exchange("GET", path, b"")?;
        well(path, reply)
    }

    /// Fetches a path and gives its body piece by piece; anything but 200 is an error.
    pub(super) fn get_each(
        &mut self,
        path: &str,
        mut sink: impl FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        self.send_head("GET", path, 0)?;
        let head = self.read_head()?;
        if head.status != 200 || !head.chunked {
            let reply = self.read_body(head)?;
            sink(&well(path, reply)?);
            return Ok(());
        }
        loop {
            let mut left = self.chunk_size()?;
            if left == 0 {
                self.take(2)?;
                return Ok(());
            }
            // What came is looked at where it stands: at this pace a copy is a cost.
            let held = left.min(self.buffer.len());
            sink(&self.buffer[..held]);
            self.buffer.drain(..held);
            left -= held;
            self.landing.resize(READ_BYTES, 0);
            while left > 0 {
                let most = left.min(READ_BYTES);
                let read = self.stream.read(&mut self.landing[..most])?;
                ensure!(read > 0, "the server closed the connection");
                sink(&self.landing[..read]);
                left -= read;
            }
            self.take(2)?;
        }
    }

    /// Posts JSON; anything but 200 is an error.
    pub(super) fn post(&mut self, path: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let reply = self.exchange("POST", path, body)?;
        well(path, reply)
    }

    /// Posts a body of `length` bytes that `write` writes piece by piece.
    pub(super) fn post_stream(
        &mut self,
        path: &str,
        length: u64,
        write: impl FnOnce(&mut TcpStream) -> io::Result<()>,
    ) -> anyhow::Result<Vec<u8>> {
        self.send_head("POST", path, length)?;
        write(&mut self.stream).context("sending a body")?;
        let reply = self.read_reply().context("reading an answer")?;
        well(path, reply)
    }

    fn exchange(&mut self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Reply> {
        self.send_head(method, path, body.len() as u64)?;
        self.stream.write_all(body).context("sending a body")?;
        self.read_reply().context("reading an answer")
    }

    fn send_head(&mut self, method: &str, path: &str, length: u64) -> anyhow::Result<()> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n",
            self.address
        );
        self.stream
            .write_all(head.as_bytes())
            .context("sending a request")
    }

    fn read_reply(&mut self) -> anyhow::Result<Reply> {
        let head = self.read_head()?;
        self.read_body(head)
    }

    fn read_head(&mut self) -> anyhow::Result<Head> {
        let end = loop {
            match memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.fill()?,
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        self.buffer.drain(..end);
        let status = head
            .get(9..12)
            .and_then(|code| code.parse().ok())
            .with_context(|| format!("no status in {head:?}"))?;
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_start_matches(':').trim().to_owned())
        };
        let length = header("content-length").map(|length| length.parse());
        Ok(Head {
            status,
            length: length.transpose().context("content-length")?,
            chunked: header("transfer-encoding").is_some(),
        })
    }

    fn read_body(&mut self, head: Head) -> anyhow::Result<Reply> {
        let mut body = Vec::new();
        if let Some(length) = head.length {
            body = self.take(length)?;
        } else if head.chunked {
            while let Some(piece) = self.chunk()? {
                body.extend(piece);
            }
        }
        let status = head.status;
        Ok(Reply { status, body })
    }

    /// The next chunk of a body; `None` is its end.
    fn chunk(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let size = self.chunk_size()?;
        let piece = self.take(size)?;
        self.take(2)?;
        Ok((size > 0).then_some(piece))
    }

    /// The size of the next chunk; 0 is the end of the body.
    fn chunk_size(&mut self) -> anyhow::Result<usize> {
        let end = loop {
            match memchr::memchr(b'\n', &self.buffer) {
                Some(at) => break at + 1,
                None => self.fill()?,
            }
        };
        let size = std::str::from_utf8(&self.buffer[..end])?.trim();
        let size = usize::from_str_radix(size, 16).context("a chunk's size")?;
        self.buffer.drain(..end);
        Ok(size)
    }

    fn take(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        let before = self.buffer.len();
        self.buffer.resize(before + (64 << 10), 0);
        let read = self.stream.read(&mut self.buffer[before..])?;
        self.buffer.truncate(before + read);
        if read == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

fn well(path: &str, reply: Reply) -> anyhow::Result<Vec<u8>> {
    if reply.status != 200 {
        let text = String::from_utf8_lossy(&reply.body);
        bail!("{path} was answered {}: {text}", reply.status);
    }
    Ok(reply.body)
}

/// `text` as a value in a query string.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
