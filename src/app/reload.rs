//! Read, check, open, swap; on any failure keep the old configuration and say why.

use std::sync::Arc;

use super::house::{self, House};
use super::open;
use super::rehearsal;
use crate::admin::ReloadReport;
use crate::config::diff::{self, Diff, Kind, Model};
use crate::config::plan::authority::Authority;
use crate::config::{self, Files, Plan};

impl House {
    /// Loads the file again. All or nothing: what is refused has changed nothing, and whoever asks for it and goes away
    /// leaves nothing half done.
    pub async fn reload(self: Arc<Self>) -> ReloadReport {
        let control = self.context.control.clone();
        let reloading = control.spawn(async move { self.load_again().await });
        reloading.await.unwrap_or_else(|fault| ReloadReport {
            done: false,
            generation: 0,
            problems: Some(format!("the reload broke off: {fault}")),
        })
    }

    async fn load_again(&self) -> ReloadReport {
        let mut opened = self.opened.lock().await;
        let generation = opened.snapshot.generation + 1;
        match self.try_reload(&mut opened, generation).await {
            Ok(diff) => {
                self.context.metrics.loaded(generation, self.context.clock.now().secs(), false);
                tracing::info!(config.generation = generation, "configuration reloaded");
                say(&diff);
                house::warn(&opened.plan);
                self.remember(generation, None, diff);
                ReloadReport { done: true, generation, problems: None }
            }
            Err(problems) => {
                self.context.metrics.reload_refused();
                tracing::error!("reload refused, the old configuration stays in force:\n{problems}");
                self.remember(generation - 1, Some(problems.clone()), Diff::default());
                ReloadReport { done: false, generation: generation - 1, problems: Some(problems) }
            }
        }
    }

