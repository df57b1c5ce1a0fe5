//! Pictures of terminals for the documentation.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

const SIZE: f64 = 13.0;
/// Width of a character.
const ADVANCE: f64 = 7.83;
const LINE: u16 = 18;
const MARGIN: u16 = 14;

/// Returns a screen as an SVG picture.
pub(crate) fn svg(screen: &Screen, label: &str) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let width = f64::from(columns) * ADVANCE + 2.0 * f64::from(MARGIN);
    let height = rows * LINE + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height}\" viewBox=\"0 0 {width:.0} {height}\" \
         role=\"img\" aria-label=\"{label}\">\n\
         <style>text{{font:{SIZE}px ui-monospace,Menlo,Consolas,monospace;white-space:pre;fill:#c9d1d9}}.b{{font-weight:bold}}.d{{opacity:.6}}\
         .r{{fill:#ff7b72}}.g{{fill:#7ee787}}.y{{fill:#e3b341}}.c{{fill:#79c0ff}}</style>\n\
         <rect width=\"{width:.0}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for row in 0..rows {
        let cells: Vec<_> = (0..columns).filter_map(|column| screen.cell(row, column)).collect();
        if let Some(start) = cells.iter().position(|cell| cell.inverse()) {
            let count = cells.iter().filter(|cell| cell.inverse()).count();
            let [x, long] = [start, count].map(|cells| cells as f64 * ADVANCE);
            let [x, y] = [x + f64::from(MARGIN), f64::from(MARGIN + row * LINE)];
            writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{long:.1}\" height=\"{LINE}\" fill=\"#2d3b4e\"/>"
            )
            .expect("a text");
        }
        let mut column = 0;
        for run in cells.chunk_by(|a, b| class(a) == class(b)) {
            let text: String =
                run.iter().map(|cell| if cell.has_contents() { cell.contents() } else { " " }).collect();
            let x = f64::from(MARGIN) + column as f64 * ADVANCE;
            let (y, class) = (MARGIN + row * LINE + 13, class(run[0]));
            column += run.len();
            if !text.trim().is_empty() {
                let text = text.trim_end().replace('&', "&amp;").replace('<', "&lt;");
                writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" class=\"{class}\">{text}</text>")
                    .expect("a text");
            }
        }
    }
    svg + "</svg>\n"
}

/// Returns the classes of a cell.
fn class(cell: &Cell) -> String {
    let color = match cell.fgcolor() {
        Color::Idx(1 | 9) => "r",
        Color::Idx(2 | 10) => "g",
        Color::Idx(3 | 11) => "y",
        Color::Idx(6 | 14) => "c",
        _ => "",
    };
    let weight = [("b", cell.bold()), ("d", cell.dim())];
    let classes = weight.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).chain([color]);
    classes.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ")
}
