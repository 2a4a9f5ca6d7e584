use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn chunks_round_trip(values in prop::collection::vec(any::<i64>(), 0..300), shift in 0u32..64, step in 1usize..30) {
        let values: Vec<i64> = values.into_iter().map(|value| value >> shift).collect();
        let chunk = encode_chunk(&values);
        let reference = ChunkRef { base: chunk.base, width: chunk.width, data: &chunk.data };
        let mut decoded = Vec::new();
        reference.decode(values.len(), &mut decoded).unwrap();
        prop_assert_eq!(&decoded, &values);
        let mut ids = Vec::new();
        reference.decode_ids(values.len(), &mut ids).unwrap();
        for (row, &value) in values.iter().enumerate() {
            prop_assert_eq!(reference.get(row).unwrap(), value);
            prop_assert_eq!(ids[row], value as u32);
        }
        prop_assert!(reference.get(values.len() + 1).is_err() || chunk.width == 0);
        let places: Vec<u32> = (0..values.len() as u32).step_by(step).collect();
        // Whatever was there before.
        let (mut some, mut some_ids) = (vec![7; 150], vec![7; 150]);
        reference.decode_at(values.len(), &places, &mut some).unwrap();
        reference.decode_ids_at(values.len(), &places, &mut some_ids).unwrap();
        for place in places {
            let place = place as usize;
            prop_assert_eq!((some[place], some_ids[place]), (values[place], values[place] as u32));
        }
        prop_assert!(some.len() == values.len() && some_ids.len() == values.len());
        prop_assert!(reference.decode_at(values.len() + 2, &[], &mut some).is_err() || chunk.width == 0);
    }

    #[test]
    fn sparse_chunks_round_trip(values in prop::collection::vec(prop_oneof![9 => Just(0), 1 => 1i64..100_000], 0..300), cut: prop::sample::Index) {
        let chunk = encode_sparse(&values);
        let expanded = expand_sparse(i64::from(chunk.width), &chunk.data, values.len()).unwrap();
        let plain = expanded.as_ref().unwrap_or(&chunk);
        let reference = ChunkRef { base: plain.base, width: plain.width, data: &plain.data };
        let mut decoded = Vec::new();
        reference.decode(values.len(), &mut decoded).unwrap();
        prop_assert_eq!(&decoded, &values);
        if expanded.is_some() {
            let short = &chunk.data[..cut.index(chunk.data.len())];
            prop_assert!(expand_sparse(i64::from(chunk.width), short, values.len()).is_err());
        }
    }

    #[test]
    fn varints_round_trip(value: u64) {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, value);
        prop_assert_eq!(Reader::new(&bytes).varint().unwrap(), value);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut reader = Reader::new(&bytes);
        while reader.varint().is_ok() {}
    }
}
