//! Read, check, open, swap; on any failure keep the old configuration and say why.

use std::sync::Arc;

use super::house::House;
use super::open;
use super::rehearsal::tests;
use crate::admin::ReloadReport;
use crate::config::{self, Files, Plan};

impl House {
    /// Loads the file again. All or nothing: what is refused has changed nothing.
    pub async fn reload(&self) -> ReloadReport {
        let mut opened = self.opened.lock().await;
        let generation = opened.snapshot.generation + 1;
        match self.try_reload(&mut opened, generation).await {
            Ok(()) => {
                self.context.metrics.loaded(generation, self.context.clock.now().secs(), false);
                tracing::info!(config.generation = generation, "configuration reloaded");
                for warning in &opened.plan.warnings {
                    tracing::warn!(line = warning.line, key = %warning.path, "{}", warning.text);
                }
                ReloadReport { done: true, generation, problems: None }
            }
            Err(problems) => {
                self.context.metrics.reload_refused();
                tracing::error!("reload refused, the old configuration stays in force:\n{problems}");
                ReloadReport { done: false, generation: generation - 1, problems: Some(problems) }
            }
        }
    }

    async fn try_reload(&self, opened: &mut Arc<open::Opened>, generation: u64) -> Result<(), String> {
        let plan = self.read().await?;
        unchanged(&opened.plan, &plan)?;
        let plan = tested(plan).await?;
        let change = self.doors.lock().prepare(&plan.listeners).map_err(|fault| format!("{fault:#}"))?;
        let next = open::open(plan, change.doors.clone(), Some(opened), generation, &self.context).await;
        let next = Arc::new(next.map_err(|fault| format!("{fault:#}"))?);
        self.shared.house.store(Arc::clone(&next.snapshot));
        self.current.store(Arc::clone(&next));
        self.obey(change);
        *opened = next;
        Ok(())
    }

    async fn read(&self) -> Result<Plan, String> {
        let file = self.options.file.clone();
        let reading = tokio::task::spawn_blocking(move || config::load(&file, &Files));
        match reading.await {
            Ok(Ok(plan)) => Ok(plan),
            Ok(Err(problems)) => Err(problems.render(false)),
            Err(fault) => Err(fault.to_string()),
        }
    }
}

/// The plan, once its own tests have passed.
async fn tested(plan: Plan) -> Result<Plan, String> {
    let running = tokio::task::spawn_blocking(move || tests::must_pass(&plan).map(|()| plan));
    running.await.map_err(|fault| fault.to_string())?
}

/// What a running process cannot change.
fn unchanged(old: &Plan, new: &Plan) -> Result<(), String> {
    if old.store != new.store {
        return Err("`store` cannot change while the gateway runs: restart it".to_owned());
    }
    if old.admin != new.admin {
        return Err("`admin.address` cannot change while the gateway runs: restart it".to_owned());
    }
    Ok(())
}
