//! The named columns of MATPOWER (User's Manual 8.0, tables B-1 to B-4): what `idx_bus`, `idx_gen`, `idx_brch` and
//! `idx_cost` return, in the order in which they return it.

type Named = (&'static str, f64);

#[rustfmt::skip]
const BUS: [Named; 21] = [
    ("PQ", 1.0), ("PV", 2.0), ("REF", 3.0), ("NONE", 4.0), ("BUS_I", 1.0), ("BUS_TYPE", 2.0), ("PD", 3.0),
    ("QD", 4.0), ("GS", 5.0), ("BS", 6.0), ("BUS_AREA", 7.0), ("VM", 8.0), ("VA", 9.0), ("BASE_KV", 10.0),
    ("ZONE", 11.0), ("VMAX", 12.0), ("VMIN", 13.0), ("LAM_P", 14.0), ("LAM_Q", 15.0), ("MU_VMAX", 16.0),
    ("MU_VMIN", 17.0),
];

#[rustfmt::skip]
const BRANCH: [Named; 21] = [
    ("F_BUS", 1.0), ("T_BUS", 2.0), ("BR_R", 3.0), ("BR_X", 4.0), ("BR_B", 5.0), ("RATE_A", 6.0), ("RATE_B", 7.0),
    ("RATE_C", 8.0), ("TAP", 9.0), ("SHIFT", 10.0), ("BR_STATUS", 11.0), ("PF", 14.0), ("QF", 15.0), ("PT", 16.0),
    ("QT", 17.0), ("MU_SF", 18.0), ("MU_ST", 19.0), ("ANGMIN", 12.0), ("ANGMAX", 13.0), ("MU_ANGMIN", 20.0),
    ("MU_ANGMAX", 21.0),
];

#[rustfmt::skip]
const GENERATOR: [Named; 25] = [
    ("GEN_BUS", 1.0), ("PG", 2.0), ("QG", 3.0), ("QMAX", 4.0), ("QMIN", 5.0), ("VG", 6.0), ("MBASE", 7.0),
    ("GEN_STATUS", 8.0), ("PMAX", 9.0), ("PMIN", 10.0), ("MU_PMAX", 22.0), ("MU_PMIN", 23.0), ("MU_QMAX", 24.0),
    ("MU_QMIN", 25.0), ("PC1", 11.0), ("PC2", 12.0), ("QC1MIN", 13.0), ("QC1MAX", 14.0), ("QC2MIN", 15.0),
    ("QC2MAX", 16.0), ("RAMP_AGC", 17.0), ("RAMP_10", 18.0), ("RAMP_30", 19.0), ("RAMP_Q", 20.0), ("APF", 21.0),
];

const COST: [Named; 7] = [
    ("PW_LINEAR", 1.0),
    ("POLYNOMIAL", 2.0),
    ("MODEL", 1.0),
    ("STARTUP", 2.0),
    ("SHUTDOWN", 3.0),
    ("NCOST", 4.0),
    ("COST", 5.0),
];

/// What a function of MATPOWER returns.
pub(super) fn returned_by(function: &str) -> Option<&'static [Named]> {
    match function {
        "idx_bus" => Some(&BUS),
        "idx_brch" => Some(&BRANCH),
        "idx_gen" => Some(&GENERATOR),
        "idx_cost" => Some(&COST),
        _ => None,
    }
}

/// What `define_constants` defines.
pub(super) fn all() -> impl Iterator<Item = Named> {
    BUS.into_iter().chain(BRANCH).chain(GENERATOR).chain(COST)
}
