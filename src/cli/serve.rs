//! `auditql serve`: the webhook receiver and the API on one address.

use std::future::Future;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::Exit;
use crate::http::{self, App, Hosts, Limits, Settings};
use crate::limits;
use crate::query::clock;
use crate::query::library::Library;
use crate::report::Catalogue;
use crate::report::schedule::Schedule;
use crate::store::{self, OpenOptions, Store};

/// Threads for what blocks: encoding, commits, queries. More than that only wait for two cores.
const BLOCKING_THREADS_MAX: usize = 64;

/// How long the process waits for a query that does not heed its cancellation.
const RUNTIME_SHUTDOWN_WAIT: Duration = Duration::from_secs(2);

/// Receive audit events at /webhook and answer questions at /api/v1
///
/// The server speaks plaintext HTTP/1.1 and knows no users: whoever reaches it can read and write.
/// It therefore listens on loopback only, unless --insecure is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 stopped by a signal, 2 error.\n\n\
    Examples:\n  \
    auditql serve --data /var/lib/auditql\n  \
    auditql serve --data /var/lib/auditql --retain 90d\n  \
    auditql serve --data /var/lib/auditql --listen 10.0.0.5:9770 --insecure \\\n    \
    --allowed-host auditql.monitoring.svc")]
pub struct Args {
    /// Directory of the store; made when there is none
    #[arg(long, value_name = "DIR", env = "AUDITQL_DATA")]
    pub data: PathBuf,

    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDR",
        env = "AUDITQL_LISTEN",
        default_value = "127.0.0.1:9770"
    )]
    pub listen: String,

    /// Listen beyond loopback although there is neither encryption nor authentication
    #[arg(long)]
    pub insecure: bool,

    /// Answer to this name in the Host header too, such as the host of the server URL in
    /// kube-apiserver's webhook kubeconfig; may be repeated
    #[arg(long, value_name = "NAME")]
    pub allowed_host: Vec<String>,

    /// Remove events whose time is longer ago than this, such as 30d
    #[arg(long, value_name = "AGE", value_parser = clock::parse_duration)]
    pub retain: Option<Duration>,

    /// Directory of more questions for /api/v1/queries: a SQL file with a header each
    #[arg(long, value_name = "DIR", env = "AUDITQL_QUERIES")]
    pub queries: Option<PathBuf>,

    /// Directory of more reports for /api/v1/reports: a TOML file each
    #[arg(long, value_name = "DIR", env = "AUDITQL_REPORTS")]
    pub reports: Option<PathBuf>,

    /// Reports to write regularly: a TOML file, see docs/REPORTS.md
    #[arg(long, value_name = "FILE")]
    pub report_schedule: Option<PathBuf>,

    /// Events in the active segment before it is sealed
    #[arg(long, value_name = "N", default_value_t = limits::SEGMENT_EVENTS, value_parser = parse_count)]
    pub segment_events: usize,

    /// Proxies in front of kube-apiserver, whose hops source_ip reads over, from the right
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,

    /// How log lines look on stderr; RUST_LOG says which are written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Largest webhook body; a larger one is answered 413
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, default_value = "2GiB")]
    pub body_bytes_max: u64,

    /// Bytes of request bodies in memory at once; beyond that, requests wait, then get 503
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, default_value = "96MiB")]
    pub inflight_bytes_max: u64,

    /// Connections served at once; more wait to be accepted
    #[arg(long, value_name = "N", default_value_t = limits::CONNECTIONS_MAX, value_parser = parse_count)]
    pub connections_max: usize,

    /// How long one query may run unless it asks for another limit
    #[arg(long, value_name = "TIME", value_parser = clock::parse_duration, default_value = "10s")]
    pub query_time: Duration,

    /// How long one report may take unless it asks for another limit
    #[arg(long, value_name = "TIME", value_parser = clock::parse_duration, default_value = "1m")]
    pub report_time: Duration,

    /// Queries that run at once
    #[arg(long, value_name = "N", default_value_t = limits::QUERIES_MAX, value_parser = parse_count)]
    pub queries_max: usize,

    /// Queries that wait for their turn; more get 503
    #[arg(long, value_name = "N", default_value_t = limits::QUERIES_WAITING_MAX)]
    pub queries_waiting_max: usize,

    /// How long a query waits for its turn before it gets 503
    #[arg(long, value_name = "TIME", value_parser = clock::parse_duration, default_value = "5s")]
    pub query_wait: Duration,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line of text
    Text,
    /// One JSON object per line
    Json,
}

