//! Power at the end of a branch and its derivatives.
//!
//! With `o` the end's own bus, `x` the other, `Y` self and `M` transfer admittance, `θ = θo - θx`:
//!
//! ```text
//! T = Re M cos θ + Im M sin θ        P =  vo² Re Y + vo vx T
//! S = Re M sin θ - Im M cos θ        Q = -vo² Im Y + vo vx S
//! ```

use topology::calc::Branch;

/// Power and derivatives by `[θ own, θ other, v own, v other]`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct EndPower {
    pub(crate) p: f64,
    pub(crate) q: f64,
    pub(crate) dp: [f64; 4],
    pub(crate) dq: [f64; 4],
}

/// Both ends of a branch, from-end first; voltages are `[magnitude, angle]`.
pub(crate) fn branch_power(branch: &Branch, from: [f64; 2], to: [f64; 2]) -> [EndPower; 2] {
    let y = branch.admittance();
    let (sin, cos) = (from[1] - to[1]).sin_cos();
    [
        end_power(y.ff, y.ft, [from[0], to[0]], [sin, cos]),
        end_power(y.tt, y.tf, [to[0], from[0]], [-sin, cos]),
    ]
}

fn end_power(own: [f64; 2], transfer: [f64; 2], v: [f64; 2], [sin, cos]: [f64; 2]) -> EndPower {
    let t = transfer[0] * cos + transfer[1] * sin;
    let s = transfer[0] * sin - transfer[1] * cos;
    let [vo, vx] = v;
    let product = vo * vx;
    EndPower {
        p: vo * vo * own[0] + product * t,
        q: -vo * vo * own[1] + product * s,
        dp: [-product * s, product * s, 2.0 * vo * own[0] + vx * t, vo * t],
        dq: [product * t, -product * t, -2.0 * vo * own[1] + vx * s, vo * s],
    }
}

#[cfg(test)]
mod tests {
    use topology::calc::{Branch, BusIdx};

    use super::branch_power;

    /// Central differences are the foreign truth of a derivative; `Branch::flow` that of the value.
    #[test]
    fn derivatives_agree_with_differences() {
        let check = |ratio: f64, shift_rad: f64, g_pu: f64, state: [f64; 4]| {
            let branch = Branch {
                name: String::new(),
                from: BusIdx(0),
                to: BusIdx(1),
                r_pu: 0.02,
                x_pu: 0.11,
                g_pu,
                b_pu: 0.05,
                ratio,
                shift_rad,
                rate_mva: 0.0,
            };
            let at = |s: [f64; 4]| branch_power(&branch, [s[2], s[0]], [s[3], s[1]]);
            let flow = branch.flow([state[2], state[0]], [state[3], state[1]]);
            let now = at(state);
            let values = [now[0].p, now[0].q, now[1].p, now[1].q];
            for (got, want) in values.iter().zip([flow.p_from_pu, flow.q_from_pu, flow.p_to_pu, flow.q_to_pu])
            {
                assert!((got - want).abs() < 1e-13, "got {got}, want {want}");
            }
            for k in 0..4 {
                let h = 1e-6;
                let (mut up, mut down) = (state, state);
                up[k] += h;
                down[k] -= h;
                let (up, down) = (at(up), at(down));
                // At the to-end own and other change places.
                for (end, own) in [k, [1, 0, 3, 2][k]].into_iter().enumerate() {
                    let dp = (up[end].p - down[end].p) / (2.0 * h);
                    let dq = (up[end].q - down[end].q) / (2.0 * h);
                    assert!((now[end].dp[own] - dp).abs() < 1e-7, "end {end} dp {k}");
                    assert!((now[end].dq[own] - dq).abs() < 1e-7, "end {end} dq {k}");
                }
            }
        };
        check(1.0, 0.0, 0.0, [0.0, 0.0, 1.0, 1.0]);
        check(0.95, 0.1, 0.01, [0.1, -0.2, 1.03, 0.97]);
        check(1.1, -0.5, 0.0, [-0.4, 0.3, 0.9, 1.08]);
    }
}
