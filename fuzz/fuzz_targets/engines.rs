#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = targets::ALL.iter().find(|target| target.name == "engines").expect("a target of this name");
    (target.run)(bytes);
});
