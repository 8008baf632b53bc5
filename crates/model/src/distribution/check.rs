//! What a calculation relies on: references lead somewhere, counts fit, figures are finite.

use std::fmt;

use super::{DistributionNetwork, LineImpedance, MonitoredEnd, OpenConductor, Terminal, WindingConnection};

/// Why a network was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DistributionError {
    /// Name of the faulty element.
    pub element: String,
    /// What is wrong with it, lower case, no full stop.
    pub reason: String,
}

impl fmt::Display for DistributionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.element, self.reason)
    }
}

impl std::error::Error for DistributionError {}

type Checked = Result<(), DistributionError>;

fn require(holds: bool, element: &str, reason: &str) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(DistributionError { element: element.to_owned(), reason: reason.to_owned() })
    }
}

fn finite(element: &str, figures: &[f64]) -> Checked {
    require(figures.iter().all(|x| x.is_finite()), element, "a figure is not finite")
}

fn check_open(element: &str, open: &[OpenConductor], (ends, conductors): (usize, usize)) -> Checked {
    let inside =
        |open: &OpenConductor| usize::from(open.end) < ends && usize::from(open.conductor) < conductors;
    require(open.iter().all(inside), element, "an open conductor that it does not have")
}

impl DistributionNetwork {
    /// Checks references, counts of conductors and figures.
    ///
    /// # Errors
    /// With the first element that a calculation could not use.
    pub fn check(&self) -> Checked {
        require(
            self.frequency_hz > 0.0 && self.frequency_hz.is_finite(),
            &self.name,
            "frequency is not above 0",
        )?;
        for node in &self.nodes {
            let fits = node.nominal_kv.is_none_or(|kv| kv > 0.0 && kv.is_finite());
            require(fits, &node.name, "nominal voltage is not above 0")?;
        }
        self.check_sources()?;
        self.check_lines()?;
        self.check_transformers()?;
        self.check_shunts()?;
        self.check_injections()?;
        self.check_controls()
    }

    fn terminal(&self, name: &str, terminal: &Terminal, conductors: usize) -> Checked {
        require(terminal.node.at() < self.nodes.len(), name, "no such node")?;
        let found = terminal.conductors.len();
        let reason = format!("{found} conductors where {conductors} are needed");
        require(found == conductors, name, &reason)
    }

    fn check_sources(&self) -> Checked {
        for source in &self.sources {
            let (name, n) = (&*source.name, source.terminal.conductors.len());
            require(n > 0, name, "no conductors")?;
            self.terminal(name, &source.terminal, n)?;
            self.terminal(name, &source.neutral, n)?;
            let z = source.impedance;
            finite(name, &[z.z1_ohm, z.z0_ohm].concat())?;
            finite(name, &[source.voltage_pu, source.angle_degree])?;
            require(source.nominal_kv > 0.0, name, "nominal voltage is not above 0")?;
            require(z.z1_ohm != [0.0; 2], name, "the impedance of the source is zero")?;
        }
        Ok(())
    }

    fn check_lines(&self) -> Checked {
        for line in &self.lines {
            let (name, n) = (&*line.name, line.terminals[0].conductors.len());
            require(n > 0, name, "no conductors")?;
            for terminal in &line.terminals {
                self.terminal(name, terminal, n)?;
            }
            check_open(name, &line.open, (2, n))?;
            self.check_impedance(name, &line.impedance, n)?;
        }
        for reactor in &self.reactors {
            let (name, n) = (&*reactor.name, reactor.terminals[0].conductors.len());
            for terminal in &reactor.terminals {
                self.terminal(name, terminal, n)?;
            }
            let full = reactor.r_ohm.len() == n * n && reactor.x_ohm.len() == n * n;
            require(full, name, "the matrices do not have a row and a column per conductor")?;
            finite(name, &reactor.r_ohm)?;
            finite(name, &reactor.x_ohm)?;
        }
        Ok(())
    }

    fn check_impedance(&self, name: &str, impedance: &LineImpedance, n: usize) -> Checked {
        match impedance {
            LineImpedance::Geometry(geometry) => {
                require(geometry.wires.len() >= n, name, "fewer wires than conductors")?;
                finite(name, &[geometry.length_m, geometry.earth_resistivity_ohm_m])
            }
            LineImpedance::Phase { .. } | LineImpedance::Sequence { .. } => {
                let (z, b) = impedance.matrices(n).unwrap_or_default();
                let full = z.len() == n * n && b.len() == n * n;
                require(full, name, "the matrices do not have a row and a column per conductor")?;
                finite(name, &z.concat())?;
                finite(name, &b)
            }
        }
    }

