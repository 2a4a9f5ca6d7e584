//! Request URIs as stored: most are the canonical path of the object that the row names anyway, so
//! only what follows it is kept.

/// The stored text begins with the path of the named object, left out.
const NAMED: char = '~';
/// The stored text begins with the path of the collection, left out.
const COLLECTION: char = '^';
/// The rest is the URI itself, which begins with one of these marks.
const LITERAL: char = '=';

/// The columns that a canonical path is made of.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Object<'a> {
    pub(crate) api_group: Option<&'a str>,
    pub(crate) api_version: Option<&'a str>,
    pub(crate) resource: Option<&'a str>,
    pub(crate) subresource: Option<&'a str>,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

/// Writes the canonical path: `/api/v1/namespaces/NS/RESOURCE[/NAME[/SUBRESOURCE]]`.
fn path(object: &Object<'_>, named: bool, out: &mut String) {
    match object.api_group {
        Some(group) => push(out, "/apis/", group),
        None => out.push_str("/api"),
    }
    if let Some(version) = object.api_version {
        push(out, "/", version);
    }
    let resource = object.resource.unwrap_or_default();
    if let Some(namespace) = object.namespace
        && resource != "namespaces"
    {
        push(out, "/namespaces/", namespace);
    }
    push(out, "/", resource);
    if named {
        for part in [object.name, object.subresource].into_iter().flatten() {
            push(out, "/", part);
        }
    }
}

fn push(out: &mut String, before: &str, part: &str) {
    out.push_str(before);
    out.push_str(part);
}

/// Writes the stored form of a URI.
pub(crate) fn shorten(uri: &str, object: &Object<'_>, out: &mut String) {
    out.clear();
    if object.resource.is_some() {
        let marks: &[(char, bool)] = if object.name.is_some() {
            &[(NAMED, true), (COLLECTION, false)]
        } else {
            &[(COLLECTION, false)]
        };
        for &(mark, named) in marks {
            out.clear();
            path(object, named, out);
            if let Some(rest) = uri.strip_prefix(out.as_str())
                && (rest.is_empty() || rest.starts_with('?'))
            {
                let rest = rest.to_owned();
                out.clear();
                out.push(mark);
                out.push_str(&rest);
                return;
            }
        }
        out.clear();
    }
    if uri.starts_with([NAMED, COLLECTION, LITERAL]) {
        out.push(LITERAL);
    }
    out.push_str(uri);
}

/// Whether a stored text stands for a URI that goes on from the name of the object.
pub(crate) fn leaves_out_name(stored: &str) -> bool {
    stored.starts_with(NAMED)
}

/// Writes the URI that a stored text stands for.
pub(crate) fn restore(stored: &str, object: &Object<'_>, out: &mut String) {
    out.clear();
    let mut rest = stored.chars();
    match rest.next() {
        Some(NAMED) => path(object, true, out),
        Some(COLLECTION) => path(object, false, out),
        Some(LITERAL) => {}
        _ => {
            out.push_str(stored);
            return;
        }
    }
    out.push_str(rest.as_str());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part() -> impl Strategy<Value = Option<String>> {
        prop::option::of("[a-z~^=/?]{0,6}")
    }

    proptest! {
        #[test]
        fn uris_come_back(uri in "[~^=/?a-z]{0,12}", parts in prop::array::uniform6(part()), canonical: bool, named: bool, rest in "(|[?][a-z=]{0,5})") {
            let [group, version, resource, subresource, namespace, name] = &parts;
            let object = Object {
                api_group: group.as_deref(),
                api_version: version.as_deref(),
                resource: resource.as_deref(),
                subresource: subresource.as_deref(),
                namespace: namespace.as_deref(),
                name: name.as_deref(),
            };
            let mut expected = uri;
            if canonical {
                expected.clear();
                path(&object, named, &mut expected);
                expected.push_str(&rest);
            }
            let (mut stored, mut back) = (String::new(), String::new());
            shorten(&expected, &object, &mut stored);
            restore(&stored, &object, &mut back);
            prop_assert_eq!(back, expected);
        }
    }

    #[test]
    fn a_canonical_path_is_left_out() {
        let object = Object {
            api_group: Some("apps"),
            api_version: Some("v1"),
            resource: Some("deployments"),
            subresource: Some("scale"),
            namespace: Some("prod"),
            name: Some("web"),
        };
        let mut stored = String::new();
        shorten(
            "/apis/apps/v1/namespaces/prod/deployments/web/scale?timeout=5s",
            &object,
            &mut stored,
        );
        assert_eq!(stored, "~?timeout=5s");
        shorten(
            "/apis/apps/v1/namespaces/prod/deployments",
            &object,
            &mut stored,
        );
        assert_eq!(stored, "^");
    }
}
