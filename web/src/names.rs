//! Names for people: what the price books call the services they price.

use paygrain_pricing::Catalogue;

/// What a service of a provider is called: `AWS Lambda` for `aws` and `lambda`.
pub fn service(catalogue: &Catalogue, provider: &str, service: &str) -> String {
    let book = catalogue.books().iter().find(|book| book.provider == provider && book.service == service);
    book.map_or_else(|| format!("{provider} {service}"), |book| book.title.clone())
}

/// The same where the provider is not said: only a service that one provider alone has gets its title.
pub fn service_alone(catalogue: &Catalogue, service: &str) -> String {
    let mut books = catalogue.books().iter().filter(|book| book.service == service);
    match (books.next(), books.next()) {
        (Some(book), None) => book.title.clone(),
        _ => service.to_owned(),
    }
}
