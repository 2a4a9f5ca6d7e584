//! Names of clusters.

use crate::limits::CLUSTER_BYTES_MAX;

/// Checks a cluster's name: 1 to 128 of `A-Z a-z 0-9 . _ -`, not beginning with a dot, so that it
/// is safe in paths, URLs and on terminals.
pub fn cluster_name(name: &str) -> Result<&str, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() {
        return Err("the cluster name is empty; give one such as prod-eu1".to_owned());
    }
    if name.len() > CLUSTER_BYTES_MAX {
        return Err(format!(
            "the cluster name has {} bytes; use at most {CLUSTER_BYTES_MAX}",
            name.len()
        ));
    }
    if name.starts_with('.') || !name.bytes().all(legal) {
        return Err(format!(
            "cluster name {name:?} is not allowed; use letters, digits, '.', '_' and '-', and \
             begin with no dot"
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let longest = "a".repeat(CLUSTER_BYTES_MAX);
        for name in ["default", "prod-eu1", "A.b_c-9", "-x", "0", &longest] {
            assert_eq!(cluster_name(name), Ok(name));
        }
        let too_long = "a".repeat(CLUSTER_BYTES_MAX + 1);
        for name in [
            "", ".", "..", ".hidden", "../x", "a/b", "a b", "a\n", "ä", "a%2e", "a\\b", &too_long,
        ] {
            assert!(cluster_name(name).is_err(), "{name:?}");
        }
    }
}
