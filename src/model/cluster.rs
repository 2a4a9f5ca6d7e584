//! Stand-in.
pub fn cluster_name(name: &str) -> Result<&str, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > 128 || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(format!(
            "bad cluster name {name:?}: 1 to 128 of A-Z a-z 0-9 . _ - and no leading dot"
        ));
    }
    Ok(name)
}
