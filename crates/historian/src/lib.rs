//! historian.
