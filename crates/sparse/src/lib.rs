//! sparse.
