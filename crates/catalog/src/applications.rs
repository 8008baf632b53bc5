//! Every application, once. Configuration and the running centre iterate over what stands here.

use app::Application;
use serde::Deserialize;
use signal::PointList;

/// Configuration of all applications; one that is absent does not run.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationConfig {
    /// Voltage control by transformer taps.
    pub volt_var: Option<app_voltvar::Config>,
}

impl ApplicationConfig {
    /// The configured applications, ready to run.
    pub fn build(&self, points: &PointList) -> Result<Vec<Box<dyn Application>>, String> {
        let mut applications: Vec<Box<dyn Application>> = Vec::new();
        if let Some(config) = &self.volt_var {
            let volt_var =
                app_voltvar::VoltVar::new(config.clone(), points).map_err(|error| error.to_string())?;
            applications.push(Box::new(volt_var));
        }
        Ok(applications)
    }
}
