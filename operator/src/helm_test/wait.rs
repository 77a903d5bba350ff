//! Waiting for what takes time.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::Failure;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks again until it is so. The last reason why it is not is told when the time is over.
pub async fn wait_until<T>(
    until: Instant,
    what: &'static str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failure> {
    let mut last = "nothing".to_owned();
    loop {
        match timeout_at(until, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(reason)) => last = reason,
            Err(_) => return Err(Failure::TooLong { what, last }),
        }
        if Instant::now() + PAUSE >= until {
            return Err(Failure::TooLong { what, last });
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_happen_is_told_with_its_last_reason() {
        let mut looks = 0;
        let until = Instant::now() + Duration::from_millis(1300);
        let failure = wait_until(until, "a thing", async || {
            looks += 1;
            Err::<(), _>(format!("look {looks}"))
        });
        let failure = failure.await.unwrap_err();
        assert!(matches!(&failure, Failure::TooLong { what: "a thing", last } if last.starts_with("look ")));
        assert!(looks >= 2);
    }
}
