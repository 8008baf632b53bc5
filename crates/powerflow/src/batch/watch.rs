//! What is compared after every outage, and the comparison in lanes: loadings and magnitudes are met once, as squares;
//! only what is beyond its limit leaves the lanes.

use sparse::block::LanePair;
use sparse::lanes::{MAX_LANES, Simd, add_shared_product, from_array, to_array};
use topology::calc::{BranchIdx, BusIdx};

use super::complex::{multiply, times_conjugate};
use super::cut::Cut;
use super::outage::Entry;

/// What is compared after every outage.
#[derive(Clone, PartialEq, Debug)]
pub struct Watch {
    /// Branches, and the apparent power in p.u. that is their full load (above 0).
    pub branches: Vec<(BranchIdx, f64)>,
    /// Loading (1 is full load) above which a branch is shown.
    pub most_loading: f64,
    /// Buses, and the lowest and the highest magnitude in p.u. that is not shown.
    pub buses: Vec<(BusIdx, [f64; 2])>,
}

/// What was met after an outage. Numbers of branches and buses are their places in [`Watch`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Seen {
    /// The branch with the highest loading, and that loading.
    pub heaviest: Option<(u32, f64)>,
    /// The bus with the lowest magnitude, in p.u.
    pub lowest: Option<(u32, f64)>,
    /// The bus with the highest magnitude, in p.u.
    pub highest: Option<(u32, f64)>,
    /// Branches above [`Watch::most_loading`] with their loadings.
    pub loaded: Vec<(u32, f64)>,
    /// Buses outside of their magnitudes with what they have, in p.u.
    pub outside: Vec<(u32, f64)>,
}

/// What is watched in one island, by position.
#[derive(Clone, Debug, Default)]
pub(super) struct WatchedPart {
    pub(super) branches: Vec<WatchedBranch>,
    /// Of every bus.
    pub(super) buses: Vec<WatchedBus>,
    pub(super) most_squared: f64,
    /// What is met in the other islands, which no outage here changes.
    pub(super) elsewhere: Seen,
}

/// A branch whose loading is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchedBranch {
    /// The branch, with positions in the island.
    pub(super) branch: Cut,
    /// One over the square of its full load.
    pub(super) scale: f64,
    /// Its place in the list.
    pub(super) place: u32,
}

/// A bus; one that is not watched has limits that nothing passes and no place.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchedBus {
    /// Squares of the magnitudes between which nothing is shown.
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) place: Option<u32>,
}

impl WatchedBus {
    pub(super) const NONE: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, place: None };

    pub(super) fn new(place: u32, [low, high]: [f64; 2]) -> Self {
        let low = if low > 0.0 { low * low } else { f64::NEG_INFINITY };
        Self { low, high: high * high, place: Some(place) }
    }
}

impl Seen {
    pub(super) fn clear(&mut self) {
        let Self { heaviest, lowest, highest, loaded, outside } = self;
        (*heaviest, *lowest, *highest) = (None, None, None);
        loaded.clear();
        outside.clear();
    }

    /// Takes in what was met elsewhere.
    pub(super) fn join(&mut self, other: &Self) {
        for &(place, loading) in other.heaviest.iter() {
            keep_higher(&mut self.heaviest, place, loading);
        }
        self.magnitude_seen(other.lowest);
        self.magnitude_seen(other.highest);
        self.loaded.extend_from_slice(&other.loaded);
        self.outside.extend_from_slice(&other.outside);
    }

    fn magnitude_seen(&mut self, met: Option<(u32, f64)>) {
        if let Some((place, vm)) = met {
            if self.lowest.is_none_or(|(_, least)| vm < least) {
                self.lowest = Some((place, vm));
            }
            keep_higher(&mut self.highest, place, vm);
        }
    }
}

fn keep_higher(best: &mut Option<(u32, f64)>, place: u32, value: f64) {
    if best.is_none_or(|(_, most)| value > most) {
        *best = Some((place, value));
    }
}

