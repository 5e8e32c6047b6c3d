//! Embeds the described workloads that come with the program
use std::error::Error;

#[path = "../build/embed_files.rs"]
mod embed_files;

fn main() -> Result<(), Box<dyn Error>> {
    embed_files::embed_files("../samples/scenarios", "scenarios.rs")
}
