//! Embeds the deployments
use std::error::Error;

#[path = "../build/embed_files.rs"]
mod embed_files;

fn main() -> Result<(), Box<dyn Error>> {
    embed_files::embed_files("deployments", "deployments.rs")
}
