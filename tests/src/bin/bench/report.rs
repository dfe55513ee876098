//! Figures with their limits.

use serde::Serialize;

/// Everything that was measured.
#[derive(Default, Serialize)]
pub struct Report {
    machine: Machine,
    figures: Vec<Figure>,
}

/// Where.
#[derive(Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    version: &'static str,
}

/// One figure.
#[derive(Serialize)]
struct Figure {
    part: &'static str,
    name: String,
    value: f64,
    unit: &'static str,
    limit: Option<Limit>,
}

/// What a figure must not pass.
#[derive(Serialize)]
struct Limit {
    value: f64,
    /// What it was reckoned from.
    from: String,
    /// Whether more is better.
    at_least: bool,
    within: bool,
}

impl Default for Machine {
    fn default() -> Self {
        let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let mut lines = known.lines();
        let name = lines.find_map(|line| line.strip_prefix("model name"));
        let name = name.map(|name| name.trim_start_matches([' ', '\t', ':']).to_owned());
        Self {
            processor: name.unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl Report {
    /// A figure without a limit.
    pub fn figure(&mut self, part: &'static str, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure {
            part,
            name: name.to_owned(),
            value,
            unit,
            limit: None,
        });
    }

    /// A figure that was measured.
    pub fn value(&self, part: &str, name: &str) -> f64 {
        let mut figures = self.figures.iter();
        let found = figures.find(|figure| figure.part == part && figure.name == name);
        found.unwrap().value
    }

    /// The last figure must not be above this.
    pub fn at_most(&mut self, value: f64, from: &str) {
        self.limit(value, from, false);
    }

    /// The last figure must not be below this.
    pub fn at_least(&mut self, value: f64, from: &str) {
        self.limit(value, from, true);
    }

    fn limit(&mut self, value: f64, from: &str, at_least: bool) {
        let figure = self.figures.last_mut().unwrap();
        let within = match at_least {
            true => figure.value >= value,
            false => figure.value <= value,
        };
        figure.limit = Some(Limit {
            value,
            from: from.to_owned(),
            at_least,
            within,
        });
    }

    /// Whether every figure is within its limit.
    pub fn is_within(&self) -> bool {
        let mut limits = self
            .figures
            .iter()
            .filter_map(|figure| figure.limit.as_ref());
        limits.all(|limit| limit.within)
    }

    pub fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string_pretty(self).unwrap());
            return;
        }
        let Machine {
            processor,
            cores,
            version,
        } = &self.machine;
        println!("{processor}, {cores} cores, Symbolon {version}\n");
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header(["part", "what", "figure", "limit", "from", ""]);
        for figure in &self.figures {
            let value = format!("{} {}", rounded(figure.value), figure.unit);
            let limit = figure.limit.as_ref();
            table.add_row([
                figure.part.to_owned(),
                figure.name.clone(),
                value,
                limit.map_or(String::new(), |limit| {
                    let word = if limit.at_least { ">=" } else { "<=" };
                    format!("{word} {}", rounded(limit.value))
                }),
                limit.map_or(String::new(), |limit| limit.from.clone()),
                match limit.map(|limit| limit.within) {
                    None => String::new(),
                    Some(true) => "within".to_owned(),
                    Some(false) => "OVER".to_owned(),
                },
            ]);
        }
        println!("{table}");
    }
}

fn rounded(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
