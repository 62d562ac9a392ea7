//! What an expression read, told to people when it does not hold.

use std::collections::BTreeMap;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use serde_json::Value;

use super::BETWEEN;
use crate::gate::table::Params;
use crate::gate::{Caller, Head};

/// Longest text of one value, in characters.
const LONGEST: usize = 120;

/// Every name of the contract that `expression` reads, with what it was: `token.claims.tier is "silver"`. Values of
/// headers and of the query can hold secrets, and are only measured.
pub fn seen(expression: &IdedExpr, caller: &Caller, head: &Head<'_>, params: &Params) -> String {
    let mut names = BTreeMap::new();
    gather(expression, &mut Vec::new(), &mut names);
    let told = names
        .into_values()
        .map(|name: Vec<String>| format!("{} {}", name.join("."), value(&name, caller, head, params)));
    told.collect::<Vec<_>>().join("; ")
}

fn gather<'e>(at: &'e IdedExpr, bound: &mut Vec<&'e str>, names: &mut BTreeMap<String, Vec<String>>) {
    if let Some(name) = chain(at) {
        let known = name.first().is_some_and(|root| {
            ["token", "request", "path", "peer"].contains(&root.as_str()) && !bound.contains(&root.as_str())
        });
        if known {
            names.insert(name.join("."), name);
        }
        return;
    }
    match &at.expr {
        Expr::Select(select) => gather(&select.operand, bound, names),
        Expr::Call(call) => {
            call.target.iter().for_each(|target| gather(target, bound, names));
            call.args.iter().for_each(|arg| gather(arg, bound, names));
        }
        Expr::List(list) => list.elements.iter().for_each(|element| gather(element, bound, names)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    gather(&entry.key, bound, names);
                    gather(&entry.value, bound, names);
                }
            }
        }
        Expr::Comprehension(inner) => {
            gather(&inner.iter_range, bound, names);
            let before = bound.len();
            bound.push(&inner.iter_var);
            bound.extend(inner.iter_var2.as_deref());
            bound.push(&inner.accu_var);
            gather(&inner.loop_step, bound, names);
            gather(&inner.result, bound, names);
            bound.truncate(before);
        }
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => {}
    }
}

/// `token.claims.a`, `request.headers['x']`: the names from the outside in.
fn chain(at: &IdedExpr) -> Option<Vec<String>> {
    match &at.expr {
        Expr::Ident(name) => Some(vec![name.clone()]),
        Expr::Select(select) => {
            let mut names = chain(&select.operand)?;
            names.push(select.field.clone());
            Some(names)
        }
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [whole, IdedExpr { expr: Expr::Literal(LiteralValue::String(key)), .. }] => {
                let mut names = chain(whole)?;
                names.push(key.inner().to_owned());
                Some(names)
            }
            _ => None,
        },
        Expr::Unspecified
        | Expr::Literal(_)
        | Expr::Call(_)
        | Expr::List(_)
        | Expr::Map(_)
        | Expr::Struct(_)
        | Expr::Comprehension(_) => None,
    }
}

fn value(name: &[String], caller: &Caller, head: &Head<'_>, params: &Params) -> String {
    let names: Vec<&str> = name.iter().map(String::as_str).collect();
    let claims = caller.claims();
    match names.as_slice() {
        ["token", "subject"] => text(claims.and_then(|claims| claims.subject.as_deref())),
        ["token", "client"] => text(claims.and_then(|claims| claims.client.as_deref())),
        ["token", "issuer"] => text(claims.map(|claims| &*claims.issuer)),
        ["token", "scopes"] => text(claims.map(|claims| claims.scopes.join(" ")).as_deref()),
        ["token", "roles"] => text(claims.map(|claims| claims.roles.join(" ")).as_deref()),
        ["token", "claims", path @ ..] => {
            let mut found = claims.map(|claims| Value::Object(claims.all.clone()));
            for part in path {
                found = found.and_then(|whole| whole.get(*part).cloned());
            }
            match found {
                Some(Value::String(found)) => text(Some(&found)),
                Some(found) => format!("is {}", short(&found.to_string())),
                None => "is not there".to_owned(),
            }
        }
        ["request", "method"] => text(Some(head.method.as_str())),
        ["request", "host"] => text(Some(head.host)),
        ["request", "path"] => text(Some(head.path)),
        ["request", "headers", header] => {
            let name = http::HeaderName::try_from(*header).ok();
            measured(name.iter().flat_map(|name| head.headers.all(name)).map(<[u8]>::len))
        }
        ["request", "query", key] => {
            let query = url::form_urlencoded::parse(head.query.unwrap_or("").as_bytes());
            measured(query.filter(|(name, _)| name == key).map(|(_, value)| value.len()))
        }
        ["path", param] => text(params.value(param)),
        ["peer", "address"] => text(Some(&head.client.to_string())),
        _ => "is not shown".to_owned(),
    }
}

fn text(text: Option<&str>) -> String {
    text.map_or_else(|| "is not there".to_owned(), |text| format!("is {:?}", short(text)))
}

/// Of the values of one name: how many, and how long as the expression read them.
fn measured(values: impl Iterator<Item = usize>) -> String {
    let (count, bytes) = values.fold((0, 0), |(count, bytes), value| (count + 1, bytes + value));
    match count {
        0 => "is not there".to_owned(),
        1 => format!("is there, {bytes} bytes long"),
        _ => format!("is there {count} times, {} bytes long together", bytes + (count - 1) * BETWEEN.len()),
    }
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
