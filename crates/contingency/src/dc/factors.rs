//! Distribution factors, one row or column at a time; a dense matrix exists only where the caller collects one.
//!
//! A. J. Wood, B. F. Wollenberg, "Power Generation, Operation, and Control", 2nd ed., §11.3 and app. 11A; several
//! outages: J. Guo, Y. Fu, Z. Li, M. Shahidehpour, "Direct calculation of line outage distribution factors", IEEE
//! Trans. Power Syst. 24(3), 2009. With `m(l) = e(from) - e(to)`, `X = B⁻¹` with zeros at the references:
//!
//! ```text
//! PTDF(l, i)    = b(l) m(l)ᵀ X (e(i) - α)                  per unit of power in at i and out by the shares α
//! H(l, k)       = b(l) m(l)ᵀ X m(k)                        per unit in at from(k) and out at to(k)
//! LODF(l, k)    = H(l, k) / (1 - H(k, k)),  LODF(k, k) = -1   flow(l) += LODF(l, k) flow(k) when k is lost
//! OTDF(l, i; k) = PTDF(l, i) + LODF(l, k) PTDF(k, i)       PTDF when k is lost
//! ```
//!
//! `H(k, k) = 1` exactly when `k` is a bridge. That is decided by the graph, not by the size of `1 - H(k, k)`.

use sparse::ldl::lanes::{Forward, Path};
use topology::calc::{BranchIdx, BusIdx};

use super::DcNetwork;

impl DcNetwork {
    /// `PTDF(·, bus)`: flow of every branch per unit of power in at the bus and out by the shares. Also the shift
    /// factors of a machine there. O(fill).
    pub fn ptdf_column(&self, bus: BusIdx, out: &mut [f64]) {
        let mut injection = vec![0.0; self.place.len()];
        injection[bus.at()] = 1.0;
        self.flows_of(&injection, out);
        for (flow, share) in out.iter_mut().zip(self.shares_in(self.island[bus.at()])) {
            *flow -= share;
        }
    }

    /// `PTDF(branch, ·)`: flow of the branch per unit of power in at every bus. O(fill).
    pub fn ptdf_row(&self, branch: BranchIdx, out: &mut [f64]) {
        let [from, to] = self.ends[branch.at()];
        let b = self.b[branch.at()];
        let mut injection = vec![0.0; self.place.len()];
        injection[from as usize] += b;
        injection[to as usize] -= b;
        // X is symmetric, so the row of X m is the column.
        self.angles(&injection, out);
        let island = self.island[from as usize];
        let of_shares = self.share_flow[branch.at()];
        for (factor, at) in out.iter_mut().zip(&self.island) {
            if *at == island {
                *factor -= of_shares;
            }
        }
    }

    /// `H(branch, branch)`; 1 for a bridge.
    pub fn own_factor(&self, branch: BranchIdx) -> f64 {
        let mut own = OwnFactors::new(self);
        own.of(self, branch)
    }

    /// `LODF(·, branch)`: share of the lost branch's flow that every branch takes over. `None` for a bridge, whose
    /// flow nobody can take over. O(fill).
    pub fn lodf_column(&self, branch: BranchIdx, out: &mut [f64]) -> Option<()> {
        if self.bridges.is_bridge(branch) {
            return None;
        }
        let [from, to] = self.ends[branch.at()];
        let mut injection = vec![0.0; self.place.len()];
        injection[from as usize] += 1.0;
        injection[to as usize] -= 1.0;
        self.flows_of(&injection, out);
        let scale = 1.0 / (1.0 - out[branch.at()]);
        out.iter_mut().for_each(|factor| *factor *= scale);
        out[branch.at()] = -1.0;
        Some(())
    }

    /// `LODF(branch, ·)`: what the branch takes over of every lost branch, NaN for bridges. O(fill + branches ·
    /// depth).
    pub fn lodf_row(&self, branch: BranchIdx, out: &mut [f64]) {
        let mut row = vec![0.0; self.place.len()];
        self.ptdf_row(branch, &mut row);
        let mut own = OwnFactors::new(self);
        for (index, (factor, ends)) in (0_u32..).zip(out.iter_mut().zip(&self.ends)) {
            let lost = BranchIdx(index);
            *factor = if self.bridges.is_bridge(lost) {
                f64::NAN
            } else if lost == branch {
                -1.0
            } else {
                (row[ends[0] as usize] - row[ends[1] as usize]) / (1.0 - own.of(self, lost))
            };
        }
    }

    /// `OTDF(·, bus; lost)`: as [`Self::ptdf_column`] when a branch is lost. `None` for a bridge.
    pub fn otdf_column(&self, bus: BusIdx, lost: BranchIdx, out: &mut [f64]) -> Option<()> {
        let mut taken = vec![0.0; self.b.len()];
        self.lodf_column(lost, &mut taken)?;
        self.ptdf_column(bus, out);
        let of_lost = out[lost.at()];
        for (factor, taken) in out.iter_mut().zip(&taken) {
            *factor += taken * of_lost;
        }
        Some(())
    }

    /// `OTDF(branch, ·; lost)`: as [`Self::ptdf_row`] when a branch is lost. `None` for a bridge.
    pub fn otdf_row(&self, branch: BranchIdx, lost: BranchIdx, out: &mut [f64]) -> Option<()> {
        let mut taken = vec![0.0; self.b.len()];
        self.lodf_column(lost, &mut taken)?;
        let mut of_lost = vec![0.0; self.place.len()];
        self.ptdf_row(lost, &mut of_lost);
        self.ptdf_row(branch, out);
        for (factor, of_lost) in out.iter_mut().zip(&of_lost) {
            *factor += taken[branch.at()] * of_lost;
        }
        Some(())
    }

    fn flows_of(&self, injection: &[f64], out: &mut [f64]) {
        let mut angle = vec![0.0; self.place.len()];
        self.angles(injection, &mut angle);
        for ((flow, ends), b) in out.iter_mut().zip(&self.ends).zip(&self.b) {
            *flow = b * (angle[ends[0] as usize] - angle[ends[1] as usize]);
        }
    }

    /// Flows of one unit by the shares of one island.
    fn shares_in(&self, island: u32) -> impl Iterator<Item = f64> + '_ {
        let of = move |(flow, ends): (&f64, &[u32; 2])| {
            if self.island[ends[0] as usize] == island { *flow } else { 0.0 }
        };
        self.share_flow.iter().zip(&self.ends).map(of)
    }
}

/// Work space for many `H(k, k)`.
#[derive(Clone, Debug)]
pub(crate) struct OwnFactors {
    forward: Forward,
    path: Path,
}

impl OwnFactors {
    pub(crate) fn new(network: &DcNetwork) -> Self {
        Self { forward: Forward::new(network.ldl.size()), path: Path::default() }
    }

    /// `H(k, k)`, O(depth · width) by the forward solve alone.
    pub(crate) fn of(&mut self, network: &DcNetwork, branch: BranchIdx) -> f64 {
        if network.bridges.is_bridge(branch) {
            return 1.0;
        }
        network.branch_path(branch.at(), &mut self.forward, &mut self.path);
        network.b[branch.at()] * network.ldl.product(&self.path, &self.path)
    }
}
