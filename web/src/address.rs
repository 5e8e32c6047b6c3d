//! Addresses of pages: the query as it is, and links that change one thing of it.

use crate::filters::encode;
use crate::params::Params;

/// How a page shows its table: a column to sort by, and the row that is shown in full.
pub const VIEW: [&str; 2] = ["sort", "show"];

/// Names and texts, as the engine takes them.
pub type Pairs = Vec<(String, String)>;

/// The address of a page, for links that change one thing of it.
#[derive(Clone, Debug)]
pub struct Address {
    /// The path of the page.
    path: String,
    /// The query.
    pairs: Pairs,
}

impl Address {
    /// The address of a page with its parameters.
    pub fn new(path: impl Into<String>, params: &Params) -> Self {
        Self { path: path.into(), pairs: params.clone().into_pairs() }
    }

    /// The path of the page.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a name, those in a list one by one.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(name).flat_map(|value| value.split(',')).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Names and values that are not among those of a form.
    pub fn besides<'a>(&'a self, fields: &'a [&'a str]) -> impl Iterator<Item = &'a (String, String)> {
        self.pairs.iter().filter(move |(name, _)| !fields.contains(&name.as_str()))
    }

    /// The address itself.
    pub fn url(&self) -> String {
        self.under(&self.path)
    }

    /// The same at another path; the order of a table stays behind.
    pub fn at(&self, path: &str) -> Self {
        let pairs = self.pairs.iter().filter(|(name, _)| name != "sort").cloned().collect();
        Self { path: path.to_owned(), pairs }
    }

    /// The same question to another path, without how the page shows it.
    pub fn under(&self, path: &str) -> String {
        let is_view = |name: &str| path != self.path && VIEW.contains(&name);
        let pairs = self.pairs.iter().filter(|(name, _)| !is_view(name));
        url(path, pairs.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The same with one value for a name.
    pub fn with(&self, name: &str, value: &str) -> String {
        let mut changed = self.clone();
        changed.pairs.retain(|(key, _)| key != name);
        changed.pairs.push((name.to_owned(), value.to_owned()));
        changed.url()
    }

    /// The same without a name.
    pub fn without(&self, name: &str) -> String {
        let mut changed = self.clone();
        changed.pairs.retain(|(key, _)| key != name);
        changed.url()
    }

    /// The same without one value of a name that may come several times.
    pub fn without_value(&self, name: &str, value: &str) -> String {
        let mut changed = self.clone();
        changed.pairs.retain(|(key, one)| key != name || one != value);
        changed.url()
    }

    /// The same without some names and with more names and values, which may come several times.
    pub fn changed(&self, without: &[&str], with: &[(&str, &str)]) -> String {
        let mut changed = self.clone();
        changed.pairs.retain(|(name, _)| !without.contains(&name.as_str()));
        changed.pairs.extend(with.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        changed.url()
    }

    /// The same with a value of a list added, or removed where it is in it.
    pub fn toggled(&self, name: &str, value: &str) -> String {
        let mut list: Vec<&str> = self.list(name).filter(|one| *one != value).collect();
        if self.list(name).all(|one| one != value) {
            list.push(value);
        }
        if list.is_empty() { self.without(name) } else { self.with(name, &list.join(",")) }
    }
}

/// A value in a URL; lists and schedules stay legible.
fn part(value: &str) -> String {
    encode(value).replace("%2C", ",").replace("%2F", "/").replace("%3A", ":")
}

/// A path with a query.
pub fn url<'p>(path: &str, pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{}={}", encode(name), part(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn links_change_one_thing() {
        let address = Address::new("/compare", &params(&[("kind", "vm,faas"), ("filter", "a=b c"), ("sort", "idle")]));
        assert_eq!(address.with("sort", "name"), "/compare?kind=vm,faas&filter=a%3Db%20c&sort=name");
        assert_eq!(address.without_value("filter", "a=b c"), "/compare?kind=vm,faas&sort=idle");
        assert_eq!(address.toggled("kind", "vm"), "/compare?filter=a%3Db%20c&sort=idle&kind=faas");
        assert_eq!(address.toggled("kind", "paas"), "/compare?filter=a%3Db%20c&sort=idle&kind=vm,faas,paas");
        assert_eq!(address.under("/compare.csv"), "/compare.csv?kind=vm,faas&filter=a%3Db%20c");
        assert_eq!(
            address.changed(&["kind", "sort"], &[("filter", "d=e"), ("by", "sku")]),
            "/compare?filter=a%3Db%20c&filter=d%3De&by=sku"
        );
        let one = Address::new("/compare", &params(&[("kind", "vm")]));
        assert_eq!(one.toggled("kind", "vm"), "/compare");
    }
}
