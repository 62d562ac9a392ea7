//! `when`: conditions in CEL, compiled here once to see that they can be, and their names checked.

use std::sync::Arc;

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue};

use crate::config::suggest;
use crate::gate::condition::Condition;

/// What may be asked of each name; `None`: anything (claims), or the names of the path's segments.
const NAMES: [(&str, &[&str]); 4] = [
    ("token", &["subject", "client", "issuer", "scopes", "roles", "claims"]),
    ("request", &["method", "path", "host", "headers", "query"]),
    ("path", &[]),
    ("peer", &["address", "certificate"]),
];

/// Compiles a condition. `segments` are the `{name}`s of the route's path. The error says what is wrong, and after a `; `
/// what to do.
pub(super) fn compile(text: &str, segments: &[&str]) -> Result<(), String> {
    let program = cel::Program::compile(text).map_err(|faults| {
        let what = faults.errors.first().map_or_else(String::new, |fault| {
            let message = fault.msg.lines().next().unwrap_or_default();
            let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
            let message = message.split(" expecting ").next().unwrap_or_default();
            match message.contains("<EOF>") {
                true => ": it ends too early".to_owned(),
                false => format!(" at its character {}: {message}", fault.pos.1.max(1)),
            }
        });
        format!("this condition cannot be read{what}; conditions are written in CEL, for example `token.claims.tenant == path.tenant`")
    })?;
    let expression = program.expression();
    if let Expr::Literal(literal) = &expression.expr {
        return match literal {
            LiteralValue::Boolean(_) => {
                Err("this condition is always the same; remove it, or write what it should depend on".to_owned())
            }
            LiteralValue::Bytes(_)
            | LiteralValue::Double(_)
            | LiteralValue::Int(_)
            | LiteralValue::Null
            | LiteralValue::String(_)
            | LiteralValue::UInt(_) => {
                Err("this is a value and not a condition; compare it with something: `token.client == \"web\"`"
                    .to_owned())
            }
        };
    }
    walk(expression, &mut Vec::new(), segments)?;
    // Types and functions are judged by what will run it.
    let segments: Vec<Arc<str>> = segments.iter().map(|name| Arc::from(*name)).collect();
    Condition::compile(text, &segments, false).map(drop).map_err(|fault| fault.message)
}

/// `bound` are the variables of `exists`, `all`, `map` and `filter` around this part.
fn walk<'e>(part: &'e IdedExpr, bound: &mut Vec<&'e str>, segments: &[&str]) -> Result<(), String> {
    match &part.expr {
        Expr::Ident(name) => root(name, bound),
        Expr::Select(select) => {
            if let Expr::Ident(name) = &select.operand.expr {
                root(name, bound)?;
                if !bound.contains(&name.as_str()) {
                    field(name, &select.field, segments)?;
                }
            }
            walk(&select.operand, bound, segments)
        }
        Expr::Call(call) => {
            if let Some(target) = &call.target {
                walk(target, bound, segments)?;
            }
            call.args.iter().try_for_each(|part| walk(part, bound, segments))
        }
        Expr::List(list) => list.elements.iter().try_for_each(|part| walk(part, bound, segments)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| entry_parts(&entry.expr, bound, segments)),
        Expr::Struct(it) => it.entries.iter().try_for_each(|entry| entry_parts(&entry.expr, bound, segments)),
        Expr::Comprehension(loops) => {
            walk(&loops.iter_range, bound, segments)?;
            walk(&loops.accu_init, bound, segments)?;
            let before = bound.len();
            bound.extend([loops.iter_var.as_str(), loops.accu_var.as_str()]);
            bound.extend(loops.iter_var2.as_deref());
            let parts = [&loops.loop_cond, &loops.loop_step, &loops.result];
            let outcome = parts.into_iter().try_for_each(|part| walk(part, bound, segments));
            bound.truncate(before);
            outcome
        }
        Expr::Literal(_) | Expr::Unspecified => Ok(()),
    }
}

fn entry_parts<'e>(entry: &'e EntryExpr, bound: &mut Vec<&'e str>, segments: &[&str]) -> Result<(), String> {
    match entry {
        EntryExpr::StructField(field) => walk(&field.value, bound, segments),
        EntryExpr::MapEntry(entry) => {
            walk(&entry.key, bound, segments)?;
            walk(&entry.value, bound, segments)
        }
    }
}

fn root(name: &str, bound: &[&str]) -> Result<(), String> {
    if bound.contains(&name) || NAMES.iter().any(|(known, _)| *known == name) {
        return Ok(());
    }
    let known = || NAMES.iter().map(|(known, _)| *known);
    Err(match suggest::nearest(name, known()) {
        Some(near) => format!("a condition knows no `{name}`; did you mean `{near}`?"),
        None => format!(
            "a condition knows no `{name}`; it knows {}; a text stands in quotes: `\"{name}\"`",
            suggest::list(known())
        ),
    })
}

fn field(name: &str, field: &str, segments: &[&str]) -> Result<(), String> {
    let known = match NAMES.iter().find(|(known, _)| *known == name) {
        Some(("path", _)) => segments,
        Some((_, fields)) => fields,
        None => return Ok(()),
    };
    if known.contains(&field) {
        return Ok(());
    }
    let cause = format!("`{name}` has no `{field}`");
    let near = suggest::nearest(field, known.iter().copied());
    Err(match (near, name) {
        (Some(near), _) => format!("{cause}; did you mean `{name}.{near}`?"),
        (None, "path") if known.is_empty() => format!("{cause}; the path of this route has no `{{{field}}}`"),
        (None, "path") => format!("{cause}; the path of this route has {}", suggest::list(known.iter().copied())),
        (None, "token") => format!("{cause}; a claim of the token is `token.claims.{field}`"),
        (None, _) => format!("{cause}; it has {}", suggest::list(known.iter().copied())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, part: Option<&str>) {
        match (compile(text, &["tenant"]), part) {
            (Ok(()), None) => {}
            (Err(cause), Some(part)) => assert!(cause.contains(part), "{text}: {cause}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn conditions_know_token_request_path_and_peer() {
        check("token.claims.tenant == path.tenant", None);
        check("token.scopes.exists(s, s.startsWith('orders:')) && request.method == 'GET'", None);
        check("has(token.claims.acr) && token.claims['acr'] in ['high']", None);
        check("tokn.subject == ''", Some("did you mean `token`"));
        check("token.scope == ''", Some("did you mean `token.scopes`"));
        check("token.tenant == ''", Some("`token.claims.tenant`"));
        check("path.id == '7'", Some("the path of this route has `tenant`"));
        check("token.subject == alice", Some("in quotes"));
        check("token.subject ==", Some("cannot be read"));
        check("'yes'", Some("not a condition"));
        check("true", Some("always the same"));
        check("[1].exists(x, x == y)", Some("no `y`"));
        check("token.subject == 1", Some("a text is compared with a number"));
        check("size(token.scopes)", Some("must yield true or false"));
        check("frobnicate(token.subject)", Some("no function `frobnicate`"));
        check("peer.certificate == 'x'", Some("no `peer.certificate`"));
    }
}
