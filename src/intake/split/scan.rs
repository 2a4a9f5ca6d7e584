//! Strings, brackets and line breaks of JSON text, 64 bytes at a time.
//!
//! Brackets are counted, not matched: `[` closed by `}` is found when the item is parsed. That
//! keeps the state at one number, whatever the depth.

/// Where the scan stands inside one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scan {
    /// Open brackets.
    pub(super) depth: u64,
    pub(super) in_string: bool,
    /// The next byte follows an odd number of backslashes.
    pub(super) escaped: bool,
}

/// Why a scan stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The last open bracket closed; the index behind it.
    Closed(usize),
    /// A line break between tokens; its index.
    Newline(usize),
    /// A line break inside a string, which JSON forbids; its index.
    StringNewline(usize),
    /// No more data.
    End,
}

impl Scan {
    /// Inside `depth` open brackets, outside strings.
    pub(super) const fn inside(depth: u64) -> Scan {
        Scan {
            depth,
            in_string: false,
            escaped: false,
        }
    }

    /// Scans `data` from `at` until the last bracket closes, a line breaks, or the data ends.
    pub(super) fn advance(&mut self, data: &[u8], mut at: usize) -> Stop {
        loop {
            let rest = &data[at..];
            let (masks, bytes) = match rest.first_chunk::<64>() {
                Some(block) => (Masks::of(block), 64),
                None if rest.is_empty() => return Stop::End,
                None => {
                    let mut block = [0; 64];
                    block[..rest.len()].copy_from_slice(rest);
                    (Masks::of(&block), rest.len())
                }
            };
            let (escaped, carry) = escapes(masks.backslash, self.escaped);
            let string = prefix_xor(masks.quote & !escaped) ^ if self.in_string { !0 } else { 0 };
            let line_end = masks.newline.trailing_zeros();
            let before = 1_u64.checked_shl(line_end).map_or(!0, |bit| bit - 1);
            let opens = masks.open & !string & before;
            let closes = masks.close & !string & before;
            if u64::from(closes.count_ones()) < self.depth {
                self.depth += u64::from(opens.count_ones());
                self.depth -= u64::from(closes.count_ones());
            } else if let Some(bit) = self.closing_bit(opens, closes) {
                *self = Scan::inside(0);
                return Stop::Closed(at + bit + 1);
            }
            if line_end < 64 {
                let index = at + line_end as usize;
                self.escaped = false;
                self.in_string = string >> line_end & 1 == 1;
                return match self.in_string {
                    true => Stop::StringNewline(index),
                    false => Stop::Newline(index),
                };
            }
            self.in_string = string >> 63 == 1;
            self.escaped = match bytes {
                64 => carry,
                _ => escaped >> bytes & 1 == 1,
            };
            at += bytes;
        }
    }

    /// Walks the brackets of one block; the index of the one that closes the last open bracket.
    fn closing_bit(&mut self, opens: u64, closes: u64) -> Option<usize> {
        let mut bits = opens | closes;
        while bits != 0 {
            let bit = bits.trailing_zeros();
            if closes >> bit & 1 == 1 {
                self.depth -= 1;
                if self.depth == 0 {
                    return Some(bit as usize);
                }
            } else {
                self.depth += 1;
            }
            bits &= bits - 1;
        }
        None
    }

    /// The same for one byte at `index`; `None` when the scan goes on behind it.
    pub(super) fn step(&mut self, byte: u8, index: usize) -> Option<Stop> {
        let escaped = std::mem::take(&mut self.escaped);
        match byte {
            b'\\' => self.escaped = !escaped,
            b'"' if !escaped => self.in_string = !self.in_string,
            b'\n' if self.in_string => return Some(Stop::StringNewline(index)),
            b'\n' => return Some(Stop::Newline(index)),
            b'{' | b'[' if !self.in_string => self.depth += 1,
            b'}' | b']' if !self.in_string => {
                self.depth -= 1;
                if self.depth == 0 {
                    return Some(Stop::Closed(index + 1));
                }
            }
            _ => {}
        }
        None
    }
}

/// One bit per byte of a block, lowest first.
#[derive(Debug, PartialEq, Eq)]
struct Masks {
    quote: u64,
    backslash: u64,
    newline: u64,
    open: u64,
    close: u64,
}

