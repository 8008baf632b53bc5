//! Tests across crates; they live in `tests/`.
