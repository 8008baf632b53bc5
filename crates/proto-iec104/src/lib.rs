//! proto-iec104.