impl Masks {
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn of(block: &[u8; 64]) -> Masks {
        #[expect(
            unsafe_code,
            reason = "calling a function that needs a processor feature"
        )]
        // SAFETY: SSE2 is part of every x86-64 processor.
        unsafe {
            Masks::sse2(block)
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "sse2")]
    #[inline]
    fn sse2(block: &[u8; 64]) -> Masks {
        use std::arch::x86_64::{
            __m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
        };
        let lane = |at: usize| {
            let half = |at: usize| {
                i64::from_le_bytes(
                    *block[at..]
                        .first_chunk()
                        .expect("a lane ends inside a block"),
                )
            };
            _mm_set_epi64x(half(at + 8), half(at))
        };
        let equal = |lane: __m128i, byte: u8| {
            _mm_movemask_epi8(_mm_cmpeq_epi8(lane, _mm_set1_epi8(byte.cast_signed()))) as u64
        };
        let mut masks = Masks {
            quote: 0,
            backslash: 0,
            newline: 0,
            open: 0,
            close: 0,
        };
        for at in [0, 16, 32, 48] {
            let bytes = lane(at);
            // Bit 5 is all that parts `[` from `{` and `]` from `}`.
            let folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
            masks.quote |= equal(bytes, b'"') << at;
            masks.backslash |= equal(bytes, b'\\') << at;
            masks.newline |= equal(bytes, b'\n') << at;
            masks.open |= equal(folded, b'{') << at;
            masks.close |= equal(folded, b'}') << at;
        }
        masks
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline]
    fn of(block: &[u8; 64]) -> Masks {
        Masks::portable(block)
    }

    /// Eight bytes at a time in plain integers.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn portable(block: &[u8; 64]) -> Masks {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let equal = |word: u64, byte: u8| {
            let differs = word ^ u64::from_le_bytes([byte; 8]);
            let zero = !(((differs & LOW) + LOW) | differs | LOW);
            // Gathers the high bit of each byte into one byte.
            (zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
        };
        let mut masks = Masks {
            quote: 0,
            backslash: 0,
            newline: 0,
            open: 0,
            close: 0,
        };
        for (index, word) in block.chunks_exact(8).enumerate() {
            let word = u64::from_le_bytes(*word.first_chunk().expect("a word has eight bytes"));
            let folded = word | u64::from_le_bytes([0x20; 8]);
            masks.quote |= equal(word, b'"') << (8 * index);
            masks.backslash |= equal(word, b'\\') << (8 * index);
            masks.newline |= equal(word, b'\n') << (8 * index);
            masks.open |= equal(folded, b'{') << (8 * index);
            masks.close |= equal(folded, b'}') << (8 * index);
        }
        masks
    }
}

/// The bytes that follow an odd run of backslashes, and whether the byte behind the block does.
/// After "Parsing Gigabytes of JSON per Second" (Langdale, Lemire), section 3.1.1.
#[inline]
fn escapes(backslash: u64, escaped: bool) -> (u64, bool) {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    let first = u64::from(escaped);
    let backslash = backslash & !first;
    let follows = backslash << 1 | first;
    let odd_starts = backslash & !EVEN & !follows;
    let (even_runs, carry) = odd_starts.overflowing_add(backslash);
    ((EVEN ^ (even_runs << 1)) & follows, carry)
}

/// Each bit becomes the parity of the bits up to it.
#[inline]
const fn prefix_xor(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ (bits << 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same walk, a byte at a time.
    fn by_steps(scan: &mut Scan, data: &[u8]) -> Stop {
        for (index, &byte) in data.iter().enumerate() {
            if let Some(stop) = scan.step(byte, index) {
                return stop;
            }
        }
        Stop::End
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(
            prop_oneof![
                4 => prop::sample::select(b"\\\\\\\"{}[]".to_vec()),
                6 => any::<u8>().prop_filter("line breaks come seldom", |byte| *byte != b'\n'),
                1 => prop::sample::select(b"a\n".to_vec()),
            ],
            0..300,
        )
    }

    proptest! {
        #[test]
        fn blocks_and_single_bytes_agree(data in text(), depth in 1_u64..4, cut in 0_usize..300) {
            let mut slow = Scan::inside(depth);
            let expected = by_steps(&mut slow, &data);
            let mut fast = Scan::inside(depth);
            let cut = cut.min(data.len());
            let stop = match fast.advance(&data[..cut], 0) {
                Stop::End => fast.advance(&data, cut),
                stop => stop,
            };
            prop_assert_eq!(stop, expected);
            if stop == Stop::End {
                prop_assert_eq!(fast, slow);
            }
        }

        #[test]
        fn both_ways_of_classifying_agree(data in prop::collection::vec(any::<u8>(), 64)) {
            let block = data.first_chunk().expect("64 bytes were asked for");
            prop_assert_eq!(Masks::of(block), Masks::portable(block));
        }
    }
}
