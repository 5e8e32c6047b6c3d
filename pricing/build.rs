//! Embeds the price books
use std::error::Error;

#[path = "../build/embed_files.rs"]
mod embed_files;

fn main() -> Result<(), Box<dyn Error>> {
    embed_files::embed_files("price_books", "price_books.rs")
}
