//! Topology: node-breaker model → buses, islands, energisation, and the calculation model that solvers read.

pub mod calc;
