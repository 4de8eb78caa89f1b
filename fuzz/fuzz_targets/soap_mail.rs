//! Hands `soap_mail` what libFuzzer invents.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pasarela_fuzz::run("soap_mail", bytes));
