//! What can be asked about networks.

use serde::{Deserialize, Serialize};

/// About networks.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NetworkCommand {
    /// What is joined to a record.
    Show {
        /// An own record.
        record_id: String,
        /// Steps from record to record.
        depth: u32,
        /// How the asker will print it; the answer is the graph, whichever it is.
        format: GraphFormat,
    },
}

/// How a graph is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum GraphFormat {
    /// Tables
    #[default]
    Text,
    /// Nodes and edges, for programs
    Json,
    /// For Graphviz
    Dot,
    /// A drawing
    Svg,
}
