//! A program on a terminal of its own, typed to and read like one.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use crate::support::{PATIENCE, wait_until};

/// Both sides of a new terminal: ours and the program's.
pub(crate) fn open(columns: u16) -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let no_name = std::ptr::null_mut();
    // SAFETY: openpty writes two descriptors, and reads the size; there is no name to fill.
    let opened = unsafe {
        libc::openpty(
            &raw mut ours,
            &raw mut theirs,
            no_name,
            std::ptr::null(),
            &size,
        )
    };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were just opened, and nothing else owns them.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

/// A program whose terminal we are.
pub(crate) struct Terminal {
    typed: File,
    written: Receiver<Vec<u8>>,
    /// What was written and not yet expected.
    unread: String,
    pub(crate) child: Child,
}

impl Terminal {
    /// Starts the program with stdin, stdout and stderr on the terminal, which it controls.
    pub(crate) fn start(command: &mut Command, columns: u16) -> Terminal {
        let (ours, theirs) = open(columns);
        command
            .env_remove("COLUMNS")
            .env_remove("NO_COLOR")
            .env("TERM", "xterm")
            .stdin(Stdio::from(theirs.try_clone().unwrap()))
            .stdout(Stdio::from(theirs.try_clone().unwrap()))
            .stderr(Stdio::from(theirs));
        // SAFETY: both calls are async-signal-safe, and stdin is the terminal by then.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        let mut reader = ours.try_clone().unwrap();
        let (send, written) = channel();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            // The end of a terminal is an error once nobody has its other side.
            while let Ok(bytes @ 1..) = reader.read(&mut part) {
                if send.send(part[..bytes].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal {
            typed: ours,
            written,
            unread: String::new(),
            child,
        }
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.typed.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `text` is written; gives what came before it.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.unread.find(text) {
                let before = self.unread[..at].to_owned();
                self.unread.drain(..at + text.len());
                return before;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.written.recv_timeout(left) {
                Ok(part) => self.unread.push_str(&String::from_utf8_lossy(&part)),
                Err(error) => panic!("no {text:?}: {error}; written: {:?}", self.unread),
            }
        }
    }

    /// Whether Ctrl-C is a signal now: it is not while the program reads keys itself.
    pub(crate) fn makes_signals(&self) -> bool {
        let mut modes = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the descriptor is open, and tcgetattr fills `modes` when it gives 0.
        let modes = unsafe {
            assert_eq!(
                libc::tcgetattr(self.typed.as_raw_fd(), modes.as_mut_ptr()),
                0
            );
            modes.assume_init()
        };
        modes.c_lflag & libc::ISIG != 0
    }

    /// The exit code, once the program has ended by itself.
    #[track_caller]
    pub(crate) fn end(mut self) -> Option<i32> {
        let mut ended = None;
        wait_until("the program ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.and_then(|status| status.code())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
