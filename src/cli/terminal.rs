//! What the terminal and the environment say: width, colours, the local zone.

use std::io::IsTerminal;
use std::os::fd::AsRawFd;

use chrono::{Offset, TimeZone};

/// Whether stdout is a terminal.
pub(super) fn is_stdout() -> bool {
    std::io::stdout().is_terminal()
}

/// Cells of a line when stdout is a terminal: COLUMNS if set, else what the terminal says.
pub(super) fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = std::env::var("COLUMNS").ok();
    if let Some(columns) = columns.and_then(|text| text.parse().ok())
        && columns > 0
    {
        return Some(columns);
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

/// Whether stdout takes colours: a terminal, unless NO_COLOR is set or it is a dumb one.
pub(super) fn colour() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    std::io::stdout().is_terminal()
        && set("NO_COLOR").is_none()
        && set("TERM").is_none_or(|term| term != "dumb")
}

/// How far this machine's clocks are ahead of UTC at an instant, both in microseconds.
pub(super) fn local_ahead(instant: i64) -> i64 {
    let local = chrono::Local.timestamp_micros(instant).single();
    let seconds = local.map_or(0, |local| local.offset().fix().local_minus_utc());
    i64::from(seconds) * 1_000_000
}
