//! Figures, their goals, and the table.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// What a figure is measured in.
#[derive(Clone, Copy)]
pub enum Unit {
    /// So many a second.
    PerSecond,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// MiB of 2^20 bytes.
    Mebibytes,
    /// kB of 10^3 bytes.
    Kilobytes,
    /// MB of 10^6 bytes.
    Megabytes,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::PerSecond if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
            Unit::PerSecond if value >= 1e4 => format!("{:.1} k/s", value / 1e3),
            Unit::PerSecond => format!("{value:.0} /s"),
            Unit::Micros => format!("{value:.1} us"),
            Unit::Millis => format!("{value:.1} ms"),
            Unit::Mebibytes => format!("{value:.1} MiB"),
            Unit::Kilobytes => format!("{value:.1} kB"),
            Unit::Megabytes => format!("{value:.1} MB"),
        }
    }
}

impl Unit {
    /// The median, and how far the rounds lie apart: half their range, in percent of the median.
    fn show_rounds(self, rounds: &[f64]) -> String {
        let Some(middle) = middle(rounds) else { return "-".to_owned() };
        let most = rounds.iter().copied().fold(f64::MIN, f64::max);
        let least = rounds.iter().copied().fold(f64::MAX, f64::min);
        match rounds.len() {
            1 => self.show(middle),
            _ => format!("{} +-{:.0}%", self.show(middle), 50.0 * (most - least) / middle),
        }
    }
}

/// What a figure should reach.
#[derive(Clone, Copy)]
pub enum Goal {
    /// Nothing: it is there to compare with.
    None,
    /// At least this part of the floor.
    PartOfFloor(f64),
    /// At most so many times the floor.
    TimesFloor(f64),
    /// At least this, in the figure's unit.
    AtLeast(f64),
    /// At most this, in the figure's unit.
    AtMost(f64),
}

impl Goal {
    fn show(self, unit: Unit) -> String {
        match self {
            Goal::None => "none: to compare with".to_owned(),
            Goal::PartOfFloor(part) => format!(">= {part:.2} of floor"),
            Goal::TimesFloor(times) => format!("<= {times:.1} x floor"),
            Goal::AtLeast(value) => format!(">= {}", unit.show(value)),
            Goal::AtMost(value) => format!("<= {}", unit.show(value)),
        }
    }

    /// `None` if there is nothing to reach or nothing to compare with.
    fn is_met(self, figure: &Figure) -> Option<bool> {
        let ours = middle(&figure.ours)?;
        let floor = middle(&figure.floor);
        match self {
            Goal::None => None,
            Goal::PartOfFloor(part) => Some(ours >= part * floor?),
            Goal::TimesFloor(times) => Some(ours <= times * floor?),
            Goal::AtLeast(least) => Some(ours >= least),
            Goal::AtMost(most) => Some(ours <= most),
        }
    }
}

/// One line of the table.
pub struct Figure {
    /// What was measured, and against what.
    pub what: String,
    /// Ours, one value a round; none for a floor alone.
    pub ours: Vec<f64>,
    /// The floor, in the same unit; none where there is nothing to compare with.
    pub floor: Vec<f64>,
    /// What both are measured in.
    pub unit: Unit,
    /// What ours should reach.
    pub goal: Goal,
}

/// All figures of a run, and what could not be measured.
#[derive(Default)]
pub struct Figures {
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Figures {
    /// Adds a figure, and says so, since a run takes its time.
    pub fn add(&mut self, figure: Figure) {
        eprintln!("measured: {}: {}", figure.what, figure.unit.show_rounds(&figure.ours));
        self.figures.push(figure);
    }

    /// Adds what the reader must know, such as a figure that could not be taken.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints the table, the notes, and how many goals were met.
    pub fn print(&self) {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["figure", "ours", "floor", "ratio", "goal", "met"]);
        let (mut met, mut missed) = (0, 0);
        for figure in &self.figures {
            let ratio = middle(&figure.ours).zip(middle(&figure.floor)).map(|(o, f)| o / f);
            let verdict = match figure.goal.is_met(figure) {
                None => "-",
                Some(true) => {
                    met += 1;
                    "yes"
                }
                Some(false) => {
                    missed += 1;
                    "NO"
                }
            };
            table.add_row([
                figure.what.clone(),
                figure.unit.show_rounds(&figure.ours),
                figure.unit.show_rounds(&figure.floor),
                ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
                figure.goal.show(figure.unit),
                verdict.to_owned(),
            ]);
        }
        for number in 1..=3 {
            if let Some(column) = table.column_mut(number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        println!("\n{}\n", table.trim_fmt());
        for note in &self.notes {
            println!("Note: {note}");
        }
        println!("{met} goals met, {missed} missed");
    }
}

/// The middle one; of an even number the upper of the two; `None` of none.
pub fn middle(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
