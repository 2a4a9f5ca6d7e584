//! A store with switches, a server on a free port, and a client that sends exact bytes.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::http::{App, Limits, Settings, serve};
use crate::model::column::Column;
use crate::model::event::Event;
use crate::model::value::Value;
use crate::store::{
    Answer, Batch, Budget, CountQuery, EventQuery, Pruned, QuarantineBytes, QuarantineItem,
    Quarantined, Receipt, Result, RowSink, Sealed, SqlColumn, SqlQuery, SqlSink, Stats, Store,
    StoreError,
};

/// Long enough for anything that should happen; only a failing test waits this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(super) struct Switches {
    /// Cluster and bytes of each committed batch.
    committed: Mutex<Vec<(String, u64)>>,
    /// Commits and the query `gate` wait while this is shut.
    shut: Mutex<bool>,
    opened: Condvar,
    pub(super) at_gate: Notify,
    fail: Mutex<Option<fn() -> StoreError>>,
    pub(super) query_ended: Notify,
    pub(super) pruned: Notify,
    pub(super) rows: AtomicU64,
    pub(super) closed: AtomicBool,
}

impl Switches {
    pub(super) fn shut_gate(&self) {
        *self.shut.lock().unwrap() = true;
    }

    pub(super) fn open_gate(&self) {
        *self.shut.lock().unwrap() = false;
        self.opened.notify_all();
    }

    fn pass_gate(&self) {
        let shut = self.shut.lock().unwrap();
        if *shut {
            self.at_gate.notify_one();
        }
        drop(self.opened.wait_while(shut, |shut| *shut).unwrap());
    }

    pub(super) fn fail_with(&self, error: Option<fn() -> StoreError>) {
        *self.fail.lock().unwrap() = error;
    }

    pub(super) fn committed(&self) -> Vec<(String, u64)> {
        self.committed.lock().unwrap().clone()
    }
}

struct FakeStore(Arc<Switches>);

struct FakeBatch {
    switches: Arc<Switches>,
    cluster: String,
    receipt: Receipt,
    bytes: u64,
}

impl Batch for FakeBatch {
    fn event(&mut self, _: &Event<'_>, raw: &[u8], _: [u8; 16]) {
        self.receipt.stored += 1;
        self.bytes += raw.len() as u64;
    }

    fn quarantine(&mut self, item: QuarantineItem<'_>) {
        self.receipt.quarantined += 1;
        self.bytes += match item.bytes {
            QuarantineBytes::Slice(bytes) => bytes.len() as u64,
            QuarantineBytes::File { bytes, .. } => bytes,
        };
    }

    fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap()
    }

    fn commit(self: Box<Self>) -> Result<Receipt> {
        self.switches.pass_gate();
        if let Some(error) = *self.switches.fail.lock().unwrap() {
            return Err(error());
        }
        let batch = (self.cluster, self.bytes);
        self.switches.committed.lock().unwrap().push(batch);
        Ok(self.receipt)
    }
}

fn column(name: &str, kind: &str) -> SqlColumn {
    SqlColumn {
        name: name.to_owned(),
        kind: kind.to_owned(),
    }
}

impl FakeStore {
    /// Tells when a query has ended, however it does.
    fn ended(&self) -> impl Drop + use<> {
        struct Ended(Arc<Switches>);
        impl Drop for Ended {
            fn drop(&mut self) {
                self.0.query_ended.notify_one();
            }
        }
        Ended(Arc::clone(&self.0))
    }
}

impl Store for FakeStore {
    fn batch(&self, cluster: &str, _: &str) -> Box<dyn Batch> {
        Box::new(FakeBatch {
            switches: Arc::clone(&self.0),
            cluster: cluster.to_owned(),
            receipt: Receipt::default(),
            bytes: 0,
        })
    }

    fn identity(&self) -> String {
        "fake".to_owned()
    }
    fn last_id(&self) -> i64 {
        0
    }

