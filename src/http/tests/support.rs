//! A server on a free port over a store with switches, and a client that sends exact bytes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::fake::{FakeStore, Switches};
use crate::http::{App, Limits, Settings, serve};
use crate::store::Result;

/// Long enough for anything that should happen; only a failing test waits this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) store: Arc<Switches>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<()>>,
    _spool: tempfile::TempDir,
}

impl Server {
    pub(super) async fn start() -> Server {
        Server::start_with(|_| {}).await
    }

    pub(super) async fn start_with(change: impl FnOnce(&mut Settings)) -> Server {
        let spool = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            spool_dir: spool.path().to_owned(),
            hosts: crate::http::Hosts::default(),
            retain: None,
            library: crate::query::library::Library::shipped().clone(),
            reports: crate::report::Catalogue::shipped().clone(),
            schedule: crate::report::schedule::Schedule::default(),
            limits: Limits::default(),
        };
        change(&mut settings);
        let store = Arc::new(Switches::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = App::new(Arc::new(FakeStore(Arc::clone(&store))), settings);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, app, async move {
            let _ = stopped.await;
        }));
        Server {
            address,
            store,
            stop: Some(stop),
            task,
            _spool: spool,
        }
    }

    pub(super) fn spool_dir(&self) -> &Path {
        self._spool.path()
    }

    /// Tells the server to stop, without waiting.
    pub(super) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops the server and waits until everything in flight has ended.
    pub(super) async fn stop(mut self) -> Arc<Switches> {
        self.tell_to_stop();
        self.join().await
    }

    pub(super) async fn join(self) -> Arc<Switches> {
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("the server stops").unwrap().unwrap();
        self.store
    }

    /// Opens a connection and sends exact bytes.
    pub(super) async fn send(&self, request: impl AsRef<[u8]>) -> Connection {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        Connection(stream)
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.send(request).await.reply().await
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> Reply {
        self.send(post(path, body)).await.reply().await
    }
}

/// A POST with its length.
pub(super) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
}

pub(super) struct Connection(pub(super) TcpStream);

impl Connection {
    /// Closes our side, waits for the server to close its own, and takes what it sent.
    pub(super) async fn reply(mut self) -> Reply {
        Reply::parse(self.head_and_body().await)
    }

    /// Reads one answer: up to its length, the last chunk, or the end of the connection.
    async fn head_and_body(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = async {
            while !complete(&bytes) {
                if self.0.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("the server answers");
        bytes
    }

    /// Everything until the server closes the connection.
    pub(super) async fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = async { while self.0.read_buf(&mut bytes).await.unwrap_or(0) > 0 {} };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("the server closes");
        bytes
    }
}

fn complete(bytes: &[u8]) -> bool {
    // Asked after every read, so never of the whole body.
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    match head.split("content-length: ").nth(1) {
        Some(length) => {
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            bytes.len() >= head.len() + 4 + length
        }
        None => bytes.ends_with(b"\r\n0\r\n\r\n"),
    }
}

pub(super) struct Reply {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: Vec<u8>) -> Reply {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer in {:?}", bytes.escape_ascii()));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        };
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = unchunk(&reply.body);
        }
        reply
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body.escape_ascii()))
    }

    /// The detail, after checking that this is a whole problem document.
    pub(super) fn problem(&self, status: u16) -> String {
        let problem = self.json();
        assert_eq!(self.status, status, "{problem}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(problem["status"], status);
        assert_eq!(self.header("x-request-id"), problem["request_id"].as_str());
        let busy = problem["detail"].as_str().unwrap().starts_with("too busy");
        assert_eq!(self.header("retry-after").is_some(), busy, "{problem}");
        for field in ["type", "title", "detail"] {
            assert!(!problem[field].as_str().unwrap().is_empty(), "{problem}");
        }
        problem["detail"].as_str().unwrap().to_owned()
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        let (chunk, rest) = bytes[end + 2..].split_at(size);
        body.extend_from_slice(chunk);
        bytes = &rest[2..];
    }
}
