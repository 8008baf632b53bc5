//! powerflow.
