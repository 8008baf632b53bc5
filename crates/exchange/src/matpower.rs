//! MATPOWER cases, format version 2 (MATPOWER User's Manual 8.0, appendix B), as text files `.m`.
//!
//! Only data are read: `mpc.version, baseMVA, bus, gen, branch, gencost, bus_name`. Other fields are reported as
//! dropped; anything that MATLAB would have to compute is refused with its line.
//!
//! - `lex`: bytes → tokens with their place.
//! - `document`: tokens → assignments of scalars, texts, matrices and cell arrays.
//! - `tables`: matrices → [`model::busbranch::BusBranchCase`].
//! - `write`: the way back.

mod document;
mod lex;
mod tables;
mod write;

pub use write::write;

use model::Diagnostic;
use model::busbranch::BusBranchCase;

use crate::ReadError;

/// Largest file that is read.
pub const MAX_BYTES: usize = 256 << 20;

/// Reads a case. Never panics; memory stays within a small multiple of the size of the file.
pub fn read(bytes: &[u8]) -> Result<(BusBranchCase, Vec<Diagnostic>), ReadError> {
    if bytes.len() > MAX_BYTES {
        return Err(ReadError::new(
            0,
            format!("the file has {} bytes", bytes.len()),
            format!("at most {MAX_BYTES} bytes are read"),
        ));
    }
    let document = document::parse(bytes)?;
    tables::case(document)
}

#[cfg(test)]
mod tests;