    fn wait_for_events(&self, _: i64, wait: Duration) -> i64 {
        std::thread::park_timeout(wait);
        0
    }

    /// As many rows as the limit says, without end when it is 0; none matches a filter, but raw
    /// bytes are always there.
    fn events(&self, query: &EventQuery, budget: &Budget, sink: RowSink<'_>) -> Result<Answer> {
        let _ended = self.ended();
        if query.columns == [Column::Raw] {
            let _ = sink(&[Value::Bytes(br#"{"auditID":"x"}"#[..].into())]);
            return Ok(Answer::default());
        }
        if !query.filter.terms.is_empty() {
            return Ok(Answer::default());
        }
        let row: Vec<_> = query.columns.iter().map(|_| Value::text("v")).collect();
        let mut rows = 0;
        while query.limit == 0 || rows < query.limit {
            budget.check()?;
            rows += 1;
            self.0.rows.store(rows, Ordering::Relaxed);
            if sink(&row).is_break() {
                break;
            }
        }
        Ok(Answer::default())
    }

    fn count(&self, _: &CountQuery, _: &Budget, sink: RowSink<'_>) -> Result<Answer> {
        let _ = sink(&[Value::text("get"), Value::Int(3)]);
        Ok(Answer::default())
    }

    fn sql(&self, query: &SqlQuery, budget: &Budget, sink: &mut dyn SqlSink) -> Result<Answer> {
        let _ended = self.ended();
        sink.columns(&[column("n", "INTEGER")]);
        match query.sql.as_str() {
            "bad" => return Err(StoreError::BadRequest("no such column: x".to_owned())),
            "io" => return Err(StoreError::Io("secret path".to_owned())),
            "panic" => panic!("as asked"),
            "gate" => self.0.pass_gate(),
            "forever" => loop {
                self.0.at_gate.notify_one();
                budget.check()?;
                std::thread::yield_now();
            },
            "late error" | "late panic" => {
                for number in 0..100_000 {
                    if sink.row(&[Value::Int(number)]).is_break() {
                        return Err(StoreError::Cancelled);
                    }
                }
                assert_ne!(query.sql, "late panic", "as asked");
                return Err(StoreError::Damaged("segment a.db is damaged".to_owned()));
            }
            _ => {}
        }
        for number in 0..query.limit {
            if sink
                .row(&[Value::Int(i64::try_from(number).unwrap())])
                .is_break()
            {
                break;
            }
        }
        Ok(Answer {
            truncated: true,
            ..Answer::default()
        })
    }

    fn stats(&self) -> Result<Stats> {
        Ok(Stats {
            events: 5,
            ..Stats::default()
        })
    }

    fn quarantined(&self, sink: &mut dyn FnMut(Quarantined) -> ControlFlow<()>) -> Result<()> {
        for id in 1..=2 {
            let _ = sink(Quarantined {
                id,
                stored_time: String::new(),
                cluster: "default".to_owned(),
                source: "webhook".to_owned(),
                origin: String::new(),
                reason: "no JSON".to_owned(),
                bytes: 3,
                duplicates: 0,
            });
        }
        Ok(())
    }

    fn quarantined_bytes(
        &self,
        id: i64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<bool> {
        if id == 1 {
            let _ = sink(b"\xff\0!");
        }
        Ok(id == 1)
    }

    fn seal(&self, _merge: bool) -> Result<Sealed> {
        Ok(Sealed {
            events: 5,
            segments: 1,
        })
    }

    fn reseal(&self) -> Result<crate::store::Resealed> {
        Ok(crate::store::Resealed {
            events: 7,
            segments: 2,
        })
    }

    fn prune(&self, cutoff: i64, dry_run: bool) -> Result<Pruned> {
        self.0.pruned.notify_one();
        Ok(Pruned {
            before: cutoff.to_string(),
            dry_run,
            ..Pruned::default()
        })
    }

    fn close(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

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
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return false;
    };
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
