//! What the query of a request's URI says, read as Go's `url.ParseQuery` reads it.

use std::borrow::Cow;

use crate::model::event::Text;

/// The parameters that matter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// `dryRun=All` is among them.
    pub dry_run: bool,
    /// The first `fieldManager` that is not empty.
    pub field_manager: Option<Text<'static>>,
}

/// Reads the query of `uri`, path and query as sent. A pair with a bad escape or a semicolon does
/// not exist for the server, so it does not here.
pub(super) fn read(uri: &str) -> Query {
    let mut query = Query::default();
    let Some((_, pairs)) = uri.split_once('?') else {
        return query;
    };
    for pair in pairs.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Only names that start so, or hide their start in an escape, can be the ones wanted.
        if !matches!(key.as_bytes().first(), Some(b'd' | b'f' | b'%')) || pair.contains(';') {
            continue;
        }
        match decode(key).as_deref() {
            Some("dryRun") => query.dry_run |= decode(value).as_deref() == Some("All"),
            Some("fieldManager") if query.field_manager.is_none() => {
                query.field_manager = decode(value)
                    .filter(|manager| !manager.is_empty())
                    .map(|manager| Cow::Owned(manager.into_owned()));
            }
            _ => {}
        }
    }
    query
}

/// The command of an exec with its arguments as a JSON array; `None` for any other request. The
/// server has it from the `command` parameters only. A kubelet's own exec, reached through the
/// proxy of a node, has it there too.
pub fn command(uri: &str, subresource: Option<&str>) -> Option<String> {
    let (path, pairs) = uri.split_once('?')?;
    let is_exec = match subresource {
        Some("exec") => true,
        Some("proxy") => path.contains("/proxy/exec/"),
        _ => false,
    };
    if !is_exec {
        return None;
    }
    let arguments: Vec<Cow<'_, str>> = pairs
        .split('&')
        .filter(|pair| !pair.contains(';'))
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key)? == "command").then(|| decode(value)).flatten()
        })
        .collect();
    (!arguments.is_empty())
        .then(|| serde_json::to_string(&arguments).expect("texts are always JSON"))
}

/// Decodes percent escapes and plus signs; bytes that are no UTF-8 become U+FFFD.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            _ => byte,
        });
    }
    Some(Cow::Owned(String::from_utf8_lossy(&decoded).into_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_an_exec_is_read_in_order() {
        for (uri, subresource, expected) in [
            (
                "/api/v1/namespaces/n/pods/p/exec?command=sh&container=c&command=-c&command=cat+%2Fetc%2Fpasswd%20%22x%22&stdin=true",
                Some("exec"),
                Some(r#"["sh","-c","cat /etc/passwd \"x\""]"#),
            ),
            (
                "/x/exec?c%6fmmand=id&command=&command",
                Some("exec"),
                Some(r#"["id","",""]"#),
            ),
            ("/x/exec?command=%zz&command=a;b", Some("exec"), None),
            ("/x/exec?container=c", Some("exec"), None),
            ("/x/exec", Some("exec"), None),
            ("/x/attach?command=sh", Some("attach"), None),
            ("/api/v1/pods?command=sh", None, None),
            (
                "/api/v1/nodes/n/proxy/exec/ns/p/c?command=id&error=1",
                Some("proxy"),
                Some(r#"["id"]"#),
            ),
            ("/api/v1/nodes/n/proxy/pods?command=id", Some("proxy"), None),
            ("/x/exec?command=%ff", Some("exec"), Some("[\"\u{fffd}\"]")),
        ] {
            assert_eq!(command(uri, subresource).as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn the_query_is_read_as_the_server_reads_it() {
        for (uri, dry_run, manager) in [
            ("/api/v1/pods", false, None),
            ("/api/v1/pods?dryRun=All", true, None),
            (
                "/api/v1/pods?a=b&dryRun=All&fieldManager=kubectl-create",
                true,
                Some("kubectl-create"),
            ),
            ("/api/v1/pods?dr%79Run=A%6cl", true, None),
            ("/api/v1/pods?dryRun=all", false, None),
            ("/api/v1/pods?dryRun=", false, None),
            ("/api/v1/pods?dryRun=All;x", false, None),
            ("/api/v1/pods?dryRun=%zz&dryRun=All", true, None),
            ("/api/v1/pods?xdryRun=All", false, None),
            ("/api/v1/dryRun=All", false, None),
            (
                "/api?fieldManager=&fieldManager=a%20b+c",
                false,
                Some("a b c"),
            ),
            ("/api?fieldManager=%ff", false, Some("\u{fffd}")),
            ("/api?fieldManager=%", false, None),
            ("", false, None),
        ] {
            let query = read(uri);
            assert_eq!(query.dry_run, dry_run, "{uri}");
            assert_eq!(query.field_manager.as_deref(), manager, "{uri}");
        }
    }
}
