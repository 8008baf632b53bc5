//! The three characteristics, their defaults and the ranges that the tables allow.

use model::distribution::{along_curve, curve_at};

use super::{Category, Nameplate, SettingFault, within};

/// Voltage - reactive power (5.3.3, Table 8): voltages per unit, reactive powers as shares of rated apparent power,
/// positive into the grid.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct VoltVar {
    /// Reference voltage `VRef`.
    pub v_ref_pu: f64,
    /// `V1` to `V4`.
    pub v_pu: [f64; 4],
    /// `Q1` to `Q4`.
    pub q: [f64; 4],
    /// Open-loop response time in seconds.
    pub response_time_s: f64,
}

/// Active power - reactive power (5.3.4, Table 9): active powers as shares of rated active power, reactive powers as
/// shares of rated apparent power, positive into the grid.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WattVar {
    /// `P1` to `P3`.
    pub p: [f64; 3],
    /// `Q1` to `Q3`.
    pub q: [f64; 3],
    /// `P'1` to `P'3`, shares of rated absorption, negative.
    pub p_absorbing: [f64; 3],
    /// `Q'1` to `Q'3`.
    pub q_absorbing: [f64; 3],
}

/// Voltage - active power (5.4.2, Table 10). `P1` is rated active power.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct VoltWatt {
    /// `V1` and `V2`.
    pub v_pu: [f64; 2],
    /// `P2` as a share of rated active power, or `P'2` as a share of rated absorption, which is not positive.
    pub p2: f64,
    /// Open-loop response time in seconds.
    pub response_time_s: f64,
}

impl VoltVar {
    /// Defaults of Table 8 at nominal voltage.
    pub const fn default_of(category: Category) -> Self {
        match category {
            Category::A => Self {
                v_ref_pu: 1.0,
                v_pu: [0.9, 1.0, 1.0, 1.1],
                q: [0.25, 0.0, 0.0, -0.25],
                response_time_s: 10.0,
            },
            Category::B => Self {
                v_ref_pu: 1.0,
                v_pu: [0.92, 0.98, 1.02, 1.08],
                q: [0.44, 0.0, 0.0, -0.44],
                response_time_s: 5.0,
            },
        }
    }

    /// The same curve around another reference voltage (`VRef` is 0.95 to 1.05 of nominal voltage).
    #[must_use]
    pub fn around(&self, v_ref_pu: f64) -> Self {
        Self { v_ref_pu, v_pu: self.v_pu.map(|v| v + v_ref_pu - self.v_ref_pu), ..*self }
    }

    /// Reactive power as a share of rated apparent power.
    pub fn q_at(&self, v_pu: f64) -> f64 {
        let points = [0, 1, 2, 3].map(|at| [self.v_pu[at], self.q[at]]);
        interpolate(&points, v_pu)
    }

    pub(super) fn check(&self, nameplate: &Nameplate) -> Result<(), SettingFault> {
        let at = "Table 8";
        let reference = self.v_ref_pu;
        let [v1, v2, v3, v4] = self.v_pu;
        let dead_band = match nameplate.category {
            Category::A => 0.0,
            Category::B => 0.03,
        };
        within((at, "VRef"), reference, 0.95..=1.05)?;
        within((at, "V2"), v2, reference - dead_band..=reference)?;
        within((at, "V3"), v3, reference..=reference + dead_band)?;
        within((at, "V1"), v1, reference - 0.18..=v2 - 0.02)?;
        within((at, "V4"), v4, v3 + 0.02..=reference + 0.18)?;
        let (low, high) = nameplate.q_shares();
        within((at, "Q1"), self.q[0], 0.0..=high)?;
        within((at, "Q2"), self.q[1], low..=high)?;
        within((at, "Q3"), self.q[2], low..=high)?;
        within((at, "Q4"), self.q[3], low..=0.0)?;
        within((at, "open-loop response time"), self.response_time_s, 1.0..=90.0)
    }
}

impl WattVar {
    /// Defaults of Table 9.
    pub fn default_of(nameplate: &Nameplate) -> Self {
        let q3 = match nameplate.category {
            Category::A => -0.25,
            Category::B => -0.44,
        };
        let least = nameplate.p_min_pu / nameplate.p_rated_pu;
        Self {
            p: [least.max(0.2), 0.5, 1.0],
            q: [0.0, 0.0, q3],
            p_absorbing: [-0.2, -0.5, -1.0],
            q_absorbing: [0.0, 0.0, 0.44],
        }
    }

