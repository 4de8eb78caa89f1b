//! Hands `h2_connection` what libFuzzer invents.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pasarela_fuzz::run("h2_connection", bytes));
