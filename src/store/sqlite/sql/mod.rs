//! User SQL in a sandbox: one in-memory connection whose tables read the segments.
