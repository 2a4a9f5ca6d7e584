//! Content keys as stored: sorted, so each as its difference from the one before, which leaves out
//! the bits that their order implies. All 128 bits of every key come back.

/// The key before the first.
const BEFORE: u128 = 0;

/// Ascending keys as the bits per difference (one byte), then the differences, big-endian.
pub(crate) fn pack(keys: &[[u8; 16]]) -> Vec<u8> {
    let numbers = || keys.iter().map(|key| u128::from_be_bytes(*key));
    let (first, rest) = (numbers().next().unwrap_or(BEFORE), numbers().skip(1));
    let differences: Vec<u128> = numbers()
        .zip(rest)
        .map(|(left, right)| right - left)
        .collect();
    let all = differences
        .iter()
        .fold(0, |all, difference| all | difference);
    let width = 128 - all.leading_zeros();
    let mut out = Vec::with_capacity(17 + (differences.len() * width as usize).div_ceil(8));
    out.extend_from_slice(&first.to_be_bytes());
    out.push(width as u8);
    // Up to seven bits wait for the rest of their byte.
    let (mut waiting, mut bits) = (0u8, 0);
    for difference in differences {
        let mut left = width;
        while left > 0 {
            let take = left.min(8 - bits);
            left -= take;
            let some = ((difference >> left) & ((1 << take) - 1)) as u8;
            waiting = if take == 8 {
                some
            } else {
                waiting << take | some
            };
            bits += take;
            if bits == 8 {
                out.push(waiting);
                (waiting, bits) = (0, 0);
            }
        }
    }
    if bits > 0 {
        out.push(waiting << (8 - bits));
    }
    out
}

/// What [`pack`] was given, `count` keys; `None` for bytes that it cannot have written.
pub(crate) fn unpack(bytes: &[u8], count: usize) -> Option<Vec<[u8; 16]>> {
    let (first, rest) = bytes.split_first_chunk::<16>()?;
    let (&width, packed) = rest.split_first()?;
    let width = usize::from(width);
    if width > 128 || count == 0 || packed.len() != ((count - 1) * width).div_ceil(8) {
        return None;
    }
    let mut keys = Vec::with_capacity(count);
    keys.push(*first);
    let mut key = u128::from_be_bytes(*first);
    for index in 1..count {
        let (begin, end) = ((index - 1) * width, index * width);
        let mut difference = 0u128;
        for (at, &byte) in packed
            .iter()
            .enumerate()
            .take(end.div_ceil(8))
            .skip(begin / 8)
        {
            // Of the first byte and the last only some bits belong to this difference.
            let skipped = begin.saturating_sub(at * 8);
            let unread = (at * 8 + 8).saturating_sub(end);
            let some = u32::from(byte) << skipped & 0xff;
            let some = some >> (skipped + unread);
            difference = difference.checked_shl(8 - (skipped + unread) as u32)? | u128::from(some);
        }
        key = key.checked_add(difference)?;
        keys.push(key.to_be_bytes());
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_come_back(keys in prop::collection::vec(any::<[u8; 16]>(), 1..300), shift in 0u32..128) {
            let mut keys: Vec<[u8; 16]> =
                keys.iter().map(|key| (u128::from_be_bytes(*key) >> shift).to_be_bytes()).collect();
            keys.sort_unstable();
            prop_assert_eq!(unpack(&pack(&keys), keys.len()), Some(keys));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), count in 0usize..20) {
            let _ = unpack(&bytes, count);
        }
    }

    #[test]
    fn many_random_keys_take_less_than_their_16_bytes() {
        use sha2::{Digest, Sha256};
        let mut keys: Vec<[u8; 16]> = (0u32..20_000)
            .map(|number| *Sha256::digest(number.to_be_bytes()).first_chunk().unwrap())
            .collect();
        keys.sort_unstable();
        let packed: usize = keys.chunks(250).map(|keys| pack(keys).len()).sum();
        assert!(packed < keys.len() * 147 / 10, "{packed} bytes");
    }
}
