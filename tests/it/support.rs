//! The real binary and its port, for tests: servers, commands, HTTP and made-up events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// How long anything may take that happens at once on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test.
pub const AUDITQL: &str = env!("CARGO_BIN_EXE_auditql");

/// Recorded events, one JSON text per line.
pub fn sample() -> Vec<&'static str> {
    include_str!("../data/sample.jsonl").lines().collect()
}

/// The file of [`sample`].
pub fn sample_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sample.jsonl")
}

/// A temporary directory that goes away with the value.
pub fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("auditql-it-")
        .tempdir()
        .expect("temporary directory")
}

/// An event that differs from that of any other `n`; `time` is its stage timestamp.
pub fn event_at(n: u64, time: &str) -> String {
    let verb = ["get", "list", "create", "delete", "patch"][(n % 5) as usize];
    let code = [200, 201, 403, 404][(n % 4) as usize];
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{:08x}-0000-4000-8000-{n:012x}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/ns{}/pods/pod-{n}","verb":"{verb}","user":{{"username":"user-{}","groups":["system:authenticated"]}},"sourceIPs":["10.0.0.{}"],"userAgent":"it/1","objectRef":{{"resource":"pods","namespace":"ns{}","name":"pod-{n}","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":{code}}},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#,
        n.wrapping_mul(2_654_435_761) as u32,
        n % 7,
        n % 11,
        n % 250,
        n % 7,
    )
}

/// [`event_at`], the events of `n` growing a second apart from 2026-11-20T00:00:00Z, over a day.
pub fn event(n: u64) -> String {
    let second = n % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let time = format!(
        "2026-11-20T{hour:02}:{minute:02}:{second:02}.{:06}Z",
        n % 1_000_000
    );
    event_at(n, &time)
}

/// An EventList of these events.
pub fn event_list<S: AsRef<str>>(events: &[S]) -> String {
    let items: Vec<&str> = events.iter().map(AsRef::as_ref).collect();
    format!(
        r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{}]}}"#,
        items.join(",")
    )
}

/// Waits until `done` says so; panics with `what` after [`PATIENCE`].
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} until {what}"
        );
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("UTF-8 on stdout")
    }

    /// The lines of stdout, sorted.
    pub fn sorted_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.text().lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }

    /// This run, which must have ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Run {
        assert_eq!(
            self.code,
            Some(code),
            "stderr: {}\nstdout: {}",
            self.stderr,
            String::from_utf8_lossy(&self.stdout[..self.stdout.len().min(2000)])
        );
        self
    }
}

/// The program with these arguments, not yet started; nothing in the environment leads it astray.
pub fn command<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(AUDITQL);
    clean(&mut command).args(args);
    command
}

fn clean(command: &mut Command) -> &mut Command {
    command
        .env_remove("AUDITQL_DATA")
        .env_remove("AUDITQL_SERVER")
        .env_remove("AUDITQL_PROFILE")
        .env_remove("AUDITQL_TOKEN")
        .env("AUDITQL_CONFIG", "/dev/null")
        .env_remove("AUDITQL_LISTEN")
        .env_remove("AUDITQL_QUERIES")
        .env_remove("AUDITQL_REPORTS")
        .env_remove("RUST_LOG")
        .env("RUST_BACKTRACE", "1")
}

/// Runs the program to its end.
pub fn cli<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Run {
    cli_with(args, b"")
}

/// Runs the program to its end with `stdin`.
pub fn cli_with<S: AsRef<std::ffi::OsStr>>(args: &[S], stdin: &[u8]) -> Run {
    finish(&mut command(args), stdin)
}

/// Runs `auditql COMMAND --data DATA ARGS...`.
pub fn local(data: &Path, subcommand: &str, args: &[&str]) -> Run {
    let data = data.to_str().expect("UTF-8 path");
    let mut all = vec![subcommand, "--data", data];
    all.extend(args);
    cli(&all)
}

/// Runs a prepared command to its end.
pub fn finish(command: &mut Command, stdin: &[u8]) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("stdin is a pipe");
    let output = std::thread::scope(|scope| {
        // A program that does not read its input closes the pipe; that is its business.
        scope.spawn(move || input.write_all(stdin).ok());
        child.wait_with_output().expect("the program ends")
    });
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Every event's exact bytes in a directory, sorted.
#[track_caller]
pub fn raw_lines(data: &Path) -> Vec<String> {
    let run = local(data, "query", &["--limit", "0", "-o", "raw"]);
    assert!(
        matches!(run.code, Some(0 | 1)),
        "{:?} {}",
        run.code,
        run.stderr
    );
    run.sorted_lines()
}

/// A running server. Dropping it kills it.
pub struct Server {
    pub child: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts `serve --data DATA --listen 127.0.0.1:0 ARGS...` and waits until it listens.
    #[track_caller]
    pub fn start(data: &Path, args: &[&str]) -> Server {
        match Server::try_start(data, args) {
            Ok(server) => server,
            Err((status, log)) => panic!("the server ended with {status}: {log}"),
        }
    }

