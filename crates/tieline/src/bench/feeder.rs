//! Synthetic radial networks from a seed.
//!
//! A root feeds `⌈nodes / FEEDER_NODES⌉` feeders; a node hangs at its predecessor or, in one case of five, at any
//! earlier node of its feeder. Impedances are scaled so that the linear drop `Σ (r P + x Q)` along the way to the worst
//! node is `drop`.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use topology::calc::{Branch, Bus, BusIdx, BusKind, Grid, IslandIdx};

/// Nodes of one feeder.
const FEEDER_NODES: usize = 2000;
/// How often a node begins a lateral.
const LATERAL_SHARE: f64 = 0.2;
/// Largest voltage drop, of the linear estimate.
const DROP_PU: f64 = 0.06;
/// Mean load of a node on a base of 1 MVA.
const LOAD_PU: f64 = 0.008;

/// A network of `nodes` nodes besides the root, and active and reactive load by bus.
pub(super) fn radial(nodes: usize, seed: u64) -> (Grid, Vec<[f64; 2]>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut loads = vec![[0.0; 2]];
    let mut parents = vec![0];
    let mut lengths = vec![0.0];
    for node in 0..nodes {
        let place = node % FEEDER_NODES;
        let first = node - place + 1;
        parents.push(match place {
            0 => 0,
            _ if random.random_bool(LATERAL_SHARE) => random.random_range(first..node + 1),
            _ => node,
        });
        lengths.push(random.random_range(0.5..1.5));
        let p = LOAD_PU * random.random_range(0.2..1.8);
        loads.push([p, p * random.random_range(0.1..0.5)]);
    }
    let scale = DROP_PU / worst_drop(&parents, &lengths, &loads);
    let mut grid = Grid { base_mva: 1.0, islands: 1, ..Grid::default() };
    for (at, load) in loads.iter().enumerate() {
        grid.buses.push(bus(at, *load));
        if at > 0 {
            grid.branches.push(branch(parents[at], at, lengths[at] * scale));
        }
    }
    (grid, loads)
}

/// Linear drop at the worst node for lines of `1 + 0.5j` per length.
fn worst_drop(parents: &[usize], lengths: &[f64], loads: &[[f64; 2]]) -> f64 {
    let mut flow = loads.to_vec();
    for at in (1..flow.len()).rev() {
        let [p, q] = flow[at];
        let above = &mut flow[parents[at]];
        *above = [above[0] + p, above[1] + q];
    }
    let mut drop = vec![0.0; flow.len()];
    for at in 1..flow.len() {
        drop[at] = drop[parents[at]] + lengths[at] * (flow[at][0] + 0.5 * flow[at][1]);
    }
    drop.into_iter().fold(f64::MIN_POSITIVE, f64::max)
}

fn bus(at: usize, [p, q]: [f64; 2]) -> Bus {
    Bus {
        name: String::new(),
        kind: if at == 0 { BusKind::Slack } else { BusKind::Pq },
        island: IslandIdx(0),
        base_kv: 10.0,
        p_pu: -p,
        q_pu: -q,
        q_gen_min_pu: f64::NEG_INFINITY,
        q_gen_max_pu: f64::INFINITY,
        q_load_pu: q,
        g_shunt_pu: 0.0,
        b_shunt_pu: 0.0,
        vm_pu: 1.0,
        va_rad: 0.0,
    }
}

fn branch(from: usize, to: usize, r_pu: f64) -> Branch {
    let index = |at: usize| BusIdx(u32::try_from(at).unwrap_or(u32::MAX));
    Branch {
        name: String::new(),
        from: index(from),
        to: index(to),
        r_pu,
        x_pu: 0.5 * r_pu,
        g_pu: 0.0,
        b_pu: 0.0,
        ratio: 1.0,
        shift_rad: 0.0,
        rate_mva: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use powerflow::{Options, Start};

    use super::*;

    #[test]
    fn the_worst_node_drops_by_about_six_percent() {
        let (grid, loads) = radial(5000, 3);
        assert_eq!((grid.buses.len(), grid.branches.len(), loads.len()), (5001, 5000, 5001));
        let solution = powerflow::solve(&grid, &Options { start: Start::Flat, ..Options::default() });
        assert!(solution.converged());
        let lowest = solution.voltages.vm_pu.iter().copied().fold(f64::INFINITY, f64::min);
        assert!((0.92..0.945).contains(&lowest), "lowest voltage {lowest}");
    }
}
