//! Tests of the real binary through its command line and its port.

mod tidy;
