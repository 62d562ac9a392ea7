//! A page for people: what the gateway is made of right now.

use super::{Dependency, Readiness};

/// The whole page; no script, no file beside it.
pub fn page(ready: &Readiness, map: &str) -> String {
    let state = if ready.ready { "ready" } else { "not ready" };
    let rows: String = ready.dependencies.iter().map(row).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Portcullis</title>\n\
         <style>{STYLE}</style>\n<main>\n<h1>Portcullis</h1>\n\
         <p><strong>{state}</strong>, configuration {generation}. \
         <a href=\"/metrics\">metrics</a> <a href=\"/readyz\">readiness</a></p>\n\
         <h2>Depends on</h2>\n<table>\n<tr><th>what</th><th>state</th><th>detail</th></tr>\n{rows}</table>\n\
         <h2>Who may call what</h2>\n<pre>{map}</pre>\n</main>\n</html>\n",
        generation = ready.generation,
        map = escaped(map),
    )
}

fn row(dependency: &Dependency) -> String {
    let detail = dependency.detail.as_deref().unwrap_or("");
    format!(
        "<tr><td>{} {}</td><td class=\"{state}\">{state}</td><td>{}</td></tr>\n",
        dependency.kind,
        escaped(&dependency.name),
        escaped(detail),
        state = dependency.state,
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#c8ced6;--up:#116329;--bad:#a40e26;--mid:#7d4e00}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--paper:#14171b;--line:#3d444d;--up:#57d976;--bad:#ff8b8b;--mid:#f0b84a}}\
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}\
main{max-width:70rem;margin:0 auto;padding:1rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}\
pre{overflow-x:auto;border:1px solid var(--line);padding:.8rem}a{color:inherit}\
.up{color:var(--up)}.down{color:var(--bad)}.degraded{color:var(--mid)}";
