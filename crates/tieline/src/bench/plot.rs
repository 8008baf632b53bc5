//! Curves of cost against size, as SVG.

use plotters::prelude::*;

use super::scaling::Point;

const SIZE: (u32, u32) = (960, 420);
/// Distinct for every kind of colour vision (Okabe and Ito).
const BLUE: RGBColor = RGBColor(0, 114, 178);
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const GREY: RGBColor = RGBColor(120, 120, 120);
const FONT: &str = "sans-serif";

/// Two panels: radial networks by nodes, meshed ones by blocks of the factor.
pub(super) fn curves(radial: &[Point], meshed: &[Point]) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let panels = area.split_evenly((1, 2));
        let by_buses = Panel { title: "radial", x: "nodes", colour: BLUE, of: |p| p.buses };
        let by_blocks =
            Panel { title: "meshed", x: "2x2 blocks of the factor", colour: ORANGE, of: |p| p.blocks };
        for (area, panel, points) in [(&panels[0], by_buses, radial), (&panels[1], by_blocks, meshed)] {
            if !points.is_empty() {
                panel.draw(area, points)?;
            }
        }
        area.present()?;
    }
    Ok(svg)
}

struct Panel {
    title: &'static str,
    x: &'static str,
    colour: RGBColor,
    of: fn(&Point) -> usize,
}

impl Panel {
    /// Points, and a grey line through the first one along which cost grows as size.
    fn draw<'a>(
        &self,
        area: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
        points: &[Point],
    ) -> anyhow::Result<()> {
        let mut line: Vec<(f64, f64)> =
            points.iter().map(|point| ((self.of)(point) as f64, point.cpu_us)).collect();
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (Some(&first), Some(&last)) = (line.first(), line.last()) else { return Ok(()) };
        let highest = line.iter().map(|point| point.1).fold(first.1 * last.0 / first.0, f64::max);
        let lowest = line.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption(self.title, (FONT, 16))
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(
                (first.0 * 0.7..last.0 * 1.5).log_scale(),
                (lowest * 0.6..highest * 1.6).log_scale(),
            )?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(self.x)
            .y_desc("processor time per scenario, one thread, µs")
            .label_style((FONT, 13))
            .x_label_formatter(&|x| grouped(*x))
            .y_label_formatter(&|y| grouped(*y))
            .draw()?;
        let linear = [first, (last.0, first.1 * last.0 / first.0)];
        chart.draw_series(LineSeries::new(linear, GREY))?;
        chart.draw_series(LineSeries::new(line.clone(), self.colour.stroke_width(2)))?;
        chart.draw_series(line.into_iter().map(|point| Circle::new(point, 4, self.colour.filled())))?;
        Ok(())
    }
}

/// `1,000,000`; a figure below one with its digits.
fn grouped(value: f64) -> String {
    if value < 1.0 {
        return format!("{value}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped_by_thousands() {
        let check = |value: f64, expected: &str| assert_eq!(grouped(value), expected);
        check(0.5, "0.5");
        check(1.0, "1");
        check(999.0, "999");
        check(1000.0, "1,000");
        check(1_234_567.0, "1,234,567");
    }

    #[test]
    fn an_svg_holds_every_point() {
        let point = |buses: usize| Point { buses, blocks: 4 * buses, cpu_us: buses as f64 * 0.01 };
        let radial: Vec<Point> = [1000, 10_000, 100_000].map(point).to_vec();
        let svg = curves(&radial, &[point(118), point(1354)]).expect("an SVG is made");
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(svg.contains("radial") && svg.contains("meshed"));
    }
}
