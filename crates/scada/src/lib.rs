//! scada.