    /// Like [`Server::start`]; the exit status and stderr of one that ends before it listens.
    pub fn try_start(data: &Path, args: &[&str]) -> Result<Server, (ExitStatus, String)> {
        let mut command = Command::new(AUDITQL);
        Server::spawn(serve(clean(&mut command), data, args))
    }

    /// Like [`Server::try_start`], on an address of one's own.
    pub fn try_start_at(data: &Path, address: &str) -> Result<Server, (ExitStatus, String)> {
        let mut command = Command::new(AUDITQL);
        clean(&mut command).args(["serve", "--listen", address, "--data"]);
        Server::spawn(command.arg(data))
    }

    /// Starts the server through another program, which gets the server's command line at its end.
    pub fn try_start_under(
        wrapper: &[&str],
        data: &Path,
        args: &[&str],
    ) -> Result<Server, (ExitStatus, String)> {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(AUDITQL);
        Server::spawn(serve(clean(&mut command), data, args))
    }

    fn spawn(command: &mut Command) -> Result<Server, (ExitStatus, String)> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let log = Arc::new(Mutex::new(String::new()));
        let (listening, heard) = mpsc::channel();
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on http://") {
                    let _ = listening.send(address.trim().to_owned());
                }
                let mut log = lines.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        match heard.recv_timeout(PATIENCE) {
            Ok(address) => Ok(Server {
                child,
                address,
                log,
            }),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = child.wait().expect("the program ends");
                let log = log.lock().unwrap().clone();
                Err((status, log))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                panic!("no server after {PATIENCE:?}: {}", log.lock().unwrap());
            }
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the server wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// A connection that stays open.
    pub fn connect(&self) -> Client {
        Client::connect(&self.address).expect("the server accepts")
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.connect().post(path, body.as_ref()).expect("an answer")
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.connect().get(path).expect("an answer")
    }

    /// Runs `auditql COMMAND --server URL ARGS...`.
    pub fn cli(&self, subcommand: &str, args: &[&str]) -> Run {
        let url = self.url();
        let mut all = vec![subcommand, "--server", &url];
        all.extend(args);
        cli(&all)
    }

    /// The process, as signals name it.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("the server lives");
        self.child.wait().expect("it is our child");
    }

    /// SIGTERM, then its end.
    pub fn stop(mut self) -> ExitStatus {
        // SAFETY: a signal to a child that was not waited for, so the pid is still its own.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        let mut status = None;
        wait_until("the server ends", || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        status.expect("it ended")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve<'a>(command: &'a mut Command, data: &Path, args: &[&str]) -> &'a mut Command {
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(args)
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Fields after the last chunk.
    pub trailers: Vec<(String, String)>,
}

impl Response {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// This answer, which must have `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Response {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// One HTTP/1.1 connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Client {
    pub fn connect(address: &str) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream: BufReader::new(stream),
            host: address.to_owned(),
        })
    }

    pub fn get(&mut self, path: &str) -> std::io::Result<Response> {
        self.request("GET", path, &[], b"")
    }

    pub fn post(&mut self, path: &str, body: &[u8]) -> std::io::Result<Response> {
        self.request("POST", path, &[("content-type", "application/json")], body)
    }

    /// Sends a request and reads the whole answer.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Response> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.send(&bytes)?;
        self.read_response()
    }

    /// Sends these bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Ends the sending side.
    pub fn finish_sending(&mut self) -> std::io::Result<()> {
        self.stream.get_mut().shutdown(std::net::Shutdown::Write)
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Reads one answer, with its length or in chunks.
    pub fn read_response(&mut self) -> std::io::Result<Response> {
        let bad = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(bad)?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        let (mut body, mut trailers) = (Vec::new(), Vec::new());
        if header("transfer-encoding").is_some_and(|value| value == "chunked") {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).map_err(|_| bad())?;
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..])?;
                let mut line = self.line()?;
                if size == 0 {
                    while let Some((name, value)) = line.split_once(':') {
                        trailers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                        line = self.line()?;
                    }
                    break;
                }
            }
        } else {
            let length = header("content-length").and_then(|value| value.parse().ok());
            body.resize(length.unwrap_or(0), 0);
            self.stream.read_exact(&mut body)?;
        }
        Ok(Response {
            status: status.ok_or_else(bad)?,
            headers,
            body,
            trailers,
        })
    }
}

/// Whether system calls can be traced here; says on stderr when a test is skipped for want of it.
pub fn strace_works(test: &str) -> bool {
    let works = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        eprintln!("skipped: {test} needs strace, and the right to trace");
    }
    works
}

/// A file of a store, opened behind its back. The library wants to set SQLite up before anybody
/// else in the process uses it.
pub fn sqlite(path: &Path) -> rusqlite::Connection {
    static SET_UP: std::sync::Once = std::sync::Once::new();
    SET_UP.call_once(|| {
        let dir = temp_dir();
        auditql::store::open_write(dir.path(), &auditql::store::OpenOptions::default())
            .expect("a store in a temporary directory");
    });
    rusqlite::Connection::open(path).expect("a database")
}
