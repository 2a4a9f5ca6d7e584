use super::*;

fn plan(pairs: &[(&str, &str)], shape: Shape) -> Result<Plan, String> {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    CountParams::from_pairs(shape, pairs.collect())?.into_plan(0)
}

#[test]
fn what_makes_no_sense_is_refused_with_the_fix() {
    for (shape, pairs, told) in [
        (Shape::Count, [("by", "usr")], "did you mean user?"),
        (Shape::Count, [("by", "raw")], "such as user"),
        (Shape::Count, [("by", "user,user")], "remove one"),
        (
            Shape::Count,
            [("by", "user,verb,code,name,stage")],
            "4 is the most",
        ),
        (Shape::Count, [("reverse", "true")], "no meaning"),
        (Shape::Histogram, [("step", "0s")], "use auto, 5m"),
        (Shape::Histogram, [("step", "soon")], "step \"soon\""),
        (Shape::Facets, [("step", "1h")], "unknown parameter"),
        (Shape::Facets, [("by", "user")], "unknown parameter"),
        (Shape::Facets, [("limit", "many")], "is no number"),
    ] {
        let error = plan(&pairs, shape).unwrap_err();
        assert!(error.contains(told), "{pairs:?}: {error}");
    }
}

#[test]
fn pairs_round_trip() {
    for shape in Shape::ALL {
        let params = CountParams {
            shape,
            filter: FilterParams::only("user", "alice"),
            by: Some("verb".into()),
            step: (shape != Shape::Facets).then(|| "1h".into()),
            limit: Some(7),
            r#final: true,
            skip_damaged: true,
        };
        let pairs = params.to_pairs().into_iter();
        let pairs = pairs
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        assert_eq!(CountParams::from_pairs(shape, pairs), Ok(params));
    }
}

#[test]
fn automatic_steps_make_few_buckets() {
    let day = 86_400_000_000;
    assert_eq!(chosen(None), 1_000_000);
    assert_eq!(chosen(Some((0, 3_600_000_000))), 60_000_000 * 5);
    assert_eq!(chosen(Some((0, day))), 3_600_000_000);
    assert_eq!(chosen(Some((0, 30 * day))), 43_200_000_000 * 2);
    // Clocks that stand at the ends of time.
    let (first, last) = (-62_167_219_200_000_000, 253_402_300_799_999_999);
    assert!((last - first) / chosen(Some((first, last))) < BUCKETS_AUTO);
}