/// Serves until SIGTERM or SIGINT. A second signal ends the process at once, with 130.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    start_log(args.log_format, "info");
    let library = match &args.queries {
        Some(directory) => {
            let library = Library::with_directory(directory).map_err(anyhow::Error::msg)?;
            library.check().map_err(anyhow::Error::msg)?;
            library
        }
        None => Library::shipped().clone(),
    };
    let reports = match &args.reports {
        Some(directory) => Catalogue::with_directory(directory, &library),
        None => Catalogue::over(&library),
    };
    let reports = reports.map_err(anyhow::Error::msg)?;
    let schedule = match &args.report_schedule {
        Some(file) => Schedule::read(file, &reports).map_err(anyhow::Error::msg)?,
        None => Schedule::default(),
    };
    let listener = listen(&args.listen, args.insecure)?;
    let options = OpenOptions {
        segment_events: args.segment_events,
        trusted_proxies: args.trusted_proxies.clone(),
    };
    let store = store::open_write(&args.data, &options)?;
    let address = listener.local_addr()?;
    let settings = Settings {
        schedule,
        ..args.settings(address.ip(), library, reports)
    };
    serve_until_signal(listener, store, settings)
}

impl Args {
    fn settings(self, listen: IpAddr, library: Library, reports: Catalogue) -> Settings {
        Settings {
            spool_dir: self.data,
            hosts: Hosts {
                listen: (!listen.is_unspecified()).then_some(listen),
                names: self
                    .allowed_host
                    .iter()
                    .map(|name| name.trim_end_matches('.').to_ascii_lowercase())
                    .collect(),
                any_address: self.insecure,
            },
            retain: self.retain,
            library,
            reports,
            schedule: Schedule::default(),
            limits: Limits {
                body_bytes_max: self.body_bytes_max,
                inflight_bytes_max: usize::try_from(self.inflight_bytes_max).unwrap_or(usize::MAX),
                connections_max: self.connections_max,
                query_time: self.query_time,
                report_time: self.report_time,
                queries_max: self.queries_max,
                queries_waiting_max: self.queries_waiting_max,
                query_wait: self.query_wait,
                ..Limits::default()
            },
        }
    }
}

/// Serves a store on a bound socket, says where on stderr, and ends with the first signal.
pub(crate) fn serve_until_signal(
    listener: std::net::TcpListener,
    store: Arc<dyn Store>,
    settings: Settings,
) -> anyhow::Result<Exit> {
    serve_until(listener, store, settings, first_signal).map(|()| Exit::Found)
}

/// Serves a store on a bound socket until the future that `shutdown` makes is ready.
#[expect(
    clippy::print_stderr,
    reason = "the address is for people and for scripts that wait for it"
)]
pub(crate) fn serve_until<S: Future<Output = ()>>(
    listener: std::net::TcpListener,
    store: Arc<dyn Store>,
    settings: Settings,
    shutdown: impl FnOnce() -> anyhow::Result<S>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .context("starting the runtime")?;
    let outcome = runtime.block_on(async {
        let shutdown = shutdown()?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        eprintln!("listening on http://{}", listener.local_addr()?);
        let app = App::new(Arc::clone(&store), settings);
        http::serve(listener, app, shutdown).await?;
        anyhow::Ok(())
    });
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_WAIT);
    // Only now: a store may not be dropped on the runtime.
    drop(store);
    outcome
}

