//! The stretches of string literals that mean what they are.

/// How many bytes come before the first quote, backslash or control character; a few at a time,
/// because the strings of events are too short for a call of memchr to pay off.
#[inline]
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        if let Some(index) = first_special(chunk) {
            return at + index;
        }
        at += chunk.len();
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// The index of the first quote, backslash or control character.
#[cfg(target_arch = "x86_64")]
#[inline]
fn first_special(chunk: &[u8; 16]) -> Option<usize> {
    #[target_feature(enable = "sse2")]
    #[inline]
    fn specials(chunk: &[u8; 16]) -> i32 {
        use std::arch::x86_64::{
            _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
            _mm_set1_epi8,
        };
        let [low, high] = chunk.as_chunks::<8>().0 else {
            unreachable!("16 bytes are two times 8")
        };
        let bytes = _mm_set_epi64x(i64::from_le_bytes(*high), i64::from_le_bytes(*low));
        let is = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed()));
        let controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(is(b'"'), is(b'\\')), controls))
    }
    #[expect(
        unsafe_code,
        reason = "calling a function that needs a processor feature"
    )]
    // SAFETY: SSE2 is part of every x86-64 processor.
    let specials = unsafe { specials(chunk) };
    (specials != 0).then(|| specials.trailing_zeros() as usize)
}

/// The same in plain integers.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn first_special(chunk: &[u8; 8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(*chunk);
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    // The lowest bit set is exact; higher ones may be borrows, which do not matter.
    let found = ((quote.wrapping_sub(ONES) & !quote)
        | (slash.wrapping_sub(ONES) & !slash)
        | (word.wrapping_sub(ONES * 0x20) & !word))
        & HIGH;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_ends_at_the_first_byte_that_is_not_plain(
            plain in prop::collection::vec(0x20u8..=255, 0..70),
            special in prop::sample::select(b"\"\\\0\x1f\n".to_vec()),
            after in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let plain: Vec<u8> = plain.into_iter().filter(|byte| !b"\"\\".contains(byte)).collect();
            prop_assert_eq!(plain_length(&plain), plain.len());
            let text = [plain.clone(), vec![special], after].concat();
            prop_assert_eq!(plain_length(&text), plain.len());
        }
    }
}
