//! What the RBAC authorizer names in the reason of a decision, as functions of SQL: `rbac_binding`,
//! `rbac_role` and `rbac_subject`. NULL when the reason names no binding.
//!
//! It writes `RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "alice"`, a role
//! binding as `RoleBinding "name/namespace"`, a service account as `ServiceAccount "name/namespace"`, and
//! quotes names as Go's `%q` does (kubernetes, plugin/pkg/auth/authorizer/rbac). Quotes in a name end
//! nothing, so that a binding cannot be named like a role.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Result};

use super::functions::text;

/// Makes the functions known to `connection`.
pub(super) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    let pieces: [(&str, fn(Grant) -> String); 3] = [
        ("rbac_binding", |grant| grant.binding),
        ("rbac_role", |grant| grant.role),
        ("rbac_subject", |grant| grant.subject),
    ];
    for (name, piece) in pieces {
        connection.create_scalar_function(name, 1, flags, move |context: &Context<'_>| {
            let reason = text(context.get_raw(0));
            let reason = reason
                .as_deref()
                .and_then(|bytes| str::from_utf8(bytes).ok());
            Ok(reason.and_then(Grant::of).map(piece))
        })?;
    }
    Ok(())
}

/// What gave a right to whom.
#[derive(Debug, PartialEq)]
struct Grant {
    /// `ClusterRoleBinding/NAME` or `RoleBinding/NAMESPACE/NAME`.
    binding: String,
    /// `ClusterRole/NAME` or `Role/NAME`.
    role: String,
    /// `User:NAME`, `Group:NAME` or `ServiceAccount:NAMESPACE/NAME`.
    subject: String,
}

impl Grant {
    fn of(reason: &str) -> Option<Grant> {
        let rest = reason.strip_prefix("RBAC: allowed by ")?;
        let (binding, of, rest) = named(rest)?;
        let (role, name, rest) = named(rest.strip_prefix(" of ")?)?;
        let (subject, whom, rest) = named(rest.strip_prefix(" to ")?)?;
        let of = spaced(binding == "RoleBinding", of);
        let whom = spaced(subject == "ServiceAccount", whom);
        rest.is_empty().then(|| Grant {
            binding: format!("{binding}/{of}"),
            role: format!("{role}/{name}"),
            subject: format!("{subject}:{whom}"),
        })
    }
}

/// A name with its namespace first, if that stands behind it; neither holds a slash.
fn spaced(in_namespace: bool, name: String) -> String {
    match name.split_once('/') {
        Some((name, namespace)) if in_namespace => format!("{namespace}/{name}"),
        _ => name,
    }
}

/// A kind, its name between quotes, and what follows.
fn named(text: &str) -> Option<(&str, String, &str)> {
    let (kind, rest) = text.split_once(" \"")?;
    let (mut name, mut at) = (String::new(), 0);
    let next = |at: &mut usize| {
        let next = rest[*at..].chars().next()?;
        *at += next.len_utf8();
        Some(next)
    };
    loop {
        match next(&mut at)? {
            '"' => return Some((kind, name, &rest[at..])),
            '\\' => {
                let escape = next(&mut at)?;
                let digits = match escape {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                let code = rest.get(at..at + digits)?;
                if !code.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                at += digits;
                name.push(match escape {
                    'a' => '\x07',
                    'b' => '\x08',
                    'f' => '\x0c',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'v' => '\x0b',
                    'x' | 'u' | 'U' => char::from_u32(u32::from_str_radix(code, 16).ok()?)?,
                    other => other,
                });
            }
            other => name.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(reason: &str) -> Option<[String; 3]> {
        Grant::of(reason).map(|grant| [grant.binding, grant.role, grant.subject])
    }

    #[test]
    fn names_what_the_authorizer_names() {
        let words =
            r#"RBAC: allowed by RoleBinding "b/prod" of Role "r" to ServiceAccount "ci/build""#;
        let named = ["RoleBinding/prod/b", "Role/r", "ServiceAccount:build/ci"];
        assert_eq!(grant(words), Some(named.map(String::from)));
        let words = r#"RBAC: allowed by ClusterRoleBinding "a/b" of ClusterRole "r" to User "x/y""#;
        let named = ["ClusterRoleBinding/a/b", "ClusterRole/r", "User:x/y"];
        assert_eq!(grant(words), Some(named.map(String::from)));
    }

    #[test]
    fn quotes_and_escapes_in_names_end_nothing() {
        let words = r#"RBAC: allowed by ClusterRoleBinding "x\" of ClusterRole \"admin\" to User \"y" of ClusterRole "v\\" to Group "é\x7f\u200b\U000e0001\n!""#;
        let named = [
            r#"ClusterRoleBinding/x" of ClusterRole "admin" to User "y"#,
            r"ClusterRole/v\",
            "Group:é\x7f\u{200b}\u{e0001}\n!",
        ];
        assert_eq!(grant(words), Some(named.map(String::from)));
    }

    #[test]
    fn other_reasons_name_nothing() {
        let words = r#"RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "a""#;
        assert!(grant(words).is_some());
        for end in 0..words.len() {
            assert_eq!(grant(&words[..end]), None, "{}", &words[..end]);
        }
        for other in [
            "",
            "node",
            &format!("{words} "),
            &format!(" {words}"),
            &words.replace("\"b\"", r#""\x+f""#),
            r#"RBAC: allowed by X "\u12"#,
        ] {
            assert_eq!(grant(other), None, "{other}");
        }
    }
}
