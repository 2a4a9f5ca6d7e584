//! `--data`, `--server` and `--profile`: where a command finds its store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};

use super::config::Config;
use super::print::say;
use crate::model::token::Token;
use crate::query::source::{Local, Remote, Source};
use crate::store::{self, OpenOptions, Store};

/// Where the data is when nothing says so.
const DATA_DEFAULT: &str = "auditql-data";

/// Where the store is.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Store")]
pub(super) struct Connection {
    /// Data directory; else AUDITQL_DATA, else ./auditql-data
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "profile"])]
    pub data: Option<PathBuf>,
    /// Ask a server instead, such as http://127.0.0.1:9770; else AUDITQL_SERVER
    #[arg(long, value_name = "URL", conflicts_with = "profile")]
    pub server: Option<String>,
    /// Place by name, from ~/.config/auditql/config.toml or AUDITQL_CONFIG; else AUDITQL_PROFILE
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// A store's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Data(PathBuf),
    Server { url: String, token: Option<Token> },
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Data(dir) => write!(out, "data directory {}", dir.display()),
            Place::Server { url, .. } => write!(out, "server {url}"),
        }
    }
}

/// Set once the config file's warning is not to be said any more.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Says nothing about the config file from now on, if so.
pub(super) fn do_not_warn_if(quiet: bool) {
    WARNED.store(quiet, Ordering::Relaxed);
}

impl Connection {
    /// The place that flags, the environment or a profile name, in this order.
    pub(super) fn place(&self) -> anyhow::Result<Place> {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let load = || {
            let config = Config::load()?;
            if let Some(warning) = &config.warning
                && !WARNED.swap(true, Ordering::Relaxed)
            {
                say(&format!("warning: {warning}"));
            }
            Ok(config)
        };
        self.place_in(env, load)
    }

    fn place_in(
        &self,
        env: impl Fn(&str) -> Option<String>,
        config: impl Fn() -> anyhow::Result<Config>,
    ) -> anyhow::Result<Place> {
        let server = |url: String| {
            let token = env("AUDITQL_TOKEN").map(|token| Token::new(&token));
            let token = token.transpose().map_err(anyhow::Error::msg);
            let token = token.context("AUDITQL_TOKEN")?;
            Ok(Place::Server { url, token })
        };
        match (&self.data, &self.server, &self.profile) {
            (Some(data), None, None) => return Ok(Place::Data(data.clone())),
            (None, Some(url), None) => return server(url.clone()),
            (None, None, Some(name)) => return config()?.profile(name, "--profile"),
            (None, None, None) => {}
            _ => bail!("give one of --data, --server and --profile"),
        }
        match (env("AUDITQL_DATA"), env("AUDITQL_SERVER")) {
            (Some(_), Some(_)) => {
                bail!("both AUDITQL_DATA and AUDITQL_SERVER are set; give --data or --server")
            }
            (Some(data), None) => return Ok(Place::Data(data.into())),
            (None, Some(url)) => return server(url),
            (None, None) => {}
        }
        let config = config()?;
        let place = match (env("AUDITQL_PROFILE"), config.usual_profile()) {
            (Some(name), _) => config.profile(&name, "AUDITQL_PROFILE")?,
            (None, Some(name)) => config.profile(name, "the config file's profile")?,
            (None, None) => Place::Data(DATA_DEFAULT.into()),
        };
        match place {
            // The environment goes before the file.
            Place::Server { url, .. } if env("AUDITQL_TOKEN").is_some() => server(url),
            place => Ok(place),
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
            Place::Server { url, token } => {
                let remote = Remote::new(&url).map_err(anyhow::Error::msg)?;
                Ok(Box::new(remote.with_token(token)))
            }
            Place::Data(dir) => {
                std::fs::metadata(&dir).with_context(|| {
                    format!(
                        "data directory {} cannot be opened; name another with --data, or a \
                         server with --server, or make one with auditql import",
                        dir.display()
                    )
                })?;
                Ok(Box::new(Local::new(open(&dir)?)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_before_the_environment_and_that_before_the_file() {
        let file = "profile = 'lab'\n[profiles.lab]\ndata = '/lab'\n\
                    [profiles.prod]\nserver = 'prod'\ntoken = 'kept'";
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        // Flags and environment as `data server profile`, with - for what is not given.
        let place = |flags: &str, environment: &str, file: &str| {
            let words = |text: &str| -> Vec<Option<String>> {
                let words = text.split(' ');
                words.map(|word| given(word.trim_matches('-'))).collect()
            };
            let flags = words(flags);
            let environment = words(environment);
            let connection = Connection {
                data: flags[0].clone().map(Into::into),
                server: flags[1].clone(),
                profile: flags[2].clone(),
            };
            let env = |name: &str| match name {
                "AUDITQL_DATA" => environment[0].clone(),
                "AUDITQL_SERVER" => environment[1].clone(),
                "AUDITQL_PROFILE" => environment[2].clone(),
                _ => environment.get(3).cloned().flatten(),
            };
            let load = || Ok(Config::of_text(file));
            match connection.place_in(env, load) {
                Ok(Place::Data(dir)) => format!("data {}", dir.display()),
                Ok(Place::Server { url, token }) => {
                    let token = token.map(|token| token.authorization());
                    format!("{url} {}", token.unwrap_or_default())
                }
                Err(error) => format!("{error:#}"),
            }
        };
        for (flags, environment, expected) in [
            ("- - -", "- - -", "data /lab"),
            ("- - -", "- - prod", "prod Bearer kept"),
            ("- - -", "- - prod set", "prod Bearer set"),
            ("- - -", "d - prod", "data d"),
            ("- - -", "- s prod set", "s Bearer set"),
            // A token goes to no other server than the one it stands beside.
            ("- - -", "- s prod", "s "),
            ("- s -", "- - prod", "s "),
            ("- s -", "d - - set", "s Bearer set"),
            ("x - -", "- s prod", "data x"),
            ("- - prod", "d - lab", "prod Bearer kept"),
            (
                "- - lb",
                "d - -",
                "--profile: unknown profile \"lb\"; did you mean lab?",
            ),
            (
                "- - -",
                "- - prdo",
                "AUDITQL_PROFILE: unknown profile \"prdo\"; did you mean prod?",
            ),
            (
                "- - -",
                "d s -",
                "both AUDITQL_DATA and AUDITQL_SERVER are set; give --data or --server",
            ),
            (
                "d s -",
                "- - -",
                "give one of --data, --server and --profile",
            ),
            (
                "- s -",
                "- - - é",
                "AUDITQL_TOKEN: a token is one word of ASCII letters, digits and signs",
            ),
        ] {
            assert_eq!(
                place(flags, environment, file),
                expected,
                "{flags}, {environment}"
            );
        }
        assert_eq!(place("- - -", "- - -", ""), "data auditql-data");
        assert_eq!(
            place("- - x", "- - -", ""),
            "--profile: unknown profile \"x\"; there is no config file"
        );
    }
}
