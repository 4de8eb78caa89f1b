//! Hands `request_head` what libFuzzer invents.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pasarela_fuzz::run("request_head", bytes));
