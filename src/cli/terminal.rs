//! The terminal's width.

use std::io::IsTerminal;
use std::os::fd::AsRawFd;

/// Cells of a line when stdout is a terminal.
pub(super) fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    #[expect(
        unsafe_code,
        reason = "the standard library does not tell a terminal's width"
    )]
    // SAFETY: the descriptor is open for as long as `stdout` lives, and TIOCGWINSZ writes one
    // `winsize` to the pointer.
    let done = unsafe { libc::ioctl(stdout.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    if done == 0 && size.ws_col > 0 {
        return Some(usize::from(size.ws_col));
    }
    None
}
