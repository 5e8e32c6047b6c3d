//! Options as the engine takes them: names and texts.

/// What was given.
pub type Given = Vec<(String, String)>;

/// Those of some options that were given.
pub fn given<'o>(options: impl IntoIterator<Item = (&'static str, &'o Option<String>)>) -> Given {
    options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect()
}

/// Every value of an option that must be given, or may be repeated.
pub fn every<'o>(name: &'static str, values: impl IntoIterator<Item = &'o String>) -> Given {
    values.into_iter().map(|value| (name.to_owned(), value.clone())).collect()
}
