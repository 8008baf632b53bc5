//! app-voltvar.
