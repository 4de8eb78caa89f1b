//! Hands `response_head` what libFuzzer invents.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pasarela_fuzz::run("response_head", bytes));
