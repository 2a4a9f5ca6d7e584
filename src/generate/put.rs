//! Text pieces appended to bytes without formatting machinery, which would be most of the time.

use super::random::Uuid;
use crate::model::time;

/// Appends every piece to a `Vec<u8>`.
macro_rules! put {
    ($out:expr, $($piece:expr),+ $(,)?) => {{
        let out: &mut Vec<u8> = $out;
        $($crate::generate::put::Put::put(&$piece, out);)+
    }};
}
pub(super) use put;

/// Something that can be appended as text.
pub(super) trait Put {
    fn put(&self, out: &mut Vec<u8>);
}

impl<T: Put + ?Sized> Put for &T {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
}

impl Put for str {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Put for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_str().put(out);
    }
}

impl Put for [u8] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl Put for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_slice().put(out);
    }
}

impl Put for Uuid {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Put for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = *self;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        out.extend_from_slice(&digits[at..]);
    }
}

/// A time with microseconds, as audit events have it.
pub(super) struct Micros(pub i64);

impl Put for Micros {
    fn put(&self, out: &mut Vec<u8>) {
        let mut text = [0; time::TEXT_BYTES];
        time::write(self.0, &mut text);
        out.extend_from_slice(&text);
    }
}

/// A time in whole seconds, as objects have it.
pub(super) struct Seconds(pub i64);

impl Put for Seconds {
    fn put(&self, out: &mut Vec<u8>) {
        let mut text = [0; time::TEXT_BYTES];
        time::write(self.0, &mut text);
        out.extend_from_slice(&text[..19]);
        out.push(b'Z');
    }
}
