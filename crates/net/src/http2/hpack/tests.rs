//! The vectors of RFC 7541 appendix C.
