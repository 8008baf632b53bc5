//! What an inverter makes of the power behind it, of voltage, and of its rating: the arithmetic that the functions of
//! IEEE 1547-2018 and those of network files share.
//!
//! ```text
//! P  = min(offered, volt-watt(V) base)                 charging: not below -volt-watt'(V) base
//! Q  = q                                               given
//!    = volt-var(V) Q_base                              Q_base: a limit of Q, or √(S² - P²)
//!    = watt-var(P/base) Q_base
//!    = P tan(acos pf(P/base))                          of the power behind, before the rating binds
//! Q  within its limits
//! P² + Q² <= S²                                        by priority
//! ```

use super::{ConverterKind, ConverterPriority, PowerElectronicsConnection};

/// A curve between its points, constant beyond them; `None` without points. Of two points at one place the later one
/// counts there and above.
pub fn curve_at(points: &[[f64; 2]], x: f64) -> Option<f64> {
    let after = points.iter().position(|point| x < point[0]);
    match after {
        Some(0) => points.first().map(|point| point[1]),
        Some(at) => {
            let ([x0, y0], [x1, y1]) = (points[at - 1], points[at]);
            Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
        }
        None => points.last().map(|point| point[1]),
    }
}

/// `P² + Q² <= S²`: up to `reserved` of `Q` comes first, then `P`, then what is left of `Q`. `reserved` is not negative.
pub fn by_priority([p, q]: [f64; 2], s: f64, reserved: f64) -> [f64; 2] {
    if p.hypot(q) <= s {
        return [p, q];
    }
    let size = p.abs().min(other_leg(s, reserved.min(q.abs())));
    [size.copysign(p), q.abs().min(other_leg(s, size)).copysign(q)]
}

/// `P² + Q² <= S²`: both shrink together.
pub fn along_ray([p, q]: [f64; 2], s: f64) -> [f64; 2] {
    let size = p.hypot(q);
    let scale = if size > s { s / size } else { 1.0 };
    [p * scale, q * scale]
}

/// `P² + Q(P)² <= S²`: the `P` nearest to the one wanted, on the way to zero. `corners` are the places, ascending,
/// between which `Q` is straight.
pub fn along_curve(
    p_wanted: f64,
    s: f64,
    corners: impl DoubleEndedIterator<Item = f64>,
    q_at: impl Fn(f64) -> f64,
) -> f64 {
    if p_wanted.hypot(q_at(p_wanted)) <= s {
        return p_wanted;
    }
    let passed = |corner: &f64| corner * p_wanted > 0.0 && corner.abs() < p_wanted.abs();
    if p_wanted > 0.0 {
        inward(p_wanted, s, corners.rev().filter(passed), q_at)
    } else {
        inward(p_wanted, s, corners.filter(passed), q_at)
    }
}

/// Steps over the corners until one is inside of the circle.
fn inward(p_wanted: f64, s: f64, corners: impl Iterator<Item = f64>, q_at: impl Fn(f64) -> f64) -> f64 {
    let mut outer = p_wanted;
    for corner in corners.chain([0.0]) {
        if corner.hypot(q_at(corner)) <= s {
            return crossing([corner, q_at(corner)], [outer, q_at(outer)], s);
        }
        outer = corner;
    }
    0.0
}

/// Where the straight line from a point inside of the circle to one outside meets it: its first coordinate.
fn crossing(inside: [f64; 2], outside: [f64; 2], s: f64) -> f64 {
    let run = [outside[0] - inside[0], outside[1] - inside[1]];
    let square = run[0] * run[0] + run[1] * run[1];
    if square == 0.0 {
        return inside[0];
    }
    let half = inside[0] * run[0] + inside[1] * run[1];
    let rest = (inside[0] * inside[0] + inside[1] * inside[1] - s * s).min(0.0);
    let share = ((half * half - square * rest).sqrt() - half) / square;
    inside[0] + share.clamp(0.0, 1.0) * run[0]
}

/// `√(s² - leg²)`, zero beyond.
fn other_leg(s: f64, leg: f64) -> f64 {
    ((s - leg) * (s + leg)).max(0.0).sqrt()
}

/// Reactive over active power at a power factor: positive factors give the sign of the active power.
fn tangent(factor: f64) -> f64 {
    let size = (1.0 - factor * factor).max(0.0).sqrt() / factor.abs().max(f64::MIN_POSITIVE);
    size.copysign(factor)
}

