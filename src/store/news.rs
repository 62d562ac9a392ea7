//! Word that another process has changed something, where a store can pass it on.

use tokio::sync::watch;

/// One listener's view of what other processes change. A hint and no more: word may be lost, so whoever waits for it looks
/// by itself now and then.
pub struct News(Option<watch::Receiver<u64>>);

impl News {
    /// Of a store that hears nothing of others.
    pub fn never() -> Self {
        Self(None)
    }

    /// Of a store that counts what it hears.
    pub fn of(told: watch::Receiver<u64>) -> Self {
        Self(Some(told))
    }

    /// Completes when something may have changed since the last call; safe to drop on the way.
    pub async fn next(&mut self) {
        if let Some(told) = &mut self.0
            && told.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
