//! The Tieline binary.
fn main() {}
