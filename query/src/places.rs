//! Places for answers that are worked out: so many at once, some that wait, the others are told to come again.
//!
//! An answer takes its place once, however many answers it is made of. Whoever has a place never waits for another, nor for
//! somebody who waits for one, so that nobody waits for ever: see `answers.rs`.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::error::QueryError;

tokio::task_local! {
    /// Set where what runs has a place.
    static PLACED: ();
}

/// How many answers may be worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceLimits {
    /// At once; at least one.
    pub at_once: usize,
    /// Answers that may wait for a place.
    pub waiting_max: usize,
    /// How long one waits.
    pub patience: Duration,
}

impl PlaceLimits {
    /// How many answers may be worked out and wait together.
    fn room(self) -> usize {
        self.at_once.saturating_add(self.waiting_max).min(Semaphore::MAX_PERMITS)
    }
}

/// Places for answers that are worked out. Whoever waits for one longest gets the next.
#[derive(Debug)]
pub struct Places {
    limits: PlaceLimits,
    places: Semaphore,
    /// Room for those who have a place and those who wait.
    room: Semaphore,
}

impl Default for Places {
    /// As many as are asked for.
    fn default() -> Self {
        let limits = PlaceLimits { at_once: Semaphore::MAX_PERMITS, waiting_max: 0, patience: Duration::ZERO };
        Self::new(limits)
    }
}

impl Places {
    /// Within limits.
    pub fn new(limits: PlaceLimits) -> Self {
        let limits = PlaceLimits { at_once: limits.at_once.clamp(1, Semaphore::MAX_PERMITS), ..limits };
        Self { limits, places: Semaphore::new(limits.at_once), room: Semaphore::new(limits.room()) }
    }

    /// How many answers are worked out, and wait to be.
    pub fn taken(&self) -> usize {
        self.limits.room() - self.room.available_permits()
    }

    /// Works something out, when there is a place for it.
    ///
    /// # Errors
    /// [`QueryError::Busy`] where too many wait already, [`QueryError::BusyTooLong`] where none became free in time, or what the work ends with.
    pub async fn with<T>(&self, work: impl Future<Output = Result<T, QueryError>>) -> Result<T, QueryError> {
        // On the heap: what is worked out is large, and is handed on here.
        self.with_since(Instant::now(), Box::pin(work)).await
    }

    /// The same for something that was asked for at some time, which is when its patience began.
    ///
    /// # Errors
    /// As [`Self::with`].
    pub(crate) async fn with_since<T>(
        &self,
        asked: Instant,
        work: impl Future<Output = Result<T, QueryError>>,
    ) -> Result<T, QueryError> {
        if has_place() {
            return work.await;
        }
        let PlaceLimits { at_once: running, waiting_max: waiting, patience } = self.limits;
        let _room = self.room.try_acquire().map_err(|_| QueryError::Busy { running, waiting })?;
        let place = timeout_at(asked + patience, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(QueryError::BusyTooLong { running, waited_s: patience.as_secs() });
        };
        PLACED.scope((), work).await
    }
}

/// Whether what runs has a place.
pub(crate) fn has_place() -> bool {
    PLACED.try_with(|()| ()).is_ok()
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures::FutureExt;

    use super::*;
    use crate::answers::Answers;

    fn places(waiting_max: usize, patience: Duration) -> Places {
        Places::new(PlaceLimits { at_once: 1, waiting_max, patience })
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn one_runs_one_waits_and_the_next_is_told_to_come_again() {
        let places = places(1, LONG);
        let mut first = Box::pin(places.with(pending::<Result<(), _>>()));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(places.with(async { Ok(2) }));
        assert!((&mut second).now_or_never().is_none(), "there is one place");
        assert_eq!(places.taken(), 2);
        let refused = places.with(async { Ok(3) }).await;
        assert!(matches!(refused, Err(QueryError::Busy { running: 1, waiting: 1 })), "{refused:?}");
        drop(first);
        assert_eq!(second.await.unwrap(), 2);
        assert_eq!(places.taken(), 0);
    }

    #[tokio::test]
    async fn patience_ends() {
        let places = places(1, Duration::ZERO);
        let mut first = Box::pin(places.with(pending::<Result<(), _>>()));
        assert!((&mut first).now_or_never().is_none());
        assert!(matches!(places.with(async { Ok(()) }).await, Err(QueryError::BusyTooLong { .. })));
    }

    #[tokio::test]
    async fn an_answer_made_of_others_takes_one_place() {
        let (places, answers) = (places(0, LONG), Answers::<i32>::default());
        let make = || async { places.with(async { Ok((7, 1)) }).await };
        let whole = places.with(async { Ok(*answers.get("a".into(), &places, make()).await? + 1) });
        assert_eq!(whole.await.unwrap(), 8);
        // It is kept: no place is needed.
        let mut other = Box::pin(places.with(pending::<Result<(), _>>()));
        assert!((&mut other).now_or_never().is_none());
        assert_eq!(*answers.get("a".into(), &places, make()).await.unwrap(), 7);
        let new = answers.get("b".into(), &places, make()).await;
        assert!(matches!(new, Err(QueryError::Busy { .. })), "{new:?}");
    }

    #[tokio::test]
    async fn whoever_has_a_place_does_not_wait_for_one_who_has_none() {
        let (places, answers) = (places(4, LONG), Answers::<i32>::default());
        let mut holder = Box::pin(places.with(async {
            tokio::task::yield_now().await;
            Ok(*answers.get("a".into(), &places, async { Ok((7, 1)) }).await?)
        }));
        assert!((&mut holder).now_or_never().is_none());
        let mut others: Vec<_> =
            (0..3).map(|_| Box::pin(answers.get("a".into(), &places, async { Ok((8, 1)) }))).collect();
        for other in &mut others {
            assert!(other.now_or_never().is_none());
        }
        assert_eq!(places.taken(), 2, "of those who ask the same, one waits for a place");
        assert_eq!(holder.await.unwrap(), 7);
        for other in others {
            assert_eq!(*other.await.unwrap(), 7);
        }
    }
}
