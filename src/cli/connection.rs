//! `--data` and `--server`: where a command finds its store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::query::source::{Local, Remote, Source};
use crate::store::{self, OpenOptions, Store};

/// Where the data is when nothing says so.
const DATA_DEFAULT: &str = "auditql-data";

/// Where the store is.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Store")]
pub(super) struct Connection {
    /// Data directory; else AUDITQL_DATA, else ./auditql-data
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub data: Option<PathBuf>,
    /// Ask a server instead, such as http://127.0.0.1:9770; else AUDITQL_SERVER
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
}

/// A store's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Data(PathBuf),
    Server(String),
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Data(dir) => write!(out, "data directory {}", dir.display()),
            Place::Server(url) => write!(out, "server {url}"),
        }
    }
}

impl Connection {
    /// The place that flags and environment name; a flag goes before the environment.
    pub(super) fn place(&self) -> anyhow::Result<Place> {
        self.place_in(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn place_in(&self, env: impl Fn(&str) -> Option<String>) -> anyhow::Result<Place> {
        match (&self.data, &self.server) {
            (Some(_), Some(_)) => bail!("both --data and --server are given; give one"),
            (Some(data), None) => return Ok(Place::Data(data.clone())),
            (None, Some(server)) => return Ok(Place::Server(server.clone())),
            (None, None) => {}
        }
        match (env("AUDITQL_DATA"), env("AUDITQL_SERVER")) {
            (Some(_), Some(_)) => {
                bail!("both AUDITQL_DATA and AUDITQL_SERVER are set; give --data or --server")
            }
            (Some(data), None) => Ok(Place::Data(data.into())),
            (None, Some(server)) => Ok(Place::Server(server)),
            (None, None) => Ok(Place::Data(DATA_DEFAULT.into())),
        }
    }

    /// The store for reading; a server may be writing the directory meanwhile.
    pub(super) fn open_read(&self) -> anyhow::Result<Box<dyn Source>> {
        self.open(|dir| Ok(store::open_read(dir)?))
    }

    /// The store for upkeep, which no other process may be writing.
    pub(super) fn open_write(&self) -> anyhow::Result<Box<dyn Source>> {
        self.open(|dir| Ok(store::open_write(dir, &OpenOptions::default())?))
    }

    fn open(
        &self,
        open: impl Fn(&Path) -> anyhow::Result<Arc<dyn Store>>,
    ) -> anyhow::Result<Box<dyn Source>> {
        match self.place()? {
            Place::Server(url) => Ok(Box::new(Remote::new(&url).map_err(anyhow::Error::msg)?)),
            Place::Data(dir) => {
                std::fs::metadata(&dir).with_context(|| {
                    format!(
                        "data directory {} cannot be opened; name another with --data, or a \
                         server with --server, or make one with auditql import",
                        dir.display()
                    )
                })?;
                Ok(Box::new(Local(open(&dir)?)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_before_the_environment() {
        let place = |data: &str, server: &str, env_data: &str, env_server: &str| {
            let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let connection = Connection {
                data: given(data).map(Into::into),
                server: given(server),
            };
            connection
                .place_in(|name| match name {
                    "AUDITQL_DATA" => given(env_data),
                    _ => given(env_server),
                })
                .ok()
        };
        let data = |dir: &str| Some(Place::Data(dir.into()));
        let server = |url: &str| Some(Place::Server(url.into()));
        assert_eq!(place("", "", "", ""), data("auditql-data"));
        assert_eq!(place("a", "", "b", "c"), data("a"));
        assert_eq!(place("", "a", "b", "c"), server("a"));
        assert_eq!(place("", "", "b", ""), data("b"));
        assert_eq!(place("", "", "", "c"), server("c"));
        assert_eq!(place("", "", "b", "c"), None);
        assert_eq!(place("a", "b", "", ""), None);
    }
}
