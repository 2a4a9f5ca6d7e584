//! Tests of the real binary through its command line and its port.

// Each module uses another part of it.
#[allow(dead_code)]
mod support;

mod corruption;
mod durability;
mod full_disk;
mod recovery;
mod syscalls;