impl Watch {
    /// Compares voltages `[e, f]` by bus, without lanes. `flow` gives the larger apparent power of a branch, `None` where
    /// it does not count; buses without a number or not `of` interest do not count either.
    pub(super) fn compare(
        &self,
        voltages_pu: &[[f64; 2]],
        flow: impl Fn(BranchIdx) -> Option<f64>,
        of: impl Fn(BusIdx) -> bool,
        seen: &mut Seen,
    ) {
        for (place, &(branch, full)) in (0u32..).zip(&self.branches) {
            let Some(loading) = flow(branch).map(|flow| flow / full).filter(|x| !x.is_nan()) else {
                continue;
            };
            keep_higher(&mut seen.heaviest, place, loading);
            if loading > self.most_loading {
                seen.loaded.push((place, loading));
            }
        }
        for (place, &(bus, [low, high])) in (0u32..).zip(&self.buses) {
            let [e, f] = voltages_pu[bus.at()];
            let vm = e.hypot(f);
            if vm.is_nan() || !of(bus) {
                continue;
            }
            seen.magnitude_seen(Some((place, vm)));
            if !(low <= vm && vm <= high) {
                seen.outside.push((place, vm));
            }
        }
    }
}

/// The larger apparent power of both ends of a branch.
pub(super) fn apparent(y: &[[f64; 2]; 4], [from, to]: [[f64; 2]; 2]) -> f64 {
    let [ff, ft, tf, tt] = *y;
    let size = |own, other, a, b| {
        let (near, far) = (multiply(a, own), multiply(b, other));
        let [p, q] = times_conjugate(own, [near[0] + far[0], near[1] + far[1]]);
        p.hypot(q)
    };
    size(from, to, ff, ft).max(size(to, from, tt, tf))
}

/// Compares the voltages of the lanes that hold an outage. `outs` are, ascending, places among the branches of the part
/// with the lane in which each is out. Returns the least square of a magnitude of each lane.
#[inline(always)]
pub(super) fn compare<S: Simd>(
    simd: S,
    (part, v): (&WatchedPart, &[LanePair<S>]),
    (entries, outs): (&[Option<Entry>; MAX_LANES], &[(u32, usize)]),
    seen: &mut [Seen; MAX_LANES],
) -> [f64; MAX_LANES] {
    seen.iter_mut().for_each(Seen::clear);
    compare_branches(simd, (part, v), (entries, outs), seen);
    let least = compare_buses(simd, (part, v), entries, seen);
    seen.iter_mut().for_each(|seen| seen.join(&part.elsewhere));
    least
}

#[inline(always)]
fn compare_branches<S: Simd>(
    simd: S,
    (part, v): (&WatchedPart, &[LanePair<S>]),
    (entries, outs): (&[Option<Entry>; MAX_LANES], &[(u32, usize)]),
    seen: &mut [Seen; MAX_LANES],
) {
    let (nothing, most) = (simd.splat_f64s(-1.0), simd.splat_f64s(part.most_squared));
    let (mut best, mut best_at) = (nothing, nothing);
    let mut outs = outs;
    for (at, watched) in (0u32..).zip(&part.branches) {
        let [from, to] = watched.branch.ends.map(|end| end as usize);
        let [ff, ft, tf, tt] = watched.branch.y;
        let (from, to) = (v[from], v[to]);
        let near = apparent_squared(simd, (from, to), (ff, ft));
        let far = apparent_squared(simd, (to, from), (tt, tf));
        let mut squared = simd.mul_f64s(simd.max_f64s(near, far), simd.splat_f64s(watched.scale));
        while let [(place, lane), rest @ ..] = outs
            && *place == at
        {
            let mut numbers = to_array::<S>(squared);
            numbers[*lane] = -1.0;
            (squared, outs) = (from_array::<S>(&numbers), rest);
        }
        let heavier = simd.greater_than_f64s(squared, best);
        best = simd.select_f64s(heavier, squared, best);
        best_at = simd.select_f64s(heavier, simd.splat_f64s(f64::from(at)), best_at);
        if any(simd, simd.greater_than_f64s(squared, most)) {
            let squared = to_array::<S>(squared);
            for ((seen, squared), _) in
                seen.iter_mut().zip(squared).zip(entries).filter(|(_, entry)| entry.is_some())
            {
                if squared > part.most_squared {
                    seen.loaded.push((watched.place, squared.sqrt()));
                }
            }
        }
    }
    let (best, best_at) = (to_array::<S>(best), to_array::<S>(best_at));
    for ((seen, best), at) in seen.iter_mut().zip(best).zip(best_at) {
        let watched = (best >= 0.0).then(|| part.branches.get(at as usize)).flatten();
        seen.heaviest = watched.map(|watched| (watched.place, best.sqrt()));
    }
}

