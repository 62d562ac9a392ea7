//! The decision: what a caller may, by scopes, by roles, by a condition.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use portcullis::gate::authorize::{Asks, Need, Rule};
use portcullis::gate::condition::Condition;
use portcullis::gate::table::Params;
use portcullis::ground::Fields;

use crate::setting::{CLIENT, caller, head};

pub fn bench(criterion: &mut Criterion) {
    let all = |names: &[&str]| Need::new(names.iter().map(|name| Arc::from(*name)).collect(), Vec::new());
    let when = |text| vec![Condition::compile(text, &["tenant".into()], false).expect("a condition")];
    let rule = |scopes: &[&str], roles: &[&str], when| {
        Rule::strict(Asks::Token { scopes: all(scopes), roles: all(roles), when })
    };
    let granted = [
        ("scopes", rule(&["orders:read", "orders:write"], &[], Vec::new())),
        ("scopes and roles", rule(&["orders:read"], &["auditor", "clerk"], Vec::new())),
        ("condition, short", rule(&[], &[], when("token.subject == 'alice'"))),
        ("condition, tenant", rule(&[], &[], when("token.claims.tenant == path.tenant && request.method == 'GET'"))),
    ];
    let refused = [("refused for a scope", rule(&["orders:delete"], &[], Vec::new()))];

    let (caller, headers) = (caller(), Fields::new());
    let head = head(&headers, CLIENT);
    let params = Params(vec![("tenant".into(), "acme".to_owned())]);
    let mut group = criterion.benchmark_group("decision");
    for (outcome, rules) in [(true, &granted[..]), (false, &refused[..])] {
        for (name, rule) in rules {
            assert_eq!(rule.decide(caller.clone(), &head, &params, &mut None).is_ok(), outcome, "{name}");
            group.bench_function(*name, |bencher| {
                bencher.iter(|| rule.decide(black_box(&caller).clone(), black_box(&head), &params, &mut None).is_ok());
            });
        }
    }
    group.finish();
}
