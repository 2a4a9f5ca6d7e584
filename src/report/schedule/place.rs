//! Whether the directory of a schedule's entry can be written.

use std::ffi::CString;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Entry;

/// What the kernel shows as files: nobody makes one there, whatever the permissions say.
const OF_THE_KERNEL: [&str; 2] = ["/proc", "/sys"];

impl Entry {
    /// What to say where this user, on this machine, could not write what the entry asks for. Nothing is
    /// written to find out. The server may be another user on another machine.
    pub fn unwritable(&self) -> Option<String> {
        let (place, error) = self.out.ancestors().find_map(|place| {
            match place.metadata() {
                // It would be made, if what it lies in allows that.
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
                {
                    None
                }
                Err(error) => Some((place, Some(error))),
                Ok(found) if !found.is_dir() => {
                    Some((place, Some(ErrorKind::NotADirectory.into())))
                }
                Ok(_) => Some((place, refusal(place).err())),
            }
        })?;
        let (at, out) = (&self.out_at, self.out.display());
        let error = error?;
        let place = place.display();
        Some(format!(
            "{at}: this user cannot write to {out}: {place}: {error}"
        ))
    }
}

/// Whether a file can be made in a directory.
fn refusal(directory: &Path) -> io::Result<()> {
    if OF_THE_KERNEL
        .iter()
        .any(|kernel| directory.starts_with(kernel))
    {
        return Err(ErrorKind::ReadOnlyFilesystem.into());
    }
    let path = CString::new(directory.as_os_str().as_bytes())?;
    #[expect(unsafe_code, reason = "the standard library only tries")]
    // SAFETY: the path is a text that ends with a zero and outlives the call.
    let refused = unsafe {
        libc::faccessat(
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::W_OK | libc::X_OK,
            libc::AT_EACCESS,
        )
    };
    match refused {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