impl PowerElectronicsConnection {
    /// What remains of a demand for active and reactive power under the limits and the rating, in kilowatt and kilovar.
    /// A generator that is no converter delivers what is asked.
    pub fn within_rating(&self, p_kw: f64, q_kvar: f64) -> [f64; 2] {
        if self.kind == ConverterKind::Generator {
            return [p_kw, q_kvar];
        }
        let q = self.within_q_limits(p_kw, q_kvar);
        // A power factor that is kept is kept under the limits of reactive power too.
        let p = if self.keeps_factor() && q != q_kvar { p_kw * q / q_kvar } else { p_kw };
        let s = self.rated_kva;
        match self.priority {
            ConverterPriority::Reactive => by_priority([p, q], s, q.abs()),
            ConverterPriority::Active => by_priority([p, q], s, 0.0),
            ConverterPriority::Factor if self.control.volt_var.is_empty() => along_ray([p, q], s),
            ConverterPriority::Factor => by_priority([p, q], s, q.abs()),
        }
    }

    fn keeps_factor(&self) -> bool {
        self.priority == ConverterPriority::Factor && self.power_factor_given && !self.control.is_active()
    }

    fn within_q_limits(&self, p_kw: f64, q_kvar: f64) -> f64 {
        let [none_below, all_from] = self.least_kw_for_q;
        if p_kw.abs() < none_below {
            return 0.0;
        }
        let share = if p_kw.abs() < all_from { p_kw.abs() / all_from } else { 1.0 };
        let [least, most] = self.q_limits_kvar;
        q_kvar.max(share * least).min(share * most)
    }

    /// Active and reactive power at a voltage per unit of the rated one, in kilowatt and kilovar.
    pub fn at_voltage(&self, v_pu: f64) -> [f64; 2] {
        if self.is_off() && !self.reactive_when_off {
            return [0.0; 2];
        }
        let control = &self.control;
        let p = self.active_power(v_pu);
        if let Some(share) = curve_at(&control.volt_var, v_pu) {
            return self.within_rating(p, share * self.q_base(share, p));
        }
        if !control.watt_var.is_empty() {
            return self.on_watt_var(p);
        }
        if let Some(factor) = curve_at(&control.watt_pf, self.behind(p) / control.base_kw) {
            if self.is_off() && self.priority != ConverterPriority::Reactive {
                return [0.0; 2];
            }
            return self.within_rating(p, self.behind(p) * tangent(factor));
        }
        let q = if self.power_factor_given && p != self.p_kw && self.p_kw != 0.0 {
            self.q_kvar * p / self.p_kw
        } else {
            self.q_kvar
        };
        self.within_rating(p, q)
    }

    /// Below the power at which it starts.
    fn is_off(&self) -> bool {
        self.kind == ConverterKind::Photovoltaic && self.p_kw == 0.0
    }

    /// Power that curves over active power are read at: that behind the inverter while it is off.
    fn behind(&self, p_kw: f64) -> f64 {
        if self.is_off() { self.control.behind_kw } else { p_kw }
    }

    fn active_power(&self, v_pu: f64) -> f64 {
        let control = &self.control;
        let base = control.volt_watt_base_kw.unwrap_or(control.behind_kw);
        let limit = |curve: &[[f64; 2]]| curve_at(curve, v_pu).map(|share| share * base);
        let p = limit(&control.volt_watt).map_or(self.p_kw, |most| self.p_kw.min(most));
        limit(&control.volt_watt_charging).map_or(p, |most| p.max(-most))
    }

    /// What a share of reactive power is a share of.
    fn q_base(&self, share: f64, p_kw: f64) -> f64 {
        let [least, most] = self.q_limits_kvar;
        match (self.control.of_rating, share < 0.0) {
            (true, true) => -least,
            (true, false) => most,
            (false, _) => other_leg(self.rated_kva, p_kw),
        }
    }

    fn on_watt_var(&self, p_kw: f64) -> [f64; 2] {
        let control = &self.control;
        let q_at = |p: f64| {
            let share = curve_at(&control.watt_var, self.behind(p) / control.base_kw).unwrap_or(0.0);
            share * self.q_base(share, p)
        };
        // Shares of what is left of the rating never exceed it.
        let p = if control.of_rating {
            let corners = control.watt_var.iter().map(|point| point[0] * control.base_kw);
            along_curve(p_kw, self.rated_kva, corners, q_at)
        } else {
            p_kw
        };
        self.within_rating(p, q_at(p))
    }
}