/// Ready at the first SIGTERM or SIGINT; from then on a second one ends the process.
fn first_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        either(&mut terminate, &mut interrupt).await;
        tokio::spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            #[expect(
                clippy::disallowed_methods,
                reason = "who asks twice does not want to wait"
            )]
            std::process::exit(130);
        });
    })
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

/// Binds `address`, which must be loopback unless `insecure`.
pub(crate) fn listen(address: &str, insecure: bool) -> anyhow::Result<std::net::TcpListener> {
    let addresses: Vec<SocketAddr> = address
        .to_socket_addrs()
        .with_context(|| format!("--listen {address:?} is no ADDRESS:PORT"))?
        .collect();
    let beyond = addresses
        .iter()
        .find(|a| !a.ip().to_canonical().is_loopback());
    if let Some(beyond) = beyond {
        if !insecure {
            bail!(
                "--listen {address} would let anyone who reaches {} read and write audit events: \
                 there is neither encryption nor authentication yet; listen on 127.0.0.1, or give \
                 --insecure if the network in front of it protects it",
                beyond.ip()
            );
        }
        tracing::warn!(
            "listening on {address} without encryption or authentication (--insecure); names in \
             the Host header must be allowed with --allowed-host NAME"
        );
    }
    std::net::TcpListener::bind(&*addresses)
        .with_context(|| format!("--listen {address} cannot be bound"))
}

/// The log on stderr. A second start, as in tests, changes nothing.
pub(crate) fn start_log(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

/// A number of at least one.
fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("is no number; use 1 or more".to_owned()),
    }
}

/// A number of bytes, alone or with `KiB`, `MiB` or `GiB`.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err("unknown unit; use a number with KiB, MiB or GiB, such as 64MiB".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "is no number of bytes")?;
    number
        .checked_mul(1 << shift)
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "is out of range".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(extra: &[&str]) -> Args {
        let line = ["serve", "--data", "d"].iter().chain(extra);
        Cli::try_parse_from(line)
            .unwrap_or_else(|e| panic!("{e}"))
            .args
    }

    #[test]
    fn defaults_are_the_named_limits() {
        let args = parse(&[]);
        assert_eq!(args.body_bytes_max, limits::BODY_BYTES_MAX);
        assert_eq!(args.inflight_bytes_max, limits::INFLIGHT_BYTES_MAX as u64);
        assert_eq!(args.query_time, limits::QUERY_TIME);
        assert_eq!(args.report_time, limits::REPORT_TIME);
        assert_eq!(args.query_wait, limits::QUERY_WAIT);
        assert_eq!(args.retain, None);
    }

    #[test]
    fn only_loopback_is_bound_without_insecure() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let refused = listen(address, false).unwrap_err().to_string();
            assert!(refused.contains("--insecure"), "{refused}");
        }
        assert!(listen("127.0.0.1:0", false).is_ok());
        assert!(listen("localhost:0", false).is_ok());
        assert!(listen("0.0.0.0:0", true).is_ok());
        assert!(listen("nonsense", false).is_err());
    }

    #[test]
    fn names_are_allowed_whatever_their_case() {
        let args = parse(&["--allowed-host", "AuditQL.Monitoring.svc."]);
        let settings = args.settings(
            [0, 0, 0, 0].into(),
            Library::default(),
            Catalogue::default(),
        );
        assert_eq!(settings.hosts.names, ["auditql.monitoring.svc"]);
        assert_eq!(settings.hosts.listen, None);
    }

    #[test]
    fn bytes_have_units() {
        for (text, expected) in [
            ("1", Some(1)),
            ("64MiB", Some(64 << 20)),
            ("2GiB", Some(2 << 30)),
            ("0", None),
            ("", None),
            ("MiB", None),
            ("5 apples", None),
            ("99999999999999GiB", None),
        ] {
            assert_eq!(parse_bytes(text).ok(), expected, "{text}");
        }
    }
}
