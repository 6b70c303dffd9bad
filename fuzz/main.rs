//! One fuzzer for all targets: `UNITWARD_FUZZ` names the one to run. `fuzz/run` builds and calls
//! it.

#![no_main]

#[path = "targets/mod.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = std::env::var("UNITWARD_FUZZ").expect("UNITWARD_FUZZ names a target");
    targets::find(&name).unwrap_or_else(|| panic!("there is no target {name}"))
});

fuzz_target!(|bytes: &[u8]| TARGET.run(bytes));
