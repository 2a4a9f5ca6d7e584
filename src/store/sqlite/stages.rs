//! How far a request has got. What is asked of requests (the table `requests`, listings and counts of
//! last stages, counts of each request once) takes for its last events those that are furthest:
//! several at one place are calls that cannot be told apart, and each of them counts, but for starts
//! ([`STARTED`]).

/// The answer has begun. Several starts of a request are of one call, of which the last stands for it
/// until it ends: an apiserver with `APIServingWithRoutine` records two for each watch
/// (kubernetes#126466).
pub(crate) const STARTED: u8 = 1;

/// At its end: nothing follows.
pub(crate) const END: u8 = 3;

/// Where every request begins, before anybody looks at its rights.
pub(crate) const FIRST: &str = "RequestReceived";

/// The stages that are at the end.
pub(crate) const ENDS: [&str; 2] = ["ResponseComplete", "Panic"];

/// The place of a stage in the order in which the apiserver reaches them; clocks may step back, this
/// does not. A request ends with one of `ResponseComplete` and `Panic`, which are at one place, so that
/// a stage that is not known comes before these.
pub(crate) fn place(stage: Option<&str>) -> u8 {
    match stage {
        Some(FIRST) => 0,
        Some("ResponseStarted") => STARTED,
        Some("ResponseComplete" | "Panic") => END,
        _ => 2,
    }
}
