//! Instants as microseconds since 1970, UTC: reading, writing, and what people type.
