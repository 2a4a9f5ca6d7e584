//! Short names and singular forms of the built-in resources, as kubectl knows them.