#[inline(always)]
fn compare_buses<S: Simd>(
    simd: S,
    (part, v): (&WatchedPart, &[LanePair<S>]),
    entries: &[Option<Entry>; MAX_LANES],
    seen: &mut [Seen; MAX_LANES],
) -> [f64; MAX_LANES] {
    let (none, infinite) = (simd.splat_f64s(-1.0), simd.splat_f64s(f64::INFINITY));
    let (mut least, mut low, mut high) = (infinite, infinite, none);
    let (mut low_at, mut high_at) = (none, none);
    for (watched, v) in part.buses.iter().zip(v) {
        let squared = simd.mul_add_e_f64s(v[0], v[0], simd.mul_f64s(v[1], v[1]));
        least = simd.min_f64s(least, squared);
        let Some(place) = watched.place else { continue };
        let number = simd.splat_f64s(f64::from(place));
        let (lower, higher) = (simd.less_than_f64s(squared, low), simd.greater_than_f64s(squared, high));
        low = simd.select_f64s(lower, squared, low);
        low_at = simd.select_f64s(lower, number, low_at);
        high = simd.select_f64s(higher, squared, high);
        high_at = simd.select_f64s(higher, number, high_at);
        let below = simd.less_than_f64s(squared, simd.splat_f64s(watched.low));
        let above = simd.greater_than_f64s(squared, simd.splat_f64s(watched.high));
        if any(simd, simd.or_m64s(below, above)) {
            let squared = to_array::<S>(squared);
            for ((seen, squared), _) in
                seen.iter_mut().zip(squared).zip(entries).filter(|(_, entry)| entry.is_some())
            {
                if squared < watched.low || squared > watched.high {
                    seen.outside.push((place, squared.sqrt()));
                }
            }
        }
    }
    let (low, low_at) = (to_array::<S>(low), to_array::<S>(low_at));
    let (high, high_at) = (to_array::<S>(high), to_array::<S>(high_at));
    for (lane, seen) in seen.iter_mut().enumerate().take(S::F64_LANES) {
        let met = |squared: f64, at: f64| (at >= 0.0).then(|| (at as u32, squared.sqrt()));
        seen.lowest = met(low[lane], low_at[lane]);
        seen.highest = met(high[lane], high_at[lane]);
    }
    to_array::<S>(least)
}

#[inline(always)]
fn any<S: Simd>(simd: S, mask: S::m64s) -> bool {
    simd.first_true_m64s(mask) < S::F64_LANES
}

/// `|V|² |a V + b V'|²`
#[inline(always)]
fn apparent_squared<S: Simd>(
    simd: S,
    (own, other): (LanePair<S>, LanePair<S>),
    (a, b): ([f64; 2], [f64; 2]),
) -> S::f64s {
    let zero = simd.splat_f64s(0.0);
    let half = add_shared_product(simd, [zero; 2], a, own);
    let current = add_shared_product(simd, half, b, other);
    let voltage = simd.mul_add_e_f64s(own[0], own[0], simd.mul_f64s(own[1], own[1]));
    let size = simd.mul_add_e_f64s(current[0], current[0], simd.mul_f64s(current[1], current[1]));
    simd.mul_f64s(voltage, size)
}
