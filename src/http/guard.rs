//! Against DNS rebinding and cross-site requests: the Host header must be one that this server
//! goes by, and a browser's page from elsewhere may not change anything.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::App;
use super::problem::Problem;

/// Which Host headers are answered. `localhost` and loopback addresses always are.
///
/// A page on the Internet can make a browser send requests to this server under the page's own
/// name, by pointing that name at 127.0.0.1; it cannot do so under an address or under a name
/// that an operator allowed.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// The address that the server listens on, unless that is a wildcard.
    pub listen: Option<IpAddr>,
    /// Names that were allowed, without port, lower case.
    pub names: Vec<String>,
    /// Answer to any address: set when the server listens beyond loopback.
    pub any_address: bool,
}

impl Hosts {
    /// Whether a Host header's value is one of ours. The port does not count: a forwarded port is
    /// another one than the server's.
    fn allow(&self, host: &str) -> bool {
        let Some(name) = host_name(host) else {
            return false;
        };
        if let Ok(address) = name.parse::<IpAddr>() {
            return address.to_canonical().is_loopback()
                || self.any_address
                || self.listen.is_some_and(|listen| listen == address);
        }
        name == "localhost" || self.names.contains(&name)
    }
}

/// The host of `host[:port]`: lower case, no brackets, no final dot.
fn host_name(host: &str) -> Option<String> {
    let authority: Authority = host.parse().ok()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let name = authority.host();
    let name = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// The layer.
pub(super) async fn guard(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let host = sole(headers, &HOST).ok_or_else(|| {
        Problem::bad_request("a request needs one Host header with the server's name or address")
    })?;
    let target = request.uri().authority().map(Authority::as_str);
    for host in std::iter::once(host).chain(target) {
        if !app.0.settings.hosts.allow(host) {
            return Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                format!(
                    "this server does not go by the name {host:?}; use its address, or start it \
                     with --allowed-host NAME (kube-apiserver sends the host of its kubeconfig's \
                     server URL)"
                ),
            ));
        }
    }
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if !reads && let Some(origin) = cross_site(headers, host) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("a page of {origin:?} may not change anything here"),
        ));
    }
    Ok(next.run(request).await)
}

/// The header's value when it stands there exactly once.
fn sole<'a>(headers: &'a HeaderMap, name: &axum::http::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Where a request comes from if a browser says that it is another site. Programs such as
/// kube-apiserver send neither of the two headers.
fn cross_site(headers: &HeaderMap, host: &str) -> Option<String> {
    if headers.contains_key(ORIGIN) {
        let origin = sole(headers, &ORIGIN).unwrap_or("null");
        let site = origin.split_once("://").map(|(_, authority)| authority);
        let same =
            site.is_some_and(|site| host_name(site).is_some() && site.eq_ignore_ascii_case(host));
        return (!same).then(|| origin.to_owned());
    }
    let fetch = headers.get("sec-fetch-site")?.to_str().unwrap_or("unknown");
    (!matches!(fetch, "same-origin" | "none")).then(|| fetch.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts {
            listen: Some("10.1.2.3".parse().unwrap()),
            names: vec!["auditql.monitoring.svc".into()],
            any_address: false,
        }
    }

    #[test]
    fn only_own_names_and_addresses_are_answered() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST.:9770", true),
            ("127.0.0.1:1", true),
            ("127.8.8.8", true),
            ("[::1]:9770", true),
            ("[::ffff:127.0.0.1]", true),
            ("10.1.2.3:9770", true),
            ("auditql.monitoring.svc:9770", true),
            ("10.1.2.4:9770", false),
            ("evil.example:9770", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1@evil.example", false),
            ("evil.example@127.0.0.1", false),
            ("", false),
            ("local host", false),
        ] {
            assert_eq!(hosts().allow(host), expected, "{host:?}");
        }
        let insecure = Hosts {
            any_address: true,
            ..hosts()
        };
        assert!(insecure.allow("10.1.2.4:9770"));
        assert!(!insecure.allow("evil.example"));
    }

    #[test]
    fn a_page_from_elsewhere_is_cross_site() {
        let judge = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            cross_site(&headers, "127.0.0.1:9770").is_some()
        };
        assert!(!judge("origin", "http://127.0.0.1:9770"));
        assert!(judge("origin", "http://127.0.0.1:8000"));
        assert!(judge("origin", "http://evil.example"));
        assert!(judge("origin", "null"));
        assert!(judge("sec-fetch-site", "cross-site"));
        assert!(judge("sec-fetch-site", "same-site"));
        assert!(!judge("sec-fetch-site", "same-origin"));
        assert!(!judge("user-agent", "Go-http-client/1.1"));
    }
}