    /// Reactive power as a share of rated apparent power.
    pub fn q_at(&self, p_injection_pu: f64, nameplate: &Nameplate) -> f64 {
        interpolate(&self.points(nameplate), p_injection_pu)
    }

    /// Corners from full absorption to full injection, active power per unit.
    fn points(&self, nameplate: &Nameplate) -> [[f64; 2]; 6] {
        let absorbing =
            |at: usize| [self.p_absorbing[at] * nameplate.p_charge_rated_pu, self.q_absorbing[at]];
        let injecting = |at: usize| [self.p[at] * nameplate.p_rated_pu, self.q[at]];
        [absorbing(2), absorbing(1), absorbing(0), injecting(0), injecting(1), injecting(2)]
    }

    /// The active power nearest to the one wanted, on the way to zero, that has its reactive power within rated
    /// apparent power.
    pub(super) fn within_apparent_power(&self, p_wanted: f64, nameplate: &Nameplate) -> f64 {
        let s = nameplate.s_rated_pu;
        let corners = self.points(nameplate).into_iter().map(|[p, _]| p);
        along_curve(p_wanted, s, corners, |p| self.q_at(p, nameplate) * s)
    }

    pub(super) fn check(&self, nameplate: &Nameplate) -> Result<(), SettingFault> {
        let at = "Table 9";
        let least = nameplate.p_min_pu / nameplate.p_rated_pu;
        let [p1, p2, p3] = self.p;
        within((at, "P2"), p2, 0.4..=0.8)?;
        within((at, "P3"), p3, p2 + 0.1..=1.0)?;
        within((at, "P1"), p1, least..=p2 - 0.1)?;
        let [p1, p2, p3] = self.p_absorbing;
        within((at, "P'2"), p2, -0.8..=-0.4)?;
        within((at, "P'3"), p3, -1.0..=p2 - 0.1)?;
        within((at, "P'1"), p1, p2 + 0.1..=0.0)?;
        let (low, high) = nameplate.q_shares();
        for (name, q) in ["Q1", "Q2", "Q3"].into_iter().zip(self.q) {
            within((at, name), q, low..=high)?;
        }
        for (name, q) in ["Q'1", "Q'2", "Q'3"].into_iter().zip(self.q_absorbing) {
            within((at, name), q, low..=high)?;
        }
        Ok(())
    }
}

impl VoltWatt {
    /// Defaults of Table 10: at `V2` nothing is left of a resource that can absorb, and of others the lesser of a fifth
    /// and the least active power.
    pub fn default_of(nameplate: &Nameplate) -> Self {
        let least = (nameplate.p_min_pu / nameplate.p_rated_pu).min(0.2);
        let p2 = if nameplate.p_charge_rated_pu > 0.0 { 0.0 } else { least };
        Self { v_pu: [1.06, 1.1], p2, response_time_s: 10.0 }
    }

    /// Most active power that may be injected; negative when at least as much has to be absorbed.
    pub fn limit_pu(&self, v_pu: f64, nameplate: &Nameplate) -> f64 {
        let rated = if self.p2 < 0.0 { nameplate.p_charge_rated_pu } else { nameplate.p_rated_pu };
        let points = [[self.v_pu[0], nameplate.p_rated_pu], [self.v_pu[1], self.p2 * rated]];
        interpolate(&points, v_pu)
    }

    pub(super) fn check(&self, nameplate: &Nameplate) -> Result<(), SettingFault> {
        let at = "Table 10";
        let [v1, v2] = self.v_pu;
        within((at, "V1"), v1, 1.05..=1.09)?;
        within((at, "V2"), v2, v1 + 0.01..=1.1)?;
        if nameplate.p_charge_rated_pu > 0.0 {
            within((at, "P'2"), self.p2, -1.0..=0.0)?;
        } else {
            let least = nameplate.p_min_pu / nameplate.p_rated_pu;
            // The default is below this where the least power is above a fifth.
            within((at, "P2"), self.p2, least.min(0.2)..=1.0)?;
        }
        within((at, "open-loop response time"), self.response_time_s, 0.5..=60.0)
    }
}

/// On a curve that has points.
fn interpolate(points: &[[f64; 2]], x: f64) -> f64 {
    curve_at(points, x).unwrap_or(0.0)
}
