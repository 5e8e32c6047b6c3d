//! Windows put together to stretches: what follows each other in time, and what follows itself

/// Windows through which instances stay what they are.
#[derive(Debug)]
pub(crate) struct Stretch<'a, T> {
    /// First instant, UTC microseconds.
    pub start_us: i64,
    /// End, exclusive; after the start.
    pub end_us: i64,
    /// How often it comes. More than once: its end touches its start.
    pub repeats: u64,
    /// What is in it, by time.
    pub parts: Vec<&'a [T]>,
}

impl<T: Copy> Stretch<'_, T> {
    pub fn length_us(&self) -> i64 {
        self.end_us - self.start_us
    }

    pub fn items(&self) -> impl Iterator<Item = T> {
        self.parts.iter().flat_map(|part| part.iter().copied())
    }
}

/// Stretches of windows given by time as start, end, repeats and content. Windows that come once are one stretch until
/// one that repeats comes in between; what is between them is time in which nothing comes. A window that never comes is
/// none, and one without a length has one of a microsecond.
pub(crate) fn stretches<'a, T>(windows: impl IntoIterator<Item = (i64, i64, u64, &'a [T])>) -> Vec<Stretch<'a, T>> {
    let mut found: Vec<Stretch<'a, T>> = Vec::new();
    for (start_us, end_us, repeats, part) in windows {
        let end_us = end_us.max(start_us.saturating_add(1));
        match (repeats, found.last_mut()) {
            (0, _) => {}
            (1, Some(last)) if last.repeats == 1 => {
                last.end_us = last.end_us.max(end_us);
                last.parts.push(part);
            }
            _ => found.push(Stretch { start_us, end_us, repeats, parts: vec![part] }),
        }
    }
    found
}