    fn check_transformers(&self) -> Checked {
        for transformer in &self.transformers {
            let (name, ends) = (&*transformer.name, transformer.ends.len());
            require(ends >= 2, name, "fewer than two windings")?;
            require(transformer.phases > 0, name, "no phases")?;
            let pairs = ends * (ends - 1) / 2;
            require(transformer.x_pu.len() == pairs, name, "not one reactance per pair of windings")?;
            finite(name, &transformer.x_pu)?;
            check_open(name, &transformer.open, (ends, usize::from(transformer.phases) + 1))?;
            for end in &transformer.ends {
                self.terminal(name, &end.terminal, usize::from(transformer.phases) + 1)?;
                require(
                    end.rated_kv > 0.0 && end.rated_kv.is_finite(),
                    name,
                    "rated voltage is not above 0",
                )?;
                require(
                    end.rated_kva > 0.0 && end.rated_kva.is_finite(),
                    name,
                    "rated power is not above 0",
                )?;
                require(end.tap_pu > 0.0 && end.tap_pu.is_finite(), name, "tap is not above 0")?;
                finite(name, &[end.r_pu, end.min_tap_pu, end.max_tap_pu])?;
                if matches!(end.connection, WindingConnection::Zigzag { .. }) {
                    require(transformer.phases == 3, name, "a zigzag does not have three phases")?;
                    finite(name, &end.zero_sequence_pu)?;
                    let [r0, x0] = end.zero_sequence_pu;
                    require(r0 != 0.0 || x0 != 0.0, name, "the zero-sequence impedance of a zigzag is zero")?;
                }
            }
        }
        Ok(())
    }

    fn check_shunts(&self) -> Checked {
        for capacitor in &self.capacitors {
            let name = &*capacitor.name;
            let found = capacitor.terminal.conductors.len();
            self.terminal(name, &capacitor.terminal, found)?;
            self.terminal(name, &capacitor.neutral, capacitor.neutral.conductors.len())?;
            require(found >= usize::from(capacitor.phases), name, "fewer conductors than phases")?;
            finite(name, &capacitor.step_b_s)?;
            let steps = usize::from(capacitor.steps_on) <= capacitor.step_b_s.len();
            require(steps, name, "more steps on than there are")?;
        }
        Ok(())
    }

    fn check_injections(&self) -> Checked {
        let loads =
            self.loads.iter().map(|l| (&l.name, &l.terminal, l.phases, l.nominal_kv, l.p_kw, l.q_kvar));
        let converters =
            self.converters.iter().map(|c| (&c.name, &c.terminal, c.phases, c.nominal_kv, c.p_kw, c.q_kvar));
        for (name, terminal, phases, kv, p, q) in loads.chain(converters) {
            self.terminal(name, terminal, terminal.conductors.len())?;
            let count = terminal.conductors.len();
            require(count >= usize::from(phases) && phases > 0, name, "fewer conductors than phases")?;
            require(kv > 0.0 && kv.is_finite(), name, "nominal voltage is not above 0")?;
            finite(name, &[p, q])?;
        }
        Ok(())
    }

    fn check_controls(&self) -> Checked {
        for control in &self.tap_controls {
            let transformer = self.transformers.get(control.transformer as usize);
            let ends = transformer.map_or(0, |transformer| transformer.ends.len());
            let name = &*control.name;
            require(usize::from(control.end) < ends, name, "no such winding")?;
            require(usize::from(control.tap_end) < ends, name, "no such winding with a tap")?;
            let remote = control.remote.is_none_or(|(node, ..)| node.at() < self.nodes.len());
            require(remote, name, "no such node to regulate")?;
            require(control.pt_ratio > 0.0 && control.ct_rating_a > 0.0, name, "a ratio is not above 0")?;
        }
        for control in &self.capacitor_controls {
            let name = &*control.name;
            require((control.capacitor as usize) < self.capacitors.len(), name, "no such capacitor")?;
            require(self.has(control.monitored), name, "the monitored element does not exist")?;
        }
        Ok(())
    }

    fn has(&self, end: MonitoredEnd) -> bool {
        match end {
            MonitoredEnd::Line(at, end) => (at as usize) < self.lines.len() && end < 2,
            MonitoredEnd::Transformer(at, end) => {
                self.transformers.get(at as usize).is_some_and(|t| usize::from(end) < t.ends.len())
            }
            MonitoredEnd::Capacitor(at) => (at as usize) < self.capacitors.len(),
            MonitoredEnd::Reactor(at, end) => (at as usize) < self.reactors.len() && end < 2,
            MonitoredEnd::Load(at) => (at as usize) < self.loads.len(),
        }
    }
}
