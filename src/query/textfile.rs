//! Files of text that people write: questions, reports, schedules.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::limits::OWN_FILE_ERROR_BYTES_MAX;
use crate::query::output::visible;

/// The text of a plain file of at most so many bytes. An error names the file, and the line where it
/// is no text.
pub fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    // Whoever made the file chose its name.
    let shown = &*path.display().to_string();
    let shown = visible(shown);
    let told = |error: std::io::Error| format!("{shown}: {error}");
    // Reading a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err(format!(
            "{shown}: is no plain file; remove it or put a file there"
        ));
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path)
        .map_err(told)?
        .take(bytes_max.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!(
            "{shown}:1: the file is larger than the limit of {bytes_max} bytes"
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let (before, rest) = error.as_bytes().split_at(good);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        format!(
            "{shown}:{line}: the byte 0x{:02x} is not UTF-8; save the file as UTF-8",
            rest[0]
        )
    })
}

/// A message about a file without its middle, if it is too long for people.
pub fn brief(mut message: String) -> String {
    if message.len() > OWN_FILE_ERROR_BYTES_MAX {
        let half = OWN_FILE_ERROR_BYTES_MAX / 2;
        let until = message.ceil_char_boundary(message.len() - half);
        message.replace_range(message.floor_char_boundary(half)..until, " ... ");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::{brief, read};
    use crate::limits::OWN_FILE_ERROR_BYTES_MAX;

    #[test]
    fn long_messages_keep_their_begin_and_end() {
        let message = |letters: usize| format!("x.sql:1: {}: bad", "\u{e4}".repeat(letters));
        assert_eq!(brief(message(9)), message(9));
        let short = brief(message(OWN_FILE_ERROR_BYTES_MAX));
        assert!(
            short.len() <= OWN_FILE_ERROR_BYTES_MAX + 5,
            "{}",
            short.len()
        );
        assert!(
            short.starts_with("x.sql:1: \u{e4}") && short.ends_with("\u{e4}: bad"),
            "{short}"
        );
    }

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sql");
        for (bytes, told) in [
            (&b"a\nb\xffc\n\xfe"[..], ":2: the byte 0xff is not UTF-8"),
            (b"\xe4", ":1: the byte 0xe4"),
            // Cut off within a letter.
            (
                "a\n\n\u{e4}".as_bytes().split_last().unwrap().1,
                ":3: the byte 0xc3",
            ),
            (
                b"0123456789",
                ":1: the file is larger than the limit of 9 bytes",
            ),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = read(&path, 9).unwrap_err();
            let place = format!("{}{told}", path.display());
            assert!(error.starts_with(&place), "{error}");
        }
        std::fs::write(&path, "012345\n\u{e4}").unwrap();
        assert_eq!(read(&path, 9).unwrap(), "012345\n\u{e4}");
        assert!(
            read(dir.path(), 9)
                .unwrap_err()
                .contains("is no plain file")
        );
    }
}
