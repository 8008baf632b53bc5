//! What the machines, loads, shunts and tap changers are set to: the input of the calculation model that is not
//! topology. The simulated field moves it step by step; the estimator reads taps and sections from it.

use model::Network;

/// Set points by index of the network. A missing entry counts as the network's own figure.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Schedule {
    /// Active power delivered, by machine.
    pub machine_p_mw: Vec<f64>,
    /// Reactive power delivered by machines that do not regulate, by machine.
    pub machine_q_mvar: Vec<f64>,
    /// Voltage held, by machine.
    pub machine_v_pu: Vec<f64>,
    /// Active power drawn, by load.
    pub load_p_mw: Vec<f64>,
    /// Reactive power drawn, by load.
    pub load_q_mvar: Vec<f64>,
    /// Sections in service, by shunt.
    pub shunt_sections: Vec<u16>,
    /// Step, by tap changer.
    pub tap_step: Vec<i16>,
}

impl Schedule {
    /// What the network itself says.
    pub fn of(network: &Network) -> Self {
        Self {
            machine_p_mw: network.machines().iter().map(|machine| machine.p_mw).collect(),
            machine_q_mvar: network.machines().iter().map(|machine| machine.q_mvar).collect(),
            machine_v_pu: network.machines().iter().map(|machine| machine.voltage_set_point_pu).collect(),
            load_p_mw: network.loads().iter().map(|load| load.p_mw).collect(),
            load_q_mvar: network.loads().iter().map(|load| load.q_mvar).collect(),
            shunt_sections: network.shunts().iter().map(|shunt| shunt.normal_sections).collect(),
            tap_step: network.tap_changers().iter().map(|changer| changer.normal_step).collect(),
        }
    }
}
