//! The progress bar: on a terminal, while long work goes on.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use crate::reports::{Progress, ProgressSink};

const KNOWN_TOTAL: &str = "{prefix:>12} {bar:30} {pos} of {len}, {eta} left";
const UNKNOWN_TOTAL: &str = "{prefix:>12} {spinner} {pos}";

/// A bar that goes away when it is dropped.
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar on standard error, or none at all.
    pub(super) fn new(shown: bool) -> Self {
        let bar = if shown {
            ProgressBar::no_length()
        } else {
            ProgressBar::hidden()
        };
        Self { bar }
    }

    /// Where the work tells of its steps.
    pub(super) fn sink(&self) -> ProgressSink {
        let bar = self.bar.clone();
        Arc::new(move |step| show(&bar, &step))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn show(bar: &ProgressBar, step: &Progress) {
    if bar.prefix() != step.stage {
        let template = if step.total == 0 {
            UNKNOWN_TOTAL
        } else {
            KNOWN_TOTAL
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.reset();
        bar.set_prefix(step.stage.clone());
    }
    if step.total > 0 {
        bar.set_length(step.total);
    }
    bar.set_position(step.done);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_stages() {
        let bar = Bar::new(false);
        let sink = bar.sink();
        let step = |stage: &str, done, total| Progress {
            stage: stage.to_owned(),
            done,
            total,
        };
        sink(step("reading", 7, 0));
        assert_eq!(bar.bar.position(), 7);
        sink(step("tokenising", 1, 9));
        assert_eq!((bar.bar.position(), bar.bar.length()), (1, Some(9)));
        assert_eq!(bar.bar.prefix(), "tokenising");
    }

    #[test]
    fn the_templates_are_sound() {
        for template in [KNOWN_TOTAL, UNKNOWN_TOTAL] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
