//! Answers that are kept for as long as the lake is as it was when they were given.
//!
//! A key says what was asked and of which versions of the tables, so an answer is never of another state. Whoever asks the
//! same at the same time waits for one answer. An answer that is kept needs no place among those that are worked out.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use crate::error::QueryError;
use crate::places::{Places, has_place};

/// What all kept answers of a kind together may weigh, in rows.
const WEIGHT_MAX: usize = 2_000_000;
/// Most answers of a kind that are kept.
const ANSWERS_MAX: usize = 64;

/// A key, and what there is under it.
type Kept<T> = (String, Arc<Slot<T>>);

/// Room for an answer.
#[derive(Debug)]
struct Slot<T> {
    /// The answer with its weight, when there is one.
    made: OnceCell<(Arc<T>, usize)>,
    /// Whose turn it is to wait for a place to make it.
    turn: Mutex<()>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { made: OnceCell::default(), turn: Mutex::default() }
    }
}

/// Kept answers of one kind, the one that was asked for last at the end.
#[derive(Debug)]
pub(crate) struct Answers<T> {
    kept: Mutex<Vec<Kept<T>>>,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self { kept: Mutex::default() }
    }
}

impl<T> Answers<T> {
    /// The answer kept under a key, or the one that is made now, with its weight in rows.
    ///
    /// # Errors
    /// Those of making it, and [`QueryError::Busy`] where there is no place to; nothing is kept then.
    pub async fn get(
        &self,
        key: String,
        places: &Places,
        make: impl Future<Output = Result<(T, usize), QueryError>>,
    ) -> Result<Arc<T>, QueryError> {
        let asked = Instant::now();
        let slot = {
            let mut kept = self.kept.lock().await;
            let slot = match kept.iter().position(|(known, _)| *known == key) {
                Some(place) => kept.remove(place).1,
                None => Arc::default(),
            };
            kept.push((key, slot.clone()));
            shrink(&mut kept);
            slot
        };
        let known = || slot.made.get().map(|(answer, _)| answer.clone());
        if let Some(answer) = known() {
            return Ok(answer);
        }
        // Whoever has a place must not wait for one who waits for a place: only those without have turns.
        let _turn = if has_place() { None } else { Some(slot.turn.lock().await) };
        if let Some(answer) = known() {
            return Ok(answer);
        }
        let made = slot.made.get_or_try_init(|| async {
            let (answer, weight) = make.await?;
            Ok::<_, QueryError>((Arc::new(answer), weight))
        });
        places.with_since(asked, Box::pin(async { Ok(made.await?.0.clone()) })).await
    }
}

/// Lets go of what was not asked for the longest.
fn shrink<T>(kept: &mut Vec<Kept<T>>) {
    let weight = |kept: &[Kept<T>]| kept.iter().filter_map(|(_, slot)| Some(slot.made.get()?.1)).sum::<usize>();
    while kept.len() > 1 && (kept.len() > ANSWERS_MAX || weight(kept) > WEIGHT_MAX) {
        kept.remove(0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn an_answer_is_made_once_and_let_go_when_it_weighs_too_much() {
        let (answers, places, made) = (Answers::default(), Places::default(), AtomicUsize::new(0));
        let ask = |key: &str, weight: usize| {
            let (key, made) = (key.to_owned(), &made);
            answers.get(key.clone(), &places, async move {
                made.fetch_add(1, Ordering::Relaxed);
                Ok((key, weight))
            })
        };
        let (one, same) = futures::join!(ask("a", 1), ask("a", 1));
        assert_eq!((one.unwrap().as_str(), same.unwrap().as_str()), ("a", "a"));
        assert_eq!(made.load(Ordering::Relaxed), 1);
        ask("b", WEIGHT_MAX).await.unwrap();
        ask("b", 1).await.unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 2);
        // Both are too much together, and `a` was asked for before.
        ask("a", 1).await.unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 3);
    }
}
