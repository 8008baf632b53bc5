//! MATPOWER cases, format version 2 (MATPOWER User's Manual 8.0, appendix B), as text files `.m`.
//!
//! Read are `mpc.version, baseMVA, bus, gen, branch, gencost, dcline, bus_name`; other fields are reported as dropped.
//! Cases convert their units with statements after the data (`mpc.bus(:, [PD QD]) = mpc.bus(:, [PD QD]) / 1e3;`), so
//! the part of MATLAB that does this is executed: variables, named columns, arithmetic, ranges, indices, `if`, `for`
//! and the functions of `functions`. Whatever is not understood is refused with its line, nothing is skipped.
//!
//! - `lex`: bytes → tokens with their place.
//! - `parser`, `expression` → `syntax`: tokens → statements.
//! - `run` with `value`, `index`, `functions`, `constants`: statements → values.
//! - `document`: the fields that are left when all has been executed.
//! - `tables`: fields → [`model::busbranch::BusBranchCase`].
//! - `write`: the way back.

mod constants;
mod document;
mod expression;
mod functions;
mod index;
mod lex;
mod parser;
mod run;
mod syntax;
mod tables;
mod value;
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
