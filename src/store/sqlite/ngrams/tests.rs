use super::*;
use proptest::prelude::*;

/// The rows that a block of these bodies notes.
fn noted(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut ngrams = Ngrams::new(1).unwrap();
    let mut before: &[u8] = &[];
    for body in bodies {
        ngrams.add(body, "", before);
        before = body;
    }
    ngrams.block
}

proptest! {
    #[test]
    fn a_block_notes_every_text_in_it(
        bodies in proptest::collection::vec("[ab]{0,30}[a-f0-9]{0,60}[ab]{0,90}", 1..6),
        pick in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        length in WINDOW..40,
    ) {
        let bodies: Vec<Vec<u8>> = bodies.into_iter().map(String::into_bytes).collect();
        let body = &bodies[pick.index(bodies.len())];
        let from = from.index(body.len() + 1);
        let text = &body[from..(from + length).min(body.len())];
        let block = noted(&bodies);
        for row in rows_of(text).unwrap_or_default() {
            prop_assert_eq!(block[row as usize], 1);
        }
    }
}

proptest! {
    #[test]
    fn likeness_in_other_places_changes_nothing(
        pieces in prop::collection::vec("[a-z]{1,60}", 1..12),
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[a-z]{0,40}"), 0..5),
    ) {
        let one = pieces.concat().into_bytes();
        let mut changed = pieces;
        for (at, text) in edits {
            let at = at.index(changed.len());
            changed[at] = text;
        }
        let other = changed.concat().into_bytes();
        let mut apart = Ngrams::new(1).unwrap();
        [&one, &other].into_iter().for_each(|body| apart.add(body, "", &[]));
        prop_assert_eq!(noted(&[one, other]), apart.block);
    }
}

#[test]
fn likeness_to_a_neighbour_changes_nothing() {
    let bodies = [
        "uid 0123456789 of a pod",
        "uid 9876543210 of a job",
        "uid 98 of a job",
    ]
    .map(|body| body.repeat(9).into_bytes());
    let mut apart = Ngrams::new(1).unwrap();
    bodies.iter().for_each(|body| apart.add(body, "", &[]));
    assert_eq!(noted(&bodies), apart.block);
}

#[test]
fn short_texts_cannot_be_looked_up() {
    assert_eq!(rows_of(b"1234567"), None);
    assert_eq!(rows_of(b"12345678").map(|rows| rows.len()), Some(1));
    let long = rows_of(
        &[b'a'..=b'z', b'0'..=b'9', b'A'..=b'Z']
            .into_iter()
            .flatten()
            .collect::<Vec<_>>(),
    );
    assert!(long.is_some_and(|rows| (9..=LOOKED_AT_MAX).contains(&rows.len())));
}
