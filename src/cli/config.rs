//! The config file: profiles, each a store's place by name.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use super::connection::Place;
use crate::model::suggest::suggest;
use crate::model::token::Token;

/// The settings of a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The profile that is used when nothing names one.
    profile: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
struct Profile(Place);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    data: Option<PathBuf>,
    server: Option<String>,
    token: Option<String>,
}

impl TryFrom<Written> for Profile {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Profile, &'static str> {
        let token = written.token.as_deref().map(Token::new).transpose()?;
        Ok(Profile(match (written.data, written.server, token) {
            (Some(_), Some(_), _) => return Err("a profile has data or server; remove one"),
            (Some(_), None, Some(_)) => return Err("a token is for a server; remove it"),
            (None, None, _) => return Err("a profile needs data or server"),
            (None, Some(url), token) => Place::Server { url, token },
            (Some(dir), None, None) => Place::Data(match dir.strip_prefix("~") {
                Ok(rest) => home()
                    .ok_or("data begins with ~, but HOME is not set")?
                    .join(rest),
                Err(_) if dir.is_absolute() => dir,
                Err(_) => return Err("data is relative; begin it with / or ~/"),
            }),
        }))
    }
}

fn home() -> Option<PathBuf> {
    absolute("HOME")
}

/// A variable that holds an absolute path, as the XDG Base Directory Specification 0.8 wants it.
pub(super) fn absolute(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).map(PathBuf::from);
    value.filter(|path| path.is_absolute())
}

/// The config file, which may be absent.
#[derive(Debug, Default)]
pub(super) struct Config {
    path: PathBuf,
    file: File,
    /// What is to be said to people about it.
    pub(super) warning: Option<String>,
}

impl Config {
    /// Reads the file that AUDITQL_CONFIG names, or else `auditql/config.toml` in XDG_CONFIG_HOME
    /// or `~/.config`. An error names the file, and the line where it is wrong.
    pub(super) fn load() -> anyhow::Result<Config> {
        let named = std::env::var_os("AUDITQL_CONFIG").filter(|value| !value.is_empty());
        let usual = || absolute("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")));
        let must_be = named.is_some();
        let named = named.map(PathBuf::from);
        let Some(path) = named.or_else(|| Some(usual()?.join("auditql/config.toml"))) else {
            return Ok(Config::default());
        };
        Config::read(path, must_be)
    }

    fn read(path: PathBuf, must_be: bool) -> anyhow::Result<Config> {
        let shown = path.display();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && !must_be => {
                return Ok(Config::default());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("reading the config file {shown}"));
            }
        };
        let file = parse(&text).map_err(|(line, error)| anyhow!("{shown}:{line}: {error}"))?;
        let is_secret =
            |profile: &Profile| matches!(profile.0, Place::Server { token: Some(_), .. });
        let warning = (file.profiles.values().any(is_secret) && others_may_read(&path))
            .then(|| format!("others can read the token in {shown}; chmod 600 {shown}"));
        Ok(Config {
            file,
            warning,
            path,
        })
    }

    /// A config of this text, for tests.
    #[cfg(test)]
    pub(super) fn of_text(text: &str) -> Config {
        Config {
            file: parse(text).unwrap(),
            ..Config::default()
        }
    }

    /// The names of the profiles.
    pub(super) fn profiles(&self) -> impl Iterator<Item = &str> {
        self.file.profiles.keys().map(String::as_str)
    }

    /// The profile that is used when nothing names one.
    pub(super) fn usual_profile(&self) -> Option<&str> {
        self.file.profile.as_deref()
    }

    /// The place of a profile that `origin` names.
    pub(super) fn profile(&self, name: &str, origin: &str) -> anyhow::Result<Place> {
        if let Some(profile) = self.file.profiles.get(name) {
            return Ok(profile.0.clone());
        }
        if self.file.profiles.is_empty() {
            bail!(
                "{origin}: unknown profile {name:?}; {}",
                match self.path.as_os_str().is_empty() {
                    true => "there is no config file".to_owned(),
                    false => format!("{} has none", self.path.display()),
                }
            );
        }
        let hint = suggest(name, self.profiles());
        bail!("{origin}: unknown profile {name:?}; {hint}");
    }
}

/// Whether the group or all may read a file.
fn others_may_read(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

/// Reads the text of a file; an error comes with its line, from 1.
fn parse(text: &str) -> Result<File, (usize, String)> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text[..at].matches('\n').count();
        // What serde says of a wrong type holds the value.
        let is_token = text
            .lines()
            .nth(line)
            .is_some_and(|line| line.contains("token"));
        let message = match is_token && error.message().starts_with("invalid type") {
            true => "a token is a text in quotes".to_owned(),
            false => error.message().replace('\n', "; "),
        };
        (line + 1, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_by_line() {
        for (text, expected) in [
            (
                "prof = 'x'",
                (1, "unknown field `prof`, expected `profile` or `profiles`"),
            ),
            (
                "profile = 'a'\n[profiles.a]\nservr = 'x'",
                (
                    3,
                    "unknown field `servr`, expected one of `data`, `server`, `token`",
                ),
            ),
            ("\n[profiles.a]\n", (2, "a profile needs data or server")),
            (
                "[profiles.a]\ndata = '/d'\nserver = 's'",
                (1, "a profile has data or server; remove one"),
            ),
            (
                "[profiles.a]\ndata = '/d'\ntoken = 's'",
                (1, "a token is for a server; remove it"),
            ),
            (
                "[profiles.a]\ndata = 'd'",
                (1, "data is relative; begin it with / or ~/"),
            ),
            (
                "profiles = 1",
                (1, "invalid type: integer `1`, expected a map"),
            ),
            (
                "[profiles.a]\nserver = 's'\ntoken = 12345",
                (3, "a token is a text in quotes"),
            ),
            (
                "[profiles.a]\nserver = 's'\ntoken = 'hu sh'",
                (1, "a token is one word of ASCII letters, digits and signs"),
            ),
        ] {
            let (line, message) = parse(text).unwrap_err();
            assert_eq!((line, message.as_str()), expected, "{text}");
        }
        let (line, message) = parse("[profiles.a]\nserver = 's'\ntoken = 'hush\n").unwrap_err();
        assert_eq!(line, 3);
        assert!(!message.contains("hush"), "{message}");
    }

    #[test]
    fn a_profile_is_a_place() {
        let text = "[profiles.lab]\ndata = '/d'\n[profiles.prod]\nserver = 's'\ntoken = 'hush'";
        let config = Config::of_text(text);
        let place = config.profile("lab", "--profile").unwrap();
        assert_eq!(place, Place::Data("/d".into()));
        let place = config.profile("prod", "--profile").unwrap();
        let token = Some(Token::new("hush").unwrap());
        let url = "s".to_owned();
        assert_eq!(place, Place::Server { url, token });
        assert!(!format!("{config:?}").contains("hush"));
        for (name, expected) in [
            (
                "prd",
                "--profile: unknown profile \"prd\"; did you mean prod?",
            ),
            (
                "x",
                "--profile: unknown profile \"x\"; use one of lab, prod",
            ),
        ] {
            let error = config.profile(name, "--profile").unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
