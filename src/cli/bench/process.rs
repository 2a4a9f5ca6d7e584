//! The measured processes: this program as a server and as an import, and what they use.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// How often a process is looked at.
const TICK: Duration = Duration::from_millis(10);

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(600);

/// Clock ticks per second in /proc/PID/stat: USER_HZ, 100 on every Linux (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Highest resident memory, bytes: `VmHWM`.
    pub peak_rss: u64,
    /// User and system time of all threads, seconds.
    pub cpu: f64,
}

impl Usage {
    fn of(pid: u32) -> Option<Usage> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?
            .trim()
            .trim_end_matches(" kB")
            .parse::<u64>()
            .ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; utime and stime are the 14th and 15th.
        let after = stat.get(stat.rfind(')')? + 2..)?;
        let ticks: u64 = after
            .split(' ')
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().ok())
            .sum::<Option<u64>>()?;
        Some(Usage {
            peak_rss: peak << 10,
            cpu: ticks as f64 / TICKS_PER_SECOND,
        })
    }
}

/// What this process has used so far.
pub(super) fn own_usage() -> Usage {
    Usage::of(std::process::id()).unwrap_or_default()
}

/// Runs a command of this program to its end; gives its time and what it used.
pub(super) fn run(arguments: &[&str]) -> anyhow::Result<(Duration, Usage)> {
    let begin = Instant::now();
    let mut child = command(arguments)?
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .context("starting this program")?;
    let usage = wait(&mut child, Usage::default())?;
    Ok((begin.elapsed(), usage))
}

/// Waits for a good end, watching what the process uses.
fn wait(child: &mut Child, mut usage: Usage) -> anyhow::Result<Usage> {
    let (_never, ticks) = mpsc::channel::<()>();
    let deadline = Instant::now() + PATIENCE * 6;
    loop {
        usage = Usage::of(child.id()).unwrap_or(usage);
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("the measured process failed: {status}");
            }
            return Ok(usage);
        }
        if Instant::now() > deadline {
            child.kill()?;
            bail!("the measured process did not end");
        }
        let _ = ticks.recv_timeout(TICK);
    }
}

fn command(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("finding this program")?);
    command
        .args(arguments)
        .env_remove("AUDITQL_DATA")
        .env_remove("AUDITQL_SERVER")
        .env_remove("AUDITQL_TOKEN")
        .env_remove("AUDITQL_LISTEN")
        .stdin(Stdio::null());
    Ok(command)
}

/// A path as an argument.
pub(super) fn utf8(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is no UTF-8", path.display()))
}

/// A running server; killed when dropped without [`Server::stop`].
pub(super) struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts `auditql serve` on a free port and waits until it listens.
    pub(super) fn start(data: &Path, segment_events: Option<&str>) -> anyhow::Result<Server> {
        let data = utf8(data)?;
        let mut arguments = vec!["serve", "--data", data, "--listen", "127.0.0.1:0"];
        if let Some(events) = segment_events {
            arguments.extend(["--segment-events", events]);
        }
        let mut child = command(&arguments)?
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the server")?;
        let stderr = child.stderr.take().context("the server's stderr")?;
        let (listening, heard) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                match line.strip_prefix("listening on http://") {
                    Some(address) => drop(listening.send(address.to_owned())),
                    None => crate::cli::print::say(&format!("server: {line}")),
                }
            }
        });
        let address = match heard.recv_timeout(PATIENCE) {
            Ok(address) => address.parse().context("the server's address")?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let _ = child.kill();
                let _ = child.wait();
                bail!("the server did not start");
            }
        };
        Ok(Server { child, address })
    }

    pub(super) fn usage(&self) -> Usage {
        Usage::of(self.child.id()).unwrap_or_default()
    }

    /// Asks the server to end, as SIGTERM does, and waits until it has.
    pub(super) fn stop(mut self) -> anyhow::Result<Usage> {
        let usage = self.usage();
        let told = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        if !told.is_ok_and(|status| status.success()) {
            bail!("the server cannot be told to end");
        }
        wait(&mut self.child, usage)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
