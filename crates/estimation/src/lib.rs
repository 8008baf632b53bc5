//! estimation.