    async fn try_reload(&self, opened: &mut Arc<open::Opened>, generation: u64) -> Result<Diff, String> {
        let plan = self.read().await?;
        unchanged(&opened.plan, &plan)?;
        let plan = tested(plan).await?;
        let change = self.doors.lock().prepare(&plan.listeners).map_err(|fault| format!("{fault:#}"))?;
        let next = open::open(plan, change.doors.clone(), Some(opened), generation, &self.context).await;
        let next = Arc::new(next.map_err(|fault| format!("{fault:#}"))?);
        let diff = compared(opened, &next).await;
        next.begin().await.map_err(|fault| format!("{fault:#}"))?;
        self.shared.house.store(Arc::clone(&next.snapshot));
        self.current.store(Arc::clone(&next));
        self.trust();
        self.obey(change);
        next.succeed(opened).await;
        *opened = next;
        Ok(diff)
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

/// What the new configuration opens and closes. What cannot be compared is said, and no reason to refuse the reload.
async fn compared(old: &Arc<open::Opened>, new: &Arc<open::Opened>) -> Diff {
    let (old, new) = (Arc::clone(old), Arc::clone(new));
    let comparing = tokio::task::spawn_blocking(move || diff::diff(&Model::of(&old.plan), &Model::of(&new.plan)));
    match comparing.await {
        Ok(Ok(diff)) => diff,
        Ok(Err(fault)) => {
            tracing::warn!("what the reload opens and closes cannot be told: {fault}");
            Diff::default()
        }
        Err(_) => Diff::default(),
    }
}

fn say(diff: &Diff) {
    for change in &diff.changes {
        let (before, now) = (change.before.as_deref().unwrap_or("-"), change.now.as_deref().unwrap_or("-"));
        match change.kind {
            Kind::Opens => tracing::warn!(access = "opens", before, now, "{}", change.sentence),
            Kind::Closes => tracing::info!(access = "closes", before, now, "{}", change.sentence),
            Kind::Changes => tracing::info!(access = "changes", before, now, "{}", change.sentence),
        }
    }
}

/// The plan, once its own tests have passed.
async fn tested(plan: Plan) -> Result<Plan, String> {
    let running = tokio::task::spawn_blocking(move || rehearsal::tests::must_pass(&plan).map(|()| plan));
    running.await.map_err(|fault| fault.to_string())?
}

/// What a running process cannot change.
fn unchanged(old: &Plan, new: &Plan) -> Result<(), String> {
    if old.store != new.store {
        return Err("`store` cannot change while the gateway runs: restart it".to_owned());
    }
    let stays = match (&old.shared, &new.shared) {
        (Some(old), Some(new)) => old.stays(new),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if !stays {
        return Err("`shared` cannot change while the gateway runs: restart it".to_owned());
    }
    let names = |plan: &Plan| {
        plan.operators.iter().map(|operator| (operator.name.clone(), operator.password.clone())).collect::<Vec<_>>()
    };
    if names(old) != names(new) {
        return Err("`admin.operators` cannot change while the gateway runs: restart it".to_owned());
    }
    if old.admin != new.admin {
        return Err("`admin.address` cannot change while the gateway runs: restart it".to_owned());
    }
    if old.log != new.log {
        return Err("`observe.log.format` cannot change while the gateway runs: restart it".to_owned());
    }
    match (&old.authority, &new.authority) {
        (Some(old), Some(new)) => same_keeping(old, new),
        // One that begins to run opens what it needs.
        (None, _) | (_, None) => Ok(()),
    }
}

/// Where and under which key a running authority keeps what it keeps.
fn same_keeping(old: &Authority, new: &Authority) -> Result<(), String> {
    if old.keys.encryption != new.keys.encryption {
        let told = "`authority.keys.encryption` cannot change while the gateway runs, and what a command such as `key rotate` \
                    keeps under another key it cannot open: restart it";
        return Err(told.to_owned());
    }
    if old.audit != new.audit {
        return Err("`authority.audit` cannot change while the gateway runs: restart it".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::source::Memory;

    fn plan(audit: &str, keys: &str, format: &str) -> Plan {
        let text = format!(
            "version: 1\nlisten: [{{address: \"127.0.0.1:8080\"}}]\nobserve: {{log: {{format: {format}}}}}\n\
             authority:\n  issuer: https://auth.example.com\n  audit: {audit}\n  keys: {keys}\n\
             routes: [{{match: GET /, access: public, respond: {{status: 200}}}}]\n"
        );
        let source = Memory::of("/etc/gateway.yaml", &text)
            .with_variable("ONE", "0123456789abcdef0123456789abcdef")
            .with_variable("OTHER", "fedcba9876543210fedcba9876543210");
        config::load(Path::new("/etc/gateway.yaml"), &source)
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)))
    }

    #[test]
    fn what_a_running_process_cannot_take_over_is_refused_and_not_passed_over() {
        let (audit, keys) = ("{file: audit.jsonl, keep: 400d}", "{encryption: {env: ONE}}");
        let before = plan(audit, keys, "json");
        assert_eq!(unchanged(&before, &plan(audit, "{rotate: 60d, encryption: {env: ONE}}", "json")), Ok(()));
        for (key, after) in [
            ("authority.keys.encryption", plan(audit, "{encryption: {env: OTHER}}", "json")),
            ("authority.keys.encryption", plan(audit, "{rotate: 30d}", "json")),
            ("authority.audit", plan("{file: other.jsonl, keep: 400d}", keys, "json")),
            ("authority.audit", plan("{file: audit.jsonl, keep: 30d}", keys, "json")),
            ("observe.log.format", plan(audit, keys, "people")),
        ] {
            // Taken away as well as given.
            for (old, new) in [(&before, &after), (&after, &before)] {
                let told = unchanged(old, new).unwrap_err();
                assert!(told.starts_with(&format!("`{key}` cannot change while the gateway runs")), "{told}");
                assert!(told.ends_with("restart it"), "{told}");
            }
        }
    }
}
